"""``crm sync``: bring over what changed, and see how it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup

if TYPE_CHECKING:
    from crm_core.entities.sync import Backend
    from crm_core.sync.engine import RunReport

EXIT_PARTLY = 3
RUN_RIGHT = "core.sync.run"
SHOWN_SET_ASIDE = 20
PUSHED = ("created", "updated", "linked", "set_aside", "gone")
COUNTED = ("created", "updated", "unchanged", "set_aside")


@click.group(cls=CrmGroup)
def sync() -> None:
    """Bring over what changed in a back office, and see how it went."""


@sync.command()
@click.argument("name")
@click.option("--entity", "entities", multiple=True, help="Only this entity; may be repeated.")
@click.option("--full", is_flag=True, help="Read every record, not only what changed.")
@click.option("--accept-vanished", is_flag=True, help="Go on although very many records are gone.")
@click.option("--dry-run", is_flag=True, help="Only count what would change; write nothing.")
@click.option("--accept-plan", is_flag=True, help="Write to it from now on, as its plan showed.")
@pass_context
def run(context: Context, /, name: str, *, accept_plan: bool, **options: Any) -> None:
    """Bring over what changed on both sides since the last run; safe to stop and run again.

    Nothing is written to a back office before its plan was shown (crm sync plan) and accepted with
    --accept-plan.

    Exit 3 when records were set aside, 4 when the back office is not reachable or refused us, 5
    when another run of it is under way.
    """
    backend = _permitted(context, name)
    if accept_plan:
        from crm_core.sync.permit import accept_plan as accept

        with context.unit_of_work(write=True) as uow:
            accept(uow, name)
            uow.commit()
    report = _run(context, backend, **options)
    _tell(context, "sync.run/1", name, report)


@sync.command()
@click.argument("name")
@click.option("--entity", "entities", multiple=True, help="Only this entity; may be repeated.")
@click.option("--full", is_flag=True, help="Read every record, not only what changed.")
@pass_context
def plan(context: Context, /, name: str, **options: Any) -> None:
    """Count what a run would change on both sides, with examples; write nothing."""
    from crm_core.sync.permit import plan_was_shown

    backend = _permitted(context, name)
    report = _run(context, backend, dry_run=True, **options)
    with context.unit_of_work(write=True) as uow:
        plan_was_shown(uow, name)
        uow.commit()
    _tell(context, "sync.plan/1", name, report)


@sync.command()
@click.argument("name")
@pass_context
def retry(context: Context, name: str) -> None:
    """Try the records again that were set aside."""
    from crm_core.services.backends import set_aside_entities

    backend = _permitted(context, name)
    with context.unit_of_work() as uow:
        entities = set_aside_entities(uow, backend.id)
    if entities:
        report = _run(context, backend, entities=entities, retry=True)
        _tell(context, "sync.run/1", name, report)
        return
    out = context.output
    data: dict[str, Any] = {
        "backend": name,
        "id": None,
        "state": "done",
        "counts": {},
        "pushed": {},
        "warnings": [],
    }
    out.data("sync.run/1", data, lambda: out.line(f"Nothing of {name} is set aside."))


def _permitted(context: Context, name: str) -> Backend:
    from crm_core.services.backends import backend_named

    context.actor.require(RUN_RIGHT)
    with context.unit_of_work() as uow:
        return backend_named(uow, name)


def _run(context: Context, backend: Backend, **options: Any) -> RunReport:
    options["entities"] = list(options["entities"]) or None
    with context.output.progress(f"Syncing {backend.name}") as advance:
        return context.application.run_sync(
            backend,
            on_progress=lambda entity, done, total: advance(done, total, entity),
            **options,
        )


def _tell(context: Context, schema: str, name: str, report: RunReport) -> None:
    out = context.output

    def draw() -> None:
        what = "would change" if report.run_id is None else report.state
        out.line(f"{name}: {what}, {report.calls} calls, {report.seconds:.1f} s")
        _draw_counts(context, report.counts)
        _draw_pushed(context, report.pushed, report.run_id is None)

    out.data(schema, {"backend": name, **_plain(report)}, draw)
    for warning in report.warnings:
        out.warn(warning)
    if report.push_refusal:
        out.note(report.push_refusal)
    if report.state == "partly":
        out.note(f"Some records were set aside; see the reasons: crm sync status {name}")
        context.exit(EXIT_PARTLY)


def _plain(report: RunReport) -> dict[str, Any]:
    return {
        "id": report.run_id,
        "state": report.state,
        "counts": report.counts,
        "warnings": report.warnings,
        "pushed": report.pushed,
        "push_refusal": report.push_refusal,
        "calls": report.calls,
        "seconds": round(report.seconds, 3),
        "stages": {name: round(seconds, 3) for name, seconds in report.stages.items()},
    }


def _draw_counts(context: Context, counts: Mapping[str, Mapping[str, int]]) -> None:
    columns = list(dict.fromkeys([*COUNTED, *(name for n in counts.values() for name in n)]))
    if counts:
        headings = ["", *(name.replace("_", " ") for name in columns)]
        rows = [[entity, *(n.get(c, 0) for c in columns)] for entity, n in counts.items()]
        context.output.table(headings, rows)


def _draw_pushed(
    context: Context, pushed: Mapping[str, Mapping[str, Any]], is_plan: bool = False
) -> None:
    out = context.output
    if not pushed:
        return
    out.heading("Would be written there" if is_plan else "Written there")
    columns = [name for name in PUSHED if any(counts.get(name) for counts in pushed.values())]
    headings = ["", *(name.replace("_", " ") for name in columns)]
    rows = [[entity, *(counts.get(c, 0) for c in columns)] for entity, counts in pushed.items()]
    out.table(headings, rows)
    for entity, counts in pushed.items():
        for name, labels in counts["examples"].items():
            out.line(f"  {entity}, {name.replace('_', ' ')}: {', '.join(labels)}")


@sync.command()
@click.argument("name")
@click.option("--set", "chosen", multiple=True, metavar="FIELD=MASTER", help="customer.note=erp")
@pass_context
def mapping(context: Context, name: str, chosen: tuple[str, ...]) -> None:
    """Show or set who wins a field that both sides changed: erp or crm."""
    from crm_core.sync.merge import masters_of, set_masters

    with context.unit_of_work(write=bool(chosen)) as uow:
        if chosen:
            set_masters(uow, name, chosen)
            uow.commit()
        items = masters_of(uow, name)
    columns = {"entity": "Entity", "field": "Field", "master": "Master", "is_default": "Default"}
    context.output.page("sync.mapping/1", items, None, columns)


@sync.group(cls=CrmGroup)
def conflicts() -> None:
    """See fields that both sides changed, and who won."""


@conflicts.command(name="list")
@click.argument("name")
@click.option("--limit", default=20, show_default=True, help="Items a page.")
@click.option("--cursor", help="Where the page before ended.")
@pass_context
def list_conflicts(context: Context, name: str, limit: int, cursor: str | None) -> None:
    """List the fields that both sides changed, the latest first, with what each had."""
    from crm_core.services.backends import backend_named, list_conflicts

    with context.unit_of_work() as uow:
        page = list_conflicts(uow, backend_named(uow, name).id, limit=limit, cursor=cursor)
    columns = {
        "decided_at": "When",
        "label": "Record",
        "field": "Field",
        "base": "Before",
        "ours": "Here",
        "theirs": "There",
        "winner": "Won",
    }
    context.output.page("sync.conflicts/1", page.items, page.next_cursor, columns)


@sync.command()
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


@sync.command()
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


@sync.command()
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
        _draw_counts(context, found["counts"].get("entities", {}))
        _draw_pushed(context, found["counts"].get("pushed", {}))
        for warning in found["counts"].get("warnings", ()):
            out.line(f"Warning: {warning}")

    out.data("sync.show/1", found, draw)
