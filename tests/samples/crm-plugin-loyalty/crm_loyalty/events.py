"""What can have happened; other plugins hear of it by name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar
from uuid import UUID

from crm_core.events import Event


class OfCard:
    """What all events of a card have in common."""

    __slots__ = ()

    card_id: UUID

    @property
    def record(self) -> tuple[str, UUID]:
        """The card: a handler hears its events in the order in which they happened."""
        return "loyalty_card", self.card_id


@dataclass(frozen=True, slots=True)
class CardIssued(OfCard, Event):
    """A customer got a card."""

    name: ClassVar[str] = "loyalty.card.issued"

    card_id: UUID
    customer_id: UUID
    tier: str
    expires_on: date | None


@dataclass(frozen=True, slots=True)
class CardEnded(OfCard, Event):
    """A card is no longer good; what was on it is forfeited."""

    name: ClassVar[str] = "loyalty.card.ended"

    card_id: UUID
    customer_id: UUID
    forfeited: int


@dataclass(frozen=True, slots=True)
class PointsChanged(OfCard, Event):
    """Points were credited to a card, or, below zero, redeemed."""

    name: ClassVar[str] = "loyalty.points.changed"

    card_id: UUID
    customer_id: UUID
    points: int
    balance: int


@dataclass(frozen=True, slots=True)
class TierRaised(OfCard, Event):
    """A card has gathered enough points for a higher tier."""

    name: ClassVar[str] = "loyalty.tier.raised"

    card_id: UUID
    customer_id: UUID
    tier: str
