"""``crm sync plan`` and ``crm sync apply``: what a first sync would do, and doing just that."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.failures import EXIT_INTERRUPTED
from crm_core.cli.grammar import CrmCommand
from crm_core.cli.stopping import stop_on_signals
from crm_core.cli.sync_run import permitted, run_sync, tell_run
from crm_core.errors import RetryableSyncError
from crm_core.messages import t

if TYPE_CHECKING:
    from crm_core.cli.output import Output
    from crm_core.entities.sync import Backend
    from crm_core.sync.planning.apply import PlanReport
    from crm_core.sync.planning.plan import Plan
    from crm_core.sync.run_record import RunReport

EXIT_PARTLY = 3
CUSTOMER = "customer"
SHOWN = {
    "in_step": t("in step"),
    "linked": t("would be linked"),
    "created_here": t("would be created here"),
    "created_there": t("would be created there"),
    "undecided_here": t("left for a person, here"),
    "undecided_there": t("left for a person, there"),
    "ignored": "ignored",
    "only_here": t("stay here only, since nothing can be written there"),
    "set_aside": t("cannot be read there"),
}


@click.command(cls=CrmCommand)
@click.argument("name")
@click.option("--entity", "entities", multiple=True, help="Only this entity; may be repeated.")
@click.option("--full", is_flag=True, help="Read every record, not only what changed.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write the customers' plan to this .xlsx or .json, for crm sync apply.",
)
@pass_context
def plan(context: Context, /, name: str, *, out: Path | None, **options: Any) -> None:
    """Count what a run would change on both sides, with examples; write nothing.

    Customers of both sides that look the same are matched, with a score and the reasons. Change
    the decisions in the file (link, create, ignore; empty leaves it open), then crm sync apply.
    """
    from crm_core.sync.permit import plan_was_shown

    backend = permitted(context, name)
    report = run_sync(context, backend, dry_run=True, **options)
    entities = options["entities"]
    summary = None
    if out is not None or not entities or CUSTOMER in entities:
        summary = _matched(context, backend, out, report)
    with context.unit_of_work(write=True) as uow:
        plan_was_shown(uow, name)
        uow.commit()
    tell_run(context, "sync.plan/1", name, report, plan=summary, draw_plan=_draw)


def _matched(
    context: Context, backend: Backend, out: Path | None, report: RunReport
) -> dict[str, Any] | None:
    """Match both sides' customers and put what that comes to into the report; None if not asked.

    Where no customer here is without a partner, there is nothing to match.
    """
    from crm_core.access import system_actor
    from crm_core.sync.planning.files import write_plan
    from crm_core.sync.planning.run import has_unbound
    from crm_core.sync.planning.summary import put_into

    with context.application.unit_of_work(system_actor("plan")) as uow:
        if out is None and not has_unbound(uow, backend):
            return None
    with context.output.progress(t("Matching {backend}", backend=backend.name)) as advance:
        found: Plan = context.application.plan_sync(
            backend, on_progress=lambda stage, done, total: advance(done, total, stage)
        )
    if out is not None:
        write_plan(found, out)
    summary = put_into(report, found)
    return {**summary, "file": str(out) if out else None}


def _draw(out: Output, name: str, plan: Mapping[str, Any]) -> None:
    counts = plan["counts"]
    out.heading(t("Customers"))
    pairs = [(title, counts[key]) for key, title in SHOWN.items() if counts[key]]
    out.fields([(title, f"{count:,}") for title, count in pairs])
    if counts["linked"]:
        out.line(
            t(
                "Of the links {sure:,} are sure and {likely:,} likely.",
                sure=counts["sure"],
                likely=counts["likely"],
            )
        )
    for what, rows in plan["examples"].items():
        for row in rows:
            names = " = ".join(filter(None, (row["ours"], row["theirs"])))
            score = f" ({row['score']}, {row['reason']})" if row["score"] else ""
            out.line(
                t("  {what}: {names}{score}", what=what.replace("_", " "), names=names, score=score)
            )
    if plan["left_out_count"]:
        told = "; ".join(plan["left_out"])
        out.line(t("Not compared, since too many share it: {told}", told=told))
    if plan["file"]:
        out.note(
            t("Change the decisions in {file}, then: crm sync apply {file}", file=plan["file"])
        )
    elif counts["linked"] or counts["undecided_here"]:
        out.note(t("To decide on each: crm sync plan {name} --out PLAN.xlsx", name=name))


@click.command(name="apply", cls=CrmCommand)
@click.argument("file", metavar="PLAN", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only compare the plan with both sides.")
@pass_context
def apply_(context: Context, /, file: Path, *, dry_run: bool) -> None:
    """Do exactly what PLAN says: link, create, ignore; then the back office is written to.

    Records that moved on either side since the plan was made are refused one by one and wait for
    a new plan; the exit code is then 3. SIGTERM or SIGINT end it after the batch under way; the
    same command does the rest.
    """
    from crm_core.services.backends import MANAGE
    from crm_core.sync.context import STOPPED
    from crm_core.sync.planning.files import read_plan

    head, *_ = read_plan(file)
    backend = permitted(context, head.backend)
    context.actor.require(MANAGE)
    with (
        stop_on_signals() as stop,
        context.output.progress(t("Applying {file}", file=file.name)) as advance,
    ):
        try:
            report: PlanReport = context.application.apply_plan(
                backend,
                file,
                dry_run=dry_run,
                on_progress=lambda stage, done, total: advance(done, total, stage),
                is_stopped=stop.is_set,
            )
        except RetryableSyncError as error:
            if error.code != STOPPED:
                raise
            context.output.note(error.message)
            context.exit(EXIT_INTERRUPTED if stop.number == signal.SIGINT else 0)
    counts = {name: count for name, count in report.counts.items() if count}
    data = {
        "backend": backend.name,
        "is_dry_run": report.is_dry_run,
        "counts": counts,
        "refused": [{"name": name, "reason": why} for name, why in report.refused],
    }
    out = context.output
    out.data("sync.apply/1", data, lambda: _draw_applied(out, backend.name, report, counts))
    for label, why in report.refused:
        out.warn(t("{label}: {why}", label=label, why=why))
    if report.counts["refused"]:
        out.note(
            t(
                "For what was refused, make a new plan: crm sync plan {backend}",
                backend=backend.name,
            )
        )
    if report.counts["refused"] or report.counts["set_aside"]:
        context.exit(EXIT_PARTLY)


def _draw_applied(out: Output, name: str, report: PlanReport, counts: Mapping[str, int]) -> None:
    is_dry_run = report.is_dry_run
    out.line(t("{name}: would be done", name=name) if is_dry_run else t("{name}: done", name=name))
    out.fields([(what.replace("_", " "), f"{count:,}") for what, count in counts.items()])


def accept(context: Context, backend: Backend) -> None:
    """Accept the plan of a backend; the first time also do what it proposes for customers."""
    from crm_core.access import system_actor
    from crm_core.services.backends import MANAGE
    from crm_core.sync.permit import accept_plan
    from crm_core.sync.planning.run import needs_plan

    context.actor.require(MANAGE)
    with context.application.unit_of_work(system_actor("plan")) as uow:
        is_first = backend.plan_accepted_at is None and needs_plan(uow, backend)
    if is_first and backend.plan_shown_at is not None:
        context.application.apply_plan(backend, None)
        return
    with context.unit_of_work(write=True) as uow:
        accept_plan(uow, backend.name)
        uow.commit()
