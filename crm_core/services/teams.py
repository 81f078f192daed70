"""Teams: users who see each other's records where a right reaches the team."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from crm_core.access import Reach
from crm_core.entities.user import RoleRight, Team, TeamMember, User, UserRole
from crm_core.errors import (
    DuplicateError,
    NotFoundError,
    PermissionDeniedError,
    RuleViolationError,
)
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import filled
from crm_core.services.roles import MANAGE as MANAGE_ROLES
from crm_core.services.users import MANAGE, user_named


def add_team(uow: UnitOfWork, name: str) -> Team:
    """Add a team; raises DuplicateError when the name is taken."""
    uow.actor.require(MANAGE)
    name = filled(name, "name")
    if uow.scalar(select(Team.id).where(Team.name == name)) is not None:
        raise DuplicateError(
            t("There is a team {name} already.", name=name), code="core.team.exists"
        )
    team = uow.add(Team(name=name, created_at=uow.now, updated_at=uow.now))
    uow.flush()
    return team


def add_team_member(uow: UnitOfWork, name: str, login: str) -> None:
    """Put a user into a team; nothing happens where they are in it.

    Raises:
        PermissionDeniedError: Members would reach records that the actor does not.
    """
    uow.actor.require(MANAGE)
    team, user = _team_named(uow, name), user_named(uow, login)
    if uow.find(TeamMember, (team.id, user.id)) is None:
        _require_within_reach(uow, team, user)
        uow.add(TeamMember(team_id=team.id, user_id=user.id))


def _require_within_reach(uow: UnitOfWork, team: Team, user: User) -> None:
    """Refuse to give anybody, by who is in a team, more than the actor has."""
    actor = uow.actor
    if actor.may(MANAGE_ROLES):
        return
    members = uow.scalars(select(TeamMember.user_id).where(TeamMember.team_id == team.id))
    people = {user.id, *members}
    widened = (
        select(RoleRight.right)
        .join(UserRole, UserRole.role_id == RoleRight.role_id)
        .where(UserRole.user_id.in_(people), RoleRight.reach == Reach.TEAM.name.lower())
        .order_by(RoleRight.right)
        .distinct()
    )
    for right in uow.scalars(widened):
        if not all(actor.may_for_owner(right, each) for each in people):
            raise PermissionDeniedError(
                t(
                    "{login} cannot put {member} into the team {team}: its members would reach "
                    "records by {right} that {login} does not. Ask an administrator.",
                    login=actor.login,
                    member=user.login,
                    team=team.name,
                    right=right,
                ),
                code="core.team.beyond",
                details={"right": right},
            )


def remove_team_member(uow: UnitOfWork, name: str, login: str) -> None:
    """Take a user out of a team; raises RuleViolationError where they are not in it."""
    uow.actor.require(MANAGE)
    team, user = _team_named(uow, name), user_named(uow, login)
    member = uow.find(TeamMember, (team.id, user.id))
    if member is None:
        raise RuleViolationError(
            t("{login} is not in the team {team}.", login=user.login, team=team.name),
            code="core.team.not_a_member",
        )
    uow.delete(member)


def list_teams(uow: UnitOfWork) -> list[dict[str, Any]]:
    """Return all teams by name: ``id, name, members`` (logins)."""
    teams = {
        row.id: {"id": row.id, "name": row.name, "members": []}
        for row in uow.execute(select(Team.id, Team.name).order_by(Team.name))
    }
    for row in uow.execute(
        select(TeamMember.team_id, User.login)
        .join(User, User.id == TeamMember.user_id)
        .order_by(User.login)
    ):
        teams[row.team_id]["members"].append(row.login)
    return list(teams.values())


def _team_named(uow: UnitOfWork, name: str) -> Team:
    team: Team | None = uow.scalar(select(Team).where(Team.name == name))
    if team is None:
        raise NotFoundError(t("There is no team {name!r}.", name=name), code="core.team.not_found")
    return team
