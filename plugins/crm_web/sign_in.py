"""Signing in from beginning to end: several short transactions, none of which waits for a hash.

A password takes a twentieth of a second to look at; on SQLite nobody else could write meanwhile.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select

from crm_core.access import system_actor
from crm_core.entities.user import User
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work
from crm_web.errors import WrongCredentialsError
from crm_web.models import Credential
from crm_web.services.passwords import matches, renew_hash
from crm_web.services.sessions import open_session
from crm_web.services.throttle import (
    count_attempt,
    counted_address,
    counted_login,
    forgive_attempts,
    take_back_attempt,
)

WHY = "web:sign-in"


def sign_in(
    database: Database,
    login: str,
    password: str,
    *,
    address: str | None = None,
    user_agent: str | None = None,
) -> str:
    """Sign a user in and return the token for their browser.

    Raises:
        TooManyAttemptsError: Too many failed before; the password was not looked at.
        WrongCredentialsError: There is no such user, they are disabled, or the password is wrong.
    """
    user_id = check_password(database, login, password, address=address)
    with unit_of_work(database, actor=system_actor(WHY), write=True) as uow:
        user = uow.find(User, user_id)
        if user is None or not user.is_enabled:
            raise _wrong()
        token = open_session(uow, user, user_agent=user_agent, address=address)
        uow.commit()
    return token


def check_password(
    database: Database, login: str, password: str, *, address: str | None = None
) -> UUID:
    """Return the user whose login and password these are; counts the attempt.

    Raises:
        TooManyAttemptsError: Too many failed before; the password was not looked at.
        WrongCredentialsError: There is no such user, they are disabled, or the password is wrong.
    """
    actor, login = system_actor(WHY), _storable(login)
    of_login, of_address = counted_login(login), counted_address(address)
    with unit_of_work(database, actor=actor, write=True) as uow:
        count_attempt(uow, of_login, of_address)
        uow.commit()
    with unit_of_work(database, actor=actor) as uow:
        held = uow.execute(
            select(User.id, Credential.password_hash)
            .join(Credential, Credential.user_id == User.id)
            .where(func.lower(User.login) == login.lower(), User.is_enabled)
        ).first()
    # Nobody's password takes as long as a wrong one.
    if not matches(held.password_hash if held else None, password) or held is None:
        raise _wrong()
    with unit_of_work(database, actor=actor, write=True) as uow:
        forgive_attempts(uow, of_login)
        take_back_attempt(uow, of_address)
        renew_hash(uow, held.id, held.password_hash, password)
        uow.commit()
    user_id: UUID = held.id
    return user_id


def _storable(login: str) -> str:
    # No login holds a NUL or half a character, and no database takes them.
    return login.strip().replace("\x00", "?").encode("utf-8", "replace").decode()


def _wrong() -> WrongCredentialsError:
    return WrongCredentialsError(
        "Login or password is wrong: check both, and whether Caps Lock is on."
    )
