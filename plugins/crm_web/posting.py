"""Posting events to webhooks, outside of any transaction; only to addresses of the internet."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import structlog

from crm_core.access import Actor, system_actor
from crm_core.channels import FAILURES, NotDeliveredError, is_public, post_webhook, reason_of
from crm_core.ids import new_id
from crm_core.messages import cut, t
from crm_core.persistence.database import Database
from crm_core.persistence.retry import claim_due
from crm_core.persistence.unit_of_work import unit_of_work
from crm_web.models import Webhook, WebhookPost
from crm_web.permissions import MANAGE_WEBHOOKS
from crm_web.services.webhooks import secret_of, webhook_named
from crm_web.settings import WEBHOOK_HOSTS, value_of

log = structlog.get_logger(__name__)
WHY = "web:webhooks"
AT_ONCE = 10
SECONDS = 30.0
"""For all of one round; what is left waits for the next."""
TRIED_FOR = timedelta(days=3)


class Outcome:
    """What became of one post: the answer's status, and what went wrong in our own words."""

    def __init__(self, status: int | None, error: str | None) -> None:
        self.status = status
        self.error = error


def send_posts(database: Database) -> int:
    """Post what is due and return how many arrived; what did not is tried again for days."""
    ends_at = time.monotonic() + SECONDS
    arrived = 0
    while time.monotonic() < ends_at:
        with unit_of_work(database, actor=system_actor(WHY), write=True) as uow:
            posts = claim_due(uow, WebhookPost, AT_ONCE)
            uow.commit()
        if not posts:
            break
        for post in posts:
            if time.monotonic() >= ends_at:
                _put_back(database, post)
                continue
            outcome = _posted(database, post)
            _settle(database, post, outcome)
            arrived += outcome.error is None
    return arrived


def send_test_post(database: Database, actor: Actor, name: str) -> Outcome:
    """Post a test to a webhook, now.

    Raises:
        PermissionDeniedError: The actor may not; nothing was sent.
        NotFoundError: There is no such webhook.
    """
    actor.require(MANAGE_WEBHOOKS)
    with unit_of_work(database, actor=actor) as uow:
        webhook = webhook_named(uow, name)
        content = {
            "schema": "web.event/1",
            "id": str(new_id()),
            "event": "web.test",
            "version": 1,
            "at": uow.now.isoformat(),
            "origin": actor.origin,
            "payload": {},
        }
    return _sent(database, webhook, content)


def _posted(database: Database, post: WebhookPost) -> Outcome:
    with unit_of_work(database, actor=system_actor(WHY)) as uow:
        webhook = uow.find(Webhook, post.webhook_id)
    if webhook is None or not webhook.is_enabled:
        return Outcome(None, t("The webhook is switched off."))
    return _sent(database, webhook, post.content)


def _sent(database: Database, webhook: Webhook, content: dict[str, Any]) -> Outcome:
    try:
        with unit_of_work(database, actor=system_actor(WHY)) as uow:
            secret, hosts = secret_of(uow, webhook), value_of(uow, WEBHOOK_HOSTS)
        is_named = urlsplit(webhook.url).hostname in {host.lower() for host in hosts}
        allowed = None if is_named else is_public
        return Outcome(post_webhook(webhook.url, secret, content, may_reach=allowed), None)
    except FAILURES as error:
        status = error.status if isinstance(error, NotDeliveredError) else None
        return Outcome(status, cut(reason_of(error), 200))


def _settle(database: Database, post: WebhookPost, outcome: Outcome) -> None:
    told = {"webhook": str(post.webhook_id), "heard": post.event, "attempts": post.attempts}
    with unit_of_work(database, actor=system_actor(WHY), write=True) as uow:
        kept = uow.find(WebhookPost, post.id)
        if kept is None:
            return
        kept.status, kept.error = outcome.status, outcome.error
        if outcome.error is None:
            kept.done_at, kept.next_at = uow.now, None
        elif uow.now - kept.made_at >= TRIED_FOR:
            kept.next_at = None
            log.error("webhook given up", **told, reason=outcome.error)
        else:
            log.warning("webhook not reached", **told, reason=outcome.error)
        uow.commit()


def _put_back(database: Database, post: WebhookPost) -> None:
    with unit_of_work(database, actor=system_actor(WHY), write=True) as uow:
        kept = uow.find(WebhookPost, post.id)
        if kept is not None:
            kept.next_at, kept.attempts = uow.now, post.attempts - 1
        uow.commit()
