"""The rules by which leads are given to people: set one by one, or all by a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from crm_core.entities.user import Team, User
from crm_core.errors import DuplicateError, InputError, NotFoundError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import expect_version
from crm_core.services.currencies import ensure_currency
from crm_core.services.settings import load_settings, said_for
from crm_sales.models import AssignmentRule, AssignmentTarget, AssignmentTurn, Way
from crm_sales.permissions import LEAD_ASSIGN, LEAD_VIEW
from crm_sales.schemas.assignment import load_rule, load_rule_file
from crm_sales.services.assignment.people import set_seller

STEP = 10
"""Between the positions of rules that name none."""
LAST = 1_000
"""Position of the rule for all that no other fits."""
CONDITIONS = (
    "countries",
    "postal_prefixes",
    "products",
    "categories",
    "languages",
    "sources",
    "least_amount",
    "most_amount",
)
_LISTS = CONDITIONS[:6]


@dataclass(frozen=True, slots=True)
class RulesSet:
    """What a file of rules changed: names of rules."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    people: int


def list_rules(uow: UnitOfWork) -> list[dict[str, Any]]:
    """Return all rules in the order in which they are tried.

    Returns:
        Dicts as :func:`set_rule` takes them, with ``id`` and ``version``; ``targets`` are dicts of
        ``user`` (a login) or ``team`` (a name), ``title`` and ``weight``.
    """
    uow.actor.require(LEAD_VIEW)
    targets: dict[UUID, list[dict[str, Any]]] = {}
    statement = (
        select(
            AssignmentTarget.rule_id,
            User.login.label("user"),
            User.name.label("user_name"),
            Team.name.label("team"),
            AssignmentTarget.weight,
        )
        .outerjoin(User, User.id == AssignmentTarget.user_id)
        .outerjoin(Team, Team.id == AssignmentTarget.team_id)
        .order_by(AssignmentTarget.id)
    )
    for row in uow.execute(statement):
        told = {"user": row.user, "team": row.team, "title": row.user_name or row.team}
        targets.setdefault(row.rule_id, []).append({**told, "weight": row.weight})
    rules = uow.scalars(
        select(AssignmentRule).order_by(AssignmentRule.position, AssignmentRule.name)
    )
    return [
        {
            "id": rule.id,
            "name": rule.name,
            "position": rule.position,
            "is_active": rule.is_active,
            **{name: getattr(rule, name) for name in CONDITIONS},
            "currency_code": rule.currency_code,
            "way": rule.way,
            "targets": targets.get(rule.id, []),
            "version": rule.version,
        }
        for rule in rules
    ]


def set_rule(
    uow: UnitOfWork,
    values: Mapping[str, Any],
    *,
    rule_id: UUID | None = None,
    expected_version: int | None = None,
) -> AssignmentRule:
    """Add a rule, or change what is named of the one with this id or name.

    Args:
        uow: A writing unit of work.
        values: Fields of ``crm_sales.schemas.assignment.RuleSchema``. Without ``targets`` a new
            rule leads to all who sell.
        rule_id: Which; None for the one of this name, or a new one.
        expected_version: The version that was read.

    Raises:
        InputError: A field is wrong.
        NotFoundError: There is no such user or team.
        DuplicateError: Another rule has this name.
        PermissionDeniedError: The actor does not assign the leads of all.
    """
    _require(uow)
    record = load_rule(values)
    named = uow.scalars(select(AssignmentRule).where(AssignmentRule.name == record["name"])).first()
    rule = named if rule_id is None else uow.get(AssignmentRule, rule_id)
    if named is not None and named is not rule:
        raise DuplicateError(
            t("There is a rule {name} already: give another name.", name=record["name"]),
            code="sales.rule.exists",
        )
    if rule is None:
        rule = _added(uow, record["name"])
    else:
        expect_version(rule, expected_version)
    _set(uow, rule, record)
    return rule


def remove_rule(uow: UnitOfWork, rule_id: UUID) -> None:
    """Remove a rule; what was decided by it stays."""
    _require(uow)
    uow.delete(uow.get(AssignmentRule, rule_id))
    uow.flush()


def rule_named(uow: UnitOfWork, name: str) -> AssignmentRule:
    """Return a rule by its name.

    Raises:
        NotFoundError: There is none.
    """
    uow.actor.require(LEAD_VIEW)
    rule: AssignmentRule | None = uow.scalar(
        select(AssignmentRule).where(AssignmentRule.name == name.strip())
    )
    if rule is None:
        raise NotFoundError(
            t("There is no rule {name!r}. See crm sales rule list.", name=name),
            code="sales.rule.not_found",
        )
    return rule


