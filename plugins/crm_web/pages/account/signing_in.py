"""Signing in, with a password, a mailed link or a provider, and out."""

from __future__ import annotations

from flask import g, make_response
from flask import request as flask_request
from marshmallow import Schema, fields, validate
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from crm_core.access import system_actor
from crm_core.channels import mail_server
from crm_core.errors import CrmError
from crm_core.messages import t
from crm_web import opening
from crm_web import sign_in as entry
from crm_web.dispatch import Onward, carried, sign_in_page
from crm_web.oidc import begin_oidc, finish_oidc, take_attempt
from crm_web.pages.account.area import browser, go_on, pages
from crm_web.sdk.forms import Form
from crm_web.sdk.pages import ANYBODY
from crm_web.sdk.request import Request, is_local
from crm_web.services.links import user_of_link
from crm_web.services.sessions import close_session
from crm_web.services.tokens import new_token

MOST_PASSWORD = 1_000


class SignInSchema(Schema):
    """What somebody signs in with."""

    login = fields.String(
        required=True,
        validate=validate.Length(max=200),
        metadata={"title": t("Login or e-mail"), "autocomplete": "username"},
    )


class NewPasswordSchema(Schema):
    """A password chosen for the first time, or anew."""

    password = fields.String(
        required=True,
        validate=validate.Length(max=MOST_PASSWORD),
        metadata={"title": t("New password"), "autocomplete": "new-password"},
    )


@pages.get("/sign-in", right=ANYBODY, is_public=True)
def sign_in(request: Request) -> Response | str:
    """Show the form to sign in."""
    if request.viewer is not None:
        return request.to("home.home")
    return sign_in_page(request, carried(request))


@pages.post("/sign-in", right=ANYBODY, is_public=True)
def send_sign_in(request: Request) -> Response:
    """Sign in, and go on to where one wanted to; what a form had sent is offered again."""
    onward = carried(request)
    try:
        token = entry.sign_in(
            request.application.database,
            request.form.get("login", ""),
            request.form.get("password", ""),
            **browser(),
        )
    except CrmError as error:
        return _refused(request, onward, error)
    opening.sign_in_with(token)
    return go_on(request, onward)


@pages.post("/sign-out", right=ANYBODY, is_public=True)
def sign_out(request: Request) -> Response:
    """End this session."""
    with request.application.unit_of_work(system_actor("web"), write=True) as uow:
        close_session(uow, g.cookie_token)
        uow.commit()
    opening.sign_out()
    return request.to("account.sign_in")


@pages.get("/forgot", right=ANYBODY, is_public=True)
def forgot(request: Request) -> str:
    """Ask whose password was forgotten."""
    return request.render("web/account/forgot.html", error=None, is_sent=False)


@pages.post("/forgot", right=ANYBODY, is_public=True)
def send_forgot(request: Request) -> Response:
    """Have a link mailed, if there is such an account; the answer does not tell."""
    application = request.application
    try:
        entry.request_reset(
            application.database,
            mail_server(application.config),
            request.form.get("login", ""),
            address=flask_request.remote_addr,
        )
    except CrmError as error:
        return request.refuse(
            "web/account/forgot.html", error.http_status, error=error, is_sent=False
        )
    return make_response(request.render("web/account/forgot.html", error=None, is_sent=True))


@pages.get("/link/<token>", right=ANYBODY, is_public=True)
def link(request: Request, token: str) -> str:
    """Let the password be chosen that a mailed link is for."""
    with request.application.unit_of_work(system_actor("web")) as uow:
        user = user_of_link(uow, token)
    form = Form(NewPasswordSchema(), {})
    return request.render("web/account/link.html", form=form, login=user.login)


@pages.post("/link/<token>", right=ANYBODY, is_public=True)
def send_link(request: Request, token: str) -> Response:
    """Set that password and sign in."""
    try:
        opened = entry.sign_in_with_link(
            request.application.database, token, request.form.get("password", ""), **browser()
        )
    except CrmError as error:
        form = Form(NewPasswordSchema(), {}, error=error)
        return request.refuse("web/account/link.html", error.http_status, form=form, login="")
    opening.sign_in_with(opened)
    return request.done(t("Your password is set."), to="home.home")


@pages.post("/provider", right=ANYBODY, is_public=True)
def to_provider(request: Request) -> Response:
    """Send the browser to the sign-in provider."""
    onward = carried(request)
    if not g.cookie_token:
        opening.sign_in_with(new_token())
    try:
        address = begin_oidc(
            request.application.database,
            g.cookie_token,
            onward.path or None,
            kept=onward.kept if onward.is_sent else None,
            address=flask_request.remote_addr,
        )
    except CrmError as error:
        return _refused(request, onward, error)
    return redirect(address, 303)


@pages.get("/oidc/return", right=ANYBODY, is_public=True)
def from_provider(request: Request) -> Response:
    """Sign in who comes back from the provider."""
    database, onward = request.application.database, Onward()
    try:
        attempt = take_attempt(database, g.cookie_token, request.args.get("state", ""))
        path = attempt.next_path or ""
        if is_local(path):
            onward = Onward(path, attempt.kept is not None, attempt.kept or [])
        token = finish_oidc(database, attempt, request.args, **browser())
    except CrmError as error:
        return _refused(request, onward, error)
    opening.sign_in_with(token)
    return go_on(request, onward)


def _refused(request: Request, onward: Onward, error: CrmError) -> Response:
    sent = {"login": request.form.get("login", "")}
    form = Form(SignInSchema(), sent, error=error)
    return make_response(sign_in_page(request, onward, form), error.http_status)
