"""What becomes of accepted offers: panels on their pages and on deals, and what people decide."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marshmallow import Schema, fields

from crm_core.messages import Message, t
from crm_sales.permissions import QUOTE_APPROVE, QUOTE_EDIT, QUOTE_VIEW
from crm_sales.services.order_stories import order_story, stories_of_deal
from crm_sales.services.order_words import DELIVERIES, PAYMENTS, STATES, SUMS
from crm_sales.services.quote_orders import confirm_order, retry_order
from crm_sales.services.quote_tax import ask_tax, tax_standing
from crm_web.sdk import Pages, Request

pages = Pages("sales_orders", "crm_sales", title=t("Orders"), prefix="/sales/orders")
OFFER = "/<uuid:quote_id>"
WORDS = {"states": STATES, "deliveries": DELIVERIES, "payments": PAYMENTS, "sums": SUMS}


class ConfirmSchema(Schema):
    """The total over there that is accepted, where it is another than ours."""

    accept_total = fields.Decimal(load_default=None, allow_none=True)


@pages.panel("sales_quote", t("Order and tax"), right=QUOTE_VIEW, position=20)
def of_quote(request: Request, quote_id: UUID) -> str:
    """Show what became of an accepted offer; of one that is not sent, ask for its tax."""
    story = order_story(request.uow, quote_id)
    if story is not None:
        return _drawn(request, [story])
    standing = tax_standing(request.uow, quote_id)
    if not standing["may_be_asked"]:
        return ""
    context = {"quote_id": quote_id, "may_edit": request.may(QUOTE_EDIT), **standing}
    return request.render("sales/orders/tax.html", **context)


@pages.panel("sales_deal", t("Order"), right=QUOTE_VIEW, position=30)
def of_deal(request: Request, opportunity_id: UUID) -> str:
    """Show what became of a deal's accepted offers."""
    stories = stories_of_deal(request.uow, opportunity_id)
    return _drawn(request, stories) if stories else ""


@pages.post(OFFER + "/retry", right=QUOTE_EDIT)
def retry(request: Request, quote_id: UUID) -> Any:
    """Send an order that was refused once more, or beside another one of the deal."""
    retry_order(request.uow, quote_id, beside=request.form.get("beside", "").strip() or None)
    return _done(request, quote_id, t("It is sent with the next exchange."))


@pages.post(OFFER + "/confirm", right=QUOTE_EDIT)
def confirm(request: Request, quote_id: UUID) -> Any:
    """Have an order confirmed, with the sums of the back office where they are accepted."""
    given = request.read(ConfirmSchema())
    confirm_order(request.uow, quote_id, accept_total=given["accept_total"])
    return _done(request, quote_id, t("It is confirmed with the next exchange."))


@pages.post(OFFER + "/tax", right=QUOTE_EDIT)
def tax(request: Request, quote_id: UUID) -> Any:
    """Have the back office work the tax out."""
    ask_tax(request.uow, quote_id)
    told = t("The back office is asked: its answer stands here after the next exchange.")
    return _done(request, quote_id, told)


def _drawn(request: Request, stories: list[dict[str, Any]]) -> str:
    return request.render(
        "sales/orders/story.html",
        stories=stories,
        may_edit=request.may(QUOTE_EDIT),
        may_approve=request.may(QUOTE_APPROVE),
        back=request.path.partition("?")[0],
        **WORDS,
    )


def _done(request: Request, quote_id: UUID, message: Message) -> Any:
    return request.back(message, otherwise="sales_quotes.show", quote_id=quote_id)
