"""Links that are mailed to users: to choose a new password, or the first one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from crm_core.entities.user import User
from crm_core.errors import RuleViolationError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.mail import queue_mail
from crm_core.services.settings import load_settings
from crm_core.services.users import require_enabled, user_named
from crm_web.errors import LinkGoneError
from crm_web.models import AccountLink
from crm_web.permissions import MANAGE_ACCESS
from crm_web.services.passwords import store_password
from crm_web.services.sessions import close_sessions_of
from crm_web.services.tokens import hashed, new_token
from crm_web.services.trail import note
from crm_web.settings import base_url

RESET, INVITE = "reset", "invite"
GOOD_FOR = {RESET: timedelta(hours=1), INVITE: timedelta(days=7)}
PATH = "/account/link/{token}"
"""Of the page that a link opens; the rest of its address is the setting ``web.base_url``."""


def invite_user(uow: UnitOfWork, login: str) -> None:
    """Mail a user a link to choose their first password.

    Raises:
        NotFoundError: There is no such user.
        RuleViolationError: They are disabled or have no address, or this site's is not known.
    """
    uow.actor.require(MANAGE_ACCESS)
    user = user_named(uow, login)
    require_enabled(user)
    if not user.email:
        raise RuleViolationError(
            t("{login} has no mail address: give them one first.", login=user.login),
            code="web.user.no_address",
        )
    link = _new_link(uow, user, INVITE)
    text = t(
        "{name}, an account was made for you: your login is {login}. Open this link within seven "
        "days to choose your password:\n\n{link}\n",
        name=user.name,
        login=user.login,
        link=link,
    )
    _mail(uow, user, INVITE, t("Welcome to {company}", company=_company(uow)), text)
    note(uow, uow.actor, "invited", user.id)
    uow.flush()


def send_reset(uow: UnitOfWork, user: User) -> None:
    """Mail a user a link to choose a new password; the ones before are no good any more.

    Raises:
        RuleViolationError: This site's address is not known.
    """
    uow.actor.require(MANAGE_ACCESS)
    link = _new_link(uow, user, RESET)
    text = t(
        "{name}, somebody, most likely you, asked for a new password for {login}. Open this link "
        "within an hour to choose one:\n\n{link}\n\nIf it was not you, do nothing: your password "
        "stays as it is.\n",
        name=user.name,
        login=user.login,
        link=link,
    )
    _mail(uow, user, RESET, t("Your password at {company}", company=_company(uow)), text)
    note(uow, uow.actor, "reset_asked", user.id)
    uow.flush()


def user_of_link(uow: UnitOfWork, token: str) -> User:
    """Return whose password may be chosen with a link.

    Raises:
        LinkGoneError: It was used, has expired, or never was one.
    """
    uow.actor.require(MANAGE_ACCESS)
    statement = (
        select(User)
        .join(AccountLink, AccountLink.user_id == User.id)
        .where(
            AccountLink.token_hash == hashed(token),
            AccountLink.expires_at > uow.now,
            User.is_enabled,
        )
    )
    user: User | None = uow.scalar(statement)
    if user is None:
        raise _gone()
    return user


def use_link(uow: UnitOfWork, token: str, password_hash: str) -> User:
    """Set the password that was chosen with a link, which is used up, and end all sessions.

    Raises:
        LinkGoneError: It was used, has expired, or never was one.
    """
    user = user_of_link(uow, token)
    used: Any = uow.execute(delete(AccountLink).where(AccountLink.token_hash == hashed(token)))
    if used.rowcount != 1:  # somebody was quicker
        raise _gone()
    _forget_links(uow, user.id)
    store_password(uow, user.id, password_hash, must_change=False)
    close_sessions_of(uow, user.id)
    note(uow, uow.actor, "password_chosen", user.id)
    uow.flush()
    return user


def _new_link(uow: UnitOfWork, user: User, purpose: str) -> str:
    """Return a link that takes the place of all that the user had."""
    token = new_token()
    link = base_url(uow) + PATH.format(token=token)
    _forget_links(uow, user.id)
    uow.add(
        AccountLink(
            user_id=user.id,
            token_hash=hashed(token),
            purpose=purpose,
            created_at=uow.now,
            expires_at=uow.now + GOOD_FOR[purpose],
        )
    )
    return link


def _mail(uow: UnitOfWork, user: User, purpose: str, subject: str, text: str) -> None:
    assert user.email is not None
    queue_mail(
        uow,
        user.email,
        subject,
        text,
        kind=f"web.{purpose}",
        language=user.language or load_settings(uow).language,
        useful=GOOD_FOR[purpose],
    )


def _forget_links(uow: UnitOfWork, user_id: UUID) -> None:
    uow.execute(delete(AccountLink).where(AccountLink.user_id == user_id))


def _company(uow: UnitOfWork) -> str:
    return load_settings(uow).company or "CRM"


def _gone() -> LinkGoneError:
    return LinkGoneError(
        t("This link was used already, or is too old: have another one mailed to you.")
    )
