"""Giving leads to people, by the rules or by hand; whatever is decided is kept with its reasons.

Who assigns by the rules holds them locked meanwhile, so that two at once give a lead once and
nobody more than they take on. A lead that nobody can take waits and is tried again; leads whose
customer is known go to who answers for that customer first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select

from crm_core.entities.commerce import Product
from crm_core.entities.customer import ContactPoint, Customer
from crm_core.entities.user import User
from crm_core.errors import RuleViolationError
from crm_core.messages import t
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.currencies import rates_on
from crm_core.services.users import require_enabled
from crm_sales.events import LeadAssigned, LeadsQueued
from crm_sales.models import Lead, LeadDecision, LeadState, Outcome
from crm_sales.permissions import LEAD_ASSIGN, LEAD_VIEW
from crm_sales.services.assignment.choosing import Facts, misfit
from crm_sales.services.assignment.desk import Desk, Step, Turn
from crm_sales.services.leads.arriving import open_lead
from crm_sales.services.leads.matching import customer_of
from crm_sales.services.leads.reading import expect_lead_as_read, permitted_lead

A_ROUND = 200
"""Leads that are tried in one transaction."""


def assign_by_rules(uow: UnitOfWork, lead_ids: Sequence[UUID]) -> dict[UUID, UUID | None]:
    """Try the rules on those of these leads that wait; return who got each, None for nobody.

    Raises:
        PermissionDeniedError: The actor does not see and assign the leads of all; a person asks
            for it with :func:`ask_assignment`, and the system does it.
    """
    for right in (LEAD_ASSIGN, LEAD_VIEW):
        uow.actor.require_for_owner(right, None, t("the queue of leads"))
    desk = Desk(uow)
    waiting = _locked(uow, lead_ids)
    if not waiting:
        return {}
    _recognise(uow, waiting)
    tried = _Tried(uow, desk, waiting)
    return {lead.id: tried.decide(lead) for lead in waiting}


def assign_lead(
    uow: UnitOfWork, lead_id: UUID, user_id: UUID, *, expected_version: int | None = None
) -> Lead:
    """Give a lead to somebody by hand, whatever the rules say.

    Raises:
        PermissionDeniedError: The right is missing, or does not reach the lead or the person.
        RuleViolationError: The lead is closed, or the person is disabled.
        StaleVersionError: Somebody changed the lead since.
    """
    permitted_lead(uow, lead_id, LEAD_ASSIGN)
    user = uow.get(User, user_id)
    uow.actor.require_for_owner(LEAD_ASSIGN, user.id, t("leads of {login}", login=user.login))
    require_enabled(user)
    lead: Lead = uow.scalars(_for_update(select(Lead).where(Lead.id == lead_id))).one()
    expect_lead_as_read(uow, lead, expected_version)
    if lead.state != LeadState.NEW:
        raise RuleViolationError(
            t("The lead {lead} is {state}: open it again first.", lead=lead.name, state=lead.state),
            code="sales.lead.closed",
        )
    if lead.owner_id != user.id:
        _give(uow, lead, user.id)
        _keep(uow, lead, _latest(uow, [lead]), Outcome.BY_HAND, [], user_id=user.id)
    return lead


def release_lead(uow: UnitOfWork, lead_id: UUID, *, expected_version: int | None = None) -> Lead:
    """Put a lead back into the queue; the rules pass over who had it.

    Raises:
        RuleViolationError: It is closed, or waits already.
    """
    lead = open_lead(uow, lead_id, expected_version)
    if lead.owner_id is None:
        raise RuleViolationError(
            t("The lead {lead} waits for somebody already.", lead=lead.name),
            code="sales.lead.waits",
        )
    _keep(uow, lead, _latest(uow, [lead]), Outcome.RELEASED, [], user_id=lead.owner_id)
    lead.owner_id = lead.assigned_at = lead.team_id = None
    lead.updated_at = uow.now
    uow.flush()
    uow.record(LeadsQueued((lead.id,)))
    return lead


def ask_assignment(uow: UnitOfWork, lead_ids: Sequence[UUID] | None = None) -> int:
    """Have the rules tried on leads that wait, as soon as events are handed out; return how many.

    Args:
        uow: A writing unit of work.
        lead_ids: Which; None for all of the queue, those tried longest ago first.
    """
    uow.actor.require(LEAD_ASSIGN)
    waiting = waiting_ids(uow, lead_ids)
    for some in chunked(waiting, A_ROUND):
        uow.record(LeadsQueued(tuple(some)))
    return len(waiting)


def waiting_ids(
    uow: UnitOfWork, lead_ids: Sequence[UUID] | None = None, *, limit: int = 1_000
) -> list[UUID]:
    """Return leads that wait for somebody, those tried longest ago first."""
    uow.actor.require(LEAD_ASSIGN)
    statement = (
        select(Lead.id)
        .outerjoin(
            LeadDecision, and_(LeadDecision.lead_id == Lead.id, LeadDecision.is_latest.is_(True))
        )
        .where(Lead.state == LeadState.NEW.value, Lead.owner_id.is_(None))
    )
    if lead_ids is not None:
        statement = statement.where(Lead.id.in_(lead_ids))
    statement = statement.order_by(LeadDecision.tried_at.nulls_first(), Lead.id).limit(limit)
    return list(uow.scalars(statement))


class _Tried:
    """Tries the rules on a batch of leads."""

    def __init__(self, uow: UnitOfWork, desk: Desk, leads: Sequence[Lead]) -> None:
        self.uow, self.desk = uow, desk
        self.products = _products(uow, leads)
        self.latest = _latest(uow, leads)
        owners = select(Customer.id, Customer.owner_id).where(
            Customer.id.in_([lead.customer_id for lead in leads if lead.customer_id])
        )
        self.owners = {row.id: row.owner_id for row in uow.execute(owners)}
        codes = {rule.currency_code for rule in desk.rules} | {lead.currency_code for lead in leads}
        self.rates = rates_on(uow, filter(None, codes), desk.today)
        given_back = select(LeadDecision.lead_id, LeadDecision.user_id).where(
            LeadDecision.lead_id.in_([lead.id for lead in leads]),
            LeadDecision.outcome == Outcome.RELEASED.value,
        )
        self.passed: dict[UUID, set[UUID]] = {}
        for row in uow.execute(given_back):
            self.passed.setdefault(row.lead_id, set()).add(row.user_id)

    def decide(self, lead: Lead) -> UUID | None:
        """Give a lead to somebody or let it wait, and keep why."""
        passed, steps = self.passed.get(lead.id, set()), []
        owner_id = self.owners.get(lead.customer_id) if lead.customer_id else None
        if owner_id is not None and self.desk.to_owner:
            turn = self.desk.by_owner(owner_id, passed)
            steps.append(_step({"owner": str(owner_id)}, turn))
            if turn.taker is not None:
                return self._given(lead, turn, steps, None)
        product = self.products.get(lead.product_id) if lead.product_id else None
        facts = replace(product or Facts(), **_facts(lead))
        for rule in self.desk.rules:
            wrong = misfit(rule, facts, self.rates)
            if wrong is not None:
                steps.append({"rule": rule.name, "misfit": wrong})
                continue
            turn = self.desk.by_rule(rule, passed)
            steps.append(_step({"rule": rule.name, "way": rule.way}, turn))
            if turn.taker is not None:
                return self._given(lead, turn, steps, rule.name)
        _keep(self.uow, lead, self.latest, Outcome.WAITING, steps)
        return None

    def _given(self, lead: Lead, turn: Turn, steps: list[Step], rule: str | None) -> UUID:
        assert turn.taker is not None
        self.desk.give(turn.taker)
        _give(self.uow, lead, turn.taker, team_id=turn.team_id)
        outcome = Outcome.BY_OWNER if rule is None else Outcome.BY_RULE
        _keep(self.uow, lead, self.latest, outcome, steps, user_id=turn.taker, rule=rule)
        return turn.taker


def _step(what: Step, turn: Turn) -> Step:
    taker = None if turn.taker is None else str(turn.taker)
    return {**what, "people": turn.people, "taker": taker}


def _locked(uow: UnitOfWork, lead_ids: Sequence[UUID]) -> list[Lead]:
    found: list[Lead] = []
    for some in chunked(sorted(lead_ids), PARAMETERS):
        statement = select(Lead).where(
            Lead.id.in_(some), Lead.state == LeadState.NEW.value, Lead.owner_id.is_(None)
        )
        found += uow.scalars(_for_update(statement.order_by(Lead.id)))
    return found


def _for_update(statement: Any) -> Any:
    return statement.with_for_update().execution_options(populate_existing=True)


def _recognise(uow: UnitOfWork, leads: Sequence[Lead]) -> None:
    """Note whom leads surely are from; only those that share an address or number are looked at."""
    points = {each: lead for lead in leads for each in (lead.email_key, lead.phone_key) if each}
    known: set[str] = set()
    for some in chunked(sorted(points), PARAMETERS):
        found = select(ContactPoint.normalized).where(ContactPoint.normalized.in_(some))
        known.update(uow.scalars(found.distinct()))
    for lead in leads:
        if lead.customer_id is None and known & {lead.email_key, lead.phone_key}:
            lead.customer_id = customer_of(uow, lead)


def _products(uow: UnitOfWork, leads: Sequence[Lead]) -> dict[UUID, Facts]:
    wanted = {lead.product_id for lead in leads if lead.product_id}
    columns = select(Product.id, Product.reference, Product.category)
    rows = uow.execute(columns.where(Product.id.in_(wanted)))
    return {row.id: Facts(product=row.reference, category=row.category) for row in rows}


def _facts(lead: Lead) -> dict[str, Any]:
    return {
        "country": lead.country_code,
        "postal_code": lead.postal_code,
        "language": lead.language,
        "source": lead.source,
        "amount": lead.expected_amount,
        "currency": lead.currency_code,
    }


def _give(uow: UnitOfWork, lead: Lead, user_id: UUID, *, team_id: UUID | None = None) -> None:
    lead.owner_id, lead.team_id = user_id, team_id
    lead.assigned_at = lead.updated_at = uow.now
    uow.record(LeadAssigned(lead.id, user_id))


def _latest(uow: UnitOfWork, leads: Sequence[Lead]) -> dict[UUID, LeadDecision]:
    statement = select(LeadDecision).where(
        LeadDecision.lead_id.in_([lead.id for lead in leads]), LeadDecision.is_latest.is_(True)
    )
    return {each.lead_id: each for each in uow.scalars(statement)}


def _keep(
    uow: UnitOfWork,
    lead: Lead,
    latest: dict[UUID, LeadDecision],
    outcome: Outcome,
    steps: list[Step],
    *,
    user_id: UUID | None = None,
    rule: str | None = None,
) -> None:
    """Keep a decision; that a lead still waits is counted on the one before."""
    before = latest.get(lead.id)
    if before is not None and before.outcome == outcome == Outcome.WAITING:
        before.tried_at, before.tries, before.steps = uow.now, before.tries + 1, steps
        return
    if before is not None:
        before.is_latest = False
    uow.add(
        LeadDecision(
            lead_id=lead.id,
            at=uow.now,
            tried_at=uow.now,
            outcome=outcome.value,
            user_id=user_id,
            by_id=uow.actor.user_id,
            rule_name=rule,
            steps=steps,
        )
    )
