"""The demo company in the browser: people of four roles who can sign in, one in Persian too."""

from __future__ import annotations

from sqlalchemy import select

from crm_core.access import system_actor
from crm_core.bootstrap import Application
from crm_core.entities.user import User
from crm_core.messages import say, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.settings import set_setting
from crm_core.services.teams import add_team, add_team_member, list_teams
from crm_core.services.users import enable_user, grant_role, user_named
from crm_web.models import Credential
from crm_web.services.passwords import matches, set_password
from crm_web.settings import BASE_URL

PASSWORD = "look around freely"  # noqa: S105  shown to everybody, on this machine alone
ADDRESS = "http://127.0.0.1:8000"
PEOPLE = {
    # login: role, what people read, language
    "demo": ("admin", t("administrator"), None),
    "alice": ("manager", t("manager"), None),
    "eleni": ("employee", t("employee"), None),
    "maja": ("readonly", t("may only read"), None),
    "maryam": ("employee", t("employee, in Persian"), "fa"),
}
TEAM, MEMBERS = "Athens", ("eleni", "nikos", "katerina")


def prepare(application: Application) -> list[str]:
    """Let people of the demo company sign in, and say how; done before, nothing changes."""
    with application.unit_of_work(system_actor("demo"), write=True) as uow:
        if not has_known_passwords(uow):
            for login, (role, _, language) in PEOPLE.items():
                _let_in(uow, login, role, language)
        if all(team["name"] != TEAM for team in list_teams(uow)):
            add_team(uow, TEAM)
            for login in MEMBERS:
                add_team_member(uow, TEAM, login)
        uow.commit()
    return ["crm serve", t("Open {address} in a browser.", address=ADDRESS), *logins()]


def live_at(application: Application, address: str) -> None:
    """Have links that leave the demo, such as those of offers, lead to where it is served."""
    with application.unit_of_work(system_actor("demo"), write=True) as uow:
        set_setting(uow, BASE_URL.name, address)
        uow.commit()


def logins() -> list[str]:
    """Return who can sign in, a line each."""
    head = t("Sign in with the password “{password}” as:", password=PASSWORD)
    return [head, *(f"  {login:<8} {say(told)}" for login, (_, told, _) in PEOPLE.items())]


def has_known_passwords(uow: UnitOfWork) -> bool:
    """Return whether the demo's administrator still has the password that everybody knows."""
    statement = (
        select(Credential.password_hash)
        .join(User, User.id == Credential.user_id)
        .where(User.login == next(iter(PEOPLE)))
    )
    held = uow.scalar(statement)
    return held is not None and matches(held, PASSWORD)


def _let_in(uow: UnitOfWork, login: str, role: str, language: str | None) -> None:
    user = user_named(uow, login)
    if not user.is_enabled:  # as they came from the back office
        enable_user(uow, login)
        grant_role(uow, login, role)
    user.language = language
    set_password(uow, login, PASSWORD)
