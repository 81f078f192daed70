"""``crm sales quote line``: what stands on an offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.messages import t
from crm_sales.cli.quotes import tell

if TYPE_CHECKING:
    from crm_core.persistence.unit_of_work import UnitOfWork

F = TypeVar("F", bound=Callable[..., Any])
FIELDS = (
    ("--quantity", "quantity", "N", "How many."),
    ("--price", "unit_price", "AMOUNT", "For one, instead of what the price list asks."),
    ("--discount", "discount_percent", "PERCENT", "What is taken off."),
    ("--tax", "tax_percent", "PERCENT", "Its tax, where the estimate is wrong."),
    ("--text", "description", "TEXT", "What the document says."),
    ("--alternative", "group", "GROUP", "One of this group can be chosen."),
)


def _values(command: F) -> F:
    command = click.option("--option", is_flag=True, help="The customer may take it or not.")(
        command
    )
    for flag, name, metavar, text in reversed(FIELDS):
        command = click.option(flag, name, metavar=metavar, help=text)(command)
    return command


@click.group(cls=CrmGroup)
def line() -> None:
    """Add, change, move and remove lines of an offer."""


@line.command()
@click.argument("quote")
@click.argument("product", required=False)
@click.option("--bundle", metavar="NAME", help="A bundle instead of a product.")
@click.option("--section", metavar="TEXT", help="A heading instead of a product.")
@click.option("--note", metavar="TEXT", help="A remark instead of a product.")
@_values
@pass_context
def add(
    context: Context,
    /,
    *,
    quote: str,
    product: str | None,
    bundle: str | None,
    section: str | None,
    note: str | None,
    **given: Any,
) -> None:
    """Add a PRODUCT to a QUOTE, by its reference, id or name."""
    from crm_sales.models import Bundle
    from crm_sales.services.quotes.lines import add_bundle, add_line
    from crm_sales.services.quotes.reading import (
        resolve_named,
        resolve_product_id,
        resolve_quote_id,
    )

    with context.unit_of_work(write=True) as uow:
        quote_id = resolve_quote_id(uow, quote)
        if bundle is not None:
            times = given["quantity"] or "1"
            added = add_bundle(uow, quote_id, resolve_named(uow, Bundle, bundle), quantity=times)
        elif section is not None or note is not None:
            kind, text = ("section", section) if section is not None else ("note", note)
            added = add_line(uow, quote_id, kind=kind, description=text)
        else:
            product_id = resolve_product_id(uow, product) if product else None
            added = add_line(uow, quote_id, product_id=product_id, **_given(given))
        uow.commit()
    out = context.output
    data = {"id": added.id, "position": added.position, "total_amount": added.total_amount}
    text = t(
        "Line {position}: {description}", position=added.position, description=added.description
    )
    out.data("sales.quote.line.add/1", data, lambda: out.line(text))


@line.command()
@click.argument("quote")
@click.argument("number", type=int)
@click.option("--take/--leave", "is_chosen", default=None, help="An option or alternative.")
@_values
@pass_context
def edit(context: Context, /, *, quote: str, number: int, **given: Any) -> None:
    """Change line NUMBER of a QUOTE; an empty --price asks what the price list asks."""
    from crm_sales.services.quotes.lines import edit_lines

    def change(uow: UnitOfWork, quote_id: UUID, line_id: UUID) -> Any:
        return edit_lines(uow, quote_id, {line_id: _given(given)})

    _do(context, quote, number, "edit", change)


@line.command()
@click.argument("quote")
@click.argument("number", type=int)
@pass_context
def remove(context: Context, quote: str, number: int) -> None:
    """Take line NUMBER off a QUOTE, a bundle as a whole."""
    from crm_sales.services.quotes.lines import remove_line

    _do(context, quote, number, "remove", remove_line)


@line.command()
@click.argument("quote")
@click.argument("number", type=int)
@click.option("--by", "steps", type=int, required=True, help="Lines down, or up below zero.")
@pass_context
def move(context: Context, /, *, quote: str, number: int, steps: int) -> None:
    """Move line NUMBER of a QUOTE up or down; a bundle goes as a whole."""
    from crm_sales.services.quotes.lines import move_line

    def change(uow: UnitOfWork, quote_id: UUID, line_id: UUID) -> Any:
        return move_line(uow, quote_id, line_id, steps=steps)

    _do(context, quote, number, "move", change)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    is_option = values.pop("option")
    given = {name: value for name, value in values.items() if value is not None}
    if given.get("unit_price") == "":
        given["unit_price"] = None
    if given.get("tax_percent") == "":
        given["tax_percent"] = None
    if "group" in given:
        given["role"] = "alternative" if given["group"] else "normal"
    elif is_option:
        given["role"] = "option"
    return given


def _do(context: Context, quote: str, number: int, name: str, change: Callable[..., Any]) -> None:
    from crm_core.errors import NotFoundError
    from crm_sales.services.quotes.pricing import lines_of
    from crm_sales.services.quotes.reading import resolve_quote_id

    with context.unit_of_work(write=True) as uow:
        quote_id = resolve_quote_id(uow, quote)
        ids = [each.id for each in lines_of(uow, quote_id)]
        if not 1 <= number <= len(ids):
            raise NotFoundError(
                t("The offer has no line {number}.", number=number), code="sales.quote.no_line"
            )
        changed = change(uow, quote_id, ids[number - 1])
        uow.commit()
    text = t(
        "{number}: {total} {currency}",
        number=changed.number,
        total=changed.total_amount,
        currency=changed.currency_code,
    )
    tell(context, f"line.{name}", changed, text)
