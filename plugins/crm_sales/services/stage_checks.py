"""What a stage may ask of a deal before it comes there: one table, by the names that designs use.

``REQUIRED_FIELDS`` are things that a deal has or lacks, ``CHECKS`` conditions on what was done with
it. To let companies ask for something new, add a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import exists, select

from crm_core.entities import Activity
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import Opportunity, Stage
from crm_sales.permissions import OPPORTUNITY_VIEW

Test = Callable[[UnitOfWork, Opportunity], bool]


@dataclass(frozen=True, slots=True)
class Requirement:
    """Something that a stage may ask for.

    Attributes:
        title: What the deal needs, as it stands in "it needs …".
        is_met: Whether the deal has it.
    """

    title: str
    is_met: Test


def _has(field: str) -> Test:
    return lambda _uow, deal: getattr(deal, field) not in (None, "")


def _has_next_step(uow: UnitOfWork, deal: Opportunity) -> bool:
    from crm_sales.models import NextStep

    step = select(NextStep.activity_id).join(Activity, Activity.id == NextStep.activity_id)
    mine = step.where(NextStep.opportunity_id == deal.id, Activity.is_open.is_(True))
    return bool(uow.scalar(select(exists(mine.subquery().select()))))


def _has_quote(*states: str) -> Test:
    def is_met(uow: UnitOfWork, deal: Opportunity) -> bool:
        from crm_sales.models import Quote

        found = select(Quote.id).where(Quote.opportunity_id == deal.id)
        if states:
            found = found.where(Quote.state.in_(states))
        return uow.scalar(found.limit(1)) is not None

    return is_met


REQUIRED_FIELDS: Mapping[str, Requirement] = {
    "expected_amount": Requirement(t("an expected amount"), _has("expected_amount")),
    "expected_close_on": Requirement(t("a day it is expected to close"), _has("expected_close_on")),
    "contact": Requirement(t("a contact"), _has("contact_id")),
    "product": Requirement(t("a product"), _has("product_id")),
    "note": Requirement(t("a note"), _has("note")),
    "source": Requirement(t("a source"), _has("source")),
    "next_step": Requirement(t("a next step"), _has_next_step),
    "quote": Requirement(t("an offer"), _has_quote()),
}
CHECKS: Mapping[str, Requirement] = {
    "quote_approved": Requirement(
        t("an offer that is approved"), _has_quote("approved", "sent", "accepted", "ordered")
    ),
    "quote_sent": Requirement(
        t("an offer that was sent"), _has_quote("sent", "accepted", "ordered")
    ),
    "quote_accepted": Requirement(
        t("an offer that was accepted"), _has_quote("accepted", "ordered")
    ),
}


def missing_for(uow: UnitOfWork, opportunity: Opportunity, stage: Stage) -> Sequence[str]:
    """Return the names of what a deal still needs before it may come to a stage."""
    uow.actor.require(OPPORTUNITY_VIEW)
    return missing_by_stage(uow, opportunity, [stage])[stage.id]


def missing_by_stage(
    uow: UnitOfWork, opportunity: Opportunity, stages: Sequence[Stage]
) -> dict[UUID, Sequence[str]]:
    """Return the same for several stages; what more than one asks for is looked at once."""
    uow.actor.require(OPPORTUNITY_VIEW)
    known = {**REQUIRED_FIELDS, **CHECKS}
    asked = {stage.id: [*stage.required_fields, *stage.checks] for stage in stages}
    names = {name for each in asked.values() for name in each}
    missing = {name for name in names if not known[name].is_met(uow, opportunity)}
    return {key: [name for name in each if name in missing] for key, each in asked.items()}


def titles_of(names: Sequence[str]) -> list[str]:
    """Return what requirements are called, for people."""
    known = {**REQUIRED_FIELDS, **CHECKS}
    return [known[name].title for name in names]
