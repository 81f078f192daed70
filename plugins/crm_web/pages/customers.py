"""Customers: the list, and one whole."""

from __future__ import annotations

from uuid import UUID

from crm_core.messages import t
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.services.card import customer_card
from crm_core.services.customers import list_customers
from crm_web.sdk.pages import Menu, Pages
from crm_web.sdk.request import Request

pages = Pages("customers", __name__, title="Customers", prefix="/customers")


@pages.get("/", right=CUSTOMER_VIEW, menu=Menu(t("Customers"), icon="people", position=20))
def customers(request: Request) -> str:
    """Show the list."""
    page = list_customers(request.uow, cursor=request.args.get("cursor"))
    return request.render("web/customers/list.html", page=page)


@pages.get("/<uuid:customer_id>", right=CUSTOMER_VIEW)
def card(request: Request, customer_id: UUID) -> str:
    """Show one customer whole."""
    shown = customer_card(request.uow, customer_id, request.settings)
    return request.render("web/customers/card.html", card=shown)
