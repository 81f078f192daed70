"""Roles: named sets of rights, the built-in ones and a company's own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import select

from crm_core.access import Actor, Reach
from crm_core.entities.user import Role, RoleRight
from crm_core.errors import (
    DuplicateError,
    InputError,
    NotFoundError,
    PermissionDeniedError,
    RuleViolationError,
)
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import filled
from crm_core.services.rights import CORE_RIGHTS

MANAGE = "core.role.manage"
ADMIN = "admin"
EVERY_RIGHT = "*"

_CUSTOMER_RIGHTS = ("view", "edit", "create", "archive", "assign", "export", "import", "merge")
_DESK_RIGHTS = (
    "core.interaction.log",
    "core.activity.edit",
    "core.consent.record",
    "core.profile.edit",
)

BUILT_IN_ROLES: Mapping[str, tuple[str, Mapping[str, Reach]]] = {
    ADMIN: ("Administrator", {EVERY_RIGHT: Reach.ALL}),
    "manager": (
        "Manager",
        {
            **{f"core.customer.{name}": Reach.ALL for name in _CUSTOMER_RIGHTS},
            **dict.fromkeys((*_DESK_RIGHTS, "core.profile.design", "core.view.share"), Reach.ALL),
            **dict.fromkeys(("core.sync.view", "core.sync.resolve"), Reach.ALL),
        },
    ),
    # An employee answers the phone for everyone, so logging reaches all; changing does not.
    "employee": (
        "Employee",
        {
            "core.customer.view": Reach.ALL,
            "core.customer.create": Reach.ALL,
            "core.customer.edit": Reach.TEAM,
            "core.customer.archive": Reach.TEAM,
            "core.customer.assign": Reach.TEAM,
            "core.interaction.log": Reach.ALL,
            "core.consent.record": Reach.ALL,
            "core.activity.edit": Reach.TEAM,
            "core.profile.edit": Reach.TEAM,
        },
    ),
    "readonly": ("Read only", {"core.customer.view": Reach.ALL}),
    "sync": (
        "Synchronisation jobs",
        {
            "core.sync.run": Reach.ALL,
            "core.sync.view": Reach.ALL,
            **{f"core.customer.{n}": Reach.ALL for n in ("view", "edit", "create", "archive")},
        },
    ),
}


def seed_roles(uow: UnitOfWork) -> None:
    """Add the built-in roles that are not there yet; those a company changed stay as they are."""
    known = set(uow.scalars(select(Role.code)))
    for code, (name, rights) in BUILT_IN_ROLES.items():
        if code not in known:
            _add(uow, code, name, rights)


def add_role(uow: UnitOfWork, code: str, *, name: str, rights: Mapping[str, Reach]) -> Role:
    """Add a role.

    Raises:
        DuplicateError: The code is taken.
        PermissionDeniedError: A right reaches further than the actor's own.
    """
    uow.actor.require(MANAGE)
    _require_own(uow.actor, rights)
    code = filled(code, "code").lower()
    if uow.scalar(select(Role.id).where(Role.code == code)) is not None:
        raise DuplicateError(
            t("There is a role {code} already.", code=code), code="core.role.exists"
        )
    return _add(uow, code, filled(name, "name"), rights)


def set_rights(
    uow: UnitOfWork,
    code: str,
    rights: Mapping[str, Reach],
    *,
    of_plugins: Collection[str] = (),
) -> Role:
    """Give a role rights, change how far they reach, or take them with ``Reach.NONE``.

    Args:
        uow: The unit of work.
        code: Of the role.
        rights: Right to reach.
        of_plugins: Rights that plugins in use ask for, besides the core's.

    Raises:
        NotFoundError: There is no such role.
        InputError: Nobody asks for such a right.
        PermissionDeniedError: A right reaches further than the actor's own.
        RuleViolationError: The administrator's role always has every right.
    """
    uow.actor.require(MANAGE)
    role = role_named(uow, code)
    if code == ADMIN:
        raise RuleViolationError(
            t("The administrator's role has every right and stays as it is: make another role."),
            code="core.role.fixed",
        )
    known = {*CORE_RIGHTS, *of_plugins}
    for right, reach in rights.items():
        if right not in known and reach is not Reach.NONE:
            raise InputError(
                t(
                    "There is no right {right!r} here; known are {known}.",
                    right=right,
                    known=", ".join(sorted(known)),
                ),
                code="core.role.right",
                details={"right": right},
            )
    _require_own(uow.actor, rights)
    for right, reach in rights.items():
        _set_right(uow, role, right, reach)
    role.updated_at = uow.now
    uow.flush()
    return role


def require_may_give(uow: UnitOfWork, role: Role) -> None:
    """Raise PermissionDeniedError unless the actor may give a role to somebody.

    Nobody gives more than they have, but for those who say what roles hold.
    """
    if uow.actor.may(MANAGE):
        return
    statement = select(RoleRight.right, RoleRight.reach).where(RoleRight.role_id == role.id)
    _require_own(uow.actor, {r.right: Reach[r.reach.upper()] for r in uow.execute(statement)})


def _require_own(actor: Actor, rights: Mapping[str, Reach]) -> None:
    for right, reach in rights.items():
        if actor.reach(right) < reach:
            raise PermissionDeniedError(
                t(
                    "{login} cannot give {right} with a reach of {reach}: it is further than their "
                    "own. Ask an administrator.",
                    login=actor.login,
                    right=right,
                    reach=reach.name.lower(),
                ),
                details={"right": right},
            )


def _set_right(uow: UnitOfWork, role: Role, right: str, reach: Reach) -> None:
    held = uow.find(RoleRight, (role.id, right))
    if reach is Reach.NONE:
        if held is not None:
            uow.delete(held)
    elif held is None:
        uow.add(RoleRight(role_id=role.id, right=right, reach=reach.name.lower()))
    else:
        held.reach = reach.name.lower()


def role_named(uow: UnitOfWork, code: str) -> Role:
    """Return a role by its code; raises NotFoundError listing those there are."""
    role: Role | None = uow.scalar(select(Role).where(Role.code == code))
    if role is None:
        codes = list(uow.scalars(select(Role.code).order_by(Role.code)))
        raise NotFoundError(
            t(
                "There is no role {code!r}; choose one of {codes}.",
                code=code,
                codes=", ".join(codes),
            ),
            code="core.role.not_found",
            details={"roles": codes},
        )
    return role


def role_names(uow: UnitOfWork) -> dict[str, str]:
    """Return what all roles are called, by code."""
    rows = uow.execute(select(Role.code, Role.name).order_by(Role.code))
    return {row.code: row.name for row in rows}


def list_roles(uow: UnitOfWork) -> list[dict[str, Any]]:
    """Return all roles by code: ``id, code, name, rights`` (right to reach, as text)."""
    rights: dict[Any, dict[str, str]] = {}
    for right in uow.execute(
        select(RoleRight.role_id, RoleRight.right, RoleRight.reach).order_by(RoleRight.right)
    ):
        rights.setdefault(right.role_id, {})[right.right] = right.reach
    rows = uow.execute(select(Role.id, Role.code, Role.name).order_by(Role.code))
    return [{**row._mapping, "rights": rights.get(row.id, {})} for row in rows]


def _add(uow: UnitOfWork, code: str, name: str, rights: Mapping[str, Reach]) -> Role:
    role = uow.add(Role(code=code, name=name, created_at=uow.now, updated_at=uow.now))
    uow.flush()
    for right, reach in rights.items():
        uow.add(RoleRight(role_id=role.id, right=right, reach=reach.name.lower()))
    uow.flush()
    return role
