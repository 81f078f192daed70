"""``crm delivery``: events on their way to plugins."""

from __future__ import annotations

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.errors import InputError
from crm_core.messages import n, t

STATES = ("pending", "done", "dead", "dropped")


@click.group(cls=CrmGroup)
def delivery() -> None:
    """See what plugins were told of, and try again what failed."""


@delivery.command(name="list")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--handler", metavar="NAME", help="Only those for this handler.")
@click.option("--limit", default=50, show_default=True, help="Items a page, up to 1000.")
@click.option("--cursor", help="Continue a list: what the page before told.")
@pass_context
def list_(
    context: Context, state: str | None, handler: str | None, limit: int, cursor: str | None
) -> None:
    """List deliveries of events to their handlers, newest first."""
    from crm_core.services.deliveries import list_deliveries
    from crm_core.services.places import place_of
    from crm_core.services.settings import load_settings

    with context.unit_of_work() as uow:
        page = list_deliveries(uow, state=state, handler=handler, limit=limit, cursor=cursor)
        place = place_of(uow, load_settings(uow))
    items = [dict(item) for item in page.items]
    if not context.output.as_json:
        for item in items:
            item.update({name: place.moment(item[name]) for name in ("at", "next_at")})
    columns = {
        "id": "ID",
        "at": t("When"),
        "event": t("Event"),
        "entity_id": t("Record"),
        "handler": t("Handler"),
        "state": t("State"),
        "attempts": t("Attempts"),
        "next_at": t("Next"),
        "error": t("Reason"),
    }
    context.output.page("delivery.list/1", items, page.next_cursor, columns)


@delivery.command()
@click.argument("ids", metavar="[ID]...", nargs=-1, type=int)
@click.option("--dead", is_flag=True, help="All that were given up.")
@click.option("--handler", metavar="NAME", help="With --dead: only those for this handler.")
@pass_context
def retry(context: Context, ids: tuple[int, ...], dead: bool, handler: str | None) -> None:
    """Try again what was given up, dropped, or waits for its next turn."""
    from crm_core.services.deliveries import retry_dead, retry_delivery

    if bool(ids) == dead or (handler and not dead):
        raise InputError(t("Name deliveries by ID, or give --dead."), code="core.cli.one_of")
    with context.unit_of_work(write=True) as uow:
        for id_ in ids:
            retry_delivery(uow, id_)
        count = retry_dead(uow, handler=handler) if dead else len(ids)
        uow.commit()
    context.application.database.has_recorded = True  # so that they have their turn at once
    text = n("{count} delivery is tried again.", "{count} deliveries are tried again.", count)
    context.output.data("delivery.retry/1", {"retried": count}, lambda: context.output.line(text))


@delivery.command()
@click.argument("ids", metavar="[ID]...", nargs=-1, type=int)
@click.option("--handler", metavar="NAME", help="All that waits for this handler or was given up.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_context
def drop(context: Context, ids: tuple[int, ...], handler: str | None, yes: bool) -> None:
    """Leave out deliveries for good: their handler never hears of those events."""
    from crm_core.services.deliveries import drop_delivery, drop_handler

    if bool(ids) == bool(handler):
        raise InputError(t("Name deliveries by ID, or a handler."), code="core.cli.one_of")
    context.confirm(t("The handler will never hear of these events. Go on?"), yes=yes)
    with context.unit_of_work(write=True) as uow:
        for id_ in ids:
            drop_delivery(uow, id_)
        count = drop_handler(uow, handler) if handler else len(ids)
        uow.commit()
    text = n("{count} delivery is dropped.", "{count} deliveries are dropped.", count)
    context.output.data("delivery.drop/1", {"dropped": count}, lambda: context.output.line(text))
