"""Running a sync from a command, and telling what it did."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from crm_core.cli.context import Context
from crm_core.cli.failures import EXIT_INTERRUPTED
from crm_core.cli.stopping import stop_on_signals
from crm_core.errors import RetryableSyncError, RuleViolationError
from crm_core.messages import t

if TYPE_CHECKING:
    from crm_core.cli.output import Output
    from crm_core.entities.sync import Backend
    from crm_core.sync.run_record import RunReport

EXIT_PARTLY = 3
RUN_RIGHT = "core.sync.run"
PUSHED = ("created", "updated", "linked", "set_aside", "gone")
COUNTED = ("created", "updated", "unchanged", "set_aside")


def permitted(context: Context, name: str) -> Backend:
    """Return a backend by name, for somebody who may run it."""
    from crm_core.services.backends import backend_named

    context.actor.require(RUN_RIGHT)
    with context.unit_of_work() as uow:
        found = backend_named(uow, name)
    if not found.is_enabled:
        raise RuleViolationError(
            t(
                "{name} is switched off, so nothing is read there or written: crm backend enable "
                "{name}",
                name=name,
            ),
            code="core.backend.disabled",
        )
    return found


def run_sync(context: Context, backend: Backend, **options: Any) -> RunReport:
    """Run a sync and show how far it is.

    SIGTERM, SIGINT or somebody elsewhere (``crm_core.sync.stopping``) end it after the page under
    way, and the command with it: with 0 but for SIGINT.
    """
    from crm_core.sync.context import STOPPED

    options["entities"] = list(options["entities"]) or None
    with (
        stop_on_signals() as stop,
        context.output.progress(t("Syncing {backend}", backend=backend.name)) as advance,
    ):
        try:
            return context.application.run_sync(
                backend,
                on_progress=lambda entity, done, total: advance(done, total, entity),
                is_stopped=stop.is_set,
                **options,
            )
        except RetryableSyncError as error:
            if error.code != STOPPED:
                raise
            reason = error.message
    _tell_stopped(context, backend, reason)
    raise click.exceptions.Exit(EXIT_INTERRUPTED if stop.number == signal.SIGINT else 0)


def _tell_stopped(context: Context, backend: Backend, reason: str) -> None:
    from crm_core.services.sync_status import left_by_stop

    with context.unit_of_work() as uow:
        left = left_by_stop(uow, backend.id)
    out = context.output

    def draw() -> None:
        out.line(t("{backend}: stopped", backend=backend.name))
        half = ", ".join(left["entities"]) or t("none")
        out.fields([(t("Read half-way"), half), (t("Waits to be written there"), left["waiting"])])

    out.data("sync.run/1", {"backend": backend.name, "state": "stopped", "left": left}, draw)
    out.note(reason)


def tell_run(
    context: Context,
    schema: str,
    name: str,
    report: RunReport,
    *,
    plan: Mapping[str, Any] | None = None,
    draw_plan: Callable[[Output, str, Mapping[str, Any]], None] | None = None,
) -> None:
    """Tell what a run did, and end with 3 where records were set aside.

    Args:
        context: The command's.
        schema: Name of the JSON form.
        name: The backend.
        report: What was done, or would be.
        plan: Of a first sync, what its plan comes to.
        draw_plan: Draws that for people.
    """
    out = context.output

    def draw() -> None:
        what = t("would change") if report.run_id is None else report.state
        out.line(
            t(
                "{name}: {what}, {calls} calls, {seconds:.1f} s",
                name=name,
                what=what,
                calls=report.calls,
                seconds=report.seconds,
            )
        )
        draw_counts(context, report.counts)
        draw_pushed(context, report.pushed, report.run_id is None)
        if plan is not None and draw_plan is not None:
            draw_plan(out, name, plan)

    told = {"backend": name, **report.told()}
    out.data(schema, {**told, "plan": plan} if draw_plan else told, draw)
    for warning in report.warnings:
        out.warn(warning)
    if report.push_refusal:
        out.note(report.push_refusal)
    if report.state == "partly":
        out.note(
            t("Some records were set aside; see the reasons: crm sync status {name}", name=name)
        )
        context.exit(EXIT_PARTLY)


def draw_counts(context: Context, counts: Mapping[str, Mapping[str, int]]) -> None:
    """Draw what was read, by entity."""
    columns = list(dict.fromkeys([*COUNTED, *(name for n in counts.values() for name in n)]))
    if counts:
        headings = ["", *(name.replace("_", " ") for name in columns)]
        rows = [[entity, *(n.get(c, 0) for c in columns)] for entity, n in counts.items()]
        context.output.table(headings, rows)


def draw_pushed(
    context: Context, pushed: Mapping[str, Mapping[str, Any]], is_plan: bool = False
) -> None:
    """Draw what was written, or would be, by entity with a few names."""
    out = context.output
    if not pushed:
        return
    out.heading(t("Would be written there") if is_plan else t("Written there"))
    columns = [name for name in PUSHED if any(counts.get(name) for counts in pushed.values())]
    headings = ["", *(name.replace("_", " ") for name in columns)]
    rows = [[entity, *(counts.get(c, 0) for c in columns)] for entity, counts in pushed.items()]
    out.table(headings, rows)
    for entity, counts in pushed.items():
        for name, labels in counts["examples"].items():
            out.line(
                t(
                    "  {entity}, {name}: {labels}",
                    entity=entity,
                    name=name.replace("_", " "),
                    labels=", ".join(labels),
                )
            )
