"""Who is there to take leads now: read once for a batch of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from crm_core.entities.user import RoleRight, TeamMember, User, UserRole
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.plugin_settings import values_of
from crm_core.services.roles import EVERY_RIGHT
from crm_core.services.settings import load_settings
from crm_sales.models import (
    Absence,
    AssignmentRule,
    AssignmentTarget,
    AssignmentTurn,
    Lead,
    LeadState,
    Seller,
)
from crm_sales.permissions import LEAD_EDIT
from crm_sales.services.assignment.choosing import Person, choose
from crm_sales.settings import DAILY_LEADS, LEADS_TO_OWNER

Step = dict[str, Any]
_HELD = (
    select(RoleRight.right, UserRole.user_id)
    .join(UserRole, UserRole.role_id == RoleRight.role_id)
    .where(RoleRight.right.in_((LEAD_EDIT, EVERY_RIGHT)))
)
SELLING = _HELD.with_only_columns(UserRole.user_id).where(RoleRight.right == LEAD_EDIT)
"""Who works on leads: administrators may, and are not meant."""


@dataclass(slots=True)
class Turn:
    """What one rule, or the customer's owner, made of a lead.

    Attributes:
        taker: Who gets it; None where nobody can.
        people: Why each was passed over, and the last who took it.
    """

    taker: UUID | None = None
    team_id: UUID | None = None
    people: list[Step] = field(default_factory=list)


class Desk:
    """People, what they have and what they take on, on one day.

    Args:
        uow: Of somebody who sees the leads of all.
    """

    def __init__(self, uow: UnitOfWork) -> None:
        settings = values_of(uow, (DAILY_LEADS, LEADS_TO_OWNER))
        zone = ZoneInfo(load_settings(uow).time_zone)
        self.uow = uow
        self.rules = _locked_rules(uow)
        self.today = uow.now.astimezone(zone).date()
        midnight = datetime.combine(self.today, time.min, zone)
        self.to_owner: bool = settings[LEADS_TO_OWNER.name]
        self.daily: int = settings[DAILY_LEADS.name]
        self.enabled = _ids(uow, select(User.id).where(User.is_enabled.is_(True)))
        rights = _rights(uow)
        self.sellers = [key for key in sorted(rights.get(LEAD_EDIT, ())) if key in self.enabled]
        self.permitted = rights.get(LEAD_EDIT, set()) | rights.get(EVERY_RIGHT, set())
        self.taking = {row.user_id: row for row in uow.scalars(select(Seller))}
        self.away = {
            row.user_id: row
            for row in uow.scalars(
                select(Absence)
                .where(Absence.from_on <= self.today, Absence.until_on >= self.today)
                .order_by(Absence.until_on)
            )
        }
        self.given = _counted(uow, Lead.assigned_at >= midnight)
        self.load = _counted(uow, Lead.state == LeadState.NEW.value)
        self._read_targets(uow)

    def _read_targets(self, uow: UnitOfWork) -> None:
        members: dict[UUID, list[UUID]] = {}
        for row in uow.execute(select(TeamMember.team_id, TeamMember.user_id)):
            members.setdefault(row.team_id, []).append(row.user_id)
        self.targets: dict[UUID, dict[UUID, tuple[int, UUID | None]]] = {}
        for target in uow.scalars(select(AssignmentTarget).order_by(AssignmentTarget.id)):
            people = self.targets.setdefault(target.rule_id, {})
            team = members.get(target.team_id, []) if target.team_id else [target.user_id]
            for user_id in sorted(filter(None, team)):
                people.setdefault(user_id, (target.weight, target.team_id))
        self.turns = {
            (turn.rule_id, turn.user_id): turn for turn in uow.scalars(select(AssignmentTurn))
        }

    def by_owner(self, owner_id: UUID, passed: Iterable[UUID]) -> Turn:
        """Return whether who answers for the customer can take the lead."""
        turn = Turn()
        turn.taker = self._free(owner_id, frozenset(passed), turn.people)
        return turn

    def by_rule(self, rule: AssignmentRule, passed: Iterable[UUID]) -> Turn:
        """Return who of a rule's people takes the lead; their credit is settled."""
        turn, refused = Turn(), frozenset(passed)
        known = self.targets.get(rule.id)
        targets = known if known is not None else dict.fromkeys(self.sellers, (1, None))
        people: list[tuple[Person, UUID]] = []
        for user_id, (weight, _team) in targets.items():
            taker = self._free(user_id, refused, turn.people)
            if taker is not None:
                credit = self._turn(rule.id, user_id).credit
                load = self.load.get(taker, 0)
                people.append((Person(user_id, weight, credit, load), taker))
        if not people:
            return turn
        chosen = choose(rule.way, [person for person, _ in people])
        for person, taker in people:
            self._turn(rule.id, person.user_id).credit = person.credit
            if person is chosen:
                turn.taker, turn.team_id = taker, targets[person.user_id][1]
        return turn

    def give(self, user_id: UUID) -> None:
        """Count a lead that somebody got."""
        for counts in (self.given, self.load):
            counts[user_id] = counts.get(user_id, 0) + 1

    def _turn(self, rule_id: UUID, user_id: UUID) -> AssignmentTurn:
        turn = self.turns.get((rule_id, user_id))
        if turn is None:
            turn = self.uow.add(AssignmentTurn(rule_id=rule_id, user_id=user_id, credit=0))
            self.turns[rule_id, user_id] = turn
        return turn

    def _free(self, user_id: UUID, passed: frozenset[UUID], people: list[Step]) -> UUID | None:
        """Return who takes a lead for somebody: they, or who stands in; tell why they do not."""
        seen: set[UUID] = set()
        here: UUID | None = user_id
        while here is not None and here not in seen:
            seen.add(here)
            absence = self.away.get(here)
            reason = self._reason(here, passed)
            if absence is not None and reason is None:
                stand_in = absence.stand_in_id
                told = {"code": "away", "until": absence.until_on.isoformat()}
                people.append({"user": str(here), **told, "for": _text(stand_in)})
                here = stand_in
            elif reason is not None:
                people.append({"user": str(here), **reason})
                return None
            else:
                return here
        return None

    def _reason(self, user_id: UUID, passed: frozenset[UUID]) -> Step | None:
        taking = self.taking.get(user_id)
        most = self.daily if taking is None or taking.daily_leads is None else taking.daily_leads
        if user_id not in self.enabled:
            return {"code": "disabled"}
        if user_id not in self.permitted:
            return {"code": "no_right"}
        if user_id in passed:
            return {"code": "gave_back"}
        if taking is not None and not taking.takes_leads:
            return {"code": "opted_out"}
        if user_id not in self.away and self.given.get(user_id, 0) >= most:
            return {"code": "full", "most": most}
        return None


