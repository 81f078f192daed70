"""``crm sync plan``: what a run would do."""

from __future__ import annotations

from typing import Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand
from crm_core.cli.sync_run import permitted, run_sync, tell_run


@click.command(cls=CrmCommand)
@click.argument("name")
@click.option("--entity", "entities", multiple=True, help="Only this entity; may be repeated.")
@click.option("--full", is_flag=True, help="Read every record, not only what changed.")
@pass_context
def plan(context: Context, /, name: str, **options: Any) -> None:
    """Count what a run would change on both sides, with examples; write nothing."""
    from crm_core.sync.permit import plan_was_shown

    backend = permitted(context, name)
    report = run_sync(context, backend, dry_run=True, **options)
    with context.unit_of_work(write=True) as uow:
        plan_was_shown(uow, name)
        uow.commit()
    tell_run(context, "sync.plan/1", name, report)
