"""Signing in and out."""

from __future__ import annotations

from flask import g, make_response
from flask import request as flask_request
from marshmallow import Schema, fields, validate
from werkzeug.wrappers import Response

from crm_core.access import system_actor
from crm_core.errors import CrmError
from crm_core.messages import t
from crm_web import opening
from crm_web.sdk.forms import Form
from crm_web.sdk.pages import ANYBODY, Pages
from crm_web.sdk.request import Request, is_local
from crm_web.services.sessions import close_session
from crm_web.sign_in import sign_in as check_and_sign_in

pages = Pages("account", __name__, title="My account", prefix="/account")


class SignInSchema(Schema):
    """What somebody signs in with."""

    login = fields.String(
        required=True,
        validate=validate.Length(max=200),
        metadata={"title": t("Login or e-mail"), "autocomplete": "username"},
    )
    password = fields.String(
        required=True,
        validate=validate.Length(max=1_000),
        metadata={"title": t("Password"), "autocomplete": "current-password"},
    )


@pages.get("/sign-in", right=ANYBODY, is_public=True)
def sign_in(request: Request) -> Response | str:
    """Show the form to sign in."""
    if request.viewer is not None:
        return request.to("home.home")
    form = Form(SignInSchema(), {})
    return request.render(
        "web/account/sign_in.html", form=form, next=request.args.get("next", ""), kept=[]
    )


@pages.post("/sign-in", right=ANYBODY, is_public=True)
def send_sign_in(request: Request) -> Response:
    """Sign in, and go on to where one wanted to; what a form had sent is offered again."""
    following = request.form.get("next", "")
    names, values = request.form.getlist("kept_name"), request.form.getlist("kept_value")
    kept = list(zip(names, values, strict=False))
    try:
        given = request.read(SignInSchema())
        token = check_and_sign_in(
            request.application.database,
            given["login"],
            request.form["password"],
            address=flask_request.remote_addr,
            user_agent=flask_request.user_agent.string,
        )
    except CrmError as error:
        form = Form(SignInSchema(), {"login": request.form.get("login", "")}, error=error)
        return request.refuse(
            "web/account/sign_in.html", error.http_status, form=form, next=following, kept=kept
        )
    opening.sign_in_with(token)
    local = is_local(following)
    if kept and local:
        return make_response(request.render("web/account/go_on.html", action=following, kept=kept))
    if local:
        response = request.to("home.home")
        response.location = following
        return response
    return request.to("home.home")


@pages.post("/sign-out", right=ANYBODY, is_public=True)
def sign_out(request: Request) -> Response:
    """End this session."""
    with request.application.unit_of_work(system_actor("web"), write=True) as uow:
        close_session(uow, g.cookie_token)
        uow.commit()
    opening.sign_out()
    return request.to("account.sign_in")


@pages.get("/", right=ANYBODY)
def account(request: Request) -> str:
    """Show who one is here."""
    return request.render("web/account/account.html")
