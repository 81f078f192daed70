"""Users and teams: who may sign in, with which roles, and what they see."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate
from werkzeug.wrappers import Response

from crm_core.entities.user import User
from crm_core.errors import CrmError, InputError
from crm_core.messages import t
from crm_core.services.access_check import explain_access, role_codes, summarise_access
from crm_core.services.rights import CORE_RIGHTS
from crm_core.services.roles import role_names
from crm_core.services.teams import add_team, add_team_member, list_teams, remove_team_member
from crm_core.services.users import (
    MANAGE,
    add_user,
    disable_user,
    enable_user,
    grant_role,
    list_users,
    revoke_role,
)
from crm_web.permissions import MANAGE_ACCESS
from crm_web.sdk.forms import Form
from crm_web.sdk.pages import Menu, Pages
from crm_web.sdk.request import Request
from crm_web.services.links import invite_user
from crm_web.services.second_factor import reset_second_factor, second_factor_state
from crm_web.services.sessions import close_sessions_of, list_sessions

pages = Pages("admin_users", __name__, title="Users", prefix="/admin/users")
SHOWN = 100


class UserSchema(Schema):
    """A new user."""

    login = fields.String(
        required=True, validate=validate.Length(max=100), metadata={"title": t("Login")}
    )
    name = fields.String(
        load_default=None, validate=validate.Length(max=200), metadata={"title": t("Name")}
    )
    email = fields.String(
        load_default=None,
        validate=validate.Length(max=254),
        metadata={"title": t("E-mail"), "help": t("A link to choose a password goes there.")},
    )


@pages.get("/", right=MANAGE, menu=Menu(t("Users"), "people", "admin", position=10))
def users(request: Request) -> str:
    """List the users, with the form to add one."""
    return _listed(request)


def _listed(request: Request, form: Form | None = None) -> str:
    page = list_users(request.uow, limit=SHOWN, cursor=request.args.get("cursor"))
    return request.render(
        "web/admin/users.html",
        page=page,
        form=form or Form(UserSchema(), {}),
        roles=role_names(request.uow),
        chosen=request.form.getlist("role"),
        may_invite=request.may(MANAGE_ACCESS),
    )


@pages.post("/add", right=MANAGE)
def add(request: Request) -> Response:
    """Add a user, and mail them a link to choose a password where that is wanted."""
    try:
        given = request.read(UserSchema())
        roles = request.form.getlist("role")
        made = add_user(request.uow, given.pop("login"), role_codes=roles, **given)
        if request.form.get("invite"):
            invite_user(request.uow, made.login)
    except CrmError as error:
        if error.http_status not in (400, 409, 422):
            raise
        form = Form(UserSchema(), request.form, error=error)
        return _again(_listed(request, form), error)
    return request.done(
        t("{login} was added.", login=made.login), to="admin_users.user", user_id=made.id
    )


def _again(page: str, error: CrmError) -> Response:
    return Response(page, error.http_status, content_type="text/html; charset=utf-8")


@pages.get("/<uuid:user_id>", right=MANAGE)
def user(request: Request, user_id: UUID) -> str:
    """Show one user: roles, teams, and how they sign in."""
    uow, found = request.uow, request.uow.get(User, user_id)
    may_access = request.may(MANAGE_ACCESS)
    return request.render(
        "web/admin/user.html",
        user=found,
        roles=role_names(uow),
        held=role_codes(uow, user_id),
        teams=[each["name"] for each in list_teams(uow) if found.login in each["members"]],
        sessions=list_sessions(uow, user_id) if may_access else [],
        factor=second_factor_state(uow, user_id) if may_access else None,
        may_access=may_access,
    )


@pages.get("/<uuid:user_id>/access", right=MANAGE)
def access(request: Request, user_id: UUID) -> str:
    """Show what a user may do and see, or whether they may do something somewhere, and why."""
    found = request.uow.get(User, user_id)
    of_plugins = {each.code: each.title for each in request.application.plugins.rights.values()}
    answer, problem = _asked(request, found.login)
    told = None
    if answer is None:
        told = summarise_access(request.uow, found.login, of_plugins=of_plugins)
    return request.render(
        "web/admin/access.html",
        user=found,
        access=told,
        rights={**CORE_RIGHTS, **of_plugins},
        answer=answer,
        problem=problem,
    )


def _asked(request: Request, login: str) -> tuple[Any, str]:
    """Return the answer to "may they do that, there?", or why it cannot be told."""
    right, customer = request.args.get("right", ""), request.args.get("customer", "").strip()
    if not right:
        return None, ""
    try:
        record = ("customer", UUID(customer.rstrip("/").rpartition("/")[2])) if customer else None
        return explain_access(request.uow, login, right, record), ""
    except ValueError:
        return None, t("Give the address of a customer's page, or its id.")
    except CrmError as error:
        return None, error.message


@pages.post("/<uuid:user_id>/roles", right=MANAGE)
def set_roles(request: Request, user_id: UUID) -> Response:
    """Give a user the roles that were ticked and take those that no longer are."""
    uow, found = request.uow, request.uow.get(User, user_id)
    wanted = set(request.form.getlist("role"))
    held = role_codes(uow, user_id)
    # A form that does not tell what was ticked in it means just these roles.
    was = set(request.form.getlist("was")) if "was" in request.form else held
    for code in sorted(wanted - was - held):
        grant_role(uow, found.login, code)
    uow.flush()
    for code in sorted((was - wanted) & held):
        revoke_role(uow, found.login, code)
    return request.done(t("Saved."), to="admin_users.user", user_id=user_id)


@pages.post("/<uuid:user_id>/switch", right=MANAGE)
def switch(request: Request, user_id: UUID) -> Response:
    """Let a user act, or not any more."""
    found = request.uow.get(User, user_id)
    if request.form.get("on") == "true":
        enable_user(request.uow, found.login)
        said = t("{login} may act again.", login=found.login)
    else:
        disable_user(request.uow, found.login)
        said = t("{login} cannot act any more.", login=found.login)
    return request.done(said, to="admin_users.user", user_id=user_id)


@pages.post("/<uuid:user_id>/invite", right=MANAGE_ACCESS)
def invite(request: Request, user_id: UUID) -> Response:
    """Mail a user a link to choose a password."""
    found = request.uow.get(User, user_id)
    invite_user(request.uow, found.login)
    said = t("A link goes to {email}.", email=found.email or "")
    return request.done(said, to="admin_users.user", user_id=user_id)


@pages.post("/<uuid:user_id>/sign-out", right=MANAGE_ACCESS)
def sign_out(request: Request, user_id: UUID) -> Response:
    """End all sessions of a user."""
    close_sessions_of(request.uow, user_id)
    return request.done(t("Signed out everywhere."), to="admin_users.user", user_id=user_id)


@pages.post("/<uuid:user_id>/second-factor", right=MANAGE_ACCESS)
def reset_factor(request: Request, user_id: UUID) -> Response:
    """Turn off the second factor of somebody who lost it."""
    found = request.uow.get(User, user_id)
    reset_second_factor(request.uow, found.login)
    said = t("The second factor of {login} is off.", login=found.login)
    return request.done(said, to="admin_users.user", user_id=user_id)


@pages.get("/teams", right=MANAGE)
def teams(request: Request) -> str:
    """List the teams with their members."""
    return _teams(request)


def _teams(request: Request, error: str = "") -> str:
    people = list_users(request.uow, limit=1_000).items
    names = {each["login"]: each["name"] for each in people}
    logins = [each["login"] for each in people if each["is_enabled"]]
    found = list_teams(request.uow)
    return request.render(
        "web/admin/teams.html", teams=found, names=names, logins=logins, error=error
    )


@pages.post("/teams", right=MANAGE)
def change_teams(request: Request) -> Response:
    """Add a team, or put somebody into one or take them out."""
    form, uow = request.form, request.uow
    team, login = form.get("team", "").strip(), form.get("login", "").strip()
    try:
        if form.get("what") == "add":
            add_team(uow, team)
        elif form.get("what") == "remove":
            remove_team_member(uow, team, login)
        elif not login:
            raise InputError(t("Choose somebody first."), code="web.form")
        else:
            add_team_member(uow, team, login)
    except CrmError as error:
        if error.http_status == 403:
            raise
        return _again(_teams(request, error.message), error)
    return request.done(t("Saved."), to="admin_users.teams")
