"""Whom a lead may be from: customers and other leads like it, scored, with reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from crm_core.matching import SURE, UNSURE, Features, compare, features_of, verdict
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.customer_duplicates import customers_like
from crm_core.services.settings import load_settings
from crm_sales.models import Lead, LeadState
from crm_sales.permissions import LEAD_VIEW

MOST = 20
NEAR = 100
"""Leads of one shared value that are compared with one."""
PLACE = ("street", "postal_code", "city", "country_code")
_COMPARED = (
    Lead.id,
    Lead.name,
    Lead.company,
    Lead.email,
    Lead.phone,
    Lead.state,
    *(getattr(Lead, name) for name in PLACE),
)


@dataclass(frozen=True, slots=True)
class Match:
    """A customer or a lead that a lead may mean.

    Attributes:
        kind: ``customer`` or ``lead``.
        id: Of the customer or lead.
        name: What it is called.
        score: 0 to 100.
        verdict: ``sure``, ``likely`` or ``unsure``.
        reasons: What speaks for it, the strongest first, in words.
        state: Of a lead.
    """

    kind: str
    id: UUID
    name: str
    score: int
    verdict: str
    reasons: tuple[str, ...]
    state: str = ""


def lead_duplicates(
    uow: UnitOfWork, lead_id: UUID, *, min_score: int = UNSURE, limit: int = MOST
) -> list[Match]:
    """Return the customers and leads that a lead may mean, the most alike first.

    They are judged as records of a back office are. Only those that the actor may see are told.

    Raises:
        NotFoundError: There is no such lead that the actor may see.
        InputError: The score or the limit is out of range.
    """
    uow.actor.require(LEAD_VIEW)
    lead = uow.get(Lead, lead_id)
    found = [*_customers(uow, lead, min_score, limit), *_leads(uow, lead, min_score)]
    return sorted(found, key=lambda each: (-each.score, each.kind, str(each.id)))[:limit]


def customer_of(
    uow: UnitOfWork, lead: Lead, *, kinds: Sequence[str] = ("company", "person")
) -> UUID | None:
    """Return the one customer that a lead surely is from; None for none or several.

    Args:
        uow: The unit of work.
        lead: The lead.
        kinds: What it may be, the first that fits: of a company and its person the company.
    """
    uow.actor.require(LEAD_VIEW)
    for kind in kinds:
        sure = _customers(uow, lead, SURE, MOST, kinds=(kind,))
        if sure:
            return sure[0].id if len(sure) == 1 else None
    return None


def _records(lead: Any) -> Iterator[dict[str, Any]]:
    """Yield what a lead may be as a customer: the company, and the person who asks."""
    points = [
        {"kind": kind, "value": value}
        for kind, value in (("email", lead.email), ("phone", lead.phone))
        if value
    ]
    address = {name: getattr(lead, name) for name in PLACE}
    base = {"contact_points": points, "address": address}
    if lead.company:
        yield {"kind": "company", "name": lead.company, **base}
    if not lead.company or lead.name != lead.company:
        yield {"kind": "person", "name": lead.name, "parent": lead.company, **base}


def _customers(
    uow: UnitOfWork,
    lead: Lead,
    min_score: int,
    limit: int,
    kinds: Sequence[str] = ("company", "person"),
) -> list[Match]:
    records = [each for each in _records(lead) if each["kind"] in kinds]
    if not records or not uow.actor.may(CUSTOMER_VIEW):
        return []
    return [
        Match("customer", each.customer_id, each.name, each.score, each.verdict, each.reasons)
        for each in customers_like(uow, records, min_score=min_score, limit=limit)
    ]


def _leads(uow: UnitOfWork, lead: Lead, min_score: int) -> list[Match]:
    shared = [
        column == value
        for column, value in (
            (Lead.email_key, lead.email_key),
            (Lead.phone_key, lead.phone_key),
            (Lead.name_key, lead.name_key),
        )
        if value
    ]
    if not shared:
        return []
    near = select(*_COMPARED).where(
        or_(*shared), Lead.id != lead.id, Lead.state != LeadState.MERGED.value
    )
    region = load_settings(uow).phone_region
    own = _features(lead, region)
    found = []
    for row in uow.execute(near.order_by(Lead.id.desc()).limit(NEAR)):
        theirs = _features(row, region)
        pairs = (compare(own[kind], theirs[kind]) for kind in own.keys() & theirs.keys())
        best = max((pair for pair in pairs if pair), key=lambda pair: pair.score, default=None)
        if best is not None and best.score >= min_score:
            name = row.name if not row.company else row.company
            told = (best.score, verdict(best.score), best.reasons, row.state)
            found.append(Match("lead", row.id, name, *told))
    return found


def _features(lead: Any, region: str | None) -> Mapping[str, Features]:
    return {
        values["kind"]: features_of(lead.id, values, parent=values.get("parent"), region=region)
        for values in _records(lead)
    }
