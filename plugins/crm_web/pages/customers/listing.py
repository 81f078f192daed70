"""The list of customers."""

from __future__ import annotations

from crm_core.messages import t
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.services.customers import list_customers
from crm_web.pages.customers.area import pages
from crm_web.sdk.pages import Menu
from crm_web.sdk.request import Request


@pages.get("/", right=CUSTOMER_VIEW, menu=Menu(t("Customers"), icon="people", position=20))
def customers(request: Request) -> str:
    """Show the list."""
    page = list_customers(request.uow, cursor=request.args.get("cursor"))
    return request.render("web/customers/list.html", page=page)
