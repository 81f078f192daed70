"""Customers that may be one: suggestions, side by side, merged, and apart again."""

from __future__ import annotations

from uuid import UUID

from werkzeug.wrappers import Response

from crm_core.messages import n, t
from crm_core.services.customer_duplicates import duplicates_of, say_distinct
from crm_core.services.customer_merge import DROP, KEEP, MERGE, merge_customers
from crm_core.services.customer_merge_report import (
    BOTH,
    FieldComparison,
    compare_customers,
    list_merges,
)
from crm_core.services.customer_merge_rows import PROFILE
from crm_core.services.customer_unmerge import unmerge_customers
from crm_core.services.lookup import permitted_customer
from crm_web.labels import label
from crm_web.pages.customers.area import pages
from crm_web.sdk.request import Request

CHOICE = "choice_"
MOST = 10
TOPICS = {"kind": "kind", "stage": "stage", "preferred_channel": "channel"}


@pages.get("/<uuid:customer_id>/duplicates", right=MERGE)
def duplicates(request: Request, customer_id: UUID) -> str:
    """Show who may be the same customer, and why, and whom it was merged with."""
    customer = permitted_customer(request.uow, customer_id, MERGE)
    found = duplicates_of(request.uow, customer_id, limit=MOST)
    merges = list_merges(request.uow, customer_id).items
    return request.render(
        "web/customers/duplicates.html", customer=customer, found=found, merges=merges
    )


@pages.post("/<uuid:customer_id>/distinct/<uuid:other_id>", right=MERGE)
def distinct(request: Request, customer_id: UUID, other_id: UUID) -> Response:
    """Remember that two are not the same."""
    say_distinct(request.uow, customer_id, other_id)
    message = t("They are two; they are not suggested again.")
    return request.back(message, otherwise="customers.card", customer_id=customer_id)


@pages.get("/<uuid:customer_id>/merge/<uuid:other_id>", right=MERGE)
def compare(request: Request, customer_id: UUID, other_id: UUID) -> str:
    """Show two customers side by side, with what would survive."""
    keep = permitted_customer(request.uow, customer_id, MERGE)
    drop = permitted_customer(request.uow, other_id, MERGE)
    fields = compare_customers(request.uow, customer_id, other_id)
    return request.render(
        "web/customers/compare.html",
        keep=keep,
        drop=drop,
        single=[each for each in fields if each.survives != BOTH and each.keep != each.drop],
        same=[each for each in fields if each.survives != BOTH and each.keep == each.drop],
        both=[each for each in fields if each.survives == BOTH],
        title_of=_title,
        shown=_shown,
        choice=CHOICE,
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
    done = merge_customers(
        request.uow,
        customer_id,
        other_id,
        choices=choices,
        reason=request.form.get("reason"),
        expected_version=int(version) if version.isdecimal() else None,
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


def _title(field: str) -> str:
    return field.removeprefix(PROFILE) if field.startswith(PROFILE) else label(field, "field")


def _shown(each: FieldComparison, value: str | None) -> str:
    topic = TOPICS.get(each.field)
    return label(value, topic) if topic else value or "–"
