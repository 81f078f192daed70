"""Loyalty: the whole wiring of this plugin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from crm_hooks import PluginManifest, hookimpl
from crm_hooks.contributions import (
    CardPanel,
    EventHandler,
    HomeCard,
    Job,
    ListColumn,
    NewCustomer,
    Objection,
    Right,
    SyncableEntity,
    SyncField,
    TimelineEntry,
    TimelineRequest,
    WebModule,
)

from crm_loyalty.permissions import RIGHTS, VIEW

TIERS = (("bronze", "Bronze"), ("silver", "Silver"), ("gold", "Gold"))

manifest = PluginManifest(
    name="loyalty",
    title="Loyalty cards",
    version="0.1.0",
    table_prefix="loyalty_",
)


@hookimpl
def crm_register_rights() -> Sequence[Right]:
    """Name the rights that the services ask for."""
    return RIGHTS


@hookimpl
def crm_register_event_handlers() -> Sequence[EventHandler]:
    """Welcome new companies with a card."""
    return [EventHandler("loyalty.welcome", ("core.customer.created",), "crm_loyalty.jobs:welcome")]


@hookimpl
def crm_register_jobs() -> Sequence[Job]:
    """End cards whose last day has passed, once an hour: midnight comes when it will."""
    return [Job("loyalty.expire", "crm_loyalty.jobs:expire", every_minutes=60)]


@hookimpl
def crm_register_list_columns() -> Sequence[ListColumn]:
    """Show tier and points of a customer's card in the list of customers."""
    lists = "crm_loyalty.services.lists"
    return [
        ListColumn(
            "loyalty.tier",
            "Loyalty tier",
            "choice",
            values=f"{lists}:tiers",
            expression=f"{lists}:tier_of_customer",
            choices=TIERS,
            right=VIEW,
        ),
        ListColumn(
            "loyalty.points",
            "Loyalty points",
            "number",
            values=f"{lists}:points",
            expression=f"{lists}:points_of_customer",
            right=VIEW,
        ),
    ]


@hookimpl
def crm_register_web() -> Sequence[WebModule]:
    """Let people and programs reach cards; without the web plugin nobody asks."""
    return [WebModule("loyalty.web", pages="crm_loyalty.pages:pages", api="crm_loyalty.api:api")]


@hookimpl
def crm_register_syncable_entities() -> Sequence[SyncableEntity]:
    """Let cards be kept in step with a back office."""
    return [
        SyncableEntity(
            name="loyalty_card",
            title="Loyalty cards",
            fields=(
                SyncField("customer_ref", "ref", required=True, entity="customer"),
                SyncField("number", required=True),
                SyncField("tier"),
                SyncField("points", "whole"),
                SyncField("issued_on", "date"),
            ),
            read="crm_loyalty.sync:read",
            apply="crm_loyalty.sync:apply",
            vanish="crm_loyalty.sync:vanish",
            ids="crm_loyalty.sync:ids",
            label="number",
        )
    ]


@hookimpl
def crm_collect_card_panels(uow: Any, customer_id: UUID) -> Sequence[CardPanel]:
    """Show a customer's card, and what came onto it and left it of late."""
    from crm_loyalty.services import list_cards, list_entries

    if not uow.actor.may(VIEW):
        return []
    cards = list_cards(uow, customer_id=customer_id, limit=1).items
    return [_panel(card, list_entries(uow, card["id"], limit=5).items) for card in cards]


@hookimpl
def crm_collect_timeline(
    uow: Any, customer_id: UUID, wanted: TimelineRequest
) -> Sequence[TimelineEntry]:
    """Tell when points came onto a customer's cards and left them."""
    from crm_loyalty.services.lists import entries_on_timeline

    return entries_on_timeline(uow, customer_id, wanted) if uow.actor.may(VIEW) else []


@hookimpl
def crm_collect_home_cards(uow: Any) -> Sequence[HomeCard]:
    """Name the cards with points of one's customers that expire soon."""
    from crm_loyalty.services.lists import expiring_soon

    return expiring_soon(uow) if uow.actor.may(VIEW) else []


@hookimpl
def crm_decide_customer_owner(uow: Any, customer: NewCustomer) -> UUID | None:
    """Give a new customer with a tag such as VIP to the user who was appointed for it."""
    from crm_core.entities import User
    from sqlalchemy import select

    from crm_loyalty.models import LoyaltySteward

    tags = [tag.casefold() for tag in customer.tags]
    appointed = (
        select(LoyaltySteward.user_id)
        .join(User, User.id == LoyaltySteward.user_id)
        .where(LoyaltySteward.tag.in_(tags), User.is_enabled)
        .order_by(LoyaltySteward.tag)
        .limit(1)
    )
    owner: UUID | None = uow.scalar(appointed) if tags else None
    return owner


@hookimpl
def crm_check_customer_archive(uow: Any, customer_id: UUID) -> Sequence[Objection]:
    """Object while there is something on a card: the customer may come to spend it."""
    from sqlalchemy import select

    from crm_loyalty.models import LoyaltyCard

    unspent = select(LoyaltyCard.number, LoyaltyCard.points).where(
        LoyaltyCard.customer_id == customer_id,
        LoyaltyCard.ended_at.is_(None),
        LoyaltyCard.points > 0,
    )
    return [
        Objection(
            f"Card {card.number} has {card.points} points: redeem them or end the card first "
            f"(crm loyalty end {card.number}).",
            code="loyalty.card.unspent",
        )
        for card in uow.execute(unspent)
    ]


@hookimpl
def crm_check_customer_merge(uow: Any, keep_id: UUID, drop_id: UUID) -> Sequence[Objection]:
    """Object where both have a card that is good: nobody has two."""
    from sqlalchemy import select

    from crm_loyalty.models import LoyaltyCard

    live = select(LoyaltyCard.number).where(
        LoyaltyCard.customer_id.in_([keep_id, drop_id]), LoyaltyCard.ended_at.is_(None)
    )
    numbers = uow.scalars(live.order_by(LoyaltyCard.number)).all()
    if len(numbers) <= 1:
        return []
    return [
        Objection(
            f"Both have a loyalty card ({' and '.join(numbers)}): end one first "
            f"(crm loyalty end NUMBER).",
            code="loyalty.card.both",
        )
    ]


def _panel(card: dict[str, Any], entries: Sequence[dict[str, Any]]) -> CardPanel:
    return CardPanel(
        "Loyalty card",
        fields=(
            ("Number", card["number"]),
            ("Tier", card["tier"]),
            ("Points", card["points"]),
            ("Issued", card["issued_on"]),
            ("Expires", card["expires_on"]),
        ),
        headings=("When", "Points", "Why"),
        rows=tuple((e["created_at"], e["points"], e["reason"]) for e in entries),
    )
