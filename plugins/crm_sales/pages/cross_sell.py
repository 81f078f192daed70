"""What else customers might buy: on the customer card, on the deal, and all pairs behind it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from crm_core.access import Reach
from crm_core.messages import n, t
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_sales.models import Opportunity
from crm_sales.permissions import CONFIGURE, OPPORTUNITY_VIEW
from crm_sales.services.cross_sell.counting import count_affinities
from crm_sales.services.cross_sell.suggesting import (
    Suggestions,
    customer_name,
    last_count,
    list_affinities,
    suggest_for_deal,
    suggest_products,
)
from crm_web.sdk import Menu, Pages, Request

pages = Pages("sales_cross_sell", "crm_sales", title=t("Cross-sell"), prefix="/sales/cross-sell")
ON_A_PAGE, ON_A_PANEL = 20, 3


@pages.get(
    "/",
    right=OPPORTUNITY_VIEW,
    menu=Menu(t("Bought together"), icon="tag", section="sales", position=90),
)
def affinities(request: Request) -> str:
    """Show which products the same customers buy, and when that was counted."""
    may_count = request.may(CONFIGURE) and request.uow.actor.reach(CUSTOMER_VIEW) is Reach.ALL
    return request.render(
        "sales/cross_sell/affinities.html",
        count=last_count(request.uow),
        page=list_affinities(request.uow, cursor=request.args.get("cursor") or None),
        may_count=may_count,
    )


@pages.post("/count", right=CONFIGURE)
def count(request: Request) -> Any:
    """Count anew."""
    counted = count_affinities(request.uow)
    said = n(
        "Of {customers} customers, {count} pair of products says something.",
        "Of {customers} customers, {count} pairs of products say something.",
        counted.pairs,
        customers=counted.customers,
    )
    return request.done(said, to="sales_cross_sell.affinities")


@pages.get("/of/<uuid:customer_id>", right=OPPORTUNITY_VIEW)
def suggestions(request: Request, customer_id: UUID) -> str:
    """Show all that might be offered to a customer."""
    told = suggest_products(request.uow, customer_id, limit=ON_A_PAGE)
    return _shown(request, told, customer_id)


@pages.get("/for/<uuid:opportunity_id>", right=OPPORTUNITY_VIEW)
def beside(request: Request, opportunity_id: UUID) -> str:
    """Show what might be offered beside what a deal is about."""
    told = suggest_for_deal(request.uow, opportunity_id, limit=ON_A_PAGE)
    return _shown(request, told, request.uow.get(Opportunity, opportunity_id).customer_id)


def _shown(request: Request, told: Suggestions, customer_id: UUID) -> str:
    return request.render(
        "sales/cross_sell/customer.html",
        told=told,
        is_counted=bool(told.items) or last_count(request.uow) is not None,
        customer_id=customer_id,
        name=customer_name(request.uow, customer_id),
    )


@pages.panel("customer", t("They might also buy"), right=OPPORTUNITY_VIEW, position=70)
def on_customer(request: Request, customer_id: UUID) -> str:
    """Show the strongest suggestions for a customer."""
    told = suggest_products(request.uow, customer_id, limit=ON_A_PANEL)
    if not told.items:
        return ""
    return request.render("sales/cross_sell/panel.html", told=told, customer_id=customer_id)


@pages.panel("sales_deal_side", t("What goes with it"), right=OPPORTUNITY_VIEW, position=70)
def on_deal(request: Request, opportunity_id: UUID) -> str:
    """Lead to what might be offered beside what a deal is about; nothing is read for it."""
    return request.render("sales/cross_sell/beside.html", opportunity_id=opportunity_id)
