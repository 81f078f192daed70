"""Customers that may be one: suggestions, merging, and its undoing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from crm_core.entities.merge import CustomerMerge
from crm_core.persistence.paging import Page
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.schemas.customer import TEXT
from crm_core.services import customer_duplicates as duplicates
from crm_core.services.customer_merge import DROP, KEEP, MERGE, merge_customers
from crm_core.services.customer_merge_report import (
    FieldComparison,
    compare_customers,
    list_merges,
)
from crm_core.services.customer_unmerge import unmerge_customers
from crm_web.sdk.api import Api, Call, Flag, PageQuery, Result, Said, Strict, Whole

api = Api("merging", title="Customers that are one", prefix="/")
CUSTOMER = "/customers/<uuid:customer_id>"


class DuplicatesQuery(Strict):
    """How alike, and how many."""

    min_score = Whole(in_query=True, validate=validate.Range(1, 100))
    limit = Whole(in_query=True, validate=validate.Range(1, 100))


class SuggestionResult(Result):
    """Another customer that may be the same."""

    customer_id = fields.UUID(required=True)
    name = fields.String()
    other_id = fields.UUID(required=True)
    other_name = fields.String()
    score = fields.Integer()
    verdict = fields.String()
    reasons = fields.List(Said())


class ComparisonResult(Result):
    """One field of two customers, side by side."""

    field = fields.String(required=True)
    keep = fields.String()
    drop = fields.String()
    survives = fields.String()


class MergeSchema(Strict):
    """Who goes into the customer of the path."""

    drop_id = fields.UUID(required=True)
    choices = fields.Dict(
        keys=fields.String(),
        values=fields.String(validate=validate.OneOf([KEEP, DROP])),
        metadata={"description": "Field to keep or drop, against the rule."},
    )
    reason = fields.String(allow_none=True, validate=validate.Length(max=TEXT))
    there = Flag(
        metadata={"description": "Whether back offices that hold both are to merge them too."}
    )


class MergesQuery(PageQuery):
    """Of which customer."""

    customer_id = fields.UUID()


class ThereResult(Result):
    """Two records that a back office was asked to merge as well, and what came of it."""

    backend = fields.String()
    keep_remote_id = fields.String()
    drop_remote_id = fields.String()
    state = fields.String()
    reason = Said()


class MergeResult(Result):
    """One customer that went into another."""

    id = fields.UUID(required=True)
    keep_id = fields.UUID()
    keep_name = fields.String()
    drop_id = fields.UUID()
    drop_name = fields.String()
    reason = fields.String()
    choices = fields.Dict(keys=fields.String(), values=fields.String())
    summary = fields.Dict(keys=fields.String(), values=fields.Integer())
    merged_at = fields.DateTime()
    merged_by = fields.String()
    undone_at = fields.DateTime()
    undone_by = fields.String()
    left = fields.List(Said())
    there = fields.List(fields.Nested(ThereResult))


@api.get(
    f"{CUSTOMER}/duplicates", query=DuplicatesQuery, page=SuggestionResult, right=CUSTOMER_VIEW
)
def suggest(call: Call, customer_id: UUID) -> Sequence[duplicates.Suggestion]:
    """List customers that may be the same, the most alike first."""
    return duplicates.duplicates_of(call.uow, customer_id, **call.query)


@api.put(f"{CUSTOMER}/distinct/<uuid:other_id>", right=MERGE)
def say_distinct(call: Call, customer_id: UUID, other_id: UUID) -> None:
    """Say that two customers are not the same: they are suggested no more."""
    duplicates.say_distinct(call.uow, customer_id, other_id)


@api.delete(f"{CUSTOMER}/distinct/<uuid:other_id>", right=MERGE)
def unsay_distinct(call: Call, customer_id: UUID, other_id: UUID) -> None:
    """Take that back."""
    duplicates.unsay_distinct(call.uow, customer_id, other_id)


@api.get(f"{CUSTOMER}/compare/<uuid:other_id>", page=ComparisonResult, right=MERGE)
def compare(call: Call, customer_id: UUID, other_id: UUID) -> Sequence[FieldComparison]:
    """Show two customers side by side, with what of each would survive a merge."""
    return compare_customers(call.uow, customer_id, other_id)


@api.post(
    f"{CUSTOMER}/merge",
    body=MergeSchema,
    result=MergeResult,
    status=201,
    versioned=True,
    right=MERGE,
)
def merge(call: Call, customer_id: UUID) -> CustomerMerge:
    """Let another customer go into this one, with all that hangs on it."""
    body = dict(call.body)
    return merge_customers(
        call.uow,
        customer_id,
        body.pop("drop_id"),
        expected_version=call.expected_version,
        **body,
    )


@api.get("/merges", query=MergesQuery, page=MergeResult, right=MERGE)
def merges(call: Call) -> Page[dict[str, Any]]:
    """List merges, the latest first."""
    return list_merges(call.uow, **call.query)


@api.post("/merges/<uuid:merge_id>/undo", result=MergeResult, right=MERGE)
def undo(call: Call, merge_id: UUID) -> Mapping[str, Any] | CustomerMerge:
    """Put back what a merge changed; what was done since stays."""
    return unmerge_customers(call.uow, merge_id).merge
