"""Who asks: from a cookie to the request that pages are given, in one short transaction."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog
from flask import current_app, g, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from crm_core.access import system_actor
from crm_core.errors import LockedError
from crm_core.messages import LANGUAGES, SOURCE, in_language, say
from crm_core.services.settings import Settings, load_settings
from crm_web.problem_details import is_api
from crm_web.sdk.request import Request, Viewer
from crm_web.services.api_tokens import actor_for_token, mark_token_used
from crm_web.services.sessions import LONGEST, SignedIn, csrf_token, mark_seen, session_for
from crm_web.services.tokens import new_token

if TYPE_CHECKING:
    from uuid import UUID

    from crm_core.persistence.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)
COOKIE, NOTICES = "crm_session", "crm_notices"
MOST_NOTICES = 2_000
"""Bytes of what may be said on the page that comes next."""
THEMES = ("auto", "light", "dark")
THEME_COOKIE = "crm_theme"


def open_request() -> None:
    """Find out who asks and in which language to answer."""
    application = current_app.extensions["crm"].application
    g.cookie_token = request.cookies.get(COOKIE, "")
    g.new_token = None
    with application.unit_of_work(system_actor("web")) as uow:
        settings = load_settings(uow)
        g.holder = actor_for_token(uow, bearer()) if bearer() else None
        signed_in = session_for(uow, g.cookie_token) if g.cookie_token and not bearer() else None
    wanted = request.accept_mimetypes.best_match(["text/html", "application/json"], "text/html")
    language = language_for(signed_in.language if signed_in else None, settings)
    g.signed_in = signed_in
    g.request = Request(
        application=application,
        settings=settings,
        viewer=_viewer(signed_in, settings, language),
        actor=signed_in.actor if signed_in else g.holder and g.holder.actor,
        args=request.args,
        form=MultiDict(),
        files=MultiDict(),
        method=request.method,
        path=request.full_path.rstrip("?"),
        wants_json=wanted == "application/json",
    )
    g.speaking = in_language(language)
    g.speaking.__enter__()
    # Last, for what is too much is refused here: by now there is somebody to tell, in a language.
    if request.mimetype == "application/x-www-form-urlencoded":
        request.max_content_length = request.max_form_memory_size
    g.request.form, g.request.files = request.form, request.files


def bearer() -> str:
    """Return the token that a program shows, or empty; pages take none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and is_api() else ""


def close_request(_error: BaseException | None) -> None:
    """Speak English again; the thread goes on to somebody else's request."""
    speaking = g.pop("speaking", None)
    if speaking is not None:
        speaking.__exit__(None, None, None)


def language_for(own: str | None, settings: Settings) -> str:
    """Return the language to speak: the user's own, else the browser's, else the company's."""
    browsers = [] if own else request.accept_languages.values()
    for tag in (own, *browsers, settings.language):
        language = (tag or "").replace("_", "-").partition("-")[0].lower()
        if language in LANGUAGES:
            return language
    return SOURCE


def _viewer(signed_in: SignedIn | None, settings: Settings, language: str) -> Viewer | None:
    if signed_in is None or signed_in.actor.user_id is None:
        return None
    return Viewer(
        user_id=signed_in.actor.user_id,
        login=signed_in.actor.login,
        name=signed_in.name,
        language=language,
        time_zone=signed_in.time_zone or settings.time_zone,
    )


def form_token() -> str:
    """Return what a form carries; another one each time, so that no compression gives it away."""
    if not g.cookie_token:
        g.cookie_token = g.new_token = new_token()
    once = secrets.token_hex(8)
    return f"{once}.{csrf_token(g.cookie_token, once)}"


def present_token() -> str:
    """Return what the browser is known by."""
    token: str = g.cookie_token
    return token


def sign_in_with(token: str) -> None:
    """Have the browser be signed in from this answer on."""
    g.cookie_token = g.new_token = token


def sign_out() -> None:
    """Have the browser forget who it was."""
    g.cookie_token = g.new_token = ""


def take_notices() -> list[tuple[str, str]]:
    """Return what the page before wanted to be said here: ``(kind, text)`` each."""
    try:
        told: Any = json.loads(base64.urlsafe_b64decode(request.cookies.get(NOTICES, "")))
    except (ValueError, binascii.Error, RecursionError):
        return []
    g.notices_taken = True
    whole = isinstance(told, list) and all(isinstance(one, list) and len(one) == 2 for one in told)
    return [(str(kind), str(text)) for kind, text in told] if whole else []


def _shortened(text: str, most: int) -> str:
    """Return as much of a text as so many bytes hold; a cookie takes no more than 4,096."""
    content = text.encode()
    return text if len(content) <= most else content[:most].decode(errors="ignore") + "…"


def write_cookies(response: Response) -> Response:
    """Set the cookies that this answer brings, and note that the session is in use."""
    asked: Request | None = g.get("request")
    if asked is None:
        return response
    options: dict[str, Any] = {"secure": request.is_secure, "httponly": True, "samesite": "Lax"}
    if g.new_token is not None:
        age = int(LONGEST.total_seconds()) if g.new_token else 0
        response.set_cookie(COOKIE, g.new_token, max_age=age, **options)
    if asked.notices:
        most = MOST_NOTICES // len(asked.notices)
        said = [[kind, _shortened(say(text), most)] for kind, text in asked.notices]
        text = json.dumps(said, ensure_ascii=False)
        told = base64.urlsafe_b64encode(text.encode()).decode()
        response.set_cookie(NOTICES, told, max_age=60, **options)
    elif g.get("notices_taken"):
        response.delete_cookie(NOTICES)
    if g.signed_in is not None and g.signed_in.is_due:
        _note_use(asked, mark_seen, g.signed_in.session_id)
    if g.holder is not None and g.holder.is_due:
        _note_use(asked, mark_token_used, g.holder.token_id)
    return response


def _note_use(asked: Request, note: Callable[[UnitOfWork, UUID], None], key: UUID) -> None:
    try:
        with asked.application.unit_of_work(system_actor("web"), write=True) as uow:
            note(uow, key)
            uow.commit()
    except LockedError:  # a long import is writing: the next request notes it
        log.debug("use of a session or token not noted")
