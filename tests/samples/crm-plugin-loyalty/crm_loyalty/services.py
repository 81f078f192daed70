"""What can be done with loyalty cards. A service never commits: whoever calls it does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from crm_core.entities import Customer
from crm_core.errors import InputError, NotFoundError
from crm_core.events import RecordsChanged
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import filled
from crm_core.services.lookup import permitted_customer
from crm_core.services.settings import load_settings
from crm_core.services.users import user_named
from sqlalchemy import or_, select

from crm_loyalty.errors import (
    CardEndedError,
    CardHeldError,
    NumberTakenError,
    TooFewPointsError,
)
from crm_loyalty.events import CardEnded, CardIssued, PointsChanged, TierRaised
from crm_loyalty.models import LoyaltyCard, LoyaltyEntry, LoyaltySteward, Tier
from crm_loyalty.permissions import APPOINT, CREDIT, END, ISSUE, REDEEM, VIEW
from crm_loyalty.schemas import load_card, load_entry

TIER_FROM: dict[str, int] = {Tier.BRONZE: 0, Tier.SILVER: 1_000, Tier.GOLD: 5_000}
A_ROUND = 500


def issue_card(
    uow: UnitOfWork,
    customer_id: UUID,
    *,
    number: str | None = None,
    tier: str = Tier.BRONZE,
    expires_on: date | str | None = None,
) -> LoyaltyCard:
    """Give a customer a card.

    Args:
        uow: A writing unit of work.
        customer_id: To whom.
        number: What is printed on it; one is made up without it.
        tier: ``bronze``, ``silver`` or ``gold``.
        expires_on: The last day on which it is good; None for no end.

    Raises:
        PermissionDeniedError: The right is missing, or does not reach this customer.
        NotFoundError: There is no such customer that the actor may see.
        InputError: The number, tier or day is not one.
        CardHeldError: The customer has a card that is still good.
        NumberTakenError: Another card bears this number.
    """
    customer = permitted_customer(uow, customer_id, ISSUE)
    day = str(expires_on) if expires_on else None
    values = load_card({"number": number, "tier": tier, "expires_on": day})
    today = _today(uow)
    if values.get("expires_on", today) < today:
        raise InputError(
            f"The card would have expired on {day}: name a day to come.",
            code="loyalty.card.expired",
        )
    _require_free(uow, customer.id, values.get("number"))
    (card,) = _issued(uow, [customer.id], **values)
    return card


def welcome_companies(uow: UnitOfWork, customer_ids: Sequence[UUID]) -> int:
    """Give a first card to those companies that never had one, and return how many these are."""
    uow.actor.require(ISSUE)
    had_one = select(LoyaltyCard.id).where(LoyaltyCard.customer_id == Customer.id)
    wanted = select(Customer.id).where(
        Customer.id.in_(customer_ids),
        Customer.kind == "company",
        Customer.archived_at.is_(None),
        ~had_one.exists(),
    )
    return len(_issued(uow, uow.scalars(wanted).all()))


def credit_points(uow: UnitOfWork, card_id: UUID, points: int, *, reason: str = "") -> LoyaltyCard:
    """Put points on a card; enough of them raise its tier.

    Raises:
        PermissionDeniedError: The right is missing, or does not reach the card's customer.
        NotFoundError: There is no such card that the actor may see.
        InputError: The points are not a whole number above zero, or the reason is too long.
        CardEndedError: The card is no longer good.
    """
    uow.actor.require(CREDIT)
    entry = load_entry(points, reason)
    card = _live_card(uow, card_id, CREDIT)
    _book(uow, card, entry["points"], entry["reason"])
    _raise_tier(uow, card)
    return card


def redeem_points(uow: UnitOfWork, card_id: UUID, points: int, *, reason: str = "") -> LoyaltyCard:
    """Take points off a card: never more than are on it, also when two redeem at once.

    Raises:
        PermissionDeniedError: The right is missing, or does not reach the card's customer.
        NotFoundError: There is no such card that the actor may see.
        InputError: The points are not a whole number above zero, or the reason is too long.
        CardEndedError: The card is no longer good.
        TooFewPointsError: There are fewer points on it.
    """
    uow.actor.require(REDEEM)
    entry = load_entry(points, reason)
    card = _live_card(uow, card_id, REDEEM)
    if entry["points"] > card.points:
        raise TooFewPointsError(
            f"Card {card.number} has {card.points} points: redeem no more than these.",
            details={"card_id": str(card.id), "points": card.points},
        )
    _book(uow, card, -entry["points"], entry["reason"])
    return card


def end_card(uow: UnitOfWork, card_id: UUID, *, reason: str = "Ended") -> LoyaltyCard:
    """End a card; the points on it are forfeited.

    Raises:
        PermissionDeniedError: The right is missing, or does not reach the card's customer.
        NotFoundError: There is no such card that the actor may see.
        CardEndedError: It was ended before.
    """
    uow.actor.require(END)
    card = _live_card(uow, card_id, END)
    _end(uow, card, filled(reason, "reason"))
    return card


def end_cards(uow: UnitOfWork, card_ids: Iterable[UUID], *, reason: str) -> int:
    """End those of some cards that are still good, and return how many these are."""
    uow.actor.require(END)
    wanted = select(LoyaltyCard).where(LoyaltyCard.id.in_(card_ids), LoyaltyCard.ended_at.is_(None))
    return _end_all(uow, uow.scalars(wanted.with_for_update()).all(), reason)


def expire_cards(uow: UnitOfWork, *, limit: int = A_ROUND) -> int:
    """End some of the cards whose last day has passed, and return how many these are."""
    uow.actor.require(END)
    wanted = (
        select(LoyaltyCard)
        .where(LoyaltyCard.ended_at.is_(None), LoyaltyCard.expires_on < _today(uow))
        .order_by(LoyaltyCard.expires_on, LoyaltyCard.id)
        .limit(limit)
    )
    return _end_all(uow, uow.scalars(wanted.with_for_update()).all(), "Expired")


def find_card(uow: UnitOfWork, text: str) -> LoyaltyCard:
    """Return the card of a number or an id.

    Raises:
        PermissionDeniedError: The right is missing.
        NotFoundError: There is no such card that the actor may see.
    """
    uow.actor.require(VIEW)
    typed = text.strip()
    known = LoyaltyCard.number == typed.upper()
    if (key := _key(typed)) is not None:
        known = or_(known, LoyaltyCard.id == key)
    card: LoyaltyCard | None = uow.scalar(select(LoyaltyCard).where(known))
    if card is None:
        raise NotFoundError(
            f"There is no loyalty card {typed}: see crm loyalty list.",
            code="loyalty.card.not_found",
            details={"card": typed},
        )
    return card


def list_cards(
    uow: UnitOfWork,
    *,
    customer_id: UUID | None = None,
    tier: str | None = None,
    ended: bool = False,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return cards, the latest first.

    Each is ``id, customer_id, customer, number, tier, points, issued_on, expires_on, ended_at``.

    Args:
        uow: A unit of work.
        customer_id: Only this customer's.
        tier: Only of this tier.
        ended: Also those that are no longer good.
        limit: How many a page.
        cursor: Where the page before ended.
    """
    uow.actor.require(VIEW)
    card = LoyaltyCard
    statement = select(
        card.id,
        card.customer_id,
        Customer.name.label("customer"),
        card.number,
        card.tier,
        card.points,
        card.issued_on,
        card.expires_on,
        card.ended_at,
    ).join(Customer, Customer.id == card.customer_id)
    if customer_id is not None:
        statement = statement.where(card.customer_id == customer_id)
    if tier is not None:
        statement = statement.where(card.tier == load_card({"tier": tier})["tier"])
    if not ended:
        statement = statement.where(card.ended_at.is_(None))
    return page_of(uow, statement, keys=(card.id,), limit=limit, cursor=cursor, descending=True)


