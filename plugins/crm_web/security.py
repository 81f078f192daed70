"""What every answer carries, and whether what was sent came from a page of ours."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import g, request
from werkzeug.wrappers import Response

from crm_core.errors import PermissionDeniedError
from crm_core.messages import t
from crm_web.sdk.request import Request
from crm_web.services.sessions import csrf_matches

CSRF_FIELD, CSRF_HEADER = "_csrf", "X-CSRF-Token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; manifest-src 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}


def secured(response: Response) -> Response:
    """Add what keeps a browser from being turned against its user; pages are kept by nobody."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.endpoint != "assets.file":
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def check_sent_by_us(asked: Request) -> None:
    """Refuse what a foreign page made the browser send.

    Raises:
        PermissionDeniedError: The token of the form is missing or is not this browser's.
    """
    origin = request.headers.get("Origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.host
    token = asked.form.get(CSRF_FIELD) or request.headers.get(CSRF_HEADER, "")
    once, _, rest = token.partition(".")
    if foreign or not (g.cookie_token and csrf_matches(g.cookie_token, rest, once)):
        raise PermissionDeniedError(
            t(
                "This form was not sent by a page of this site, or the page is too old: go back, "
                "load it again and repeat."
            ),
            code="web.csrf",
        )
