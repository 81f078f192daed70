"""Who is signed in: sessions are kept here, the browser has nothing but a random token.

They end at signing out, with the password, with the second factor, with the user, and in time.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, select, update

from crm_core.access import Actor
from crm_core.entities.user import RoleRight, User, UserRole
from crm_core.errors import NotFoundError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.plugin_settings import values_of
from crm_core.services.roles import EVERY_RIGHT
from crm_core.services.users import actor_of
from crm_web import settings
from crm_web.errors import SessionEndedError
from crm_web.models import Credential, SecondFactor, WebSession
from crm_web.permissions import MANAGE_ACCESS
from crm_web.services.tokens import hashed, new_token
from crm_web.services.trail import ORIGIN, note, themselves

LONGEST = timedelta(days=90)
"""The most that can be set: for the browser's cookie."""
SEEN_EVERY = timedelta(minutes=1)
MOST_AGENT = 200
SECOND_FACTOR_STEP, PASSWORD_STEP, ENROL_STEP = "second_factor", "password", "enrol"
"""What may have to be done before anything else."""
OIDC = "oidc"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is signed in with a request.

    Attributes:
        session_id: The session.
        actor: Who acts, with their rights as they are now.
        name: What people read.
        language: BCP 47, or None for the company's.
        time_zone: IANA name, or None for the company's.
        step: What has to be done first: ``second_factor``, ``password``, ``enrol``; else None.
        is_due: Whether :func:`mark_seen` should be called, in a writing unit of work.
    """

    session_id: UUID
    actor: Actor
    name: str
    language: str | None
    time_zone: str | None
    step: str | None
    is_due: bool


def open_session(
    uow: UnitOfWork,
    user: User,
    *,
    method: str = "password",
    user_agent: str | None = None,
    address: str | None = None,
) -> str:
    """Let a user be signed in and return the token for their browser.

    Args:
        uow: A writing unit of work of the system.
        user: Who has shown to be who they are.
        method: How: ``password``, ``oidc`` or ``link``.
        user_agent: What the browser says it is.
        address: Where it is.
    """
    uow.actor.require(MANAGE_ACCESS)
    token, now = new_token(), uow.now
    idle, longest = _lifetimes(uow)
    uow.add(
        WebSession(
            user_id=user.id,
            token_hash=hashed(token),
            method=method,
            step=next_step(uow, user.id, method, second_factor_done=False),
            created_at=now,
            last_seen_at=now,
            expires_at=now + min(idle, longest),
            ends_at=now + longest,
            user_agent=(user_agent or "")[:MOST_AGENT] or None,
            address=address,
        )
    )
    actor = themselves(user.id, user.login)
    note(uow, actor, "signed_in", user.id, method=method, address=address)
    uow.flush()
    return token


_GOOD = (
    select(
        WebSession.id,
        WebSession.step,
        WebSession.last_seen_at,
        WebSession.user_id,
        User.login,
        User.name,
        User.language,
        User.time_zone,
    )
    .join(User, User.id == WebSession.user_id)
    .where(
        WebSession.token_hash == bindparam("token_hash"),
        WebSession.expires_at > bindparam("now"),
        User.is_enabled,
    )
)


def session_for(uow: UnitOfWork, token: str, *, origin: str = ORIGIN) -> SignedIn | None:
    """Return who is signed in with a token, or None.

    Args:
        uow: A unit of work of the system.
        token: As the browser sent it.
        origin: Where they act, for the audit.
    """
    uow.actor.require(MANAGE_ACCESS)
    now = uow.now
    row = uow.execute(_GOOD, {"token_hash": hashed(token), "now": now}).one_or_none()
    if row is None:
        return None
    return SignedIn(
        row.id,
        actor_of(uow, row.user_id, row.login, origin=origin),
        row.name,
        row.language,
        row.time_zone,
        row.step,
        is_due=now - row.last_seen_at >= SEEN_EVERY,
    )


def mark_seen(uow: UnitOfWork, session_id: UUID) -> None:
    """Note that a session is in use, so that it stays open."""
    uow.actor.require(MANAGE_ACCESS)
    ends_at: datetime | None = uow.scalar(
        select(WebSession.ends_at).where(WebSession.id == session_id)
    )
    if ends_at is not None:
        now = uow.now
        uow.execute(
            update(WebSession)
            .where(WebSession.id == session_id)
            .values(last_seen_at=now, expires_at=min(now + _lifetimes(uow)[0], ends_at))
        )


def advance_session(uow: UnitOfWork, session_id: UUID, *, second_factor_done: bool = False) -> str:
    """Go on to what has to be done next, under a new token, which is returned.

    Raises:
        SessionEndedError: The session has ended.
    """
    session = uow.find(WebSession, session_id)
    if session is None:
        raise SessionEndedError(t("Your session has ended: sign in again."))
    token = new_token()
    done = session.second_factor_done or second_factor_done
    session.second_factor_done = done
    session.step = next_step(uow, session.user_id, session.method, second_factor_done=done)
    session.token_hash = hashed(token)
    uow.flush()
    return token


def next_step(
    uow: UnitOfWork, user_id: UUID, method: str, *, second_factor_done: bool
) -> str | None:
    """Return what a user has to do before anything else; of a provider's users it asks itself."""
    statement = (
        select(Credential.must_change, SecondFactor.confirmed_at)
        .select_from(User)
        .outerjoin(Credential, Credential.user_id == User.id)
        .outerjoin(SecondFactor, SecondFactor.user_id == User.id)
        .where(User.id == user_id)
    )
    row = uow.execute(statement).one()
    if method == OIDC:
        return None
    if row.confirmed_at is not None and not second_factor_done:
        return SECOND_FACTOR_STEP
    if row.must_change:
        return PASSWORD_STEP
    if row.confirmed_at is None and is_factor_demanded(uow, user_id):
        return ENROL_STEP
    return None


