"""Who one is here: language, time zone, theme, password and open sessions."""

from __future__ import annotations

from uuid import UUID
from zoneinfo import available_timezones

from flask import request as flask_request
from marshmallow import Schema, fields, validate
from werkzeug.wrappers import Response

from crm_core.errors import CrmError
from crm_core.messages import LANGUAGES, p, t
from crm_core.services.users import set_own_preferences
from crm_web import opening
from crm_web import sign_in as entry
from crm_web.dispatch import carried
from crm_web.opening import THEME_COOKIE, THEMES
from crm_web.pages.account.area import go_on, here, oneself, pages
from crm_web.permissions import MANAGE_TOKENS
from crm_web.sdk.forms import Form
from crm_web.sdk.pages import ANYBODY
from crm_web.sdk.request import Request
from crm_web.services.second_factor import second_factor_state
from crm_web.services.sessions import PASSWORD_STEP, close_sessions_of, end_session, list_sessions

YEAR = 365 * 24 * 3600
THEME_LABELS = (p("theme", "As the device"), p("theme", "Light"), p("theme", "Dark"))


class PreferencesSchema(Schema):
    """How one likes to be shown things."""

    language = fields.String(
        allow_none=True,
        load_default=None,
        validate=validate.OneOf(list(LANGUAGES), labels=list(LANGUAGES.values())),
        metadata={"title": t("Language"), "help": t("Empty: that of the browser.")},
    )
    time_zone = fields.String(
        allow_none=True,
        load_default=None,
        metadata={"title": t("Time zone"), "help": t("Empty: that of the company.")},
    )
    theme = fields.String(
        required=True,
        validate=validate.OneOf(THEMES, labels=THEME_LABELS),
        metadata={"title": t("Theme")},
    )


class PasswordSchema(Schema):
    """A change of one's password."""

    old = fields.String(
        required=True,
        metadata={"title": t("Present password"), "autocomplete": "current-password"},
    )
    password = fields.String(
        required=True,
        metadata={"title": t("New password"), "autocomplete": "new-password"},
    )


@pages.get("/", right=ANYBODY)
def account(request: Request) -> str:
    """Show who one is here."""
    viewer, signed_in = request.viewer, here()
    assert viewer is not None
    chosen = {
        "language": (signed_in.language or "").partition("-")[0],
        "time_zone": signed_in.time_zone or "",
        "theme": flask_request.cookies.get(THEME_COOKIE, THEMES[0]),
    }
    return request.render(
        "web/account/account.html",
        form=_preferences(chosen),
        sessions=list_sessions(request.uow, viewer.user_id),
        session_id=signed_in.session_id,
        factor=second_factor_state(request.uow, viewer.user_id),
        has_tokens=request.may(MANAGE_TOKENS),
    )


@pages.post("/preferences", right=ANYBODY)
def send_preferences(request: Request) -> Response:
    """Keep language, time zone and theme."""
    try:
        given = request.read(PreferencesSchema())
        set_own_preferences(request.uow, language=given["language"], time_zone=given["time_zone"])
    except CrmError as error:
        form = _preferences(request.form, error)
        return request.refuse("web/account/preferences.html", error.http_status, form=form)
    response = request.done(t("Kept."), to="account.account")
    response.set_cookie(
        THEME_COOKIE, given["theme"], max_age=YEAR, samesite="Lax", secure=flask_request.is_secure
    )
    return response


@pages.get("/password", right=ANYBODY, own_work=True, steps=(PASSWORD_STEP,))
def password(request: Request) -> str:
    """Show the form to change one's password."""
    form = Form(PasswordSchema(), {})
    return request.render("web/account/password.html", form=form, onward=carried(request))


@pages.post("/password", right=ANYBODY, own_work=True, steps=(PASSWORD_STEP,))
def send_password(request: Request) -> Response:
    """Change it, end one's other sessions, and go on to where one wanted to."""
    onward = carried(request)
    try:
        token = entry.change_password(
            request.application.database,
            oneself(),
            request.form.get("old", ""),
            request.form.get("password", ""),
            session_id=here().session_id,
            address=flask_request.remote_addr,
        )
    except CrmError as error:
        form = Form(PasswordSchema(), {}, error=error)
        return request.refuse(
            "web/account/password.html", error.http_status, form=form, onward=onward
        )
    opening.sign_in_with(token)
    said = t("Your password is changed; all other sessions have ended.")
    request.notices.append(("done", said))
    return go_on(request, onward, otherwise="account.account")


@pages.post("/sessions/<uuid:session_id>/end", right=ANYBODY)
def end(request: Request, session_id: UUID) -> Response:
    """End one session."""
    end_session(request.uow, session_id)
    return request.done(t("That session has ended."), to="account.account")


@pages.post("/sessions/end-others", right=ANYBODY)
def end_others(request: Request) -> Response:
    """End all sessions but this one."""
    assert request.viewer is not None
    close_sessions_of(request.uow, request.viewer.user_id, except_=here().session_id)
    return request.done(t("All other sessions have ended."), to="account.account")


def _preferences(values: object, error: CrmError | None = None) -> Form:
    zones = [(name, name.replace("_", " ")) for name in sorted(available_timezones())]
    return Form(PreferencesSchema(), values, {"time_zone": zones}, error)  # type: ignore[arg-type]
