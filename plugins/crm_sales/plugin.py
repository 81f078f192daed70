"""Sales: the whole wiring of this plugin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from crm_core.messages import t
from crm_hooks import PluginManifest, hookimpl
from crm_hooks.belongings import Belongings
from crm_hooks.contributions import (
    EventHandler,
    HomeCard,
    HomeItem,
    Job,
    Lack,
    ListColumn,
    Objection,
    PluginSetting,
    Right,
    SyncableEntity,
    TimelineEntry,
    TimelineRequest,
    WebModule,
)
from crm_sales.permissions import LEAD_VIEW, OPPORTUNITY_VIEW, QUOTE_APPROVE, RIGHTS
from crm_sales.settings import SETTINGS
from crm_sales.synced import ENTITIES

manifest = PluginManifest(
    name="sales",
    title=t("Sales"),
    version="0.1.0",
    table_prefix="sales_",
    rebuild="crm_sales.jobs.setup:rebuild",
    demo="crm_sales.demo:prepare",
)
PAGES: tuple[str, ...] = (
    "leads",
    "assignment",
    "offer",
    "sending",
    "orders",
    "scores",
    "forecast",
    "cross_sell",
    "steps",
    "calendar",
    "handover",
    "board",
    "deals",
    "deal_forms",
    "pipelines",
    "quotes",
    "quote_forms",
    "offer_rules",
)
"""Modules of ``crm_sales.pages``; each has ``pages``."""
API: tuple[str, ...] = (
    "offers",
    "leads",
    "assignment",
    "scores",
    "forecast",
    "cross_sell",
    "steps",
    "handover",
    "deals",
    "pipelines",
    "quotes",
    "offer_rules",
)
"""Modules of ``crm_sales.api``; each has ``api``."""


@hookimpl
def crm_register_rights() -> Sequence[Right]:
    """Name the rights that the services ask for."""
    return RIGHTS


@hookimpl
def crm_register_settings() -> Sequence[PluginSetting]:
    """Let administrators say how the module works."""
    return SETTINGS


@hookimpl
def crm_register_event_handlers() -> Sequence[EventHandler]:
    """Keep what follows from deals and customers in line with them."""
    return [
        EventHandler("sales.take_lead", ("sales.lead.asked",), "crm_sales.jobs.leads:take_asked"),
        EventHandler(
            "sales.assign_leads",
            ("sales.lead.added", "sales.lead.queued"),
            "crm_sales.jobs.leads:assign_some",
        ),
        EventHandler(
            "sales.resettle_deals",
            ("sales.pipeline.designed",),
            "crm_sales.jobs.deals:resettle_deals",
        ),
        EventHandler(
            "sales.rescore_customers",
            ("core.customer.changed",),
            "crm_sales.jobs.scores:rescore_of_customers",
        ),
        EventHandler(
            "sales.follow_sequences",
            (
                "sales.opportunity.added",
                "sales.opportunity.moved",
                "sales.opportunity.won",
                "sales.opportunity.lost",
                "sales.opportunity.reopened",
            ),
            "crm_sales.jobs.follow_up:follow",
        ),
        EventHandler(
            "sales.hand_steps_on",
            ("sales.opportunity.changed",),
            "crm_sales.jobs.follow_up:hand_on",
        ),
        EventHandler(
            "sales.note_expectation",
            ("sales.opportunity.added", "sales.opportunity.changed"),
            "crm_sales.jobs.forecast:note_deal",
        ),
        EventHandler(
            "sales.hand_offers_on",
            ("sales.opportunity.changed",),
            "crm_sales.jobs.quotes:follow_owner",
        ),
        EventHandler("sales.order", ("sales.quote.accepted",), "crm_sales.jobs.orders:order"),
        EventHandler("sales.settle_order", ("sales.order.told",), "crm_sales.jobs.orders:settle"),
        EventHandler("sales.ask_tax", ("sales.tax.asked",), "crm_sales.jobs.orders:ask_tax"),
    ]


@hookimpl
def crm_register_syncable_entities() -> Sequence[SyncableEntity]:
    """Keep deals, price lists, payment terms and orders in step with the back office."""
    return ENTITIES


@hookimpl
def crm_register_jobs() -> Sequence[Job]:
    """Do what is due."""
    return [
        Job("sales.assign_waiting", "crm_sales.jobs.leads:assign_waiting", every_minutes=5),
        Job(
            "sales.rescore",
            "crm_sales.jobs.scores:rescore",
            every_minutes=24 * 60,
            limit_seconds=600,
            with_database=True,
        ),
        Job("sales.expire_quotes", "crm_sales.jobs.offers:expire", every_minutes=60),
        Job("sales.keep_forecast", "crm_sales.jobs.forecast:keep_forecast", every_minutes=60),
        Job(
            "sales.count_affinities",
            "crm_sales.jobs.cross_sell:count",
            every_minutes=24 * 60,
            limit_seconds=300,
        ),
    ]


@hookimpl
def crm_register_web() -> Sequence[WebModule]:
    """Let people and programs reach it; without the web plugin nobody asks."""
    pages = [
        WebModule(f"sales.{name}_pages", pages=f"crm_sales.pages.{name}:pages") for name in PAGES
    ]
    return pages + [WebModule(f"sales.{name}_api", api=f"crm_sales.api.{name}:api") for name in API]


@hookimpl
def crm_register_list_columns() -> Sequence[ListColumn]:
    """Show in the list of customers who has open deals, and what they may bring."""
    of = "crm_sales.services.deals_of_customers"
    counted = (f"{of}:open_deals", f"{of}:number_of_open_deals")
    return [
        ListColumn("sales.open_deals", t("Open deals"), "number", *counted, right=OPPORTUNITY_VIEW),
        ListColumn(
            "sales.open_amount",
            t("Open deals, amount"),
            "number",
            f"{of}:open_amounts",
            right=OPPORTUNITY_VIEW,
        ),
    ]


@hookimpl
def crm_collect_timeline(
    uow: Any, customer_id: UUID, wanted: TimelineRequest
) -> Sequence[TimelineEntry]:
    """Tell of the moves of a customer's deals."""
    from crm_sales.services.deals_of_customers import moves_on_timeline

    return moves_on_timeline(uow, customer_id, wanted) if uow.actor.may(OPPORTUNITY_VIEW) else []


