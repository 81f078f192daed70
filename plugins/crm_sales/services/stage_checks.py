"""What a stage may ask of a deal before it comes there: one table, by the names that designs use.

``REQUIRED_FIELDS`` are things that a deal has or lacks, ``CHECKS`` conditions on what was done with
it. To let companies ask for something new, add a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import Activity
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import NextStep, Opportunity, Quote, Stage
from crm_sales.permissions import OPPORTUNITY_VIEW


@dataclass
class Standing:
    """A deal, and what hangs on it, looked up once when it is first asked for."""

    uow: UnitOfWork
    deal: Opportunity

    @cached_property
    def has_next_step(self) -> bool:
        """Whether something is planned for it."""
        step = select(NextStep.activity_id).join(Activity, Activity.id == NextStep.activity_id)
        mine = step.where(NextStep.opportunity_id == self.deal.id, Activity.is_open.is_(True))
        return self.uow.scalar(mine.limit(1)) is not None

    @cached_property
    def quote_states(self) -> set[str]:
        """How its offers stand."""
        states = select(Quote.state).where(Quote.opportunity_id == self.deal.id).distinct()
        return set(self.uow.scalars(states))


Test = Callable[[Standing], bool]


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
    return lambda standing: getattr(standing.deal, field) not in (None, "")


def _has_quote(*states: str) -> Test:
    return lambda standing: bool(standing.quote_states.intersection(states))


REQUIRED_FIELDS: Mapping[str, Requirement] = {
    "expected_amount": Requirement(t("an expected amount"), _has("expected_amount")),
    "expected_close_on": Requirement(t("a day it is expected to close"), _has("expected_close_on")),
    "contact": Requirement(t("a contact"), _has("contact_id")),
    "product": Requirement(t("a product"), _has("product_id")),
    "note": Requirement(t("a note"), _has("note")),
    "source": Requirement(t("a source"), _has("source")),
    "next_step": Requirement(t("a next step"), lambda standing: standing.has_next_step),
    "quote": Requirement(t("an offer"), lambda standing: bool(standing.quote_states)),
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
    standing = Standing(uow, opportunity)
    missing = {name for name in names if not known[name].is_met(standing)}
    return {key: [name for name in each if name in missing] for key, each in asked.items()}


def titles_of(names: Sequence[str]) -> list[str]:
    """Return what requirements are called, for people."""
    known = {**REQUIRED_FIELDS, **CHECKS}
    return [known[name].title for name in names]
