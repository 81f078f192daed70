"""The second factor: turned on with an app, asked for at signing in, turned off with a code."""

from __future__ import annotations

import io

import segno
from flask import make_response
from flask import request as flask_request
from markupsafe import Markup
from werkzeug.wrappers import Response

from crm_core.errors import CrmError
from crm_core.messages import t
from crm_web import opening
from crm_web import sign_in as entry
from crm_web.dispatch import Onward, carried
from crm_web.pages.account.area import go_on, here, oneself, pages
from crm_web.sdk.pages import ANYBODY
from crm_web.sdk.request import Request
from crm_web.services.second_factor import (
    NewFactor,
    begin_second_factor,
    confirm_second_factor,
    remove_second_factor,
    renew_recovery_codes,
    second_factor_state,
)
from crm_web.services.sessions import ENROL_STEP, SECOND_FACTOR_STEP, advance_session

MOST_URI = 1_000
"""Letters that fit a picture which phones can read; more never came from here."""


@pages.get("/code", right=ANYBODY, own_work=True, steps=(SECOND_FACTOR_STEP,))
def second_factor(request: Request) -> str:
    """Ask for the code of the app, to finish signing in."""
    return request.render("web/account/code.html", error=None, onward=carried(request))


@pages.post("/code", right=ANYBODY, own_work=True, steps=(SECOND_FACTOR_STEP,))
def send_second_factor(request: Request) -> Response:
    """Finish signing in, and go on to where one wanted to."""
    onward = carried(request)
    try:
        token = entry.pass_second_factor(
            request.application.database,
            opening.present_token(),
            request.form.get("code", ""),
            address=flask_request.remote_addr,
        )
    except CrmError as error:
        return request.refuse(
            "web/account/code.html", error.http_status, error=error, onward=onward
        )
    opening.sign_in_with(token)
    return go_on(request, onward)


@pages.get("/second-factor", right=ANYBODY, own_work=True, steps=(ENROL_STEP,))
def enrol(request: Request) -> str:
    """Explain what a second factor is."""
    is_demanded, onward = here().step is not None, carried(request)
    return request.render("web/account/enrol.html", is_demanded=is_demanded, onward=onward)


@pages.post("/second-factor", right=ANYBODY, own_work=True, steps=(ENROL_STEP,))
def begin(request: Request) -> Response:
    """Make a secret for the app and show it."""
    with request.application.unit_of_work(oneself(), write=True) as uow:
        factor = begin_second_factor(uow)
        uow.commit()
    return make_response(_to_confirm(request, factor))


@pages.post("/second-factor/confirm", right=ANYBODY, own_work=True, steps=(ENROL_STEP,))
def confirm(request: Request) -> Response:
    """Turn it on with a first code, and show the recovery codes this once."""
    session_id = here().session_id
    try:
        with request.application.unit_of_work(oneself(), write=True) as uow:
            codes = confirm_second_factor(uow, request.form.get("code", ""), session_id=session_id)
            token = advance_session(uow, session_id, second_factor_done=True)
            uow.commit()
    except CrmError as error:
        factor = NewFactor(request.form.get("secret", ""), request.form.get("uri", ""))
        page = _to_confirm(request, factor, error)
        return make_response(page, error.http_status)
    opening.sign_in_with(token)
    page = request.render("web/account/recovery.html", codes=codes, onward=carried(request))
    return make_response(page)


@pages.post("/second-factor/codes", right=ANYBODY, own_work=True)
def renew_codes(request: Request) -> Response:
    """Show new recovery codes; the old ones are no good any more."""
    return _with_code(request, is_removed=False)


@pages.post("/second-factor/remove", right=ANYBODY, own_work=True)
def remove(request: Request) -> Response:
    """Turn it off."""
    return _with_code(request, is_removed=True)


def _with_code(request: Request, *, is_removed: bool) -> Response:
    """Do what takes a code of the app first."""
    signed_in = here()
    code, where = request.form.get("code", ""), flask_request.remote_addr
    assert signed_in.actor.user_id is not None
    with request.application.unit_of_work(signed_in.actor) as uow:
        state = second_factor_state(uow, signed_in.actor.user_id)
    if not (is_removed and state.is_demanded):  # else it is refused, and no code is used up by that
        entry.check_code(request.application.database, signed_in.actor, code, address=where)
    with request.application.unit_of_work(signed_in.actor, write=True) as uow:
        codes = []
        if is_removed:
            remove_second_factor(uow, session_id=signed_in.session_id)
        else:
            codes = renew_recovery_codes(uow)
        uow.commit()
    if is_removed:
        return request.done(t("The second factor is off."), to="account.account")
    page = request.render("web/account/recovery.html", codes=codes, onward=Onward())
    return make_response(page)


def _to_confirm(request: Request, factor: NewFactor, error: CrmError | None = None) -> str:
    picture = io.BytesIO()
    if 0 < len(factor.uri) <= MOST_URI:
        segno.make(factor.uri, error="m").save(
            picture,
            kind="svg",
            scale=5,
            border=3,
            dark="#000",
            light="#fff",
            xmldecl=False,
            svgns=True,
            nl=False,
        )
    svg = Markup(picture.getvalue().decode())  # noqa: S704  drawn here from a text of ours
    told = {"factor": factor, "picture": svg, "error": error, "onward": carried(request)}
    return request.render("web/account/confirm.html", **told)
