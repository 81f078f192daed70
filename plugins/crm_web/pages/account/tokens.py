"""Tokens with which programs act for one through the API."""

from __future__ import annotations

from uuid import UUID

from flask import make_response
from marshmallow import Schema, fields, validate
from werkzeug.wrappers import Response

from crm_core.errors import CrmError
from crm_core.messages import p, t
from crm_web.pages.account.area import pages
from crm_web.permissions import MANAGE_TOKENS
from crm_web.sdk.forms import Form
from crm_web.sdk.request import Request
from crm_web.services.api_tokens import (
    DAYS,
    MOST_DAYS,
    READ,
    WRITE,
    add_token,
    list_tokens,
    revoke_token,
)


class TokenSchema(Schema):
    """A token to be made."""

    title = fields.String(
        required=True, validate=validate.Length(max=200), metadata={"title": t("What it is for")}
    )
    scope = fields.String(
        required=True,
        validate=validate.OneOf(
            (READ, WRITE), labels=(p("a token may", "Read"), p("a token may", "Read and write"))
        ),
        metadata={"title": t("What it may do"), "help": t("Never more than you may yourself.")},
    )
    days = fields.Integer(
        required=True,
        validate=validate.Range(1, MOST_DAYS),
        metadata={"title": t("Good for so many days")},
    )


@pages.get("/tokens", right=MANAGE_TOKENS)
def tokens(request: Request) -> str:
    """Show the tokens, and the form for another."""
    return _page(request, Form(TokenSchema(), {"days": DAYS, "scope": READ}))


@pages.post("/tokens", right=MANAGE_TOKENS)
def send_token(request: Request) -> Response:
    """Make a token and show it this once."""
    try:
        text, _ = add_token(request.uow, **request.read(TokenSchema()))
    except CrmError as error:
        form = Form(TokenSchema(), request.form, error=error)
        return make_response(_page(request, form), error.http_status)
    return make_response(request.render("web/account/token.html", text=text))


@pages.post("/tokens/<uuid:token_id>/revoke", right=MANAGE_TOKENS)
def revoke(request: Request, token_id: UUID) -> Response:
    """Make a token useless."""
    revoke_token(request.uow, token_id)
    return request.done(t("The token is revoked."), to="account.tokens")


def _page(request: Request, form: Form) -> str:
    kept = list_tokens(request.uow)
    return request.render("web/account/tokens.html", tokens=kept, form=form, now=request.uow.now)
