"""What the account's pages share."""

from __future__ import annotations

from flask import g, make_response
from flask import request as flask_request
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from crm_core.access import Actor, system_actor
from crm_core.messages import t
from crm_web import opening
from crm_web.dispatch import Onward, step_first
from crm_web.errors import SessionEndedError
from crm_web.sdk.pages import Pages
from crm_web.sdk.request import Request
from crm_web.services.sessions import SignedIn, session_for

pages = Pages("account", __name__, title="My account", prefix="/account")


def here() -> SignedIn:
    """Return who is signed in with this request, perhaps not to the end yet."""
    signed_in: SignedIn | None = g.signed_in
    if signed_in is None:
        raise SessionEndedError(t("Your session has ended: sign in again."))
    return signed_in


def oneself() -> Actor:
    """Return the actor of this request; the pages here open their own units of work."""
    return here().actor


def browser() -> dict[str, str | None]:
    """Return where the browser is and what it says it is."""
    return {
        "address": flask_request.remote_addr,
        "user_agent": flask_request.user_agent.string,
    }


def go_on(request: Request, onward: Onward, *, otherwise: str = "home.home") -> Response:
    """Send on whoever has just signed in or done a step of it; what a form sent is offered again.

    Args:
        request: The one that gave the browser its new token.
        onward: Where they were on the way to.
        otherwise: The page for who was on the way to none.
    """
    if not onward.path:
        return request.to(otherwise)
    if not onward.is_sent:
        return redirect(onward.path, 303)
    with request.application.unit_of_work(system_actor("web")) as uow:
        signed_in = session_for(uow, opening.present_token())
    if signed_in is not None and signed_in.step:
        return step_first(request, signed_in.step, onward)
    return make_response(request.render("web/account/go_on.html", onward=onward))
