"""``crm sync status|history|show``: how back offices stand and how runs went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand
from crm_core.cli.pace import left
from crm_core.cli.sync_run import draw_counts, draw_pushed
from crm_core.messages import t

SHOWN_SET_ASIDE = 20
STATES = ("running", "done", "partly", "stopped", "failed")


@click.command(cls=CrmCommand)
@click.argument("name", required=False)
@pass_context
def status(context: Context, name: str | None) -> None:
    """Show how each back office stands; with NAME also its entities and what is set aside."""
    if name is not None:
        _status_of(context, name)
        return
    from crm_core.services.sync_status import list_standing

    with context.unit_of_work() as uow:
        items = list_standing(uow)
    context.output.page("sync.status/1", items, None, _COLUMNS)


def _status_of(context: Context, name: str) -> None:
    from crm_core.services.backends import (
        backend_named,
        list_set_aside,
        list_unwritten,
    )
    from crm_core.services.sync_status import list_entities, list_standing
    from crm_core.sync.permit import permit_of

    with context.unit_of_work() as uow:
        backend = backend_named(uow, name)
        (item,) = (each for each in list_standing(uow) if each["id"] == backend.id)
        entities = list_entities(uow, backend.id)
        set_aside = list_set_aside(uow, backend.id, limit=SHOWN_SET_ASIDE)
        unwritten = list_unwritten(uow, backend.id, limit=SHOWN_SET_ASIDE)
        refusal = permit_of(uow, backend).refusal
    out = context.output
    data = {
        **item,
        "entities": entities,
        "set_aside_records": set_aside.items,
        "unwritten_records": unwritten.items,
        "push_refusal": refusal,
    }

    def draw() -> None:
        out.fields([(title, item[key]) for key, title in _COLUMNS.items()])
        ways = {
            t("Switched off"): (not item["is_enabled"], f"crm backend enable {name}"),
            t("Paused"): (item["is_paused"], f"crm sync schedule {name} --resume"),
            t("Login refused"): (
                item["login_refused_at"],
                t("mend the password, then, if it is the same one: crm sync run {name}", name=name),
            ),
        }
        out.fields([(title, way) for title, (is_so, way) in ways.items() if is_so])
        out.fields([(t("Message"), item["message"]), (t("Writes"), refusal or item["writes"])])
        out.fields([(t("Not in step since it was confirmed"), item["hindrances"])])
        _draw_table(context, t("Entities"), [_shown(each) for each in entities], _ENTITY_COLUMNS)
        _draw_table(context, t("Set aside"), set_aside.items, _SET_ASIDE_COLUMNS)
        _draw_table(context, t("Could not be written there"), unwritten.items, _UNWRITTEN_COLUMNS)

    out.data("sync.status.backend/1", data, draw)


def _shown(entity: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entity as a line of the table."""
    bound, run = entity["bound"], entity["last_run"] or {}
    age = entity["age_seconds"]
    return {
        **entity,
        "age": None if age is None else left(age),
        "bound": bound.get("active", 0) + bound.get("archived", 0),
        "gone": sum(bound.get(state, 0) for state in ("deleted", "unreadable", "outside")),
        "rate": f"{run['rate']}/s" if run.get("rate") else None,
        "aside": entity["set_aside"] + entity["unwritten"],
    }


_COLUMNS = {
    "name": t("Name"),
    "run_state": t("Last run"),
    "finished_at": t("Ended"),
    "succeeded_at": t("Last success"),
    "set_aside": t("Set aside"),
    "running_by": t("Running"),
    "standstill": t("Stands still"),
}
_ENTITY_COLUMNS = {
    "entity": t("Entity"),
    "refreshed_at": t("Read at"),
    "age": t("Ago"),
    "bound": t("Tied"),
    "gone": t("Gone"),
    "rate": t("Rate"),
    "waiting": t("Waiting"),
    "conflicts": t("Conflicts"),
    "aside": t("Set aside"),
    "held": t("Held"),
}
_SET_ASIDE_COLUMNS = {
    "entity": t("Entity"),
    "remote_id": t("Id there"),
    "label": t("Record"),
    "reason": t("Why"),
    "attempts": t("Tries"),
}
_UNWRITTEN_COLUMNS = {
    "entity": t("Entity"),
    "local_id": t("Id here"),
    "label": t("Record"),
    "reason": t("Why"),
    "attempts": t("Tries"),
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
@click.option("--state", type=click.Choice(STATES), help="Only runs that ended so.")
@click.option("--limit", default=20, show_default=True, help="Runs a page.")
@click.option("--cursor", help="Where the page before ended.")
@pass_context
def history(
    context: Context, name: str | None, state: str | None, limit: int, cursor: str | None
) -> None:
    """List the runs of one back office, or of all, the latest first."""
    from crm_core.services.backends import backend_named, list_runs
    from crm_core.services.sync_status import told_run

    with context.unit_of_work() as uow:
        backend_id = backend_named(uow, name).id if name else None
        page = list_runs(uow, backend_id, state=state, limit=limit, cursor=cursor)
    columns = {
        "id": t("Run"),
        "backend": t("Back office"),
        "state": t("State"),
        "started_at": t("Began"),
        "seconds": t("Seconds"),
        "records": t("Records"),
        "rate": t("A second"),
        "remote_calls": t("Calls"),
        "message": t("Message"),
    }
    items = [told_run(run) for run in page.items]
    context.output.page("sync.history/1", items, page.next_cursor, columns)


@click.command(cls=CrmCommand)
@click.argument("run_id", metavar="RUN")
@pass_context
def show(context: Context, run_id: str) -> None:
    """Show one run: its counts and warnings. RUN is its id or the first eight digits of it."""
    from crm_core.services.backends import run_named
    from crm_core.services.sync_status import conflicts_of_run, entities_of_run, told_run

    with context.unit_of_work() as uow:
        run = run_named(uow, run_id)
        found = {**told_run(run), "conflicts": conflicts_of_run(uow, run)}
    found["entities"] = entities_of_run(run["counts"])
    out = context.output
    labels = ("id", "backend", "state", "started_at", "finished_at", "seconds", "records", "rate")

    def draw() -> None:
        shown = (*labels, "remote_calls", "conflicts", "message")
        out.fields([(label.replace("_", " ").capitalize(), found[label]) for label in shown])
        draw_counts(context, run["counts"].get("entities", {}))
        columns = {
            "entity": t("Entity"),
            "records": t("Read"),
            "seconds": t("Seconds"),
            "rate": t("A second"),
        }
        _draw_table(context, t("Reading"), found["entities"], columns)
        draw_pushed(context, run["counts"].get("pushed", {}))
        for warning in run["counts"].get("warnings", ()):
            out.line(t("Warning: {warning}", warning=warning))

    out.data("sync.show/1", found, draw)
