"""Tokens that programs show to act for a user: never further than the user, often less far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, update

from crm_core.access import Actor, Reach
from crm_core.entities.user import User
from crm_core.errors import InputError, NotFoundError, PermissionDeniedError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import filled
from crm_core.services.rights import CORE_RIGHTS
from crm_core.services.users import actor_of
from crm_web.models import ApiToken
from crm_web.permissions import MANAGE_ACCESS, MANAGE_TOKENS, RIGHTS
from crm_web.services.tokens import hashed, new_token

PREFIX = "crm_"
ORIGIN = "api"
READ, WRITE = "read", "write"
USED_EVERY = timedelta(minutes=1)
DAYS, MOST_DAYS = 90, 3_650
_READING = (".view", ".export")
_WITHHELD = {
    MANAGE_ACCESS,
    MANAGE_TOKENS,
    "core.user.manage",
    "core.role.manage",
    "core.settings.edit",
    "core.backend.manage",
    "core.plugin.manage",
}
"""What no token gives unless it names it: with these it could give itself more, or others."""

Scope = str | Sequence[str]


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """Who acts with a token.

    Attributes:
        token_id: The token.
        actor: The user, narrowed to the token's scope.
        may_write: Whether it may be used for anything but reading.
        is_due: Whether :func:`mark_token_used` should be called, in a writing unit of work.
    """

    token_id: UUID
    actor: Actor
    may_write: bool
    is_due: bool


def add_token(
    uow: UnitOfWork, title: str, *, scope: Scope = READ, days: int | None = DAYS
) -> tuple[str, ApiToken]:
    """Make a token for oneself; return its text, which is shown this once, and what is kept.

    Args:
        uow: A writing unit of work of the user.
        title: What it is for.
        scope: ``read``, ``write``, or the rights it is narrowed to.
        days: For how long it is good; None for no end.

    Raises:
        PermissionDeniedError: The actor may not, or acts with a token.
        InputError: There is no such scope, or the days are out of range.
    """
    uow.actor.require(MANAGE_TOKENS)
    if uow.actor.user_id is None or uow.actor.origin == ORIGIN:
        raise PermissionDeniedError(
            t("A token is made by a user who has signed in, not with another token."),
            code="web.token.not_here",
        )
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise InputError(
            t("A token is good for 1 to {most} days.", most=MOST_DAYS), code="web.token.days"
        )
    text = PREFIX + new_token()
    token = uow.add(
        ApiToken(
            user_id=uow.actor.user_id,
            title=filled(title, "title"),
            token_hash=hashed(text),
            scope=_checked(uow, scope),
            created_at=uow.now,
            expires_at=None if days is None else uow.now + timedelta(days=days),
        )
    )
    uow.flush()
    return text, token


def list_tokens(uow: UnitOfWork) -> list[dict[str, Any]]:
    """Return one's own tokens, or all for who may manage access, the latest first."""
    statement = (
        select(
            ApiToken.id,
            User.login,
            ApiToken.title,
            ApiToken.scope,
            ApiToken.created_at,
            ApiToken.expires_at,
            ApiToken.last_used_at,
            ApiToken.revoked_at,
        )
        .join(User, User.id == ApiToken.user_id)
        .order_by(ApiToken.id.desc())
        .limit(1_000)
    )
    return [dict(row._mapping) for row in uow.execute(statement)]


def revoke_token(uow: UnitOfWork, token_id: UUID) -> None:
    """Make a token useless, one's own or, with the right to manage access, anybody's.

    Raises:
        NotFoundError: There is none such.
    """
    token = uow.find(ApiToken, token_id)
    if token is None:
        raise NotFoundError(
            t("There is no token {id}. See crm web token list.", id=token_id),
            code="web.token.not_found",
        )
    token.revoked_at = token.revoked_at or uow.now
    uow.flush()


# Built once: every call of the API asks for it.
_GOOD = (
    select(ApiToken.id, ApiToken.user_id, ApiToken.scope, ApiToken.last_used_at, User.login)
    .join(User, User.id == ApiToken.user_id)
    .where(
        ApiToken.token_hash == bindparam("token_hash"),
        ApiToken.revoked_at.is_(None),
        ApiToken.expires_at.is_(None) | (ApiToken.expires_at > bindparam("now")),
        User.is_enabled,
    )
)


def actor_for_token(uow: UnitOfWork, text: str) -> TokenHolder | None:
    """Return who acts with a token; None when it is none, is over, or its user is disabled.

    Args:
        uow: A unit of work of the system.
        text: As the program sent it.
    """
    uow.actor.require(MANAGE_ACCESS)
    if not text.startswith(PREFIX):
        return None
    now = uow.now
    token = uow.execute(_GOOD, {"token_hash": hashed(text), "now": now}).one_or_none()
    if token is None:
        return None
    whole = actor_of(uow, token.user_id, token.login, origin=ORIGIN)
    return TokenHolder(
        token.id,
        narrowed(whole, token.scope, _known(uow)),
        may_write=token.scope != READ,
        is_due=token.last_used_at is None or now - token.last_used_at >= USED_EVERY,
    )


def mark_token_used(uow: UnitOfWork, token_id: UUID) -> None:
    """Note that a token is in use."""
    uow.actor.require(MANAGE_ACCESS)
    uow.execute(update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=uow.now))


def narrowed(actor: Actor, scope: Scope, known: Iterable[str]) -> Actor:
    """Return an actor with those of its rights that a scope covers.

    Every right is spelt out: what an actor may read is worked out from them.
    """
    covered = (right for right in known if _covers(scope, right))
    rights = {right: actor.reach(right) for right in covered if actor.may(right)}
    return replace(actor, rights=rights)


def _covers(scope: Scope, right: str) -> bool:
    if scope == READ:
        return right.endswith(_READING)
    return right not in _WITHHELD if scope == WRITE else right in scope


def _known(uow: UnitOfWork) -> set[str]:
    return {*CORE_RIGHTS, *uow.hooks.rights, *(right.code for right in RIGHTS)}


def _checked(uow: UnitOfWork, scope: Scope) -> Any:
    if scope in (READ, WRITE):
        return scope
    wanted = [scope] if isinstance(scope, str) else list(dict.fromkeys(scope))
    unknown = sorted(set(wanted) - _known(uow))
    beyond = [right for right in wanted if uow.actor.reach(right) is Reach.NONE]
    if not wanted or unknown:
        raise InputError(
            t(
                "A token's scope is read, write, or a list of rights; there is no {unknown}.",
                unknown=", ".join(unknown) or '""',
            ),
            code="web.token.scope",
        )
    if beyond:
        raise PermissionDeniedError(
            t("You lack {rights}: a token cannot give more.", rights=", ".join(beyond)),
            code="web.token.beyond",
        )
    return wanted
