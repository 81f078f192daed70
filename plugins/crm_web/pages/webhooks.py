"""Webhooks: addresses of other programs that hear of events, and what was sent there."""

from __future__ import annotations

from uuid import UUID

from flask import make_response
from marshmallow import Schema, fields, validate
from werkzeug.wrappers import Response

from crm_core.errors import CrmError
from crm_core.messages import t
from crm_web.permissions import MANAGE_WEBHOOKS
from crm_web.posting import send_test_post
from crm_web.sdk.forms import Form
from crm_web.sdk.pages import Menu, Pages
from crm_web.sdk.request import Request
from crm_web.services.webhooks import (
    add_webhook,
    list_posts,
    list_webhooks,
    remove_webhook,
    send_again,
    switch_webhook,
)

pages = Pages("webhooks", __name__, title="Webhooks", prefix="/admin/webhooks")


class WebhookSchema(Schema):
    """A webhook to be added."""

    name = fields.String(
        required=True, validate=validate.Length(max=100), metadata={"title": t("Name")}
    )
    url = fields.String(
        required=True,
        validate=validate.Length(max=2_000),
        metadata={"title": t("Address"), "help": t("It begins with https://.")},
    )
    events = fields.String(
        required=True,
        metadata={
            "title": t("Events"),
            "rows": 3,
            "help": t(
                "One a line: core.customer.changed, core.* for all that begin so, * for all."
            ),
        },
    )


@pages.get("/", right=MANAGE_WEBHOOKS, menu=Menu(t("Webhooks"), "link", "admin", position=70))
def webhooks(request: Request) -> str:
    """Show the webhooks and what was sent there."""
    return _page(request, Form(WebhookSchema(), {}))


@pages.post("/", right=MANAGE_WEBHOOKS)
def send_webhook(request: Request) -> Response:
    """Add one; a secret made for it is shown this once."""
    try:
        given = request.read(WebhookSchema())
        webhook, secret = add_webhook(
            request.uow, given["name"], given["url"], given["events"].split()
        )
    except CrmError as error:
        form = Form(WebhookSchema(), request.form, error=error)
        return make_response(_page(request, form), error.http_status)
    return make_response(
        request.render("web/webhooks/secret.html", name=webhook.name, secret=secret)
    )


@pages.post("/test", right=MANAGE_WEBHOOKS, own_work=True)
def send_test(request: Request) -> Response:
    """Post a test, now; no transaction is open meanwhile."""
    name = request.form.get("name", "")
    assert request.actor is not None
    outcome = send_test_post(request.application.database, request.actor, name)
    if outcome.error is None:
        return request.done(t("{name} took the test.", name=name), to="webhooks.webhooks")
    request.notices.append(("bad", t("{name}: {reason}", name=name, reason=outcome.error)))
    return request.to("webhooks.webhooks")


@pages.post("/switch", right=MANAGE_WEBHOOKS)
def switch(request: Request) -> Response:
    """Have one hear of events again, or no more for now."""
    is_on = request.form.get("on") == "true"
    webhook = switch_webhook(request.uow, request.form.get("name", ""), on=is_on)
    told = (
        t("{name} is on.", name=webhook.name) if is_on else t("{name} is off.", name=webhook.name)
    )
    return request.done(told, to="webhooks.webhooks")


@pages.post("/remove", right=MANAGE_WEBHOOKS)
def remove(request: Request) -> Response:
    """Forget one."""
    name = request.form.get("name", "")
    remove_webhook(request.uow, name)
    return request.done(t("{name} is removed.", name=name), to="webhooks.webhooks")


@pages.post("/posts/<uuid:post_id>/again", right=MANAGE_WEBHOOKS)
def again(request: Request, post_id: UUID) -> Response:
    """Send something once more."""
    send_again(request.uow, post_id)
    return request.done(t("It is sent again within a minute."), to="webhooks.webhooks")


def _page(request: Request, form: Form) -> str:
    return request.render(
        "web/webhooks/webhooks.html",
        form=form,
        webhooks=list_webhooks(request.uow),
        posts=list_posts(request.uow, cursor=request.args.get("cursor")),
    )