def list_entries(
    uow: UnitOfWork, card_id: UUID, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[dict[str, Any]]:
    """Return what came onto a card and left it, the latest first."""
    uow.actor.require(VIEW)
    entry = LoyaltyEntry
    statement = select(entry.id, entry.points, entry.reason, entry.created_at)
    statement = statement.where(entry.card_id == card_id)
    return page_of(uow, statement, keys=(entry.id,), limit=limit, cursor=cursor, descending=True)


def appoint_steward(uow: UnitOfWork, tag: str, login: str) -> LoyaltySteward:
    """Have a user answer for new customers with a tag, such as ``VIP``.

    Raises:
        PermissionDeniedError: The right is missing.
        NotFoundError: There is no such user.
        InputError: There is no tag.
    """
    uow.actor.require(APPOINT)
    user = user_named(uow, login)
    name = filled(tag, "tag").casefold()
    known = select(LoyaltySteward).where(LoyaltySteward.tag == name)
    steward: LoyaltySteward | None = uow.scalar(known)
    if steward is None:
        steward = uow.add(LoyaltySteward(tag=name, user_id=user.id))
    steward.user_id = user.id
    return steward


def store_card(uow: UnitOfWork, customer_id: UUID, values: dict[str, Any]) -> LoyaltyCard:
    """Keep a card that a back office issued; one of the same number becomes that card.

    Args:
        uow: A writing unit of work.
        customer_id: Whose card.
        values: Checked by ``load_card``; ``number`` is among them.

    Raises:
        PermissionDeniedError: The right is missing, or does not reach this customer.
        CardHeldError: The customer has another card that is still good.
        NumberTakenError: The card of this number is another customer's.
    """
    customer = permitted_customer(uow, customer_id, ISSUE)
    same = select(LoyaltyCard).where(
        LoyaltyCard.number == values["number"],
        LoyaltyCard.customer_id == customer.id,
        LoyaltyCard.ended_at.is_(None),
    )
    if (card := uow.scalar(same)) is not None:
        return correct_card(uow, card, customer.id, values)
    _require_free(uow, customer.id, values["number"])
    given = {name: value for name, value in values.items() if name != "points"}
    (card,) = _issued(uow, [customer.id], **given)
    return correct_card(uow, card, customer.id, values)


def correct_card(
    uow: UnitOfWork, card: LoyaltyCard, customer_id: UUID, values: dict[str, Any]
) -> LoyaltyCard:
    """Take over what a back office says of a card; a difference in points becomes an entry."""
    customer = permitted_customer(uow, customer_id, ISSUE)
    known = dict(values)
    difference = known.pop("points", card.points) - card.points
    for name, value in known.items():
        setattr(card, name, value)
    card.customer_id = customer.id
    card.updated_at = uow.now
    if difference:
        _book(uow, card, difference, "Back office")
    return card


def _today(uow: UnitOfWork) -> date:
    return uow.now.astimezone(ZoneInfo(load_settings(uow).time_zone)).date()


def _key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _require_free(uow: UnitOfWork, customer_id: UUID, number: str | None) -> None:
    """Refuse a second card for a customer, and a number that another card bears."""
    card = LoyaltyCard
    held = card.customer_id == customer_id, card.ended_at.is_(None)
    if (other := uow.scalar(select(card.number).where(*held))) is not None:
        raise CardHeldError(
            f"The customer has card {other}: end it first.",
            details={"customer_id": str(customer_id), "number": other},
        )
    taken = select(card.id).where(card.number == number)
    if number is not None and uow.scalar(taken) is not None:
        raise NumberTakenError(
            f"Another card bears the number {number}: give another.", details={"number": number}
        )


def _issued(
    uow: UnitOfWork, customer_ids: Sequence[UUID], *, number: str | None = None, **values: Any
) -> list[LoyaltyCard]:
    """Store a card for each of some customers who may have one."""
    now = uow.now
    known = {"tier": Tier.BRONZE.value, "issued_on": _today(uow), **values}
    cards = []
    for customer_id in customer_ids:
        card = LoyaltyCard(
            customer_id=customer_id, points=0, created_at=now, updated_at=now, **known
        )
        card.number = number or _number(card.id)
        cards.append(uow.add(card))
    uow.flush()
    for card in cards:
        uow.record(CardIssued(card.id, card.customer_id, card.tier, card.expires_on))
    _tell_back_offices(uow, *cards)
    return cards


def _number(card_id: UUID) -> str:
    """Return a number that nobody mistypes: from the random end of an id, with a check digit."""
    digits = f"{card_id.int % 10**11:011d}"
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(digits))
    check = -sum(value // 10 + value % 10 for value in doubled) % 10
    return f"L{digits}{check}"


def _live_card(uow: UnitOfWork, card_id: UUID, right: str) -> LoyaltyCard:
    """Return a card as it is now, held against all others until this transaction ends."""
    wanted = select(LoyaltyCard).where(LoyaltyCard.id == card_id).with_for_update()
    card: LoyaltyCard | None = uow.scalar(wanted.execution_options(populate_existing=True))
    if card is None:
        raise NotFoundError(
            f"There is no loyalty card {card_id}: see crm loyalty list.",
            code="loyalty.card.not_found",
            details={"card": str(card_id)},
        )
    permitted_customer(uow, card.customer_id, right)
    if card.ended_at is not None:
        raise CardEndedError(
            f"Card {card.number} has ended: issue a new one.", details={"card_id": str(card.id)}
        )
    return card


def _book(uow: UnitOfWork, card: LoyaltyCard, points: int, reason: str) -> None:
    """Change a card's points, and say so in an entry and an event."""
    card.points += points
    card.updated_at = uow.now
    uow.add(LoyaltyEntry(card_id=card.id, points=points, reason=reason, created_at=card.updated_at))
    uow.flush()
    uow.record(PointsChanged(card.id, card.customer_id, points, card.points))
    _tell_back_offices(uow, card)


def _tell_back_offices(uow: UnitOfWork, *cards: LoyaltyCard) -> None:
    """Have the back offices hear of what they are told of cards: see ``crm_loyalty.sync.read``."""
    if cards:
        uow.record(RecordsChanged(LoyaltyCard.__entity__, tuple(card.id for card in cards)))


def _raise_tier(uow: UnitOfWork, card: LoyaltyCard) -> None:
    """Raise a card to the tier that its points are enough for; none is ever lowered."""
    reached = (tier for tier, points in TIER_FROM.items() if card.points >= points)
    earned = max(reached, key=TIER_FROM.__getitem__)
    if TIER_FROM[earned] > TIER_FROM[card.tier]:
        card.tier = str(earned)
        uow.flush()
        uow.record(TierRaised(card.id, card.customer_id, card.tier))


def _end(uow: UnitOfWork, card: LoyaltyCard, reason: str) -> None:
    forfeited = card.points
    if forfeited:
        _book(uow, card, -forfeited, reason)
    card.ended_at = card.updated_at = uow.now
    uow.flush()
    uow.record(CardEnded(card.id, card.customer_id, forfeited))


def _end_all(uow: UnitOfWork, cards: Sequence[LoyaltyCard], reason: str) -> int:
    for card in cards:
        _end(uow, card, reason)
    return len(cards)
