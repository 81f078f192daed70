"""``crm user``: who may do what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.errors import InputError
from crm_core.messages import t

if TYPE_CHECKING:
    from crm_core.access import Reach


@click.group(cls=CrmGroup)
def user() -> None:
    """Add users and give them roles."""


@user.command()
@click.argument("login")
@click.option("--role", "role_codes", multiple=True, help="admin, manager, employee, readonly …")
@click.option("--name", help="What people read; LOGIN by default.")
@click.option("--email", help="Where mail reaches them.")
@click.option("--language", help="Such as el-GR; the company's by default.")
@click.option(
    "--time-zone", metavar="NAME", help="Such as Europe/Athens; the company's by default."
)
@click.option("--os-user", metavar="ACCOUNT", help="Account of this machine that acts as the user.")
@pass_context
def add(context: Context, /, login: str, **given: Any) -> None:
    """Add a user."""
    from crm_core.services.users import add_user

    with context.unit_of_work(write=True) as uow:
        added = add_user(uow, login, **given)
        uow.commit()
    out = context.output
    data = {"id": added.id, "login": added.login, "roles": sorted(set(given["role_codes"]))}
    out.data("user.add/1", data, lambda: out.line(t("Added {login}.", login=added.login)))
    if not given["role_codes"]:
        out.note(
            t(
                "Without a role they may do nothing: crm user role grant {login} ROLE.",
                login=added.login,
            )
        )


@user.group()
def role() -> None:
    """Grant, revoke and list roles."""


@role.command()
@click.argument("login")
@click.argument("role_code", metavar="ROLE")
@pass_context
def grant(context: Context, login: str, role_code: str) -> None:
    """Give a user one more role."""
    from crm_core.services.users import grant_role

    with context.unit_of_work(write=True) as uow:
        grant_role(uow, login, role_code)
        uow.commit()
    _tell(
        context,
        "user.role.grant/1",
        login,
        t("{login} has the role {role_code}.", login=login, role_code=role_code),
    )


@role.command()
@click.argument("login")
@click.argument("role_code", metavar="ROLE")
@pass_context
def revoke(context: Context, login: str, role_code: str) -> None:
    """Take a role from a user."""
    from crm_core.services.users import revoke_role

    with context.unit_of_work(write=True) as uow:
        revoke_role(uow, login, role_code)
        uow.commit()
    _tell(
        context,
        "user.role.revoke/1",
        login,
        t("{login} no longer has the role {role_code}.", login=login, role_code=role_code),
    )


@role.command(name="add")
@click.argument("role_code", metavar="ROLE")
@click.option("--name", required=True, help="What people read.")
@pass_context
def add_role_(context: Context, role_code: str, name: str) -> None:
    """Add a role without rights; give it some with: crm user role set ROLE RIGHT=REACH."""
    from crm_core.services.roles import add_role

    with context.unit_of_work(write=True) as uow:
        added = add_role(uow, role_code, name=name, rights={})
        uow.commit()
        data = {"id": added.id, "code": added.code, "name": added.name}
    out = context.output
    out.data(
        "user.role.add/1", data, lambda: out.line(t("Added the role {code}.", code=data["code"]))
    )


@role.command(name="set")
@click.argument("role_code", metavar="ROLE")
@click.argument("rights", metavar="RIGHT=REACH", nargs=-1, required=True)
@pass_context
def set_rights_(context: Context, role_code: str, rights: tuple[str, ...]) -> None:
    """Give a role rights: core.customer.edit=team. REACH is own, team, all, or none to take it."""
    from crm_core.services.roles import set_rights

    wanted = dict(_right_and_reach(text) for text in rights)
    with context.unit_of_work(write=True) as uow:
        of_plugins = context.application.plugins.rights.keys()
        changed = set_rights(uow, role_code, wanted, of_plugins=of_plugins)
        uow.commit()
        data = {"id": changed.id, "code": changed.code}
    out = context.output
    out.data(
        "user.role.set/1",
        data,
        lambda: out.line(t("The role {role_code} is changed.", role_code=role_code)),
    )


def _right_and_reach(text: str) -> tuple[str, Reach]:
    from crm_core.access import Reach

    right, _, reach = text.partition("=")
    if reach.upper() not in Reach.__members__:
        raise InputError(
            t(
                "{text!r} will not do: write RIGHT=REACH, where REACH is own, team, all or none.",
                text=text,
            ),
            code="core.role.right",
        )
    return right, Reach[reach.upper()]


@role.command()
@click.argument("role_code", metavar="ROLE")
@pass_context
def show(context: Context, role_code: str) -> None:
    """Show the rights of a role, how far each reaches and what it allows."""
    from crm_core.services.rights import CORE_RIGHTS
    from crm_core.services.roles import list_roles, role_named

    with context.unit_of_work() as uow:
        code = role_named(uow, role_code).code
        held = next(item["rights"] for item in list_roles(uow) if item["code"] == code)
    brought = context.application.plugins.rights.values()
    titles = {**CORE_RIGHTS, **{right.code: right.title for right in brought}}
    items = [
        {"id": right, "right": right, "reach": reach, "title": titles.get(right)}
        for right, reach in held.items()
    ]
    columns = {"right": t("Right"), "reach": t("Reach"), "title": t("Allows")}
    context.output.page("user.role.show/1", items, None, columns)


@role.command(name="list")
@pass_context
def list_roles_(context: Context) -> None:
    """List the roles and how many rights they hold."""
    from crm_core.services.roles import list_roles

    with context.unit_of_work() as uow:
        items = [{**item, "count": len(item["rights"])} for item in list_roles(uow)]
    context.output.page(
        "user.role.list/1",
        items,
        None,
        {"code": t("Role"), "name": t("Name"), "count": t("Rights")},
    )


@user.command()
@click.argument("login")
@pass_context
def disable(context: Context, login: str) -> None:
    """Stop a user from acting; what they own stays theirs."""
    from crm_core.services.users import disable_user

    with context.unit_of_work(write=True) as uow:
        disable_user(uow, login)
        uow.commit()
    _tell(context, "user.disable/1", login, t("{login} is disabled.", login=login))


@user.command()
@click.argument("login")
@pass_context
def enable(context: Context, login: str) -> None:
    """Let a user act, also one that came from an ERP."""
    from crm_core.services.users import enable_user

    with context.unit_of_work(write=True) as uow:
        enable_user(uow, login)
        uow.commit()
    _tell(context, "user.enable/1", login, t("{login} is enabled.", login=login))


@user.command(name="list")
@click.option("--limit", default=50, show_default=True, help="Items a page, up to 1000.")
@click.option("--cursor", help="Continue a list: what the page before told.")
@pass_context
def list_(context: Context, limit: int, cursor: str | None) -> None:
    """List the users."""
    from crm_core.services.users import list_users

    with context.unit_of_work() as uow:
        page = list_users(uow, limit=limit, cursor=cursor)
    items = [dict(item) for item in page.items]
    if not context.output.as_json:
        for item in items:
            item["roles"] = ", ".join(item["roles"])
    columns = {
        "login": t("Login"),
        "name": t("Name"),
        "email": "E-mail",
        "roles": t("Roles"),
        "is_enabled": t("Enabled"),
    }
    context.output.page("user.list/1", items, page.next_cursor, columns)


@user.group()
def team() -> None:
    """Teams: where a right reaches the team, users see each other's records."""


