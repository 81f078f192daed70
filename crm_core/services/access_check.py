"""What a user may do and see, and which role gives it; and why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from crm_core.access import Actor, Reach
from crm_core.entities.customer import Customer
from crm_core.entities.user import Role, RoleRight, Team, TeamMember, User, UserRole
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.base import Base
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.session import customer_id_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.rights import CORE_RIGHTS
from crm_core.services.roles import EVERY_RIGHT, list_roles
from crm_core.services.users import actor_for_login, actor_of, user_named

MANAGE = "core.user.manage"
COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class GivenBy:
    """A role of a user that gives a right, and how far: ``own``, ``team`` or ``all``."""

    role_code: str
    role_name: str
    reach: str


@dataclass(frozen=True, slots=True)
class AccessAnswer:
    """Whether a user has a right, there or anywhere, and why.

    Attributes:
        is_allowed: Whether.
        reach: How far the right reaches: ``none``, ``own``, ``team`` or ``all``.
        given_by: The user's roles that give it, the furthest first.
        reason: Why, or why not, in one or two sentences.
        owner_login: Who answers for the record's customer; None for nobody, or without a record.
    """

    is_allowed: bool
    reach: str
    given_by: tuple[GivenBy, ...]
    reason: str
    owner_login: str | None = None


@dataclass(frozen=True, slots=True)
class AccessSummary:
    """What one user may do and see.

    Attributes:
        is_enabled: Whether they may act at all.
        roles: Codes of their roles.
        teams: Names of their teams.
        mates: Logins of those in their teams, they themselves left out.
        rights: ``code, title, reach, roles`` of each right they have.
        customers: How many customers they see, counted to 10,000; ``has_more`` if there are more.
    """

    is_enabled: bool
    roles: list[str]
    teams: list[str]
    mates: list[str]
    rights: list[dict[str, Any]]
    customers: int
    has_more: bool


def explain_access(
    uow: UnitOfWork, login: str, right: str, record: tuple[str, UUID] | None = None
) -> AccessAnswer:
    """Say whether a user has a right, and whether it reaches a record, and why.

    Args:
        uow: The unit of work.
        login: The user.
        right: A right's code. With a record, that of seeing customers is looked at first.
        record: Entity type and id: ``("customer", id)``, or anything that hangs on a customer.

    Raises:
        PermissionDeniedError: The actor lacks ``core.user.manage``.
        NotFoundError: There is no such user, or no such record that the actor may see.
        InputError: There is no such entity type.
    """
    uow.actor.require(MANAGE)
    user = user_named(uow, login)
    given = _given_by(uow, user.id, right)
    reach = max((Reach[each.reach.upper()] for each in given), default=Reach.NONE)
    told = reach.name.lower()
    if not user.is_enabled:
        reason = t("{login} is disabled and may do nothing.", login=user.login)
        return AccessAnswer(False, told, given, reason)
    if not given:
        return AccessAnswer(False, told, given, _not_given(uow, user, right))
    if record is None:
        return AccessAnswer(True, told, given, _said(given[0], right))
    return _there(uow, user, right, given, record)


def summarise_access(
    uow: UnitOfWork, login: str, *, of_plugins: Mapping[str, str] | None = None
) -> AccessSummary:
    """Return what a user may do, by which roles, and how many customers they see.

    Args:
        uow: The unit of work.
        login: The user.
        of_plugins: Rights that plugins in use ask for, code to title, besides the core's.

    Raises:
        PermissionDeniedError: The actor lacks ``core.user.manage``.
        NotFoundError: There is no such user.
    """
    uow.actor.require(MANAGE)
    user = user_named(uow, login)
    roles = _roles_of(uow, user.id)
    rights = []
    for code, title in {**CORE_RIGHTS, **(of_plugins or {})}.items():
        by = {role: _reach_of(given, code) for role, given in roles.items()}
        reach = max(by.values(), default=Reach.NONE)
        if reach is not Reach.NONE:
            given = [role for role, each in by.items() if each is not Reach.NONE]
            rights.append(
                {"code": code, "title": title, "reach": reach.name.lower(), "roles": given}
            )
    own = select(TeamMember.team_id).where(TeamMember.user_id == user.id)
    teams = uow.scalars(select(Team.name).where(Team.id.in_(own)).order_by(Team.name))
    mates = (
        select(User.login)
        .where(
            User.id.in_(select(TeamMember.user_id).where(TeamMember.team_id.in_(own))),
            User.id != user.id,
        )
        .order_by(User.login)
    )
    seen = _customers_seen(uow, user)
    return AccessSummary(
        user.is_enabled,
        list(roles),
        list(teams),
        list(uow.scalars(mates)),
        rights,
        min(seen, COUNTED),
        seen > COUNTED,
    )


def rights_table(
    uow: UnitOfWork, *, of_plugins: Mapping[str, str] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Return who may do what: a row for each right, a column for each role.

    Args:
        uow: The unit of work.
        of_plugins: Rights that plugins in use ask for, code to title, besides the core's.

    Returns:
        ``roles``: ``code, name, is_fixed`` of each role; ``rights``: ``code, title, reaches`` (role
        code to ``none``, ``own``, ``team`` or ``all``) of each right.
    """
    uow.actor.require(MANAGE)
    roles = list_roles(uow)
    return {
        "roles": [
            {"code": r["code"], "name": r["name"], "is_fixed": EVERY_RIGHT in r["rights"]}
            for r in roles
        ],
        "rights": [
            {
                "code": code,
                "title": title,
                "reaches": {r["code"]: _reach_of(r["rights"], code).name.lower() for r in roles},
            }
            for code, title in {**CORE_RIGHTS, **(of_plugins or {})}.items()
        ],
    }


