"""``crm activity``: things to do."""

from __future__ import annotations

from typing import Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.messages import t


@click.group(cls=CrmGroup)
def activity() -> None:
    """Plan, finish and list things to do."""


@activity.command()
@click.argument("customer")
@click.argument("type_", metavar="TYPE")
@click.option(
    "--due", metavar="T", required=True, help="When: 2026-03-31 14:30, tomorrow, +2d; in your zone."
)
@click.option("--summary", help="One line; TYPE by default.")
@click.option("--note", help="The rest.")
@click.option("--owner", metavar="USER", help="Who does it; you by default.")
@pass_context
def add(
    context: Context, /, customer: str, type_: str, due: str, owner: str | None, **given: Any
) -> None:
    """Plan something to do for a CUSTOMER; TYPE is call, email, visit, task and so on."""
    from crm_core.services.activities import add_activity
    from crm_core.services.lookup import resolve_unmerged_id
    from crm_core.services.places import place_of
    from crm_core.services.settings import load_settings
    from crm_core.services.users import user_named

    with context.unit_of_work(write=True) as uow:
        place = place_of(uow, load_settings(uow))
        added = add_activity(
            uow,
            resolve_unmerged_id(uow, customer),
            type=type_,
            due_at=place.typed_moment(due, uow.now),
            owner_id=user_named(uow, owner).id if owner else None,
            **given,
        )
        uow.commit()
    out = context.output
    data = {"id": added.id, "customer_id": added.customer_id, "due_at": added.due_at}
    text = t(
        "To do by {due_at}: {added} ({added_id})",
        due_at=place.moment(added.due_at),
        added=added.summary,
        added_id=added.id,
    )
    out.data("activity.add/1", data, lambda: out.line(text))


@activity.command()
@click.argument("id_", metavar="ID")
@pass_context
def done(context: Context, id_: str) -> None:
    """Say that something is done."""
    from crm_core.services.activities import complete_activity, resolve_activity_id

    with context.unit_of_work(write=True) as uow:
        finished = complete_activity(uow, resolve_activity_id(uow, id_))
        uow.commit()
    out = context.output
    data = {"id": finished.id, "done_at": finished.done_at, "version": finished.version}
    out.data(
        "activity.done/1", data, lambda: out.line(t("Done: {finished}", finished=finished.summary))
    )


@activity.command(name="list")
@click.option("--mine", is_flag=True, help="Only what you have to do.")
@click.option("--overdue", is_flag=True, help="Only what should have been done by now.")
@click.option("--done", "is_done", is_flag=True, help="What is done instead of what is open.")
@click.option("--customer", metavar="ID", help="Only for this customer.")
@click.option("--owner", metavar="USER", help="Only what this user has to do.")
@click.option("--limit", default=50, show_default=True, help="Items a page, up to 1000.")
@click.option("--cursor", help="Continue a list: what the page before told.")
@pass_context
def list_(
    context: Context,
    /,
    *,
    mine: bool,
    overdue: bool,
    is_done: bool,
    customer: str | None,
    owner: str | None,
    limit: int,
    cursor: str | None,
) -> None:
    """List what is to do, soonest due first."""
    from crm_core.services.activities import list_activities
    from crm_core.services.lookup import resolve_customer_id
    from crm_core.services.places import place_of
    from crm_core.services.settings import load_settings
    from crm_core.services.users import user_named

    with context.unit_of_work() as uow:
        owner_id = uow.actor.user_id if mine else user_named(uow, owner).id if owner else None
        page = list_activities(
            uow,
            customer_id=resolve_customer_id(uow, customer) if customer else None,
            owner_id=owner_id,
            is_open=not is_done,
            due_before=uow.now if overdue else None,
            limit=limit,
            cursor=cursor,
        )
        place, now = place_of(uow, load_settings(uow)), uow.now
    items = [
        {
            **item,
            "is_overdue": item["is_open"] and item["due_at"] < now,
            "due_at": item["due_at"] if context.output.as_json else place.moment(item["due_at"]),
        }
        for item in page.items
    ]
    columns = {
        "due_at": t("Due"),
        "is_overdue": t("Overdue"),
        "type": t("Type"),
        "summary": t("Summary"),
        "customer_name": t("Customer"),
        "owner_name": t("Who"),
        "id": "ID",
    }
    context.output.page("activity.list/1", items, page.next_cursor, columns)