@team.command(name="add")
@click.argument("name")
@pass_context
def add_team_(context: Context, name: str) -> None:
    """Add a team."""
    from crm_core.services.teams import add_team

    with context.unit_of_work(write=True) as uow:
        added = add_team(uow, name)
        uow.commit()
    out = context.output
    data = {"id": added.id, "name": added.name}
    out.data(
        "user.team.add/1", data, lambda: out.line(t("Added the team {added}.", added=added.name))
    )


@team.command()
@click.argument("name")
@click.argument("login")
@pass_context
def join(context: Context, name: str, login: str) -> None:
    """Put a user into a team."""
    from crm_core.services.teams import add_team_member

    with context.unit_of_work(write=True) as uow:
        add_team_member(uow, name, login)
        uow.commit()
    _tell(
        context,
        "user.team.join/1",
        login,
        t("{login} is in the team {name}.", login=login, name=name),
    )


@team.command()
@click.argument("name")
@click.argument("login")
@pass_context
def leave(context: Context, name: str, login: str) -> None:
    """Take a user out of a team."""
    from crm_core.services.teams import remove_team_member

    with context.unit_of_work(write=True) as uow:
        remove_team_member(uow, name, login)
        uow.commit()
    _tell(
        context,
        "user.team.leave/1",
        login,
        t("{login} has left the team {name}.", login=login, name=name),
    )


@team.command(name="list")
@pass_context
def list_teams_(context: Context) -> None:
    """List the teams."""
    from crm_core.services.teams import list_teams

    with context.unit_of_work() as uow:
        items = list_teams(uow)
    if not context.output.as_json:
        items = [{**item, "members": ", ".join(item["members"])} for item in items]
    context.output.page(
        "user.team.list/1", items, None, {"name": t("Team"), "members": t("Members")}
    )


def _tell(context: Context, schema: str, login: str, text: str) -> None:
    out = context.output
    out.data(schema, {"login": login}, lambda: out.line(text))