@hookimpl
def crm_collect_home_cards(uow: Any) -> Sequence[HomeCard]:
    """Name one's own new leads, offers to approve, and open deals for which nothing is planned."""
    from crm_sales.services.leads.home import new_leads
    from crm_sales.services.quotes.home import waiting_offers

    leads = new_leads(uow) if uow.actor.may(LEAD_VIEW) else []
    offers = waiting_offers(uow) if uow.actor.may(QUOTE_APPROVE) else []
    return [*leads, *offers, *_bare_deals(uow)]


def _bare_deals(uow: Any) -> Sequence[HomeCard]:
    from crm_sales.services.next_steps import count_without_next_step, without_next_step

    if not uow.actor.may(OPPORTUNITY_VIEW) or uow.actor.user_id is None:
        return []
    count = count_without_next_step(uow, owner_id=uow.actor.user_id)
    if not count:
        return []
    page = without_next_step(uow, owner_id=uow.actor.user_id, limit=5)
    items = tuple(
        HomeItem(deal["name"], "sales_opportunity", deal["id"], deal["customer_name"] or "")
        for deal in page.items
    )
    title = t("Deals without a next step")
    most = min(count, 100)
    return [HomeCard("sales.bare_deals", title, most, items, count > most, tone="warning")]


@hookimpl
def crm_collect_belongings(uow: Any, user_id: UUID) -> Sequence[Belongings]:
    """Name the open deals, leads and offers of whoever hands their work over."""
    from crm_sales.services.handover.records import sales_belongings

    return sales_belongings(uow, user_id) if uow.actor.may(LEAD_VIEW) else []


@hookimpl
def crm_check_offer(uow: Any, customer_id: UUID) -> Sequence[Objection]:
    """Object to offering more to a customer who owes money for long."""
    from crm_sales.services.cross_sell.objecting import overdue_objections

    return overdue_objections(uow, customer_id)


@hookimpl
def crm_collect_lacks(uow: Any) -> Sequence[Lack]:
    """Name what this machine lacks to make documents of offers."""
    from crm_sales.services.quote_documents.offer import why_undrawable

    why = why_undrawable(uow)
    return [Lack(t("documents"), why)] if why else []
