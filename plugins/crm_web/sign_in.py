"""Signing in from beginning to end: several short transactions, none of which waits for a hash.

A password takes a twentieth of a second to look at; on SQLite nobody else could write meanwhile.
Nothing here may be called while the caller has written something that is not committed.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import func, or_, select

from crm_core.access import Actor, system_actor
from crm_core.channels import MailServer
from crm_core.entities.user import User
from crm_core.errors import CrmError, RuleViolationError
from crm_core.messages import t
from crm_core.outbox.mail import send_queued_mail
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_web.errors import SessionEndedError, WeakPasswordError, WrongCredentialsError
from crm_web.models import Credential
from crm_web.services.links import send_reset, use_link, user_of_link
from crm_web.services.passwords import hash_new_password, matches, renew_hash, store_password
from crm_web.services.second_factor import take_code
from crm_web.services.sessions import (
    SECOND_FACTOR_STEP,
    advance_session,
    close_sessions_of,
    open_session,
    session_for,
)
from crm_web.services.throttle import (
    Counted,
    count_attempt,
    counted_address,
    counted_login,
    counted_use,
    forgive_attempts,
    network_of,
    take_back_attempt,
)
from crm_web.services.trail import note

log = structlog.get_logger(__name__)
WHY = "web"


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
    """Return the user whose login or e-mail and password these are; counts the attempt.

    Raises:
        TooManyAttemptsError: Too many failed before; the password was not looked at.
        WrongCredentialsError: There is no such user, they are disabled, or the password is wrong.
    """
    actor, login = system_actor(WHY), _storable(login)
    of_login, of_address = counted_login(login), counted_address(address)
    _count(database, of_login, of_address)
    with unit_of_work(database, actor=actor) as uow:
        held = _held(uow, login)
    # Nobody's password takes as long as a wrong one.
    if not matches(held.password_hash if held else None, password) or held is None:
        log.warning("sign-in refused", address=address)  # no login: some type the password there
        raise _wrong()
    with unit_of_work(database, actor=actor, write=True) as uow:
        forgive_attempts(uow, of_login)
        take_back_attempt(uow, of_address)
        renew_hash(uow, held.id, held.password_hash, password)
        uow.commit()
    user_id: UUID = held.id
    return user_id


def pass_second_factor(
    database: Database, token: str, code: str, *, address: str | None = None
) -> str:
    """Go on signing in with a code, and return the token that is good from now on.

    Raises:
        SessionEndedError: Nobody is signing in with this token.
        TooManyAttemptsError: Too many failed before; the code was not looked at.
        WrongCredentialsError: The code is wrong, or was used before.
    """
    with unit_of_work(database, actor=system_actor(WHY)) as uow:
        signed_in = session_for(uow, token)
    if signed_in is None or signed_in.step != SECOND_FACTOR_STEP:
        raise SessionEndedError(t("Your session has ended: sign in again."))
    check_code(database, signed_in.actor, code, address=address)
    with unit_of_work(database, actor=system_actor(WHY), write=True) as uow:
        token = advance_session(uow, signed_in.session_id, second_factor_done=True)
        uow.commit()
    return token


def check_code(database: Database, actor: Actor, code: str, *, address: str | None = None) -> None:
    """Use up a code of a user's second factor, for what takes one; counts the attempt.

    Raises:
        TooManyAttemptsError: Too many failed before; the code was not looked at.
        WrongCredentialsError: The code is wrong, or was used before.
    """
    assert actor.user_id is not None
    counted = counted_use("code", str(actor.user_id)), counted_address(address)
    _count(database, *counted)
    with unit_of_work(database, actor=actor, write=True) as uow:
        is_right = take_code(uow, actor.user_id, code)
        uow.commit()
    if not is_right:
        raise WrongCredentialsError(
            t("The code is wrong, or was used before: type the one that the app shows now."),
            code="web.second_factor.wrong",
        )
    with unit_of_work(database, actor=system_actor(WHY), write=True) as uow:
        forgive_attempts(uow, counted[0])
        take_back_attempt(uow, counted[1])
        uow.commit()


def change_password(
    database: Database,
    actor: Actor,
    old: str,
    new: str,
    *,
    session_id: UUID,
    address: str | None = None,
) -> str:
    """Change one's own password, end one's other sessions, and return this one's new token.

    Raises:
        TooManyAttemptsError: The old one was wrong too often; this time it was not looked at.
        WrongCredentialsError: The old one is wrong.
        WeakPasswordError: The new one would soon be guessed, or is the old one.
        RuleViolationError: There is no old one.
    """
    with unit_of_work(database, actor=actor) as uow:
        user = uow.get(User, actor.user_id)
        has_password = uow.find(Credential, user.id) is not None
    if not has_password:
        raise RuleViolationError(
            t("You have no password here: have a link mailed to you where you sign in."),
            code="web.password.none",
        )
    try:
        check_password(database, actor.login, old, address=address)
    except WrongCredentialsError:
        raise WrongCredentialsError(
            t("The present password is wrong: type it again."), code="web.password.wrong"
        ) from None
    if old == new:
        raise WeakPasswordError(t("The new password is the old one: choose another."))
    password_hash = hash_new_password(new, user)
    with unit_of_work(database, actor=actor, write=True) as uow:
        store_password(uow, user.id, password_hash, must_change=False)
        close_sessions_of(uow, user.id, except_=session_id)
        token = advance_session(uow, session_id)
        note(uow, actor, "password_changed", user.id)
        uow.commit()
    return token


def request_reset(
    database: Database, server: MailServer, login: str, *, address: str | None = None
) -> threading.Thread:
    """Have a link to choose a new password mailed, if there is somebody to mail it to.

    Looking that up and sending it is left to a thread, which is returned, so that neither the
    answer nor the time that it takes tells whether there is such an account.

    Raises:
        TooManyAttemptsError: It was asked for too often.
    """
    login = _storable(login)
    whence = counted_use("reset from", network_of(address), free=20)
    _count(database, counted_use("reset", login.lower(), free=3), whence)

    def send() -> None:
        try:
            with unit_of_work(database, actor=system_actor(WHY), write=True) as uow:
                user = _reachable(uow, login)
                if user is not None:
                    send_reset(uow, user)
                uow.commit()
            send_queued_mail(database, server)
        except CrmError as error:
            log.warning("no link to a new password sent", reason=error.message)

    thread = threading.Thread(target=send, name="reset", daemon=True)
    thread.start()
    return thread


def sign_in_with_link(
    database: Database,
    token: str,
    password: str,
    *,
    address: str | None = None,
    user_agent: str | None = None,
) -> str:
    """Set the password chosen with a mailed link, sign in, and return the browser's token.

    Raises:
        LinkGoneError: The link was used, has expired, or never was one.
        WeakPasswordError: The password would soon be guessed; the link stays good.
    """
    with unit_of_work(database, actor=system_actor(WHY)) as uow:
        user = user_of_link(uow, token)
    password_hash = hash_new_password(password, user)
    with unit_of_work(database, actor=system_actor(WHY), write=True) as uow:
        user = use_link(uow, token, password_hash)
        forgive_attempts(uow, counted_login(user.login))
        opened = open_session(uow, user, method="link", user_agent=user_agent, address=address)
        uow.commit()
    return opened


def _count(database: Database, *counted: Counted) -> None:
    with unit_of_work(database, actor=system_actor(WHY), write=True) as uow:
        count_attempt(uow, *counted)
        uow.commit()


def _held(uow: UnitOfWork, login: str) -> Any:
    """Return the user and hash that go by a login, or by an address that only one of them has."""
    statement = select(User.id, User.login, Credential.password_hash)
    statement = statement.join(Credential, Credential.user_id == User.id)
    return _only(uow.execute(_named(statement, login)).all(), login)


def _reachable(uow: UnitOfWork, login: str) -> User | None:
    """Return the user whom a link can be mailed to, by login or an address that nobody else has."""
    statement = _named(select(User.id, User.login), login)
    found = _only(uow.execute(statement.where(User.email.is_not(None))).all(), login)
    return uow.find(User, found.id) if found else None


def _named(statement: Any, login: str) -> Any:
    # SQLite lowers ASCII alone: a login in another script is found as it was written.
    lowered = login.lower()
    either = or_(
        User.login == login,
        func.lower(User.login) == lowered,
        func.lower(User.email) == lowered,
    )
    return statement.where(either, User.is_enabled).limit(10)


def _only(rows: Sequence[Any], login: str) -> Any:
    found = [row for row in rows if row.login.lower() == login.lower()] or rows
    return found[0] if len(found) == 1 else None


def _storable(login: str) -> str:
    # No login holds a NUL or half a character, and no database takes them.
    return login.strip().replace("\x00", "?").encode("utf-8", "replace").decode()


def _wrong() -> WrongCredentialsError:
    return WrongCredentialsError(
        t("Login or password is wrong: check both, and whether Caps Lock is on.")
    )
