"""What the account's pages share."""

from __future__ import annotations

from flask import g
from flask import request as flask_request

from crm_core.access import Actor
from crm_core.messages import t
from crm_web.errors import SessionEndedError
from crm_web.sdk.pages import Pages
from crm_web.services.sessions import SignedIn

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