def import_rules(uow: UnitOfWork, values: Mapping[str, Any]) -> RulesSet:
    """Make the rules what a file says: rules that it does not name are removed.

    Args:
        uow: A writing unit of work.
        values: ``rule``, a list of what :func:`set_rule` takes, tried in this order unless they
            name a position; ``person``, a list of ``login``, ``takes_leads``, ``daily_leads``.

    Raises:
        InputError: Something is wrong, or a name stands twice; nothing was changed.
    """
    _require(uow)
    record = load_rule_file(values)
    names = [rule["name"] for rule in record["rule"]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            t("Two rules are called {name}: give each a name of its own.", name=twice[0]),
            code="sales.rule.twice",
        )
    known = {rule.name: rule for rule in uow.scalars(select(AssignmentRule))}
    removed = tuple(name for name in known if name not in names)
    for name in removed:
        uow.delete(known[name])
    uow.flush()
    added, changed = [], []
    for number, given in enumerate(record["rule"], 1):
        whole = {**_blank(), "position": number * STEP, **given}
        rule = known.get(given["name"])
        before = None if rule is None else _state(uow, rule)
        rule = rule or _added(uow, given["name"])
        _set(uow, rule, whole)
        if before is None:
            added.append(rule.name)
        elif _state(uow, rule) != before:
            changed.append(rule.name)
    people = record.get("person") or []
    users = _by(uow, User.login, User.id, [each["login"] for each in people], t("user"))
    for each in people:
        set_seller(
            uow,
            users[each["login"]],
            takes_leads=each.get("takes_leads", True),
            daily_leads=each.get("daily_leads"),
        )
    return RulesSet(tuple(added), tuple(changed), removed, len(people))


def seed_rules(uow: UnitOfWork) -> None:
    """Let all who sell have leads in turn, where there is no rule yet."""
    _require(uow)
    if not uow.scalar(select(func.count(AssignmentRule.id))):
        set_rule(
            uow,
            {
                "name": said_for(uow, t("Everybody")),
                "position": LAST,
                "way": Way.LEAST_LOADED.value,
            },
        )


def _require(uow: UnitOfWork) -> None:
    uow.actor.require_for_owner(LEAD_ASSIGN, None, t("the rules, which are everybody's"))


def _blank() -> dict[str, Any]:
    """Return what a rule is that says nothing."""
    return {
        **{name: [] for name in _LISTS},
        "least_amount": None,
        "most_amount": None,
        "currency_code": None,
        "is_active": True,
        "way": Way.ROUND_ROBIN.value,
        "targets": [],
    }


def _added(uow: UnitOfWork, name: str) -> AssignmentRule:
    before = AssignmentRule.position < LAST
    last = uow.scalar(select(func.max(AssignmentRule.position)).where(before)) or 0
    blank = {key: value for key, value in _blank().items() if key != "targets"}
    return uow.add(
        AssignmentRule(
            name=name, position=last + STEP, created_at=uow.now, updated_at=uow.now, **blank
        )
    )


def _set(uow: UnitOfWork, rule: AssignmentRule, record: Mapping[str, Any]) -> None:
    """Write the fields given; amounts without a currency are in the company's own."""
    values = {name: value for name, value in record.items() if name != "targets"}
    amounts = (values.get("least_amount"), values.get("most_amount"))
    if any(amount is not None for amount in amounts) and not values.get("currency_code"):
        values["currency_code"] = rule.currency_code or load_settings(uow).base_currency
    if values.get("currency_code"):
        ensure_currency(uow, values["currency_code"])
    for name, value in values.items():
        if getattr(rule, name) != value:
            setattr(rule, name, value)
            rule.updated_at = uow.now
    uow.flush()
    if "targets" in record:
        _set_targets(uow, rule, record["targets"])


def _set_targets(
    uow: UnitOfWork, rule: AssignmentRule, targets: Iterable[Mapping[str, Any]]
) -> None:
    wanted = list(targets)
    logins = [each["user"] for each in wanted if each.get("user")]
    teams = [each["team"] for each in wanted if each.get("team")]
    users = _by(uow, User.login, User.id, logins, t("user"))
    known = _by(uow, Team.name, Team.id, teams, t("team"))
    rows = [
        (
            users[each["user"]] if each.get("user") else None,
            known[each["team"]] if each.get("team") else None,
            each.get("weight") or 1,
        )
        for each in wanted
    ]
    if _targets(uow, rule) == rows:
        return
    for model in (AssignmentTarget, AssignmentTurn):
        for old in uow.scalars(select(model).where(model.rule_id == rule.id)):
            uow.delete(old)
    uow.flush()
    for user_id, team_id, weight in rows:
        uow.add(AssignmentTarget(rule_id=rule.id, user_id=user_id, team_id=team_id, weight=weight))
    uow.flush()


def _targets(uow: UnitOfWork, rule: AssignmentRule) -> list[tuple[UUID | None, UUID | None, int]]:
    rows = uow.execute(
        select(AssignmentTarget.user_id, AssignmentTarget.team_id, AssignmentTarget.weight)
        .where(AssignmentTarget.rule_id == rule.id)
        .order_by(AssignmentTarget.id)
    )
    return [(row.user_id, row.team_id, row.weight) for row in rows]


def _state(uow: UnitOfWork, rule: AssignmentRule) -> tuple[Any, ...]:
    plain = (rule.position, rule.is_active, rule.currency_code, rule.way)
    numbers = tuple(
        None if value is None else Decimal(value).normalize()
        for value in (rule.least_amount, rule.most_amount)
    )
    lists = tuple(tuple(getattr(rule, name)) for name in _LISTS)
    return plain, numbers, lists, _targets(uow, rule)


def _by(uow: UnitOfWork, name: Any, key: Any, wanted: Iterable[str], what: str) -> dict[str, UUID]:
    texts = sorted(set(wanted))
    rows = uow.execute(select(name.label("name"), key.label("key")).where(name.in_(texts)))
    found = {row.name: row.key for row in rows}
    missing = [text for text in texts if text not in found]
    if missing:
        raise NotFoundError(
            t("There is no {what} {name!r}.", what=what, name=missing[0]),
            code="sales.rule.target",
        )
    return found
