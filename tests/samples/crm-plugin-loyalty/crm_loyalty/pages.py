"""Cards in the browser: all of them, and a customer's own on the customer card."""

from __future__ import annotations

from uuid import UUID

from crm_core.messages import t
from crm_core.services.lookup import permitted_customer
from crm_web.sdk import Form, Menu, Pages, Request
from marshmallow import Schema, fields, validate
from werkzeug.wrappers import Response

from crm_loyalty.permissions import CREDIT, VIEW
from crm_loyalty.services import credit_points, find_card, list_cards

pages = Pages("loyalty", __name__, title="Loyalty")


class CreditSchema(Schema):
    """What is put on a card."""

    points = fields.Integer(
        required=True, validate=validate.Range(1, 1_000_000), metadata={"title": t("Points")}
    )
    reason = fields.String(
        load_default="", validate=validate.Length(max=200), metadata={"title": t("Why")}
    )


@pages.get("/", right=VIEW, menu=Menu(t("Loyalty cards"), icon="star", section="plugins"))
def cards(request: Request) -> str:
    """Show the cards that are good."""
    page = list_cards(request.uow, cursor=request.args.get("cursor") or None)
    return request.render("loyalty/cards.html", page=page)


@pages.get("/<uuid:card_id>/credit", right=CREDIT)
def credit(request: Request, card_id: UUID) -> str:
    """Show the form to credit points."""
    card = find_card(request.uow, str(card_id))
    return request.render("loyalty/credit.html", card=card, form=Form(CreditSchema(), {}))


@pages.post("/<uuid:card_id>/credit", right=CREDIT)
def send_credit(request: Request, card_id: UUID) -> Response:
    """Credit points."""
    given = request.read(CreditSchema())
    card = credit_points(request.uow, card_id, given["points"], reason=given["reason"] or "")
    said = t("{points} points are on card {number}.", points=card.points, number=card.number)
    return request.done(said, to="customers.card", customer_id=card.customer_id)


@pages.panel("customer", t("Loyalty"), right=VIEW)
def of_customer(request: Request, customer_id: UUID) -> str:
    """Show a customer's card, with the way to credit points."""
    permitted_customer(request.uow, customer_id, VIEW)
    found = list_cards(request.uow, customer_id=customer_id, limit=1).items
    return request.render("loyalty/panel.html", card=found[0]) if found else ""
