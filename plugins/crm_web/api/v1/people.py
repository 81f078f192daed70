"""Users, roles and teams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import fields, validate

from crm_core.access import Reach
from crm_core.entities.user import Role, Team, User
from crm_core.persistence.paging import Page
from crm_core.schemas.customer import LINE, SHORT
from crm_core.services import roles, teams, users
from crm_core.services.rights import CORE_RIGHTS
from crm_web.sdk.api import Api, Call, PageQuery, Result, Said, Strict

api = Api("people", title="Users, roles and teams", prefix="/")


class MeResult(Result):
    """Who calls, and what they may do with this token or session."""

    user_id = fields.UUID()
    login = fields.String(required=True)
    origin = fields.String()
    rights = fields.Dict(keys=fields.String(), values=fields.String())


class UserResult(Result):
    """A user."""

    id = fields.UUID(required=True)
    login = fields.String()
    name = fields.String()
    email = fields.String()
    is_enabled = fields.Boolean()
    roles = fields.List(fields.String())


class UserSchema(Strict):
    """A new user; a password is set by them or by an administrator, in a page."""

    login = fields.String(required=True, validate=validate.Length(1, 100))
    name = fields.String(allow_none=True, validate=validate.Length(max=LINE))
    email = fields.String(allow_none=True, validate=validate.Length(max=LINE))
    roles = fields.List(fields.String(validate=validate.Length(1, SHORT)))
    language = fields.String(allow_none=True, validate=validate.Length(max=SHORT))
    time_zone = fields.String(allow_none=True, validate=validate.Length(max=SHORT))


class RoleResult(Result):
    """A role, with each right and how far it reaches."""

    id = fields.UUID(required=True)
    code = fields.String()
    name = fields.String()
    rights = fields.Dict(keys=fields.String(), values=fields.String())


def _rights(**options: Any) -> Any:
    names = [each.name.lower() for each in Reach]
    return fields.Dict(
        keys=fields.String(),
        values=fields.String(validate=validate.OneOf(names)),
        metadata={"description": "Right to own, team or all; none takes it."},
        **options,
    )


class RoleSchema(Strict):
    """A new role."""

    code = fields.String(required=True, validate=validate.Length(1, SHORT))
    name = fields.String(required=True, validate=validate.Length(1, LINE))
    rights = _rights()


class RightsSchema(Strict):
    """Rights to give and take."""

    rights = _rights(required=True)


class RightResult(Result):
    """A right that a role may give."""

    code = fields.String(required=True)
    title = Said()


class TeamResult(Result):
    """A team, with its members' logins."""

    id = fields.UUID(required=True)
    name = fields.String()
    members = fields.List(fields.String())


class TeamSchema(Strict):
    """A new team."""

    name = fields.String(required=True, validate=validate.Length(1, LINE))


@api.get("/me", result=MeResult, right="")
def me(call: Call) -> Mapping[str, Any]:
    """Tell who calls, and what they may do."""
    actor = call.actor
    return {
        "user_id": actor.user_id,
        "login": actor.login,
        "origin": actor.origin,
        "rights": {right: reach.name.lower() for right, reach in sorted(actor.rights.items())},
    }


@api.get("/users", query=PageQuery, page=UserResult, right=users.MANAGE)
def list_users(call: Call) -> Page[dict[str, Any]]:
    """List users by login."""
    return users.list_users(call.uow, **call.query)


@api.post("/users", body=UserSchema, result=UserResult, status=201, right=users.MANAGE)
def add_user(call: Call) -> Mapping[str, Any]:
    """Add a user."""
    body = dict(call.body)
    codes = body.pop("roles", [])
    user = users.add_user(call.uow, body.pop("login"), role_codes=codes, **body)
    return {**_told(user), "roles": codes}


@api.post("/users/<login>/enable", result=UserResult, right=users.MANAGE)
def enable_user(call: Call, login: str) -> Mapping[str, Any]:
    """Let a user act."""
    return _told(users.enable_user(call.uow, login))


@api.post("/users/<login>/disable", result=UserResult, right=users.MANAGE)
def disable_user(call: Call, login: str) -> Mapping[str, Any]:
    """Stop a user from acting."""
    return _told(users.disable_user(call.uow, login))


@api.put("/users/<login>/roles/<code>", right=users.MANAGE)
def grant_role(call: Call, login: str, code: str) -> None:
    """Give a user a role."""
    users.grant_role(call.uow, login, code)


@api.delete("/users/<login>/roles/<code>", right=users.MANAGE)
def revoke_role(call: Call, login: str, code: str) -> None:
    """Take a role from a user."""
    users.revoke_role(call.uow, login, code)


@api.get("/rights", page=RightResult, right=roles.MANAGE)
def rights(call: Call) -> Sequence[Mapping[str, Any]]:
    """List the rights that the core and the plugins in use ask for."""
    plugins = {each.code: each.title for each in call.request.application.plugins.rights.values()}
    known = {**CORE_RIGHTS, **plugins}
    return [{"code": code, "title": title} for code, title in sorted(known.items())]


@api.get("/roles", page=RoleResult, right=roles.MANAGE)
def list_roles(call: Call) -> Sequence[Mapping[str, Any]]:
    """List roles with their rights."""
    return roles.list_roles(call.uow)


@api.post("/roles", body=RoleSchema, result=RoleResult, status=201, right=roles.MANAGE)
def add_role(call: Call) -> Mapping[str, Any]:
    """Add a role."""
    body = call.body
    role = roles.add_role(call.uow, body["code"], name=body["name"], rights={})
    return _with_rights(call, role, body.get("rights", {}))


@api.patch("/roles/<code>/rights", body=RightsSchema, result=RoleResult, right=roles.MANAGE)
def set_rights(call: Call, code: str) -> Mapping[str, Any]:
    """Give a role rights, change how far they reach, or take them."""
    return _with_rights(call, roles.role_named(call.uow, code), call.body["rights"])


@api.get("/teams", page=TeamResult, right=users.MANAGE)
def list_teams(call: Call) -> Sequence[Mapping[str, Any]]:
    """List teams with their members."""
    return teams.list_teams(call.uow)


@api.post("/teams", body=TeamSchema, result=TeamResult, status=201, right=users.MANAGE)
def add_team(call: Call) -> Mapping[str, Any]:
    """Add a team."""
    team: Team = teams.add_team(call.uow, call.body["name"])
    return {"id": team.id, "name": team.name, "members": []}


@api.put("/teams/<name>/members/<login>", right=users.MANAGE)
def add_member(call: Call, name: str, login: str) -> None:
    """Put a user into a team."""
    teams.add_team_member(call.uow, name, login)


@api.delete("/teams/<name>/members/<login>", right=users.MANAGE)
def remove_member(call: Call, name: str, login: str) -> None:
    """Take a user out of a team."""
    teams.remove_team_member(call.uow, name, login)


def _told(user: User) -> dict[str, Any]:
    return {name: getattr(user, name) for name in ("id", "login", "name", "email", "is_enabled")}


def _with_rights(call: Call, role: Role, given: Mapping[str, str]) -> Mapping[str, Any]:
    reaches = {right: Reach[reach.upper()] for right, reach in given.items()}
    plugins = call.request.application.plugins.rights
    roles.set_rights(call.uow, role.code, reaches, of_plugins=tuple(plugins))
    return next(each for each in roles.list_roles(call.uow) if each["id"] == role.id)
