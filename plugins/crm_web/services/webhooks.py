"""Webhooks: addresses that hear of events, and what was sent there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from crm_core.channels import checked_url
from crm_core.errors import DuplicateError, InputError, NotFoundError
from crm_core.messages import t
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.secret_refs import is_reference, read_secret
from crm_core.services.checks import filled
from crm_hooks.events import EventMessage
from crm_web.models import Webhook, WebhookPost
from crm_web.permissions import MANAGE_WEBHOOKS
from crm_web.services.tokens import new_token
from crm_web.services.vault import seal, unseal

MOST_EVENTS = 100
_EVENT = re.compile(r"\*|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.\*)?")


def add_webhook(
    uow: UnitOfWork, name: str, url: str, events: Sequence[str], *, secret_ref: str | None = None
) -> tuple[Webhook, str | None]:
    """Have an address hear of events; return it, and the secret made for it, told this once.

    Args:
        uow: A writing unit of work.
        name: What it is called here.
        url: ``https://…``.
        events: Names; ``core.*`` for all that begin so, ``*`` for all.
        secret_ref: Where the secret is kept that posts are signed with; made here when None.

    Raises:
        InputError: The address, an event or the reference will not do.
        DuplicateError: Another goes by this name.
    """
    uow.actor.require(MANAGE_WEBHOOKS)
    name = filled(name, "name", most=100)
    checked_url(url)
    wanted = list(dict.fromkeys(events))
    wrong = [each for each in wanted if not _EVENT.fullmatch(each)]
    if wrong or not 1 <= len(wanted) <= MOST_EVENTS:
        raise InputError(
            t(
                "Name the events, such as core.customer.changed, core.* or *; {wrong!r} is none.",
                wrong=(wrong or [""])[0][:100],
            ),
            code="web.webhook.events",
        )
    if secret_ref is not None and not is_reference(secret_ref):
        raise InputError(
            t("A secret is told by where it is kept: file:PATH, env:NAME or keyring:NAME."),
            code="web.webhook.secret",
        )
    if uow.scalar(select(Webhook.id).where(Webhook.name == name)) is not None:
        raise DuplicateError(
            t("There is a webhook {name} already; choose another name.", name=name),
            code="web.webhook.exists",
        )
    webhook = Webhook(name=name, url=url, events=wanted, secret_ref=secret_ref, created_at=uow.now)
    secret = None if secret_ref else new_token()
    if secret is not None:
        webhook.secret = seal(uow, secret, _about(webhook.id))
    uow.add(webhook)
    uow.flush()
    return webhook, secret


def list_webhooks(uow: UnitOfWork) -> list[dict[str, Any]]:
    """Return all webhooks by name, with how many posts wait; of an address only its beginning."""
    uow.actor.require(MANAGE_WEBHOOKS)
    waiting = (
        select(func.count())
        .select_from(WebhookPost)
        .where(WebhookPost.webhook_id == Webhook.id, WebhookPost.next_at.is_not(None))
        .scalar_subquery()
    )
    columns = (Webhook.id, Webhook.name, Webhook.url, Webhook.events, Webhook.is_enabled)
    statement = select(*columns, Webhook.created_at, waiting.label("waiting")).order_by(
        Webhook.name
    )
    return [{**row._mapping, "url": _begun(row.url)} for row in uow.execute(statement)]


def webhook_named(uow: UnitOfWork, name: str) -> Webhook:
    """Return a webhook by name; raises NotFoundError."""
    uow.actor.require(MANAGE_WEBHOOKS)
    webhook: Webhook | None = uow.scalar(select(Webhook).where(Webhook.name == name))
    if webhook is None:
        raise NotFoundError(
            t("There is no webhook {name!r}. See crm web webhook list.", name=name),
            code="web.webhook.not_found",
        )
    return webhook


def switch_webhook(uow: UnitOfWork, name: str, *, on: bool) -> Webhook:
    """Have a webhook hear of events again, or no more for now."""
    webhook = webhook_named(uow, name)
    webhook.is_enabled = on
    uow.flush()
    return webhook


def remove_webhook(uow: UnitOfWork, name: str) -> None:
    """Forget a webhook, with what was sent there and what waits."""
    uow.delete(webhook_named(uow, name))
    uow.flush()


def list_posts(
    uow: UnitOfWork,
    *,
    webhook_id: UUID | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return what was sent and what waits, the latest first; answers were never kept."""
    uow.actor.require(MANAGE_WEBHOOKS)
    columns = (
        "id event_id event content made_at next_at attempts status error done_at webhook_id".split()
    )
    statement = select(
        *(getattr(WebhookPost, name) for name in columns), Webhook.name.label("webhook")
    ).join(Webhook, Webhook.id == WebhookPost.webhook_id)
    if webhook_id is not None:
        statement = statement.where(WebhookPost.webhook_id == webhook_id)
    return page_of(
        uow, statement, keys=(WebhookPost.id,), limit=limit, cursor=cursor, descending=True
    )


def send_again(uow: UnitOfWork, post_id: UUID) -> None:
    """Have something sent once more, whether it arrived or was given up.

    Raises:
        NotFoundError: There is none such.
    """
    uow.actor.require(MANAGE_WEBHOOKS)
    post = uow.find(WebhookPost, post_id)
    if post is None:
        raise NotFoundError(
            t("There is no post {id}: it was forgotten.", id=post_id), code="web.post.not_found"
        )
    post.next_at, post.done_at, post.made_at = uow.now, None, uow.now
    uow.flush()


def queue_posts(uow: UnitOfWork, message: EventMessage) -> None:
    """Have an event sent to the webhooks that want to hear of it."""
    uow.actor.require(MANAGE_WEBHOOKS)
    statement = select(Webhook.id, Webhook.events).where(Webhook.is_enabled)
    for row in uow.execute(statement):
        if any(_matches(each, message.name) for each in row.events):
            uow.add(
                WebhookPost(
                    webhook_id=row.id,
                    event_id=message.id,
                    event=message.name,
                    content=content_of(message),
                    made_at=uow.now,
                    next_at=uow.now,
                )
            )


def content_of(message: EventMessage) -> dict[str, Any]:
    """Return what is posted of an event: ids, as handlers are given them."""
    return {
        "schema": "web.event/1",
        "id": message.id,
        "event": message.name,
        "version": message.version,
        "at": message.at.isoformat(),
        "origin": message.origin,
        "payload": dict(message.payload),
    }


def secret_of(uow: UnitOfWork, webhook: Webhook) -> str | None:
    """Return what posts to a webhook are signed with.

    Raises:
        ConfigurationError: It cannot be read from where it is kept.
    """
    if webhook.secret is not None:
        return unseal(uow, webhook.secret, _about(webhook.id))
    return read_secret(webhook.secret_ref, webhook.name)


def _matches(wanted: str, event: str) -> bool:
    if wanted.endswith("*"):
        return event.startswith(wanted[:-1])
    return event == wanted


def _begun(url: str) -> str:
    parts = checked_url(url)
    return f"{parts.scheme}://{parts.netloc}/…"


def _about(webhook_id: UUID) -> str:
    return f"webhook:{webhook_id}"
