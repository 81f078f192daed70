"""What can be done with loyalty cards. A service never commits: whoever calls it does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from crm_core.entities import Customer
from crm_core.errors import InputError, NotFoundError
from crm_core.events import RecordsChanged
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import filled
from crm_core.services.lookup import permitted_customer
from crm_core.services.settings import load_settings
from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError

from crm_loyalty.errors import (
    CardEndedError,
    CardHeldError,
    NumberTakenError,
    TooFewPointsError,
)
from crm_loyalty.events import CardEnded, CardIssued, PointsChanged, TierRaised
from crm_loyalty.models import LoyaltyCard, LoyaltyEntry, Tier
from crm_loyalty.permissions import CREDIT, END, ISSUE, REDEEM
from crm_loyalty.schemas import load_card, load_entry

TIER_FROM: dict[str, int] = {Tier.BRONZE: 0, Tier.SILVER: 1_000, Tier.GOLD: 5_000}
A_ROUND = 500


class CardRecord(NamedTuple):
    """What a back office says of a card: ``values`` were checked by ``load_card``."""

    card_id: UUID | None
    customer_id: UUID | None
    values: Mapping[str, Any]


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
    record = CardRecord(None, customer.id, values)
    _Shelf(_touched(uow, [record])).require_free(customer.id, values.get("number"))
    card = _new_card(uow, customer.id, issued_on=today, **values)
    _flush(uow)
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
    today = _today(uow)
    welcomed = uow.scalars(wanted).all()
    cards = [_new_card(uow, customer_id, issued_on=today) for customer_id in welcomed]
    _flush(uow)
    return len(cards)


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
    uow.flush()
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
    uow.flush()
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
    uow.flush()
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


def store_cards(uow: UnitOfWork, records: Sequence[CardRecord]) -> list[LoyaltyCard]:
    """Keep what a back office says of cards, and return them in this order.

    A card of the same number and customer as a new one becomes that card. A difference in points
    becomes an entry.

    Args:
        uow: A writing unit of work.
        records: A batch of them, each with what is new or has changed.

    Raises:
        PermissionDeniedError: The right is missing.
        CardHeldError: A customer has another card that is still good.
        NumberTakenError: Another card bears a number.
        CardEndedError: The points of a card changed that is no longer good.
    """
    uow.actor.require(ISSUE)
    shelf = _Shelf(_touched(uow, records))
    today = _today(uow)
    cards = [_placed(uow, shelf, record, today) for record in records]
    _flush(uow)
    for card, record in zip(cards, records, strict=True):
        difference = record.values.get("points", card.points) - card.points
        if difference:
            _require_live(card)
            _book(uow, card, difference, "Back office")
    uow.flush()
    return cards


class _Shelf:
    """Cards at hand, by what no two of them have in common."""

    def __init__(self, cards: Iterable[LoyaltyCard]) -> None:
        self.by_id: dict[UUID, LoyaltyCard] = {}
        self.by_number: dict[str, LoyaltyCard] = {}
        self.by_holder: dict[UUID, LoyaltyCard] = {}
        for card in cards:
            self.put(card)

    def put(self, card: LoyaltyCard) -> None:
        self.by_id[card.id] = card
        self.by_number[card.number] = card
        if card.ended_at is None:
            self.by_holder[card.customer_id] = card

    def find(self, record: CardRecord) -> LoyaltyCard | None:
        """Return the card of a record, else the same one as it was issued here."""
        if record.card_id is not None and record.card_id in self.by_id:
            return self.by_id[record.card_id]
        same = self.by_holder.get(record.customer_id) if record.customer_id else None
        return same if same and same.number == record.values.get("number") else None

    def require_free(
        self, customer_id: UUID, number: str | None, *, by: LoyaltyCard | None = None
    ) -> None:
        """Refuse a second card for a customer, and a number that another card bears."""
        held = self.by_holder.get(customer_id, by)
        if held is not by and held is not None:
            raise CardHeldError(
                f"The customer has card {held.number}: end it first.",
                details={"customer_id": str(customer_id), "number": held.number},
            )
        if number is not None and self.by_number.get(number, by) is not by:
            raise NumberTakenError(
                f"Another card bears the number {number}: give another.",
                details={"number": number},
            )


def _touched(uow: UnitOfWork, records: Sequence[CardRecord]) -> Sequence[LoyaltyCard]:
    """Return all cards that records are about or may get in the way of."""
    card = LoyaltyCard
    holders = [record.customer_id for record in records if record.customer_id]
    wanted = or_(
        card.id.in_([record.card_id for record in records if record.card_id]),
        card.number.in_(
            [record.values["number"] for record in records if "number" in record.values]
        ),
        card.customer_id.in_(holders) & card.ended_at.is_(None),
    )
    return uow.scalars(select(card).where(wanted)).all()


def _placed(uow: UnitOfWork, shelf: _Shelf, record: CardRecord, today: date) -> LoyaltyCard:
    """Make or change the card of a record, but for its points."""
    card = shelf.find(record)
    values = {name: value for name, value in record.values.items() if name != "points"}
    holder = record.customer_id or (card.customer_id if card else None)
    if holder is None:
        raise InputError("A new card needs its customer.", code="loyalty.card.invalid")
    if card is None:
        shelf.require_free(holder, values.get("number"))
        card = _new_card(uow, holder, **{"issued_on": today, **values})
    else:
        if card.ended_at is None:
            shelf.require_free(holder, values.get("number"), by=card)
        _change(card, customer_id=holder, updated_at=uow.now, **values)
        _tell_back_offices(uow, card)
    shelf.put(card)
    return card


def _change(card: LoyaltyCard, **values: Any) -> None:
    for name, value in values.items():
        setattr(card, name, value)


def _today(uow: UnitOfWork) -> date:
    return uow.now.astimezone(ZoneInfo(load_settings(uow).time_zone)).date()


def _new_card(
    uow: UnitOfWork, customer_id: UUID, *, number: str | None = None, **values: Any
) -> LoyaltyCard:
    """Give a customer who may have one a card; to be sent with ``_flush``."""
    now = uow.now
    known = {"tier": Tier.BRONZE.value, **values}
    card = LoyaltyCard(customer_id=customer_id, points=0, created_at=now, updated_at=now, **known)
    card.number = number or _number(card.id)
    uow.add(card)
    uow.record(CardIssued(card.id, card.customer_id, card.tier, card.expires_on))
    _tell_back_offices(uow, card)
    return card


def _flush(uow: UnitOfWork) -> None:
    """Send new cards; somebody else may have issued one in the meantime."""
    try:
        uow.flush()
    except IntegrityError:
        raise CardHeldError(
            "A card was just issued to this customer or with this number: see crm loyalty list."
        ) from None


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
    _require_live(card)
    return card


def _require_live(card: LoyaltyCard) -> None:
    if card.ended_at is not None:
        raise CardEndedError(
            f"Card {card.number} has ended: issue a new one.", details={"card_id": str(card.id)}
        )


def _book(uow: UnitOfWork, card: LoyaltyCard, points: int, reason: str) -> None:
    """Change a card's points, and say so in an entry and an event."""
    card.points += points
    card.updated_at = uow.now
    uow.add(LoyaltyEntry(card_id=card.id, points=points, reason=reason, created_at=card.updated_at))
    uow.record(PointsChanged(card.id, card.customer_id, points, card.points))
    _tell_back_offices(uow, card)


def _tell_back_offices(uow: UnitOfWork, card: LoyaltyCard) -> None:
    """Have back offices be told of a card as it is then: see ``crm_loyalty.sync.read``."""
    uow.record(RecordsChanged(LoyaltyCard.__entity__, (card.id,)))


def _raise_tier(uow: UnitOfWork, card: LoyaltyCard) -> None:
    """Raise a card to the tier that its points are enough for; none is ever lowered."""
    reached = (tier for tier, points in TIER_FROM.items() if card.points >= points)
    earned = max(reached, key=TIER_FROM.__getitem__)
    if TIER_FROM[earned] > TIER_FROM[card.tier]:
        card.tier = str(earned)
        uow.record(TierRaised(card.id, card.customer_id, card.tier))


def _end(uow: UnitOfWork, card: LoyaltyCard, reason: str) -> None:
    forfeited = card.points
    if forfeited:
        _book(uow, card, -forfeited, reason)
    card.ended_at = card.updated_at = uow.now
    uow.record(CardEnded(card.id, card.customer_id, forfeited))


def _end_all(uow: UnitOfWork, cards: Sequence[LoyaltyCard], reason: str) -> int:
    for card in cards:
        _end(uow, card, reason)
    uow.flush()
    return len(cards)
