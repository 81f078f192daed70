"""Finding a customer by name, e-mail, phone, VAT or reference, in any script."""

from __future__ import annotations

from werkzeug.wrappers import Response

from crm_core.errors import InputError
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.services.search import search_customers
from crm_web.sdk.pages import Pages
from crm_web.sdk.request import Request

pages = Pages("find", __name__, title="Find", prefix="/find")
SUGGESTED, SHOWN = 8, 50


@pages.get("/", right=CUSTOMER_VIEW)
def find(request: Request) -> Response | str:
    """Show the customers found."""
    text = request.args.get("q", "").strip()
    page = None
    try:
        if text:
            cursor = request.args.get("cursor") or None
            page = search_customers(
                request.uow, text, limit=SHOWN, cursor=cursor, include_archived=True
            )
    except InputError as error:
        return request.refuse(
            "web/find.html", error.http_status, query=text, page=None, error=error
        )
    return request.render("web/find.html", query=text, page=page, error=None)


@pages.get("/suggest", right=CUSTOMER_VIEW)
def suggest(request: Request) -> str:
    """Return the first few found, while somebody types; nobody, while nothing can be found."""
    text = request.args.get("q", "").strip()
    try:
        found = search_customers(request.uow, text, limit=SUGGESTED) if text else None
    except InputError:
        found = None
    return request.render("web/parts/suggestions.html", found=found, text=text)
