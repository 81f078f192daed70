"""Finding a customer by name, e-mail, phone, VAT or reference, in any script."""

from __future__ import annotations

from flask import make_response
from werkzeug.wrappers import Response

from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.services.search import search_customers
from crm_web.sdk.pages import Pages
from crm_web.sdk.request import Request

pages = Pages("find", __name__, title="Find", prefix="/find")
SUGGESTED, SHOWN = 8, 50


@pages.get("/", right=CUSTOMER_VIEW)
def find(request: Request) -> str:
    """Show the customers found."""
    text = request.args.get("q", "").strip()
    page = None
    if text:
        page = search_customers(
            request.uow, text, limit=SHOWN, cursor=request.args.get("cursor"), include_archived=True
        )
    return request.render("web/find.html", query=text, page=page)


@pages.get("/suggest", right=CUSTOMER_VIEW)
def suggest(request: Request) -> Response:
    """Return the first few found, while somebody types."""
    text = request.args.get("q", "").strip()
    hits = search_customers(request.uow, text, limit=SUGGESTED).items if text else []
    return make_response(request.render("web/parts/suggestions.html", hits=hits, text=text))
