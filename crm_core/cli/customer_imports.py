"""``crm customer imports``: those that ran in the background, and undoing one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand, CrmGroup
from crm_core.messages import n, t

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from crm_core.cli.output import Output

EXIT_PARTLY = 3
SHOWN_LEFT = 20


@click.group(cls=CrmGroup)
def imports() -> None:
    """See imports that the worker runs, and undo one."""


@imports.command(name="list", cls=CrmCommand)
@click.option("--limit", default=20, show_default=True, help="How many, at most.")
@click.option("--cursor", help="Where the page before ended.")
@pass_context
def list_(context: Context, limit: int, cursor: str | None) -> None:
    """List imports, the latest first."""
    from crm_core.services.import_jobs import list_imports

    with context.unit_of_work() as uow:
        page = list_imports(uow, limit=limit, cursor=cursor)
    columns = {
        "id": t("Import"),
        "file_name": t("File"),
        "owner": t("By"),
        "state": t("State"),
        "created_at": t("Asked at"),
    }
    context.output.page("customer.imports/1", page.items, page.next_cursor, columns)


@imports.command(cls=CrmCommand)
@click.argument("import_id", metavar="IMPORT")
@pass_context
def show(context: Context, import_id: str) -> None:
    """Show how far an import is, and what came of it."""
    from crm_core.services.import_jobs import resolve_import_id, show_import

    with context.unit_of_work() as uow:
        found = show_import(uow, resolve_import_id(uow, import_id))
    out = context.output
    out.data("customer.imports.show/1", found, lambda: _draw(out, found))


@imports.command(cls=CrmCommand)
@click.argument("import_id", metavar="IMPORT")
@pass_context
def stop(context: Context, import_id: str) -> None:
    """Stop an import at its next batch; what was written until then stays."""
    from crm_core.services.import_jobs import resolve_import_id, stop_import

    with context.unit_of_work(write=True) as uow:
        job = stop_import(uow, resolve_import_id(uow, import_id))
        uow.commit()
    out = context.output
    data = {"id": job.id, "state": job.state}
    out.data(
        "customer.imports.stop/1",
        data,
        lambda: out.line(t("The import of {file} ends.", file=job.file_name)),
    )


@imports.command(cls=CrmCommand)
@click.argument("import_id", metavar="IMPORT")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_context
def undo(context: Context, import_id: str, *, yes: bool) -> None:
    """Remove what an import made and put back what it changed; what was touched since stays."""
    from crm_core.services.import_jobs import resolve_import_id
    from crm_core.services.import_undo import undo_import

    with context.unit_of_work() as uow:
        job_id = resolve_import_id(uow, import_id)
    context.confirm(t("Undo this import?"), yes=yes)
    out = context.output
    with out.progress(t("Undoing")) as advance:
        undone = undo_import(
            context.application.database,
            context.actor,
            job_id,
            on_progress=lambda done: advance(done, None),
        )
    data = {
        "id": job_id,
        "removed": undone.removed,
        "restored": undone.restored,
        "kept": undone.kept,
        "left": undone.left,
    }
    fields = [
        (t("Removed"), undone.removed),
        (t("Put back"), undone.restored),
        (t("Could not be undone"), undone.kept),
    ]
    out.data("customer.imports.undo/1", data, lambda: out.fields(fields))
    for each in undone.left[:SHOWN_LEFT]:
        out.warn(
            t(
                "{name}: {reason} ({what})",
                name=each["name"] or each["id"],
                reason=each["reason"],
                what=", ".join(each["fields"]) or each["entity"],
            )
        )
    if undone.kept:
        context.exit(EXIT_PARTLY)


def ask_import(context: Context, path: Path, columns: Any, **options: Any) -> None:
    """Keep a file and ask the worker to import it."""
    from crm_core.errors import InputError
    from crm_core.services.attachments import keep_bytes
    from crm_core.services.import_jobs import queue_import

    context.actor.require("core.customer.import")
    try:
        with path.open("rb") as stream:
            kept = keep_bytes(context.config.files_folder, stream)
    except OSError as error:
        raise InputError(
            t("{file} cannot be read: {reason}.", file=path, reason=error.strerror),
            code="core.import.unreadable",
        ) from error
    with context.unit_of_work(write=True) as uow:
        job = queue_import(uow, kept, path.name, columns=columns, **options)
        uow.commit()
    out, job_id = context.output, job.id
    data = {"id": job_id, "state": job.state}
    out.data("customer.import.background/1", data, lambda: _told(out, job_id))


def _told(out: Output, job_id: UUID) -> None:
    out.line(
        t("The worker will import it: crm customer imports show {import_id}", import_id=job_id)
    )


def _draw(out: Output, found: dict[str, Any]) -> None:
    result, progress = found["result"] or {}, found["progress"] or {}
    fields: list[tuple[str, Any]] = [
        (t("File"), found["file_name"]),
        (t("By"), found["owner"]),
        (t("State"), found["state"]),
        (t("Began"), found["began_at"]),
        (t("Ended"), found["ended_at"]),
    ]
    if progress and not result:
        fields.append((t("Rows done"), progress["done"]))
    names = {
        "rows": t("Rows"),
        "created": t("Created"),
        "updated": t("Updated"),
        "unchanged": t("Unchanged"),
        "related": t("Tied to companies"),
        "faulty_rows": t("Set aside"),
    }
    fields += [(title, result[name]) for name, title in names.items() if name in result]
    out.fields(fields)
    if found["message"]:
        out.warn(found["message"])
    count = result.get("fault_count", 0)
    if count:
        out.note(n("{count} fault.", "{count} faults.", count))
