"""Cards as people at the desk look for them, and who answers for customers of a tag."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from crm_core.entities import Customer
from crm_core.errors import NotFoundError
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import filled
from crm_core.services.users import user_named
from sqlalchemy import or_, select

from crm_loyalty.models import LoyaltyCard, LoyaltyEntry, LoyaltySteward, Tier
from crm_loyalty.permissions import APPOINT, VIEW
from crm_loyalty.schemas import load_card

TIER_FROM: dict[str, int] = {Tier.BRONZE: 0, Tier.SILVER: 1_000, Tier.GOLD: 5_000}


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


def _key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
