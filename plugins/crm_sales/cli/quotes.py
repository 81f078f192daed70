"""``crm sales quote``: offers, from draft to approval."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.messages import t

if TYPE_CHECKING:
    from crm_core.locale_format import Place
    from crm_core.persistence.unit_of_work import UnitOfWork
    from crm_sales.models import Quote

F = TypeVar("F", bound=Callable[..., Any])
HEADER = (
    ("--valid-until", "valid_until_on", "DAY", "The last day it can be accepted: 2027-01-31"),
    ("--price-list", "price_list_id", "NAME", "What it is priced by."),
    ("--payment-term", "payment_term_id", "NAME", "When it is to be paid."),
    ("--contact", "contact_id", "CUSTOMER", "The person it goes to."),
    ("--language", "language", "TAG", "Of the document: el, fa, en-GB."),
    ("--terms", "terms", "TEXT", "Terms on the document."),
    ("--note", "note", "TEXT", "For us alone."),
)


def _header(command: F) -> F:
    for flag, name, metavar, text in reversed(HEADER):
        command = click.option(flag, name, metavar=metavar, help=text)(command)
    return command


@click.group(cls=CrmGroup)
def quote() -> None:
    """Make offers, have them approved, send them and write the answer down."""


@quote.command()
@click.argument("deal")
@click.option("--currency", "currency_code", metavar="CODE", help="The deal's by default.")
@_header
@pass_context
def add(context: Context, /, *, deal: str, currency_code: str | None, **given: Any) -> None:
    """Make an offer of a DEAL."""
    from crm_sales.services.opportunity_access import resolve_opportunity_id
    from crm_sales.services.quotes.editing import add_quote

    with context.unit_of_work(write=True) as uow:
        fields = _fields(uow, given)
        made = add_quote(
            uow, resolve_opportunity_id(uow, deal), currency_code=currency_code, **fields
        )
        uow.commit()
    tell(context, "add", made, t("The offer {number} ({id}).", number=made.number, id=made.id))


@quote.command()
@click.argument("quote")
@_header
@pass_context
def edit(context: Context, /, *, quote: str, **given: Any) -> None:
    """Change what stands around the lines of a QUOTE; an empty text clears a field."""
    from crm_sales.services.quotes.editing import edit_quote
    from crm_sales.services.quotes.reading import resolve_quote_id

    with context.unit_of_work(write=True) as uow:
        changed = edit_quote(uow, resolve_quote_id(uow, quote), _fields(uow, given))
        uow.commit()
    tell(context, "edit", changed, t("Changed: {number}", number=changed.number))


@quote.command(name="list")
@click.option("--deal", metavar="ID", help="Only of this deal.")
@click.option("--customer", metavar="ID", help="Only for this customer.")
@click.option("--mine", is_flag=True, help="Only your own.")
@click.option("--state", metavar="STATE", help="Only those in this state: draft, sent, …")
@click.option("--to-approve", is_flag=True, help="Those that wait for you to decide.")
@click.option("--limit", default=50, show_default=True, help="Offers a page, up to 1000.")
@click.option("--cursor", help="Continue a list: what the page before told.")
@pass_context
def list_(
    context: Context,
    /,
    *,
    deal: str | None,
    customer: str | None,
    mine: bool,
    state: str | None,
    to_approve: bool,
    limit: int,
    cursor: str | None,
) -> None:
    """List offers, the newest first."""
    from crm_core.services.lookup import resolve_customer_id
    from crm_sales.services.opportunity_access import resolve_opportunity_id
    from crm_sales.services.quotes.reading import list_quotes, quotes_to_approve

    with context.unit_of_work() as uow:
        if to_approve:
            page = quotes_to_approve(uow, limit=limit, cursor=cursor)
        else:
            page = list_quotes(
                uow,
                opportunity_id=resolve_opportunity_id(uow, deal) if deal else None,
                customer_id=resolve_customer_id(uow, customer) if customer else None,
                owner_id=uow.actor.user_id if mine else None,
                state=state,
                limit=limit,
                cursor=cursor,
            )
        place = place_for(uow)
    items = page.items if context.output.as_json else [_row(item, place) for item in page.items]
    columns = {
        "number": t("Number"),
        "state": t("State"),
        "customer_name": t("Customer"),
        "opportunity_name": t("Deal"),
        "total_amount": t("Total"),
        "valid_until_on": t("Valid until"),
        "owner_name": t("Who"),
        **({"percent": t("Discount"), "asked_by": t("Asked by")} if to_approve else {}),
    }
    context.output.page("sales.quote.list/1", items, page.next_cursor, columns)


@quote.command()
@click.argument("quote")
@pass_context
def show(context: Context, quote: str) -> None:
    """Show a QUOTE with its lines and sums."""
    from crm_sales.services.quotes.reading import resolve_quote_id
    from crm_sales.services.quotes.view import quote_view

    with context.unit_of_work() as uow:
        view = quote_view(uow, resolve_quote_id(uow, quote))
        place = place_for(uow)
    context.output.data("sales.quote.show/1", view, lambda: _draw(context, view, place))


@quote.command()
@click.argument("quote")
@pass_context
def submit(context: Context, quote: str) -> None:
    """Have a QUOTE approved: at once within your limit, else by somebody whose limit reaches."""
    from crm_sales.services.quotes.approval import submit_quote

    told = {
        "approved": t("It is approved and can be sent."),
        "waiting": t("The discount is above your limit: it waits for approval."),
    }
    _do(context, quote, "submit", submit_quote, lambda it: told[it.state])


@quote.command()
@click.argument("quote")
@click.option("--note", help="Something to say to it.")
@pass_context
def approve(context: Context, quote: str, note: str | None) -> None:
    """Let a QUOTE pass that waits for approval."""
    from crm_sales.services.quotes.approval import approve_quote

    _do(context, quote, "approve", approve_quote, lambda _: t("Approved."), note=note)


@quote.command()
@click.argument("quote")
@click.option("--reason", required=True, help="Why, for whoever made it.")
@pass_context
def refuse(context: Context, quote: str, reason: str) -> None:
    """Send a QUOTE that waits for approval back to its maker."""
    from crm_sales.services.quotes.approval import refuse_approval

    _do(context, quote, "refuse", refuse_approval, lambda _: t("Sent back."), reason=reason)


@quote.command()
@click.argument("quote")
@pass_context
def revise(context: Context, quote: str) -> None:
    """Make the next version of a QUOTE; the one before is withdrawn."""
    from crm_sales.services.quotes.versions import revise_quote

    _do(
        context,
        quote,
        "revise",
        revise_quote,
        lambda it: t("The offer {number} ({id}).", number=it.number, id=it.id),
    )


@quote.command()
@click.argument("quote")
@click.option("--reason", help="Why.")
@pass_context
def withdraw(context: Context, quote: str, reason: str | None) -> None:
    """Take a QUOTE back: nobody can accept it any more."""
    from crm_sales.services.quotes.versions import withdraw_quote

    _do(context, quote, "withdraw", withdraw_quote, lambda _: t("Withdrawn."), reason=reason)


@quote.command()
@click.argument("quote")
@pass_context
def reprice(context: Context, quote: str) -> None:
    """Price all lines of a QUOTE as if they were added today, prices typed by hand too."""
    from crm_sales.services.quotes.editing import refresh_prices

    _do(context, quote, "reprice", refresh_prices, lambda _: t("Priced anew."))


def _do(
    context: Context,
    quote: str,
    name: str,
    service: Callable[..., Quote],
    told: Callable[[Quote], str],
    **given: Any,
) -> None:
    from crm_sales.services.quotes.reading import resolve_quote_id

    with context.unit_of_work(write=True) as uow:
        done = service(uow, resolve_quote_id(uow, quote), **given)
        uow.commit()
    tell(context, name, done, told(done))


def tell(context: Context, name: str, quote: Quote, text: str) -> None:
    """Say what was done to an offer."""
    data = {
        "id": quote.id,
        "number": quote.number,
        "state": quote.state,
        "version": quote.version,
        "currency_code": quote.currency_code,
        "total_amount": quote.total_amount,
        "discount_percent": quote.discount_percent,
    }
    context.output.data(f"sales.quote.{name}/1", data, lambda: context.output.line(text))


def place_for(uow: UnitOfWork) -> Place:
    """Return how numbers and days are written for whoever runs the command."""
    from crm_core.services.places import place_of
    from crm_core.services.settings import load_settings

    return place_of(uow, load_settings(uow))


def _fields(uow: UnitOfWork, given: dict[str, Any]) -> dict[str, Any]:
    from crm_core.services.lookup import resolve_customer_id
    from crm_sales.models import PaymentTerm, PriceList
    from crm_sales.services.quotes.reading import resolve_named

    turned: dict[str, Callable[[str], Any]] = {
        "valid_until_on": _day,
        "price_list_id": lambda text: resolve_named(uow, PriceList, text),
        "payment_term_id": lambda text: resolve_named(uow, PaymentTerm, text),
        "contact_id": lambda text: resolve_customer_id(uow, text),
    }
    return {
        name: (turned[name](text) if name in turned else text) if text else None
        for name, text in given.items()
        if text is not None
    }


def _day(text: str) -> Any:
    from datetime import date

    from crm_core.errors import InputError

    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(
            t("{text!r} is no day: write 2027-01-31.", text=text), code="sales.quote.validity"
        ) from None


def _row(item: dict[str, Any], place: Place) -> dict[str, Any]:
    return {
        **item,
        "total_amount": place.money(item["total_amount"], item["currency_code"]),
        "valid_until_on": place.day(item["valid_until_on"]),
        "percent": place.share(item["percent"] / 100) if item.get("percent") else None,
    }


def _draw(context: Context, view: dict[str, Any], place: Place) -> None:
    out, code = context.output, view["currency_code"]
    out.heading(view["number"])
    estimate = t("estimate") if view["tax_source"] == "estimate" else t("as the ERP computes it")
    out.fields(
        [
            (t("State"), view["state"]),
            (t("Customer"), view["customer_name"]),
            (t("Deal"), view["opportunity_name"]),
            (t("Valid until"), place.day(view["valid_until_on"])),
            (t("Price list"), view["price_list_name"]),
            (t("Personal price"), view["band_reason"]),
            (t("Other price list"), view["list_reason"]),
            (t("Payment"), view["payment_term_name"]),
            (t("Without tax"), place.money(view["untaxed_amount"], code)),
            (t("Tax"), f"{place.money(view['tax_amount'], code)} ({estimate})"),
            (t("Total"), place.money(view["total_amount"], code)),
        ]
    )
    headings = ["#", t("What"), t("Quantity"), t("Price"), "%", t("Without tax"), t("Counts")]
    rows = [
        (
            str(number),
            line["description"],
            line["quantity"] and place.number(line["quantity"]),
            place.money(line["unit_price"], code),
            place.number(line["discount_percent"]) if line["discount_percent"] else "",
            place.money(line["untaxed_amount"], code),
            t("yes") if line["counts"] else "",
        )
        for number, line in enumerate(view["lines"], start=1)
    ]
    out.table(headings, rows)
