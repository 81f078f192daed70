"""``crm sync``: bring over what changed in a back office, and see how it went."""

from __future__ import annotations

from typing import Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.cli.sync_conflicts import conflicts, mapping
from crm_core.cli.sync_plan import accept, apply_, plan
from crm_core.cli.sync_run import permitted, run_sync, tell_run
from crm_core.cli.sync_status import history, show, status
from crm_core.cli.sync_watch import alert, schedule
from crm_core.errors import RuleViolationError
from crm_core.messages import t


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
@click.option("--without-plan", is_flag=True, help="Take customers over unmatched the first time.")
@pass_context
def run(context: Context, /, name: str, *, accept_plan: bool, **options: Any) -> None:
    """Bring over what changed on both sides since the last run; safe to stop and run again.

    Nothing is written to a back office before its plan was shown (crm sync plan) and accepted: by
    crm sync apply PLAN, or with --accept-plan just as it was shown.

    SIGTERM, SIGINT and crm sync stop end it after the page under way, with all that was done kept;
    the next run goes on there.

    Exit 3 when records were set aside, 4 when the back office is not reachable or refused us, 5
    when another run of it is under way.
    """
    backend = permitted(context, name)
    if accept_plan:
        accept(context, backend)
    report = run_sync(context, backend, **options)
    tell_run(context, "sync.run/1", name, report)


@sync.command()
@click.argument("name")
@pass_context
def stop(context: Context, name: str) -> None:
    """End what is under way of a back office, wherever its process runs.

    That is a run, or what the worker was asked for: a dry run, a plan, or applying one.

    It ends after the page or batch under way, with all that was done kept; the next run, by hand or
    at the usual time, goes on there. One whose process is gone is closed at once.
    """
    from crm_core.services.backends import run_named
    from crm_core.sync.requests import show_request
    from crm_core.sync.stopping import ask_stop, ask_stop_request, running_of, stoppable_of

    with context.unit_of_work(write=True) as uow:
        # A run comes first: a request may stand as running whose worker is gone.
        try:
            run_id = running_of(uow, name)
            is_heard = ask_stop(uow, run_id)
            found = run_named(uow, str(run_id))
        except RuleViolationError:
            asked = stoppable_of(uow, name)
            if asked is None:
                raise
            ask_stop_request(uow, asked)
            is_heard, request = True, show_request(uow, asked)
            found = {**request, "started_at": request["began_at"]}
        uow.commit()
    out = context.output
    data = {key: found[key] for key in ("id", "backend", "state", "started_at", "stop_asked_by")}

    def draw() -> None:
        if is_heard:
            out.line(t("The run of {name} ends after the page or batch under way.", name=name))
        else:
            out.line(t("The process of that run was gone; the run is closed."))

    out.data("sync.stop/1", data, draw)


@sync.command()
@click.argument("name")
@pass_context
def retry(context: Context, name: str) -> None:
    """Try the records again that were set aside."""
    from crm_core.services.backends import set_aside_entities

    backend = permitted(context, name)
    with context.unit_of_work() as uow:
        entities = set_aside_entities(uow, backend.id)
    if entities:
        report = run_sync(context, backend, entities=entities, retry=True)
        tell_run(context, "sync.run/1", name, report)
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
    out.data("sync.run/1", data, lambda: out.line(t("Nothing of {name} is set aside.", name=name)))


for _command in (plan, apply_, mapping, conflicts, status, history, show, schedule, alert):
    sync.add_command(_command)
