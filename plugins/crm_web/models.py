"""The plugin's tables: how users sign in, and what was given out to them for that.

Nothing here can be used to sign in: of tokens and codes only hashes are kept, and the secrets of
second factors are encrypted with a key that does not lie in the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.access import Actor
from crm_core.persistence.base import Base, Keyed
from crm_core.persistence.scope import ByRight
from crm_core.persistence.types import JsonValue, Told
from crm_web.permissions import MANAGE_ACCESS, MANAGE_WEBHOOKS


@dataclass(frozen=True, slots=True)
class OfUser:
    """A user's own rows, and those of all for who may manage their access."""

    def criterion(self, cls: type[Base], actor: Actor) -> ColumnElement[bool] | None:
        """Restrict to the actor's own rows, or not at all."""
        if actor.may(MANAGE_ACCESS):
            return None
        column: Any = getattr(cls, "user_id")  # noqa: B009  every class of this scope has one
        criterion: ColumnElement[bool] = column == actor.user_id
        return criterion


class Credential(Base):
    """A user's password, as a hash."""

    __tablename__ = "web_credential"
    __entity__ = "web_credential"
    __scope__ = OfUser()
    __personal__ = ()
    __withheld__ = ("password_hash",)

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_user.id", ondelete="CASCADE"), primary_key=True
    )
    password_hash: Mapped[str]
    changed_at: Mapped[datetime]
    must_change: Mapped[bool] = mapped_column(default=False)


class WebSession(Keyed):
    """Somebody signed in with one browser.

    ``expires_at`` moves on with use and never beyond ``ends_at``. ``step`` says what has to be done
    before anything else: ``second_factor``, ``password``, ``enrol``; None for nothing.
    """

    __tablename__ = "web_session"
    __entity__ = "web_session"
    __scope__ = OfUser()
    __personal__ = ("user_agent", "address")
    __audited__ = False  # the trail tells of signing in and out in words of its own
    __table_args__ = (
        UniqueConstraint("token_hash"),
        Index(None, "user_id"),
        Index(None, "expires_at"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    method: Mapped[str]
    """How: ``password``, ``oidc`` or ``link``."""
    step: Mapped[str | None]
    second_factor_done: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    user_agent: Mapped[str | None]
    address: Mapped[str | None]


class Throttle(Base):
    """Failed attempts for one login or from one network address; ``key`` is a hash of which."""

    __tablename__ = "web_throttle"
    __entity__ = "web_throttle"
    __scope__ = ByRight(MANAGE_ACCESS)
    __personal__ = ()
    __audited__ = False
    __table_args__ = (Index(None, "last_at"),)

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime]
    next_at: Mapped[datetime]
    """From when on the next attempt is looked at."""


class SecondFactor(Base):
    """A user's authenticator app; it counts from ``confirmed_at`` on.

    ``last_step`` is the time step of the last code that was taken: none is taken twice.
    """

    __tablename__ = "web_second_factor"
    __entity__ = "web_second_factor"
    __scope__ = OfUser()
    __personal__ = ()
    __withheld__ = ("secret",)

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_user.id", ondelete="CASCADE"), primary_key=True
    )
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int] = mapped_column(BigInteger, default=0)


