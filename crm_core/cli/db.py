"""``crm db``: upgrade, back up and restore the database."""

from __future__ import annotations

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup


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
    from crm_core.errors import ConfigurationError
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
    data = {"revision": status(database).current, "ran": list(pending)}
    text = f"Upgraded to {data['revision']}." if pending else "Nothing is pending."
    out.data("db.upgrade/1", data, lambda: out.line(text))


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
    data = {
        "database_url": database.shown_url,
        "current": found.current,
        "head": found.head,
        "pending": list(found.pending),
        "is_newer": found.newer,
    }
    if found.is_current:
        state = "up to date"
    elif found.newer:
        state = "newer than this program"
    else:
        todo = "not set up: crm init", "to be upgraded: crm db upgrade"
        state = todo[found.current is not None]

    def draw() -> None:
        out.fields(
            [
                ("Database", database.shown_url),
                ("State", state),
                ("Revision", found.current),
                ("This program's", found.head),
                ("Pending", ", ".join(found.pending)),
            ]
        )

    out.data("db.status/1", data, draw)
