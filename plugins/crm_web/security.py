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
    "X-Robots-Tag": "noindex, nofollow",
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
    if _is_foreign() or not _carries_token(asked):
        raise PermissionDeniedError(
            t(
                "This form was not sent by a page of this site, or the page is too old: go back, "
                "load it again and repeat."
            ),
            code="web.csrf",
        )


def came_from_here(asked: Request) -> bool:
    """Return whether a page of ours sent this, maybe one whose session and cookie are gone since.

    Nothing is done for its sender, but what it sent may be offered again after signing in.
    """
    return not _is_foreign() and ("Origin" in request.headers or _carries_token(asked))


def _is_foreign() -> bool:
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.host


def _carries_token(asked: Request) -> bool:
    token = asked.form.get(CSRF_FIELD) or request.headers.get(CSRF_HEADER, "")
    once, _, rest = token.partition(".")
    return bool(g.cookie_token) and csrf_matches(g.cookie_token, rest, once)
