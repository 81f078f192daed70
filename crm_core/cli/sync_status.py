"""``crm sync status|history|show``: how back offices stand and how runs went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand
from crm_core.cli.sync_run import draw_counts, draw_pushed

SHOWN_SET_ASIDE = 20


@click.command(cls=CrmCommand)
@click.argument("name", required=False)
@pass_context
def status(context: Context, name: str | None) -> None:
    """Show how each back office stands; with NAME also what is set aside and why."""
    from crm_core.services.backends import (
        backend_named,
        list_backends,
        list_freshness,
        list_set_aside,
        list_unwritten,
    )
    from crm_core.sync.permit import permit_of

    with context.unit_of_work() as uow:
        if name is None:
            items = list_backends(uow)
        else:
            backend_id = backend_named(uow, name).id
            items = [item for item in list_backends(uow) if item["id"] == backend_id]
            entities = list_freshness(uow, backend_id)
            set_aside = list_set_aside(uow, backend_id, limit=SHOWN_SET_ASIDE)
            unwritten = list_unwritten(uow, backend_id, limit=SHOWN_SET_ASIDE)
            refusal = permit_of(uow, backend_named(uow, name)).refusal
    out = context.output
    columns = {
        "name": "Name",
        "run_state": "Last run",
        "finished_at": "Ended",
        "succeeded_at": "Last success",
        "set_aside": "Set aside",
        "running_by": "Running",
    }
    if name is None:
        out.page("sync.status/1", items, None, columns)
        return
    data = {
        **items[0],
        "entities": entities,
        "set_aside_records": set_aside.items,
        "unwritten_records": unwritten.items,
        "push_refusal": refusal,
    }

    def draw() -> None:
        out.fields([(title, items[0][key]) for key, title in columns.items()])
        out.fields([("Message", items[0]["message"]), ("Writes", refusal or items[0]["writes"])])
        _draw_table(context, "Entities", entities, _ENTITY_COLUMNS)
        _draw_table(context, "Set aside", set_aside.items, _SET_ASIDE_COLUMNS)
        _draw_table(context, "Could not be written there", unwritten.items, _UNWRITTEN_COLUMNS)

    out.data("sync.status.backend/1", data, draw)


_ENTITY_COLUMNS = {"entity": "Entity", "refreshed_at": "Read at"}
_SET_ASIDE_COLUMNS = {
    "entity": "Entity",
    "remote_id": "Id there",
    "label": "Record",
    "reason": "Why",
    "attempts": "Tries",
}
_UNWRITTEN_COLUMNS = {
    "entity": "Entity",
    "local_id": "Id here",
    "label": "Record",
    "reason": "Why",
    "attempts": "Tries",
}


def _draw_table(
    context: Context, title: str, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]
) -> None:
    if rows:
        context.output.heading(title)
        cells = [[row[key] for key in columns] for row in rows]
        context.output.table(list(columns.values()), cells)


@click.command(cls=CrmCommand)
@click.argument("name", required=False)
@click.option("--limit", default=20, show_default=True, help="Runs a page.")
@click.option("--cursor", help="Where the page before ended.")
@pass_context
def history(context: Context, name: str | None, limit: int, cursor: str | None) -> None:
    """List the runs of one back office, or of all, the latest first."""
    from crm_core.services.backends import backend_named, list_runs

    with context.unit_of_work() as uow:
        backend_id = backend_named(uow, name).id if name else None
        page = list_runs(uow, backend_id, limit=limit, cursor=cursor)
    columns = {
        "id": "Run",
        "backend": "Back office",
        "state": "State",
        "started_at": "Began",
        "finished_at": "Ended",
        "remote_calls": "Calls",
        "message": "Message",
    }
    context.output.page("sync.history/1", page.items, page.next_cursor, columns)


@click.command(cls=CrmCommand)
@click.argument("run_id", metavar="RUN")
@pass_context
def show(context: Context, run_id: str) -> None:
    """Show one run: its counts and warnings. RUN is its id or the first eight digits of it."""
    from crm_core.services.backends import run_named

    with context.unit_of_work() as uow:
        found = run_named(uow, run_id)
    out = context.output
    labels = ("id", "backend", "state", "started_at", "finished_at", "remote_calls", "message")

    def draw() -> None:
        out.fields([(label.replace("_", " ").capitalize(), found[label]) for label in labels])
        draw_counts(context, found["counts"].get("entities", {}))
        draw_pushed(context, found["counts"].get("pushed", {}))
        for warning in found["counts"].get("warnings", ()):
            out.line(f"Warning: {warning}")

    out.data("sync.show/1", found, draw)