class RecoveryCode(Keyed):
    """A code that stands in once for a user's authenticator app."""

    __tablename__ = "web_recovery_code"
    __entity__ = "web_recovery_code"
    __scope__ = OfUser()
    __personal__ = ()
    __audited__ = False
    __table_args__ = (UniqueConstraint("user_id", "code_hash"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id", ondelete="CASCADE"))
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)


class AccountLink(Keyed):
    """A link that was mailed to a user: ``purpose`` is ``reset`` or ``invite``."""

    __tablename__ = "web_account_link"
    __entity__ = "web_account_link"
    __scope__ = OfUser()
    __personal__ = ()
    __audited__ = False
    __table_args__ = (
        UniqueConstraint("token_hash"),
        Index(None, "user_id"),
        Index(None, "expires_at"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    purpose: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class OidcAttempt(Keyed):
    """A sign-in that has gone off to the provider and is to come back, with the same ``state``."""

    __tablename__ = "web_oidc_attempt"
    __entity__ = "web_oidc_attempt"
    __scope__ = ByRight(MANAGE_ACCESS)
    __personal__ = ()
    __audited__ = False
    __table_args__ = (UniqueConstraint("state_hash"), Index(None, "expires_at"))

    state_hash: Mapped[bytes] = mapped_column(LargeBinary)
    browser_hash: Mapped[bytes] = mapped_column(LargeBinary)
    """Of the cookie of the browser that began: no other may finish."""
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    """The nonce and the verifier of PKCE, encrypted: the provider is sent them in clear."""
    next_path: Mapped[str | None]
    expires_at: Mapped[datetime]


class OidcIdentity(Keyed):
    """Whom a provider knows a user as."""

    __tablename__ = "web_oidc_identity"
    __entity__ = "web_oidc_identity"
    __scope__ = OfUser()
    __personal__ = ("subject",)
    __table_args__ = (UniqueConstraint("issuer", "subject"), Index(None, "user_id"))

    user_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id", ondelete="CASCADE"))
    issuer: Mapped[str]
    subject: Mapped[str]
    created_at: Mapped[datetime]


class ApiToken(Keyed):
    """What a program shows to act for a user; it never reaches further than they do.

    ``scope`` is ``read``, ``write``, or the rights it is narrowed to.
    """

    __tablename__ = "web_api_token"
    __entity__ = "web_api_token"
    __scope__ = OfUser()
    __personal__ = ("title",)
    __withheld__ = ("token_hash",)
    __table_args__ = (UniqueConstraint("token_hash"), Index(None, "user_id"))

    user_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id", ondelete="CASCADE"))
    title: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    scope: Mapped[Any] = mapped_column(JsonValue)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class IdempotentReply(Keyed):
    """What a request with an ``Idempotency-Key`` was answered; no ``status`` while under way."""

    __tablename__ = "web_idempotent_reply"
    __entity__ = "web_idempotent_reply"
    __scope__ = OfUser()
    __personal__ = ("body",)
    __audited__ = False
    __table_args__ = (UniqueConstraint("user_id", "key_hash"), Index(None, "created_at"))

    user_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id", ondelete="CASCADE"))
    key_hash: Mapped[bytes] = mapped_column(LargeBinary)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    status: Mapped[int | None]
    headers: Mapped[dict[str, str] | None] = mapped_column(JsonValue)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)


class Webhook(Keyed):
    """An address that hears of events. Its secret is kept elsewhere, or here encrypted."""

    __tablename__ = "web_webhook"
    __entity__ = "web_webhook"
    __scope__ = ByRight(MANAGE_WEBHOOKS)
    __personal__ = ()
    __withheld__ = ("url", "secret")
    __table_args__ = (UniqueConstraint("name"),)

    name: Mapped[str]
    url: Mapped[str]
    events: Mapped[list[str]] = mapped_column(JsonValue)
    secret_ref: Mapped[str | None]
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    is_enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]


class WebhookPost(Keyed):
    """One event for one webhook: what became of it. What was answered is never kept.

    It waits while there is ``next_at``; ``status`` is that of the last answer.
    """

    __tablename__ = "web_webhook_post"
    __entity__ = "web_webhook_post"
    __scope__ = ByRight(MANAGE_WEBHOOKS)
    __personal__ = ("content",)
    __audited__ = False
    __table_args__ = (
        UniqueConstraint("webhook_id", "event_id"),
        Index(None, "next_at"),
        Index(None, "made_at"),
    )

    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("web_webhook.id", ondelete="CASCADE"))
    event_id: Mapped[int] = mapped_column(BigInteger)
    event: Mapped[str]
    content: Mapped[dict[str, Any]] = mapped_column(JsonValue)
    made_at: Mapped[datetime]
    next_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    status: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(Told())
    done_at: Mapped[datetime | None]
