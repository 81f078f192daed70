"""``crm db``: upgrade, back up and restore the database."""

from __future__ import annotations

from pathlib import Path

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.errors import ConfigurationError
from crm_core.messages import t

MANAGE = "core.database.manage"


@click.group(cls=CrmGroup)
def db() -> None:
    """Upgrade, back up and restore the database."""


@db.command()
@pass_context
def upgrade(context: Context) -> None:
    """Bring the tables up to date; make a backup first.

    Whoever may write the database's file, or knows its password, may do this: nobody can sign in
    to tables of another version.
    """
    from crm_core.persistence.migrate import check_current, status
    from crm_core.persistence.migrate import upgrade as run_pending

    database = context.application.unchecked_database
    try:
        check_current(database)
        pending: tuple[str, ...] = ()
    except ConfigurationError as error:
        if error.code != "core.database.outdated":
            raise
        pending = status(database).pending
        run_pending(database)
    out = context.output
    plugins = context.application.upgrade_plugins()
    data = {"revision": status(database).current, "ran": list(pending), "plugins": plugins}

    def draw() -> None:
        out.line(
            t("Upgraded to {revision}.", revision=data["revision"])
            if pending
            else t("Nothing of the core is pending.")
        )
        for item in plugins:
            failed = t("failed and stays out of use: {error}", error=item["error"])
            why = failed if item["error"] else t("upgraded")
            out.line(t("Plugin {name}: {why}", name=item["id"], why=why))

    out.data("db.upgrade/1", data, draw)
    if any(item["error"] for item in plugins):
        context.exit(1)


@db.command()
@pass_context
def status(context: Context) -> None:
    """Show which version of the tables the database has and which this program needs."""
    from crm_core.persistence.migrate import check_current
    from crm_core.persistence.migrate import status as status_of

    database = context.application.unchecked_database
    if database.path is not None and not database.path.exists():
        check_current(database)
    found = status_of(database)
    out = context.output
    behind = context.application.outdated_plugins() if found.is_current else []
    data = {
        "database_url": database.shown_url,
        "outdated_plugins": behind,
        "current": found.current,
        "head": found.head,
        "pending": list(found.pending),
        "is_newer": found.newer,
    }
    if found.is_current:
        state = t("plugins to be upgraded: crm db upgrade") if behind else t("up to date")
    elif found.newer:
        state = t("newer than this program")
    else:
        todo = t("not set up: crm init"), t("to be upgraded: crm db upgrade")
        state = todo[found.current is not None]

    def draw() -> None:
        out.fields(
            [
                (t("Database"), database.shown_url),
                (t("State"), state),
                (t("Revision"), found.current),
                (t("This program's"), found.head),
                (t("Pending"), ", ".join([*found.pending, *behind])),
            ]
        )

    out.data("db.status/1", data, draw)


@db.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@pass_context
def backup(context: Context, file: Path) -> None:
    """Write database and attached files to one new FILE; others may go on working."""
    from crm_core.services.backup import backup as write_backup

    _require_right(context)
    config, out = context.config, context.output
    report = write_backup(context.application.unchecked_database, config.files_folder, file)
    data = {
        "file": str(report.file.absolute()),
        "size_bytes": report.size_bytes,
        "attachments": report.attachments,
    }
    text = t(
        "Wrote {file}: {size_bytes} KiB, {attachments} attached files.",
        file=file,
        size_bytes=report.size_bytes // 1024,
        attachments=report.attachments,
    )
    out.data("db.backup/1", data, lambda: out.line(text))


@db.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace a database that holds something.")
@pass_context
def restore(context: Context, file: Path, *, force: bool) -> None:
    """Put what crm db backup wrote to FILE in the place of the database."""
    from crm_core.services.backup import restore as read_backup

    _require_right(context, any_state=True)
    database, out = context.application.unchecked_database, context.output
    database.dispose()  # signing in has opened it, and nobody may hold it now
    report = read_backup(file, database, context.config.files_folder, force=force)
    data = {
        "created_at": report.created_at,
        "attachments": report.attachments,
        "needs_upgrade": report.needs_upgrade,
        "previous": str(report.previous) if report.previous else None,
    }

    def draw() -> None:
        out.line(
            t(
                "Restored what was backed up at {created_at:%Y-%m-%d %H:%M} UTC.",
                created_at=report.created_at,
            )
        )
        out.fields([(t("The database before"), report.previous)], indent=2)

    out.data("db.restore/1", data, draw)
    if report.needs_upgrade:
        out.note(t("It is from an older version. Next: crm db upgrade."))


def _require_right(context: Context, *, any_state: bool = False) -> None:
    """Require the right of whoever acts, where the database can tell who that is.

    Nobody can sign in to tables of another version, nor (``any_state``) to a missing or damaged
    database; who may do it then is up to the rights on the file or the server.
    """
    try:
        known = context.application.database is not None
    except ConfigurationError as error:
        known = False
        if not any_state and error.code not in ("core.database.outdated", "core.database.newer"):
            raise
    if known:
        context.actor.require(MANAGE)