def _locked_rules(uow: UnitOfWork) -> list[AssignmentRule]:
    """Return the rules in use, locked before anything is counted.

    Whoever else assigns at this moment waits, and counts what was given meanwhile.
    """
    active = select(AssignmentRule).where(AssignmentRule.is_active.is_(True))
    locked = active.order_by(AssignmentRule.id).with_for_update()
    rules = uow.scalars(locked.execution_options(populate_existing=True))
    return sorted(rules, key=lambda rule: (rule.position, rule.name))


def _ids(uow: UnitOfWork, statement: Any) -> set[UUID]:
    return set(uow.scalars(statement))


def _rights(uow: UnitOfWork) -> Mapping[str, set[UUID]]:
    """Return who may change leads, by the right that lets them."""
    found: dict[str, set[UUID]] = {}
    for row in uow.execute(_HELD):
        found.setdefault(row.right, set()).add(row.user_id)
    return found


def _counted(uow: UnitOfWork, condition: Any) -> dict[UUID, int]:
    statement = select(Lead.owner_id, func.count(Lead.id).label("leads")).where(
        condition, Lead.owner_id.is_not(None)
    )
    return {row.owner_id: row.leads for row in uow.execute(statement.group_by(Lead.owner_id))}


def _text(key: UUID | None) -> str | None:
    return None if key is None else str(key)
