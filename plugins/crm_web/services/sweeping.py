"""Forgetting what is over: nothing here is of use to anybody any more."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_web.models import (
    AccountLink,
    ApiToken,
    IdempotentReply,
    OidcAttempt,
    Throttle,
    WebhookPost,
    WebSession,
)
from crm_web.permissions import MANAGE_ACCESS
from crm_web.services import idempotency, throttle

POSTS_KEPT, TOKENS_KEPT = timedelta(days=30), timedelta(days=90)


def sweep_accounts(uow: UnitOfWork) -> None:
    """Delete sessions, links, attempts and replies that are over, and tokens long after."""
    uow.actor.require(MANAGE_ACCESS)
    now = uow.now
    for over in (
        delete(WebSession).where(WebSession.expires_at < now),
        delete(AccountLink).where(AccountLink.expires_at < now),
        delete(OidcAttempt).where(OidcAttempt.expires_at < now),
        delete(Throttle).where(Throttle.last_at < now - throttle.FORGOTTEN),
        delete(IdempotentReply).where(IdempotentReply.created_at < now - idempotency.KEPT),
        delete(WebhookPost).where(
            WebhookPost.made_at < now - POSTS_KEPT, WebhookPost.next_at.is_(None)
        ),
        delete(ApiToken).where(ApiToken.expires_at < now - TOKENS_KEPT),
        delete(ApiToken).where(ApiToken.revoked_at < now - TOKENS_KEPT),
    ):
        uow.execute(over)
