"""``crm loyalty``: cards and the points on them. A command commits once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup

if TYPE_CHECKING:
    from crm_loyalty.models import LoyaltyCard


@click.group(cls=CrmGroup)
def loyalty() -> None:
    """Issue loyalty cards, and keep the points on them."""


@loyalty.command()
@click.argument("customer")
@click.option("--number", help="What is printed on the card; made up without it.")
@click.option("--tier", default="bronze", show_default=True, help="bronze, silver or gold.")
@click.option("--expires-on", metavar="DAY", help="Its last day, such as 2027-12-31.")
@pass_context
def issue(
    context: Context, customer: str, number: str | None, tier: str, expires_on: str | None
) -> None:
    """Give a CUSTOMER a card."""
    from crm_core.services.lookup import resolve_unmerged_id

    from crm_loyalty.services import issue_card

    with context.unit_of_work(write=True) as uow:
        customer_id = resolve_unmerged_id(uow, customer)
        card = issue_card(uow, customer_id, number=number, tier=tier, expires_on=expires_on)
        uow.commit()
    _show_outcome(context, "loyalty.issue/1", card, f"Issued card {card.number}, {card.tier}.")


@loyalty.command()
@click.argument("card")
@click.argument("points", type=int)
@click.option("--reason", default="", help="What for.")
@pass_context
def credit(context: Context, card: str, points: int, reason: str) -> None:
    """Put POINTS on a CARD, given by number or id."""
    from crm_loyalty.services import credit_points, find_card

    with context.unit_of_work(write=True) as uow:
        record = credit_points(uow, find_card(uow, card).id, points, reason=reason)
        uow.commit()
    _show_balance(context, "loyalty.credit/1", record)


@loyalty.command()
@click.argument("card")
@click.argument("points", type=int)
@click.option("--reason", default="", help="What for.")
@pass_context
def redeem(context: Context, card: str, points: int, reason: str) -> None:
    """Take POINTS off a CARD, given by number or id."""
    from crm_loyalty.services import find_card, redeem_points

    with context.unit_of_work(write=True) as uow:
        record = redeem_points(uow, find_card(uow, card).id, points, reason=reason)
        uow.commit()
    _show_balance(context, "loyalty.redeem/1", record)


@loyalty.command()
@click.argument("card")
@click.option("--reason", default="Ended", show_default=True, help="What for.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@pass_context
def end(context: Context, card: str, reason: str, yes: bool) -> None:
    """End a CARD, given by number or id; the points on it are forfeited."""
    from crm_loyalty.services import end_card, find_card

    with context.unit_of_work() as uow:
        found = find_card(uow, card)
    context.confirm(f"End card {found.number} with {found.points} points?", yes=yes)
    with context.unit_of_work(write=True) as uow:
        record = end_card(uow, found.id, reason=reason)
        uow.commit()
    _show_outcome(context, "loyalty.end/1", record, f"Card {record.number} has ended.")


@loyalty.command()
@click.argument("card")
@click.option("--entries", type=click.IntRange(0, 100), default=10, show_default=True)
@pass_context
def show(context: Context, card: str, entries: int) -> None:
    """Show a CARD, given by number or id, and what came onto it and left it."""
    from crm_loyalty.services import find_card, list_entries

    with context.unit_of_work() as uow:
        found = find_card(uow, card)
        booked = list_entries(uow, found.id, limit=entries).items if entries else []
    facts = _facts(found) | {"issued_on": found.issued_on, "expires_on": found.expires_on}
    facts |= {"ended_at": found.ended_at}
    out = context.output

    def draw() -> None:
        out.fields([(name.replace("_", " ").capitalize(), facts[name]) for name in facts])
        out.table(
            ("When", "Points", "Why"), [(e["created_at"], e["points"], e["reason"]) for e in booked]
        )

    out.data("loyalty.show/1", facts | {"entries": booked}, draw)


@loyalty.command(name="list")
@click.option("--customer", help="Only this customer's.")
@click.option("--tier", help="Only bronze, silver or gold.")
@click.option("--ended", is_flag=True, help="Also those that are no longer good.")
@click.option("--limit", type=int, default=50, show_default=True, help="Cards a page.")
@click.option("--cursor", help="Where the page before ended.")
@pass_context
def list_(
    context: Context,
    customer: str | None,
    tier: str | None,
    ended: bool,
    limit: int,
    cursor: str | None,
) -> None:
    """List cards, the latest first."""
    from crm_core.services.lookup import resolve_customer_id

    from crm_loyalty.services import list_cards

    with context.unit_of_work() as uow:
        page = list_cards(
            uow,
            customer_id=resolve_customer_id(uow, customer) if customer else None,
            tier=tier,
            ended=ended,
            limit=limit,
            cursor=cursor,
        )
    columns = {
        "number": "Number",
        "customer": "Customer",
        "tier": "Tier",
        "points": "Points",
        "expires_on": "Expires",
    }
    context.output.page("loyalty.list/1", page.items, page.next_cursor, columns)


@loyalty.command()
@click.argument("tag")
@click.argument("login")
@pass_context
def steward(context: Context, tag: str, login: str) -> None:
    """Have the user LOGIN answer for new customers with a TAG, such as VIP."""
    from crm_loyalty.services import appoint_steward

    with context.unit_of_work(write=True) as uow:
        record = appoint_steward(uow, tag, login)
        uow.commit()
    out = context.output
    data = {"id": record.id, "tag": record.tag, "user_id": record.user_id}
    told = f"{login} answers for new customers tagged {record.tag}."
    out.data("loyalty.steward/1", data, lambda: out.line(told))


def _facts(card: LoyaltyCard) -> dict[str, Any]:
    names = ("id", "customer_id", "number", "tier", "points")
    return {name: getattr(card, name) for name in names}


def _show_outcome(context: Context, schema: str, card: LoyaltyCard, told: str) -> None:
    out = context.output
    out.data(schema, _facts(card), lambda: out.line(told))


def _show_balance(context: Context, schema: str, card: LoyaltyCard) -> None:
    told = f"Card {card.number} has {card.points} points, {card.tier}."
    _show_outcome(context, schema, card, told)
