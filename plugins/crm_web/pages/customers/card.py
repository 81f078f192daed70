"""The customer card: one customer whole on one page."""

from __future__ import annotations

from uuid import UUID

from werkzeug.wrappers import Response

from crm_core.entities.customer import Customer
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.services import (
    activities,
    attachments,
    consents,
    customers,
    interactions,
    ownership,
    profile,
)
from crm_core.services.attachments import list_attachments
from crm_core.services.card import customer_card
from crm_core.services.customer_merge import MERGE
from crm_web.pages.customers.area import allowed, pages
from crm_web.pages.customers.network import picture
from crm_web.pages.customers.profile import shown_value
from crm_web.pages.customers.reach import CALLED, MAILED, reached
from crm_web.pages.customers.timeline import latest
from crm_web.sdk.request import Request

RIGHTS = {
    "edit": customers.EDIT,
    "archive": customers.ARCHIVE,
    "assign": ownership.ASSIGN,
    "merge": MERGE,
    "log": interactions.LOG,
    "plan": activities.EDIT,
    "consent": consents.RECORD,
    "profile": profile.EDIT,
    "attach": attachments.EDIT,
}
"""What can be done on the card, with the right it takes."""
DOCUMENTS = 12
"""Documents that are shown before the rest is unfolded, besides the open ones."""


@pages.get("/<uuid:customer_id>", right=CUSTOMER_VIEW)
def card(request: Request, customer_id: UUID) -> Response | str:
    """Show one customer whole; one that was merged leads to the survivor."""
    shown = customer_card(request.uow, customer_id, request.settings)
    merged_into = shown.customer["merged_into_id"]
    if merged_into and request.uow.find(Customer, merged_into):
        return request.to("customers.card", customer_id=merged_into)
    may = allowed(request.uow.actor, shown.customer["owner_id"], is_merged=bool(merged_into))
    points = reached(shown.contact_points)
    documents = shown.documents
    return request.render(
        "web/customers/card.html",
        card=shown,
        customer=shown.customer,
        may={name: may(right) for name, right in RIGHTS.items()},
        points=points,
        call=next((each for each in points if each["kind"] in CALLED and each["href"]), None),
        mail=next((each for each in points if each["kind"] == MAILED and each["href"]), None),
        network=picture(shown.relationships),
        timeline=latest(request, customer_id, shown),
        documents=[
            each for index, each in enumerate(documents) if each["is_open"] or index < DOCUMENTS
        ],
        older=[each for each in documents[DOCUMENTS:] if not each["is_open"]],
        overdue=[each for each in documents if each["is_overdue"]],
        refreshed_at=max((each["refreshed_at"] for each in documents), default=None),
        files=list_attachments(request.uow, customer_id),
        shown_value=shown_value,
    )
