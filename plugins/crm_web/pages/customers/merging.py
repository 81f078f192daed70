"""Customers that may be one: suggestions, side by side, merged, and apart again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from werkzeug.wrappers import Response

from crm_core.entities.customer import Customer
from crm_core.messages import n, t
from crm_core.services.customer_duplicates import duplicates_of, say_distinct
from crm_core.services.customer_merge import DROP, KEEP, MERGE, merge_customers
from crm_core.services.customer_merge_report import (
    BOTH,
    compare_customers,
    list_merges,
)
from crm_core.services.customer_merge_rows import PROFILE
from crm_core.services.customer_merge_there import holders_of_both
from crm_core.services.customer_unmerge import unmerge_customers
from crm_core.services.lookup import permitted_customer
from crm_core.services.profile import list_attributes
from crm_web.labels import label
from crm_web.pages.customers.area import pages
from crm_web.pages.customers.profile import shown_value
from crm_web.sdk.request import Request

CHOICE = "choice_"
MOST = 10
TOPICS = {"kind": "kind", "stage": "stage", "preferred_channel": "channel"}


@pages.get("/<uuid:customer_id>/duplicates", right=MERGE)
def duplicates(request: Request, customer_id: UUID) -> str:
    """Show who may be the same customer, and why."""
    customer = permitted_customer(request.uow, customer_id, MERGE)
    found = duplicates_of(request.uow, customer_id, limit=MOST)
    return request.render("web/customers/duplicates.html", customer=customer, found=found)


@pages.get("/<uuid:customer_id>/merges", right=MERGE)
def merges(request: Request, customer_id: UUID) -> str:
    """Show whom a customer was merged with."""
    customer = request.uow.get(Customer, customer_id)
    found = list_merges(request.uow, customer_id).items
    return request.render("web/customers/merges.html", customer=customer, merges=found)


@pages.post("/<uuid:customer_id>/distinct/<uuid:other_id>", right=MERGE)
def distinct(request: Request, customer_id: UUID, other_id: UUID) -> Response:
    """Remember that two are not the same."""
    say_distinct(request.uow, customer_id, other_id)
    message = t("They are two; they are not suggested again.")
    return request.back(message, otherwise="customers.card", customer_id=customer_id)


@pages.get("/<uuid:customer_id>/merge/<uuid:other_id>", right=MERGE)
def compare(request: Request, customer_id: UUID, other_id: UUID) -> str:
    """Show two customers side by side, with what would survive."""
    keep, drop = (request.uow.get(Customer, key) for key in (customer_id, other_id))
    fields = compare_customers(request.uow, customer_id, other_id)
    return request.render(
        "web/customers/compare.html",
        keep=keep,
        drop=drop,
        single=[each for each in fields if each.survives != BOTH and each.keep != each.drop],
        same=[each for each in fields if each.survives != BOTH and each.keep == each.drop],
        both=[each for each in fields if each.survives == BOTH],
        told=_Told({each["code"]: each for each in list_attributes(request.uow)}),
        choice=CHOICE,
        holders=holders_of_both(request.uow, customer_id, other_id),
    )


@pages.post("/<uuid:customer_id>/merge/<uuid:other_id>", right=MERGE)
def merge(request: Request, customer_id: UUID, other_id: UUID) -> Response:
    """Let the other customer go into this one."""
    choices = {
        name.removeprefix(CHOICE): side
        for name, side in request.form.items()
        if name.startswith(CHOICE) and side in (KEEP, DROP)
    }
    version = request.form.get("version", "")
    is_number = version.isdecimal() and len(version) < 12
    done = merge_customers(
        request.uow,
        customer_id,
        other_id,
        choices=choices,
        reason=request.form.get("reason"),
        # What is no version is none that is there: they changed.
        expected_version=int(version) if is_number else -1 if version else None,
        there=bool(request.form.get("there")),
    )
    message = t("They are one now. The merge can be undone at the end of the card.")
    return request.done(message, to="customers.card", customer_id=done.keep_id)


@pages.post("/<uuid:customer_id>/merges/<uuid:merge_id>/undo", right=MERGE)
def undo(request: Request, customer_id: UUID, merge_id: UUID) -> Response:
    """Take a merge apart again."""
    undone = unmerge_customers(request.uow, merge_id)
    message = t("The merge is undone: they are two again.")
    if undone.left:
        message = n(
            "The merge is undone. {count} thing was changed since and stays as it is.",
            "The merge is undone. {count} things were changed since and stay as they are.",
            len(undone.left),
        )
    return request.done(message, to="customers.card", customer_id=customer_id)


@dataclass(frozen=True, slots=True)
class _Told:
    """What people read for the fields of a comparison, and for their values."""

    attributes: Mapping[str, Mapping[str, Any]]

    def title(self, field: str) -> str:
        """Return what a field is called."""
        attribute = self._attribute(field)
        return str(attribute["title"]) if attribute else label(field, "field")

    def value(self, field: str, kept: str | None) -> str:
        """Return a value as people read it."""
        attribute = self._attribute(field)
        if attribute and kept:
            return shown_value(attribute["type"], kept)
        topic = TOPICS.get(field)
        return label(kept, topic) if topic else kept or "–"

    def _attribute(self, field: str) -> Mapping[str, Any] | None:
        return (
            self.attributes.get(field.removeprefix(PROFILE)) if field.startswith(PROFILE) else None
        )