def is_factor_demanded(uow: UnitOfWork, user_id: UUID) -> bool:
    """Return whether a user has to have a second factor here."""
    who = settings.value_of(uow, settings.SECOND_FACTOR)
    if who != settings.ADMINS:
        return bool(who == settings.ALL)
    statement = (
        select(UserRole.user_id)
        .join(RoleRight, RoleRight.role_id == UserRole.role_id)
        .where(UserRole.user_id == user_id, RoleRight.right == EVERY_RIGHT)
        .limit(1)
    )
    return uow.scalar(statement) is not None


def _lifetimes(uow: UnitOfWork) -> tuple[timedelta, timedelta]:
    """Return how long a session lasts unused, and how long at most."""
    idle, longest = settings.IDLE_HOURS, settings.LONGEST_DAYS
    found = values_of(uow, [idle, longest])
    return timedelta(hours=found[idle.name]), timedelta(days=found[longest.name])


def close_session(uow: UnitOfWork, token: str) -> None:
    """Sign out; nothing happens where nobody is signed in with this token."""
    uow.actor.require(MANAGE_ACCESS)
    row = uow.execute(
        select(WebSession.id, User.id.label("user_id"), User.login)
        .join(User, User.id == WebSession.user_id)
        .where(WebSession.token_hash == hashed(token))
    ).one_or_none()
    if row is not None:
        uow.execute(delete(WebSession).where(WebSession.id == row.id))
        note(uow, themselves(row.user_id, row.login), "signed_out", row.user_id)
        uow.flush()


def close_sessions_of(uow: UnitOfWork, user_id: UUID, *, except_: UUID | None = None) -> int:
    """End a user's sessions, one's own or any user's, and return how many these were.

    Args:
        uow: A writing unit of work.
        user_id: Whose; only one's own are found without the right to manage access.
        except_: The session to leave open.
    """
    statement = delete(WebSession).where(WebSession.user_id == user_id)
    if except_ is not None:
        statement = statement.where(WebSession.id != except_)
    result: Any = uow.execute(statement)
    return int(result.rowcount)


def end_session(uow: UnitOfWork, session_id: UUID) -> None:
    """End one session, one's own or, with the right to manage access, anybody's.

    Raises:
        NotFoundError: There is none such.
    """
    session = uow.find(WebSession, session_id)
    if session is None:
        raise NotFoundError(
            t(
                "There is no session {id}: it has ended already. See crm web sessions list.",
                id=session_id,
            ),
            code="web.session.not_found",
        )
    note(uow, uow.actor, "session_ended", session.user_id, address=session.address)
    uow.delete(session)
    uow.flush()


def list_sessions(uow: UnitOfWork, user_id: UUID | None = None) -> Sequence[dict[str, Any]]:
    """Return the open sessions, of one user or of all that the actor may see, the latest first."""
    statement = (
        select(
            WebSession.id,
            User.login,
            WebSession.method,
            WebSession.created_at,
            WebSession.last_seen_at,
            WebSession.expires_at,
            WebSession.user_agent,
            WebSession.address,
        )
        .join(User, User.id == WebSession.user_id)
        .where(WebSession.expires_at > uow.now)
        .order_by(WebSession.last_seen_at.desc(), WebSession.id)
        .limit(1_000)
    )
    if user_id is not None:
        statement = statement.where(WebSession.user_id == user_id)
    return [dict(row._mapping) for row in uow.execute(statement)]


def csrf_token(token: str, purpose: str = "form") -> str:
    """Return what a form carries to show that it came from a page of this browser.

    Args:
        token: The session's, or before signing in that of the anonymous cookie.
        purpose: One such token is no good for another purpose.
    """
    return hmac.new(token.encode(), f"csrf:{purpose}".encode(), hashlib.sha256).hexdigest()


def csrf_matches(token: str, given: str | None, purpose: str = "form") -> bool:
    """Return whether a form came from a page of this browser."""
    # As bytes: text beyond ASCII would be refused with a TypeError.
    expected = csrf_token(token, purpose).encode()
    return hmac.compare_digest(expected, (given or "").encode("utf-8", "surrogatepass"))
