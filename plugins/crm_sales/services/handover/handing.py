"""Handing over all that belongs to somebody in one act, tried out first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import Activity, Address, Customer, Team, TeamMember, User
from crm_core.errors import InputError, NotFoundError, RuleViolationError
from crm_core.messages import t
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.belongings import assign_belongings, belongings_of
from crm_core.services.checks import optional
from crm_core.services.users import require_enabled, user_named
from crm_hooks.belongings import Belongings
from crm_sales.events import HandoverMade
from crm_sales.models import HandedItem, Handover, ItemState, NextStep, Quote
from crm_sales.permissions import HANDOVER
from crm_sales.services.handover.records import require_reach
from crm_sales.services.handover.rules import CUSTOMER, Chooser, Rule, parsed_rules


@dataclass(frozen=True, slots=True)
class HandoverPlan:
    """What would go to whom.

    Attributes:
        leaver_id: Whose work it is.
        leaver_name: What they are called.
        parts: Each kind of record, with the user that each goes to.
        names: What the receiving people are called.
        rules: By what, as it was typed.
    """

    leaver_id: UUID
    leaver_name: str
    parts: Sequence[tuple[Belongings, Mapping[UUID, UUID]]]
    names: Mapping[UUID, str]
    rules: Sequence[str]

    def counts(self) -> list[dict[str, Any]]:
        """Return how many of each kind go to whom: ``kind, title, count, people`` (by name)."""
        return [
            {
                "kind": part.kind,
                "title": part.title,
                "count": len(owners),
                "people": {
                    self.names[user_id]: count
                    for user_id, count in sorted(
                        Counter(owners.values()).items(), key=lambda each: self.names[each[0]]
                    )
                },
            }
            for part, owners in self.parts
        ]


def plan_handover(
    uow: UnitOfWork,
    leaver: str,
    *,
    to: Sequence[str] = (),
    team: str | None = None,
    rules: Sequence[str] = (),
) -> HandoverPlan:
    """Return what would go to whom; nothing is changed.

    Args:
        uow: The unit of work.
        leaver: Login of whose work it is.
        to: Logins of those who take turns with the customers.
        team: Name of a team whose members take turns too.
        rules: Tried before: ``country=GR:eleni``; see ``rules.FIELDS``.

    Raises:
        PermissionDeniedError: The right is missing or does not reach the leaver.
        NotFoundError: There is no such user, team or customer.
        InputError: Nobody is to get it, or a rule is none.
        RuleViolationError: Somebody who would get something is disabled, or is the leaver.
    """
    uow.actor.require(HANDOVER)
    user = user_named(uow, leaver)
    require_reach(uow, user)
    tried = parsed_rules(uow, rules)
    people = _people(uow, to, team, user.id)
    names = _checked_names(uow, user, [*people, *(rule.user_id for rule in tried)])
    parts = belongings_of(uow, user.id)
    chooser = Chooser(tried, people, _facts(uow, parts), _deals(uow, parts))
    chosen = chooser.choose(parts)
    return HandoverPlan(
        user.id,
        user.name,
        list(zip(parts, chosen, strict=True)),
        names,
        _told(tried, to, team),
    )


def hand_over(
    uow: UnitOfWork,
    leaver: str,
    *,
    to: Sequence[str] = (),
    team: str | None = None,
    rules: Sequence[str] = (),
    note: str | None = None,
) -> Handover:
    """Hand over all that is somebody's and that the actor may see, in one act.

    Args:
        uow: A writing unit of work.
        leaver: See :func:`plan_handover`.
        to: See :func:`plan_handover`.
        team: See :func:`plan_handover`.
        rules: See :func:`plan_handover`.
        note: Why.

    Raises:
        As :func:`plan_handover`; PermissionDeniedError too where a right does not reach a record,
        and RuleViolationError where there is nothing to hand over. Nothing is changed then.
    """
    uow.actor.require(HANDOVER)
    # Of two who hand over the same person's work the second finds nothing left.
    uow.execute(select(User.id).where(User.id == user_named(uow, leaver).id).with_for_update())
    plan = plan_handover(uow, leaver, to=to, team=team, rules=rules)
    if not plan.parts:
        raise RuleViolationError(
            t("Nothing that you may see belongs to {name}.", name=plan.leaver_name),
            code="sales.handover.nothing",
        )
    now = uow.now
    handover = uow.add(
        Handover(
            leaver_id=plan.leaver_id,
            made_by=uow.actor.login,
            note=optional(note, "note"),
            rules=list(plan.rules),
            counts={part.kind: len(owners) for part, owners in plan.parts},
            created_at=now,
            updated_at=now,
        )
    )
    uow.flush()
    for part, owners in plan.parts:
        for record in part.records:
            uow.add(
                HandedItem(
                    handover_id=handover.id,
                    kind=part.kind,
                    record_id=record.id,
                    title=record.title,
                    customer_id=record.customer_id,
                    to_user_id=owners[record.id],
                    state=ItemState.GIVEN.value,
                )
            )
        assign_belongings(uow, part, owners)
    uow.flush()
    uow.record(HandoverMade(handover.id, plan.leaver_id, tuple(plan.names)))
    return handover


def _people(uow: UnitOfWork, to: Sequence[str], team: str | None, leaver_id: UUID) -> list[UUID]:
    people = [user_named(uow, login.strip()).id for login in to if login.strip()]
    if team and team.strip():
        team_id = uow.scalar(select(Team.id).where(Team.name == team.strip()))
        if team_id is None:
            raise NotFoundError(
                t("There is no team {name!r}.", name=team), code="core.team.not_found"
            )
        members = (
            select(User.id)
            .join(TeamMember, TeamMember.user_id == User.id)
            .where(TeamMember.team_id == team_id, User.is_enabled, User.id != leaver_id)
            .order_by(User.login)
        )
        people += uow.scalars(members)
    if not people:
        raise InputError(
            t("Say who gets what no rule is for: name users, or a team with somebody else in it."),
            code="sales.handover.nobody",
        )
    return list(dict.fromkeys(people))


def _checked_names(uow: UnitOfWork, leaver: User, people: Sequence[UUID]) -> dict[UUID, str]:
    names = {}
    for user in uow.scalars(select(User).where(User.id.in_(set(people)))):
        require_enabled(user)
        if user.id == leaver.id:
            raise RuleViolationError(
                t("{name} cannot take over from themselves: name others.", name=leaver.name),
                code="sales.handover.leaver",
            )
        names[user.id] = user.name
    return names


def _facts(uow: UnitOfWork, parts: Sequence[Belongings]) -> dict[UUID, dict[str, str]]:
    """Return what rules may ask of the customers concerned."""
    ids = {each.customer_id for part in parts for each in part.records if each.customer_id}
    facts: dict[UUID, dict[str, str]] = {}
    for some in chunked(ids, PARAMETERS):
        languages = select(Customer.id, Customer.language).where(Customer.id.in_(some))
        for row in uow.execute(languages):
            known = {"language": row.language.partition("-")[0]} if row.language else {}
            facts[row.id] = {CUSTOMER: str(row.id), **known}
        countries = (
            select(Address.customer_id, Address.country_code)
            .where(
                Address.customer_id.in_(some),
                Address.country_code.is_not(None),
                Address.archived_at.is_(None),
            )
            .order_by(Address.id)
        )
        for row in uow.execute(countries):
            facts.setdefault(row.customer_id, {}).setdefault("country", row.country_code)
    return facts


def _deals(uow: UnitOfWork, parts: Sequence[Belongings]) -> dict[UUID, UUID]:
    """Return the deals that steps and offers are about."""
    found: dict[UUID, UUID] = {}
    for kind, key, deal_id in (
        (Activity.__entity__, NextStep.activity_id, NextStep.opportunity_id),
        (Quote.__entity__, Quote.id, Quote.opportunity_id),
    ):
        ids = [each.id for part in parts if part.kind == kind for each in part.records]
        for some in chunked(ids, PARAMETERS):
            rows = uow.execute(select(key.label("key"), deal_id.label("deal")).where(key.in_(some)))
            found.update({row.key: row.deal for row in rows})
    return found


def _told(rules: Sequence[Rule], to: Sequence[str], team: str | None) -> list[str]:
    turns = [login.strip() for login in to if login.strip()]
    turns += [f"@{team.strip()}"] if team and team.strip() else []
    return [*(rule.text for rule in rules), ", ".join(turns)]
