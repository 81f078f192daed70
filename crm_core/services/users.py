"""Users: who may act, in which roles, and the actor that stands for one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, null, or_, select, type_coerce, union_all

from crm_core.access import Actor, Reach
from crm_core.entities.user import Role, RoleRight, TeamMember, User, UserRole
from crm_core.errors import (
    DuplicateError,
    InputError,
    NotFoundError,
    PermissionDeniedError,
    RuleViolationError,
)
from crm_core.events import UserDisabled
from crm_core.messages import t
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import LINE, optional
from crm_core.services.roles import EVERY_RIGHT, require_may_give, role_named

MANAGE = "core.user.manage"
_LOGIN = re.compile(r"[^\s:\x00-\x1f\x7f-\x9f]{1,100}")


def add_user(
    uow: UnitOfWork,
    login: str,
    *,
    name: str | None = None,
    email: str | None = None,
    role_codes: Sequence[str] = (),
    language: str | None = None,
    time_zone: str | None = None,
    os_user: str | None = None,
) -> User:
    """Add a user who may act at once.

    Args:
        uow: The unit of work.
        login: Short, without spaces or colons; upper and lower case are the same.
        name: What people read; the login when None.
        email: Where mail reaches them.
        role_codes: Roles to grant.
        language: BCP 47, such as ``el-GR``; None for the company's.
        time_zone: IANA name; None for the company's.
        os_user: Operating system account that acts as this user on the command line.

    Raises:
        InputError: The login, e-mail address, language or time zone is none.
        DuplicateError: The login is taken.
        NotFoundError: There is no such role.
        PermissionDeniedError: A role gives more than the actor has.
    """
    uow.actor.require(MANAGE)
    if not _LOGIN.fullmatch(login):
        raise InputError(
            t(
                "{login!r} cannot be a login: use at most 100 characters, no spaces, no colons.",
                login=login[:120],
            ),
            code="core.user.login",
        )
    if uow.scalar(select(User.id).where(func.lower(User.login) == login.lower())) is not None:
        raise DuplicateError(
            t("There is a user {login} already; choose another login.", login=login),
            code="core.user.exists",
        )
    roles = [role_named(uow, code) for code in dict.fromkeys(role_codes)]
    for role in roles:
        require_may_give(uow, role)
    user = uow.add(
        User(
            login=login,
            name=optional(name, "name", most=LINE) or login,
            os_user=os_user,
            **_checked(email, language, time_zone),
            created_at=uow.now,
            updated_at=uow.now,
        )
    )
    uow.flush()
    for role in roles:
        uow.add(UserRole(user_id=user.id, role_id=role.id))
    uow.flush()
    return user


def _checked(email: str | None, language: str | None, zone: str | None) -> dict[str, str | None]:
    # Imported here, for every command reads users and this takes longer than all of that.
    from crm_core.normalize import checked_email, parse_language
    from crm_core.services.settings import checked_zone

    try:
        time_zone = checked_zone(zone) if zone else None
    except ValueError:
        raise InputError(
            t("time_zone: {zone!r} is no time zone; write it like Europe/Athens.", zone=zone),
            code="core.user.time_zone",
        ) from None
    return {
        "email": checked_email(email) if email else None,
        "language": parse_language(language) if language else None,
        "time_zone": time_zone,
    }


def user_named(uow: UnitOfWork, login: str) -> User:
    """Return a user by login; raises NotFoundError."""
    # SQLite lowers ASCII alone: a login in another script is found as it was written.
    same = or_(User.login == login, func.lower(User.login) == login.lower())
    user: User | None = uow.scalars(select(User).where(same)).first()
    if user is None:
        raise NotFoundError(
            t("There is no user {login!r}. See crm user list.", login=login),
            code="core.user.not_found",
            details={"login": login},
        )
    return user


def require_enabled(user: User) -> None:
    """Raise RuleViolationError when the user is disabled: nothing can be given to them."""
    if not user.is_enabled:
        raise RuleViolationError(
            t(
                "The user {login} ({user}) is disabled: choose another, or enable them first (crm "
                "user enable {login}).",
                login=user.login,
                user=user.name,
            ),
            code="core.user.disabled",
        )


def set_own_preferences(uow: UnitOfWork, *, language: str | None, time_zone: str | None) -> User:
    """Choose one's own language and time zone; None for the company's.

    Raises:
        InputError: There is no such language or zone.
    """
    user = uow.get(User, uow.actor.user_id)
    told = _checked(None, language, time_zone)
    user.language, user.time_zone, user.updated_at = told["language"], told["time_zone"], uow.now
    return user


def disable_user(uow: UnitOfWork, login: str) -> User:
    """Stop a user from acting; what they own stays theirs until it is assigned to others.

    Raises:
        RuleViolationError: They are the last administrator.
    """
    uow.actor.require(MANAGE)
    user = user_named(uow, login)
    _keep_an_admin(uow, user)
    user.is_enabled, user.updated_at = False, uow.now
    uow.record(UserDisabled(user.id))
    return user


def enable_user(uow: UnitOfWork, login: str) -> User:
    """Let a user act, also one that came from an ERP."""
    uow.actor.require(MANAGE)
    user = user_named(uow, login)
    user.is_enabled, user.updated_at = True, uow.now
    return user


def grant_role(uow: UnitOfWork, login: str, role_code: str) -> None:
    """Give a user one more role; nothing happens where they have it.

    Raises:
        PermissionDeniedError: The role gives more than the actor has.
    """
    uow.actor.require(MANAGE)
    user, role = user_named(uow, login), role_named(uow, role_code)
    require_may_give(uow, role)
    if uow.find(UserRole, (user.id, role.id)) is None:
        uow.add(UserRole(user_id=user.id, role_id=role.id))


def revoke_role(uow: UnitOfWork, login: str, role_code: str) -> None:
    """Take a role from a user.

    Raises:
        RuleViolationError: They do not have it, or they are the last administrator.
    """
    uow.actor.require(MANAGE)
    user, role = user_named(uow, login), role_named(uow, role_code)
    held = uow.find(UserRole, (user.id, role.id))
    if held is None:
        raise RuleViolationError(
            t(
                "{login} does not have the role {role}: there is nothing to revoke.",
                login=user.login,
                role=role.code,
            ),
            code="core.user.role_not_held",
        )
    _keep_an_admin(uow, user, without_role=role.id)
    uow.delete(held)


def list_users(
    uow: UnitOfWork, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[dict[str, Any]]:
    """Return users by login: ``id, login, name, email, is_enabled, roles`` (codes)."""
    statement = select(User.id, User.login, User.name, User.email, User.is_enabled)
    page = page_of(uow, statement, keys=(User.login,), limit=limit, cursor=cursor)
    roles: dict[UUID, list[str]] = {}
    for row in uow.execute(
        select(UserRole.user_id, Role.code)
        .join(Role, Role.id == UserRole.role_id)
        .where(UserRole.user_id.in_([item["id"] for item in page.items]))
        .order_by(Role.code)
    ):
        roles.setdefault(row.user_id, []).append(row.code)
    items = [{**item, "roles": roles.get(item["id"], [])} for item in page.items]
    return Page(items, page.next_cursor)


def actor_for_login(uow: UnitOfWork, login: str, *, origin: str = "cli") -> Actor:
    """Return the actor that stands for a user: rights added up across roles, the widest winning.

    Raises:
        NotFoundError: There is no such user.
        PermissionDeniedError: The user is disabled.
    """
    user = user_named(uow, login)
    if not user.is_enabled:
        raise PermissionDeniedError(
            t(
                "The user {login} is disabled. Ask an administrator to enable them (crm user "
                "enable {login}).",
                login=user.login,
            ),
            code="core.user.disabled",
        )
    return actor_of(uow, user.id, user.login, origin=origin, language=user.language)


# One statement, made once, for every request runs it: rights that are held, then team mates.
_HELD_AND_MATES = union_all(
    select(
        RoleRight.right,
        RoleRight.reach,
        type_coerce(null(), TeamMember.user_id.type).label("mate_id"),
    )
    .join(UserRole, UserRole.role_id == RoleRight.role_id)
    .where(UserRole.user_id == bindparam("user_id")),
    select(null(), null(), TeamMember.user_id).where(
        TeamMember.team_id.in_(
            select(TeamMember.team_id).where(TeamMember.user_id == bindparam("user_id"))
        )
    ),
)


def actor_of(
    uow: UnitOfWork, user_id: UUID, login: str, *, origin: str, language: str | None = None
) -> Actor:
    """Return the actor that stands for a user who is known to be enabled."""
    rights: dict[str, Reach] = {}
    mates = set()
    found: Any = uow.execute(_HELD_AND_MATES, {"user_id": user_id})
    for right, reach, mate_id in found:
        if mate_id is not None:
            mates.add(mate_id)
        else:
            rights[right] = max(rights.get(right, Reach.NONE), Reach[reach.upper()])
    return Actor(
        user_id=user_id,
        login=login,
        rights=rights,
        team_user_ids=frozenset(mates),
        origin=origin,
        language=language,
    )


def login_for_os_user(uow: UnitOfWork, os_user: str) -> str | None:
    """Return the login of the enabled user that an operating system account acts as, or None."""
    login: str | None = uow.scalar(
        select(User.login)
        .where(User.os_user == os_user, User.is_enabled)
        .order_by(User.created_at, User.id)
        .limit(1)
    )
    return login


def _keep_an_admin(uow: UnitOfWork, user: User, *, without_role: UUID | None = None) -> None:
    """Refuse to take the last administrator away from the database."""
    admins = (
        select(UserRole.user_id, UserRole.role_id)
        .join(RoleRight, RoleRight.role_id == UserRole.role_id)
        .join(User, User.id == UserRole.user_id)
        .where(RoleRight.right == EVERY_RIGHT, RoleRight.reach == "all", User.is_enabled)
    )
    before = uow.execute(admins).all()
    after = [
        row
        for row in before
        if row.user_id != user.id or (without_role is not None and row.role_id != without_role)
    ]
    if before and not after:
        raise RuleViolationError(
            t(
                "{login} is the last administrator: grant another user the role admin first.",
                login=user.login,
            ),
            code="core.user.last_admin",
        )