def _reach_of(rights: Mapping[str, str], right: str) -> Reach:
    given = (rights.get(right, "none"), rights.get(EVERY_RIGHT, "none"))
    return max(Reach[each.upper()] for each in given)


def _roles_of(uow: UnitOfWork, user_id: UUID) -> dict[str, dict[str, str]]:
    """Return the roles that a user has, by code: right to reach."""
    rows = uow.execute(
        select(Role.code, RoleRight.right, RoleRight.reach)
        .join(UserRole, UserRole.role_id == Role.id)
        .outerjoin(RoleRight, RoleRight.role_id == Role.id)
        .where(UserRole.user_id == user_id)
        .order_by(Role.code)
    )
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        given = found.setdefault(row.code, {})
        if row.right is not None:
            given[row.right] = row.reach
    return found


def role_codes(uow: UnitOfWork, user_id: UUID) -> set[str]:
    """Return the codes of the roles that a user has."""
    held = select(Role.code).join(UserRole, UserRole.role_id == Role.id)
    return set(uow.scalars(held.where(UserRole.user_id == user_id)))


def _given_by(uow: UnitOfWork, user_id: UUID, right: str) -> tuple[GivenBy, ...]:
    rows = uow.execute(
        select(Role.code, Role.name, RoleRight.reach)
        .join(UserRole, UserRole.role_id == Role.id)
        .join(RoleRight, RoleRight.role_id == Role.id)
        .where(UserRole.user_id == user_id, RoleRight.right.in_([right, EVERY_RIGHT]))
        .order_by(Role.code)
    )
    given = [GivenBy(row.code, row.name, row.reach) for row in rows]
    return tuple(sorted(given, key=lambda each: -Reach[each.reach.upper()]))


def _not_given(uow: UnitOfWork, user: User, right: str) -> str:
    held = sorted(role_codes(uow, user.id))
    giving = sorted(
        role["code"] for role in list_roles(uow) if _reach_of(role["rights"], right) > Reach.NONE
    )
    return t(
        "No role of {login} gives {right}. They have: {held}. It is given by: {giving}.",
        login=user.login,
        right=right,
        held=", ".join(held) or "–",
        giving=", ".join(giving) or "–",
    )


def _said(given: GivenBy, right: str) -> str:
    sentences = {
        "all": t(
            "The role {role} gives {right} for all records.", role=given.role_name, right=right
        ),
        "team": t(
            "The role {role} gives {right} for records of the user and of team mates.",
            role=given.role_name,
            right=right,
        ),
        "own": t(
            "The role {role} gives {right} for records of the user's own.",
            role=given.role_name,
            right=right,
        ),
    }
    return sentences[given.reach]


def _there(
    uow: UnitOfWork,
    user: User,
    right: str,
    given: tuple[GivenBy, ...],
    record: tuple[str, UUID],
) -> AccessAnswer:
    """Say whether a right reaches a record."""
    actor = actor_for_login(uow, user.login)
    model = _model_named(record[0])
    found = uow.get(model, record[1])
    customer_id = customer_id_of(found)
    owner_id = uow.scalar(select(Customer.owner_id).where(Customer.id == customer_id))
    owner = owner_id and uow.scalar(select(User.login).where(User.id == owner_id))
    reach = given[0].reach
    if not _sees(uow, actor, model, record[1]):
        reason = _out_of_reach(actor, CUSTOMER_VIEW, owner)
        return AccessAnswer(False, reach, given, reason, owner)
    if customer_id is None or actor.may_for_owner(right, owner_id):
        return AccessAnswer(True, reach, given, _said(given[0], right), owner)
    return AccessAnswer(False, reach, given, _out_of_reach(actor, right, owner), owner)


def _out_of_reach(actor: Actor, right: str, owner: str | None) -> str:
    reach = actor.reach(right).name.lower()
    if not actor.may(right):
        return t("No role of {login} gives {right}.", login=actor.login, right=right)
    if owner is None:
        return t(
            "Nobody answers for this customer, and {right} reaches only {reach} records.",
            right=right,
            reach=reach,
        )
    if actor.reach(right) is Reach.TEAM:
        return t(
            "It belongs to {owner}, who is in no team of {login}, and {right} reaches only the "
            "team's records.",
            owner=owner,
            login=actor.login,
            right=right,
        )
    return t(
        "It belongs to {owner}, and {right} reaches only records of {login}'s own.",
        owner=owner,
        login=actor.login,
        right=right,
    )


def _model_named(entity_type: str) -> Any:
    for mapper in Base.registry.mappers:
        model: Any = mapper.class_
        if model.__entity__ == entity_type and len(mapper.primary_key) == 1:
            return model
    raise InputError(
        t("There are no records of kind {kind!r}.", kind=entity_type[:80]),
        code="core.access.entity",
    )


def _sees(uow: UnitOfWork, actor: Actor, model: Any, key: UUID) -> bool:
    condition = model.__scope__.criterion(model, actor)
    statement = select(model.id).where(model.id == key)
    return condition is None or uow.scalar(statement.where(condition)) is not None


def _customers_seen(uow: UnitOfWork, user: User) -> int:
    if not user.is_enabled:
        return 0
    condition = Customer.__scope__.criterion(
        Customer, actor_of(uow, user.id, user.login, origin="check")
    )
    some = select(Customer.id).where(Customer.archived_at.is_(None))
    if condition is not None:
        some = some.where(condition)
    counted = select(func.count()).select_from(some.limit(COUNTED + 1).subquery())
    return int(uow.scalar(counted))
