"""What a plugin builds its pages with: stable, and all that it needs of the web.

::

    pages = Pages("loyalty", __name__, title="Loyalty")

    @pages.get("/", right="loyalty.card.view", menu=Menu("Cards", icon="card"))
    def cards(request: Request) -> str:
        return request.render("loyalty/cards.html", cards=list_cards(request.uow))

    @pages.post("/<uuid:card_id>/redeem", right="loyalty.card.redeem")
    def redeem(request: Request, card_id: UUID) -> Response:
        redeem_points(request.uow, card_id, **request.read(RedeemSchema()))
        return request.done(t("Redeemed."), to="loyalty.cards")

A page of ``get`` only reads, one of ``post`` writes and is committed when it answers with less than
400. Errors of the core become pages, or stand above the form that they came from.
"""

from crm_web.sdk.api import (
    Api,
    Call,
    File,
    Flag,
    Moment,
    MomentThere,
    PageQuery,
    Result,
    Said,
    Strict,
    Whole,
)
from crm_web.sdk.forms import Form, FormField
from crm_web.sdk.pages import Menu, Pages, Panel, Route
from crm_web.sdk.request import Request, Viewer

__all__ = [
    "Api",
    "Call",
    "File",
    "Flag",
    "Form",
    "FormField",
    "Menu",
    "Moment",
    "MomentThere",
    "PageQuery",
    "Pages",
    "Panel",
    "Request",
    "Result",
    "Route",
    "Said",
    "Strict",
    "Viewer",
    "Whole",
]
