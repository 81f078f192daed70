"""Tokens for programs, and webhooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from crm_core.persistence.paging import Page
from crm_core.schemas.customer import LINE
from crm_web.permissions import MANAGE_TOKENS, MANAGE_WEBHOOKS
from crm_web.posting import send_test_post
from crm_web.sdk.api import Api, Call, Flag, PageQuery, Result, Said, Strict, Whole
from crm_web.services import api_tokens as tokens
from crm_web.services import webhooks

api = Api("access", title="Tokens and webhooks", prefix="/")
WEBHOOK = "/webhooks/<name>"


class ScopeField(fields.Field[Any]):
    """``read``, ``write``, or a list of rights."""

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        several = isinstance(value, list) and 0 < len(value) <= 200
        if value in ("read", "write") or (several and all(isinstance(one, str) for one in value)):
            return value
        raise self.make_error("invalid")

    default_error_messages = {  # noqa: RUF012  as marshmallow has it
        "invalid": "is read, write, or a list of rights."
    }


class TokenResult(Result):
    """A token, without its text."""

    id = fields.UUID(required=True)
    login = fields.String()
    title = fields.String()
    scope = fields.Raw()
    created_at = fields.DateTime()
    expires_at = fields.DateTime()
    last_used_at = fields.DateTime()
    revoked_at = fields.DateTime()


class NewTokenResult(TokenResult):
    """A token with its text, which is shown this once."""

    token = fields.String(required=True)


class TokenSchema(Strict):
    """A new token for oneself."""

    title = fields.String(required=True, validate=validate.Length(1, LINE))
    scope = ScopeField(metadata={"description": "read, write, or a list of rights; read."})
    days = Whole(strict=True, allow_none=True, validate=validate.Range(1, tokens.MOST_DAYS))


class WebhookResult(Result):
    """An address that hears of events; of the address only its beginning."""

    id = fields.UUID(required=True)
    name = fields.String()
    url = fields.String()
    events = fields.List(fields.String())
    is_enabled = fields.Boolean()
    created_at = fields.DateTime()
    waiting = fields.Integer()


class NewWebhookResult(Result):
    """A webhook with the secret that posts are signed with, which is shown this once."""

    id = fields.UUID(required=True)
    name = fields.String()
    events = fields.List(fields.String())
    secret = fields.String()


class WebhookSchema(Strict):
    """A new webhook."""

    name = fields.String(required=True, validate=validate.Length(1, 100))
    url = fields.String(required=True, validate=validate.Length(1, 2_000))
    events = fields.List(
        fields.String(validate=validate.Length(1, LINE)),
        required=True,
        validate=validate.Length(1, webhooks.MOST_EVENTS),
    )
    secret_ref = fields.String(allow_none=True, validate=validate.Length(max=LINE))


class WebhookSwitchSchema(Strict):
    """Whether it hears of events."""

    on = Flag(required=True)


class OutcomeResult(Result):
    """What came of a test."""

    status = fields.Integer()
    error = Said()


class PostResult(Result):
    """What was sent to a webhook, or waits; what it answered was never kept."""

    id = fields.UUID(required=True)
    webhook = fields.String()
    event_id = fields.Integer()
    event = fields.String()
    content = fields.Raw()
    made_at = fields.DateTime()
    next_at = fields.DateTime()
    attempts = fields.Integer()
    status = fields.Integer()
    error = Said()
    done_at = fields.DateTime()


@api.get("/tokens", page=TokenResult, right="")
def list_tokens(call: Call) -> Sequence[Mapping[str, Any]]:
    """List one's own tokens."""
    return tokens.list_tokens(call.uow)


@api.post(
    "/tokens",
    body=TokenSchema,
    result=NewTokenResult,
    status=201,
    secret=True,
    right=MANAGE_TOKENS,
)
def add_token(call: Call) -> Mapping[str, Any]:
    """Make a token for oneself, signed in; its text is shown this once."""
    body = dict(call.body)
    text, row = tokens.add_token(call.uow, body.pop("title"), **body)
    names = ("id", "title", "scope", "created_at", "expires_at", "last_used_at", "revoked_at")
    told = {name: getattr(row, name) for name in names}
    return {**told, "login": call.actor.login, "token": text}


@api.delete("/tokens/<uuid:token_id>", right="")
def revoke_token(call: Call, token_id: UUID) -> None:
    """Make a token useless."""
    tokens.revoke_token(call.uow, token_id)


@api.get("/webhooks", page=WebhookResult, right=MANAGE_WEBHOOKS)
def list_webhooks(call: Call) -> Sequence[Mapping[str, Any]]:
    """List webhooks."""
    return webhooks.list_webhooks(call.uow)


@api.post(
    "/webhooks",
    body=WebhookSchema,
    result=NewWebhookResult,
    status=201,
    secret=True,
    right=MANAGE_WEBHOOKS,
)
def add_webhook(call: Call) -> Mapping[str, Any]:
    """Have an address hear of events."""
    body = call.body
    row, secret = webhooks.add_webhook(
        call.uow, body["name"], body["url"], body["events"], secret_ref=body.get("secret_ref")
    )
    return {"id": row.id, "name": row.name, "events": row.events, "secret": secret}


@api.put(f"{WEBHOOK}/switch", body=WebhookSwitchSchema, right=MANAGE_WEBHOOKS)
def switch_webhook(call: Call, name: str) -> None:
    """Have a webhook hear of events again, or no more for now."""
    webhooks.switch_webhook(call.uow, name, on=call.body["on"])


@api.delete(WEBHOOK, right=MANAGE_WEBHOOKS)
def remove_webhook(call: Call, name: str) -> None:
    """Forget a webhook."""
    webhooks.remove_webhook(call.uow, name)


@api.post(f"{WEBHOOK}/test", result=OutcomeResult, right=MANAGE_WEBHOOKS, opens_own=True)
def test_webhook(call: Call, name: str) -> Any:
    """Post a test to a webhook, now."""
    return send_test_post(call.request.application.database, call.actor, name)


@api.get("/webhook-posts", query=PageQuery, page=PostResult, right=MANAGE_WEBHOOKS)
def posts(call: Call) -> Page[dict[str, Any]]:
    """List what was sent to webhooks and what waits, the latest first."""
    return webhooks.list_posts(call.uow, **call.query)


@api.post("/webhook-posts/<uuid:post_id>/send-again", right=MANAGE_WEBHOOKS)
def send_again(call: Call, post_id: UUID) -> None:
    """Have something sent once more."""
    webhooks.send_again(call.uow, post_id)
