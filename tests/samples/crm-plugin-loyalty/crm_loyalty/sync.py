"""Cards in the sync with a back office: called as the system with a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_hooks.contributions import IncomingRecord
from sqlalchemy import select

from crm_loyalty.models import LoyaltyCard
from crm_loyalty.schemas import load_card
from crm_loyalty.services import CardRecord, end_cards, store_cards


def read(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, Mapping[str, Any]]:
    """Return cards as neutral records, by id."""
    cards = uow.scalars(select(LoyaltyCard).where(LoyaltyCard.id.in_(ids)))
    return {card.id: _neutral(card) for card in cards}


def ids(uow: UnitOfWork) -> Sequence[UUID]:
    """Return the ids of all cards."""
    return list(uow.scalars(select(LoyaltyCard.id).order_by(LoyaltyCard.id)))


def apply(uow: UnitOfWork, records: Sequence[IncomingRecord]) -> Sequence[UUID]:
    """Write cards that are new or changed over there, and return their ids in this order."""
    cards = store_cards(uow, [_record(incoming) for incoming in records])
    return [card.id for card in cards]


def vanish(uow: UnitOfWork, ids: Sequence[UUID]) -> None:
    """End cards that were deleted over there; what happened with them stays known here."""
    end_cards(uow, ids, reason="Deleted in the back office")


def _neutral(card: LoyaltyCard) -> dict[str, Any]:
    return {
        "customer_ref": card.customer_id,
        "number": card.number,
        "tier": card.tier,
        "points": card.points,
        "issued_on": card.issued_on.isoformat(),
    }


def _record(incoming: IncomingRecord) -> CardRecord:
    values = dict(incoming.values)
    customer_id = values.pop("customer_ref", None)
    return CardRecord(incoming.local_id, customer_id, load_card(values))
