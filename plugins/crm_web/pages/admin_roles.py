"""Roles: who may do what, and how far it reaches."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from crm_core.access import Reach
from crm_core.errors import CrmError, InputError, StaleVersionError
from crm_core.messages import n, t
from crm_core.services.access_check import rights_table
from crm_core.services.roles import MANAGE, add_role, set_rights
from crm_core.services.users import MANAGE as MANAGE_USERS
from crm_web.pages.meanwhile import laid_over
from crm_web.sdk.forms import SEE_BESIDE
from crm_web.sdk.pages import Menu, Pages
from crm_web.sdk.request import Request

pages = Pages("admin_roles", __name__, title="Roles", prefix="/admin/roles")
REACHES = [reach.name.lower() for reach in Reach]


@pages.get("/", right=MANAGE_USERS, menu=Menu(t("Roles and rights"), "key", "admin", position=20))
def roles(request: Request) -> str:
    """Show who may do what: rights by roles."""
    return _table(request)


def _table(request: Request, error: str = "", code: str | None = None, **sent: Any) -> str:
    of_plugins = {each.code: each.title for each in request.application.plugins.rights.values()}
    table = rights_table(request.uow, of_plugins=of_plugins)
    known = {each["code"]: each for each in table["roles"]}
    role = known.get(code or request.args.get("role", ""))
    return request.render(
        "web/admin/roles.html",
        table=table,
        role=role if role and not role["is_fixed"] and request.may(MANAGE) else None,
        reaches=REACHES,
        error=error,
        sent=sent,
    )


@pages.post("/add", right=MANAGE)
def add(request: Request) -> Response:
    """Add a role, with the rights of another or none."""
    code, like = request.form.get("code", "").strip(), request.form.get("like", "")
    try:
        table = rights_table(request.uow)["rights"]
        reaches = {each["code"]: Reach[each["reaches"].get(like, "none").upper()] for each in table}
        given = {right: reach for right, reach in reaches.items() if reach is not Reach.NONE}
        made = add_role(request.uow, code, name=request.form.get("name", code), rights=given)
    except CrmError as error:
        if error.http_status == 403:
            raise
        return _again(request, error)
    said = t("The role {code} was added.", code=made.code)
    return request.done(said, to="admin_roles.roles", role=made.code)


@pages.post("/<code>/rights", right=MANAGE)
def change(request: Request, code: str) -> Response:
    """Say how far the rights of one role reach."""
    of_plugins = {each.code: each.title for each in request.application.plugins.rights.values()}
    table = rights_table(request.uow, of_plugins=of_plugins)["rights"]
    now = {each["code"]: each["reaches"].get(code, "none") for each in table}
    typed, theirs = laid_over(request.form, now)
    if theirs:
        return _again(request, StaleVersionError(SEE_BESIDE), code, typed=typed, theirs=theirs)
    try:
        if not set(typed.values()) <= set(REACHES):
            raise InputError(t("There is no such reach."), code="web.form")
        changed = {each: Reach[typed[each].upper()] for each in now if typed[each] != now[each]}
        if changed:
            set_rights(request.uow, code, changed, of_plugins=list(of_plugins))
    except InputError as error:
        return _again(request, error, code)
    said = n("{count} right changed.", "{count} rights changed.", len(changed))
    return request.done(said, to="admin_roles.roles", role=code)


def _again(request: Request, error: CrmError, code: str | None = None, **sent: Any) -> Response:
    page = _table(request, error.message, code, **sent)
    return Response(page, error.http_status, content_type="text/html; charset=utf-8")
