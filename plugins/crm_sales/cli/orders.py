"""``crm sales quote order`` and its neighbours: what becomes of an accepted offer."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand
from crm_core.errors import NotFoundError
from crm_core.messages import t

if TYPE_CHECKING:
    from crm_core.persistence.unit_of_work import UnitOfWork

RUN = "core.sync.run"


@click.command(cls=CrmCommand)
@click.argument("quote")
@pass_context
def order(context: Context, /, *, quote: str) -> None:
    """Show what became of an accepted QUOTE: order, delivery, invoices, payment."""
    from crm_sales.services.order_stories import order_story
    from crm_sales.services.quotes.reading import resolve_quote_id

    with context.unit_of_work() as uow:
        story = order_story(uow, resolve_quote_id(uow, quote))
    if story is None:
        raise NotFoundError(
            t("Nothing was ordered of the offer {quote}.", quote=quote),
            code="sales.order.not_found",
        )
    context.output.data("sales.quote.order/1", story, lambda: _draw(context, story))


def _draw(context: Context, story: dict[str, Any]) -> None:
    from crm_sales.services.order_words import DELIVERIES, PAYMENTS, STATES, SUMS

    out, told = context.output, story["order"]
    document = story["document"] or {}
    delivery = str(document.get("delivery_state"))
    out.fields(
        [
            (t("Offer"), story["quote_number"]),
            (t("Order"), told["number"] or "–"),
            (t("State"), STATES[told["state"]][0]),
            (t("Delivery"), DELIVERIES.get(delivery, "–")),
            (t("Problem"), told["problem"] or "–"),
        ]
    )
    if told["differences"]:
        rows = [(SUMS[each["field"]], each["ours"], each["theirs"]) for each in told["differences"]]
        out.table([t("Sum"), t("Offer"), t("Back office")], rows)
    if story["invoices"]:
        invoices = [
            (
                each["number"] or "–",
                each["total_amount"],
                each["open_amount"],
                PAYMENTS.get(each["payment_state"], "–"),
            )
            for each in story["invoices"]
        ]
        out.table([t("Invoice"), t("Total"), t("Open"), t("State")], invoices)


@click.command(cls=CrmCommand)
@click.argument("quote")
@click.option(
    "--beside", metavar="REASON", help="Why it is ordered though another offer of the deal was."
)
@pass_context
def reorder(context: Context, /, *, quote: str, beside: str | None) -> None:
    """Send the order of a QUOTE once more, after what it was refused for is mended."""
    from crm_sales.services.quote_orders import retry_order

    def act(uow: UnitOfWork, quote_id: UUID) -> Any:
        return retry_order(uow, quote_id, beside=beside)

    _done(context, "reorder", quote, act)


@click.command(cls=CrmCommand)
@click.argument("quote")
@click.option("--accept-total", metavar="AMOUNT", help="What it comes to there, where it differs.")
@pass_context
def confirm(context: Context, /, *, quote: str, accept_total: str | None) -> None:
    """Have the back office confirm the order of a QUOTE."""
    from crm_sales.services.quote_orders import confirm_order
    from crm_sales.services.quotes.checks import number_from

    total: Decimal | None = None
    if accept_total is not None:
        total = number_from(accept_total, "sales.order.total")

    def act(uow: UnitOfWork, quote_id: UUID) -> Any:
        return confirm_order(uow, quote_id, accept_total=total)

    _done(context, "confirm", quote, act)


def _done(context: Context, verb: str, quote: str, act: Any) -> None:
    from crm_sales.services.order_words import STATES
    from crm_sales.services.quotes.reading import resolve_quote_id

    with context.unit_of_work(write=True) as uow:
        made = act(uow, resolve_quote_id(uow, quote))
        uow.commit()
    out = context.output
    data = {"id": made.quote_id, "state": made.state, "number": made.number}
    out.data(f"sales.quote.{verb}/1", data, lambda: out.line(STATES[made.state][0]))


@click.command(cls=CrmCommand)
@click.argument("quote")
@pass_context
def tax(context: Context, /, *, quote: str) -> None:
    """Ask the back office what tax a QUOTE bears, before it is sent."""
    from crm_sales.services.quote_tax import ask_tax, tax_standing
    from crm_sales.services.quotes.reading import resolve_quote_id

    with context.unit_of_work(write=True) as uow:
        quote_id = resolve_quote_id(uow, quote)
        ask_tax(uow, quote_id)
        uow.commit()
    if context.actor.may(RUN):
        _exchange(context)
    with context.unit_of_work() as uow:
        told = tax_standing(uow, quote_id)
    out = context.output

    def draw() -> None:
        if told["is_open"]:
            out.line(t("Asked: the answer comes with the next exchange."))
        elif told["by_erp"]:
            out.line(t("The tax is what the back office worked out."))
        else:
            out.line(told["problem"] or t("The tax is an estimate."))

    out.data("sales.quote.tax/1", {"id": quote_id, **told}, draw)


def _exchange(context: Context) -> None:
    """Let each back office that is written to answer now."""
    from crm_core.services.backends import enabled_backends

    with context.unit_of_work() as uow:
        backends = [each for each in enabled_backends(uow) if each.plan_accepted_at is not None]
    for backend in backends:
        context.application.run_sync(backend, entities=["customer", "sales_order"], sweep=False)


PARTS = (order, reorder, confirm, tax)
