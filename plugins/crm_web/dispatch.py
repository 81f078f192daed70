"""From a declared page to an answer: who asks, may they, one unit of work, one commit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from flask import current_app, g, make_response, render_template
from werkzeug.wrappers import Response

from crm_core.access import system_actor
from crm_core.errors import PermissionDeniedError
from crm_core.messages import t
from crm_core.plugins.discovery import FAILURES, described
from crm_core.plugins.limits import time_limit
from crm_web.once import sent_before
from crm_web.sdk.pages import Panel, Route
from crm_web.sdk.request import Request, is_local
from crm_web.security import came_from_here, check_sent_by_us
from crm_web.services.identities import find_provider
from crm_web.services.sessions import ENROL_STEP, PASSWORD_STEP, SECOND_FACTOR_STEP

if TYPE_CHECKING:
    from markupsafe import Markup

    from crm_web.sdk.forms import Form

log = structlog.get_logger(__name__)
PANEL_SECONDS = 3.0
STEP_PAGES = {SECOND_FACTOR_STEP: "code", PASSWORD_STEP: "password", ENROL_STEP: "enrol"}


@dataclass(frozen=True, slots=True)
class Onward:
    """Where somebody was on the way to; the forms of signing in carry it on, hidden.

    Attributes:
        path: A path of this site; empty where there is none.
        is_sent: Whether a form was sent there, so that following a link does not lead there.
        kept: Names and values of what that form held.
    """

    path: str = ""
    is_sent: bool = False
    kept: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PageView:
    """What Flask calls for a declared page; tests that walk all pages read its ``route``."""

    route: Route

    def __call__(self, **arguments: Any) -> Response:
        """Answer one request."""
        return answer(self.route, arguments)


def answer(route: Route, arguments: dict[str, Any]) -> Response:
    """Return what a page answers; commit what it wrote when it did not refuse."""
    asked: Request = g.request
    writes = route.method == "POST"
    if route.is_public:
        if writes:
            check_sent_by_us(asked)
        return make_response(route.view(asked, **arguments))
    if asked.actor is None:  # asked before anything else: what the form sent is kept for afterwards
        return sign_in_first(asked, route)
    if writes:
        check_sent_by_us(asked)
    if g.signed_in.step and g.signed_in.step not in route.steps:
        return step_first(asked, g.signed_in.step, _wanted(asked, route))
    if route.right:
        asked.actor.require(route.right)
    if route.own_work:
        return make_response(route.view(asked, **arguments))
    with asked.application.unit_of_work(asked.actor, write=writes) as uow:
        asked.open(uow)
        response = make_response(route.view(asked, **arguments))
        if writes and response.status_code < 400:
            return _committed(asked, response)
    return response


def _committed(asked: Request, response: Response) -> Response:
    """Commit what was done, unless it was done before: then give it up and answer as before."""
    before = sent_before(asked, response)
    if before is not None:
        return before
    asked.uow.commit()
    for act in asked.after_commit:
        act()
    return response


def sign_in_first(asked: Request, route: Route) -> Response:
    """Ask who it is; what a form sent is kept for afterwards."""
    if asked.wants_json:
        raise PermissionDeniedError(
            t("Your session has ended: sign in again."), code="web.session_ended"
        )
    onward = _wanted(asked, route)
    if asked.method != "POST":
        return asked.to("account.sign_in", next=onward.path or None)
    return make_response(sign_in_page(asked, onward), 401)


def step_first(asked: Request, step: str, onward: Onward) -> Response:
    """Have a step of signing in done; what a form sent goes into its page, not into an address."""
    if not onward.is_sent:
        return asked.to(f"account.{step}", next=onward.path or None)
    page = f"web/account/{STEP_PAGES[step]}.html"
    return make_response(asked.render(page, onward=onward, error=None, form=None, is_demanded=True))


def sign_in_page(asked: Request, onward: Onward, form: Form | None = None) -> str:
    """Return the page to sign in."""
    with asked.application.unit_of_work(system_actor("web")) as uow:
        has_provider = find_provider(uow) is not None
    return asked.render(
        "web/account/sign_in.html", onward=onward, form=form, has_provider=has_provider
    )


def carried(asked: Request) -> Onward:
    """Return what the page before carried on; its path is taken from the address too."""
    path = asked.form.get("next") or asked.args.get("next", "")
    if not is_local(path):
        return Onward()
    names, values = asked.form.getlist("kept_name"), asked.form.getlist("kept_value")
    kept = list(zip(names, values, strict=False))
    return Onward(path, bool(kept) or "next_is_sent" in asked.form, kept)


def _wanted(asked: Request, route: Route) -> Onward:
    if asked.method != "POST":
        return Onward("" if asked.path == "/" else asked.path)
    if not came_from_here(asked):  # else another site had its form sent with one click of ours
        return Onward()
    if route.steps:  # of signing in itself: it holds passwords and codes, and what was to follow
        return carried(asked)
    kept = [
        (name, value)
        for name, values in asked.form.lists()
        for value in values
        if not name.startswith("_") and "password" not in name
    ]
    return Onward(asked.path, is_sent=True, kept=kept)


def panels_at(place: str, **about: Any) -> list[tuple[Panel, Markup | str]]:
    """Return what plugins show at a place, each with its markup; a failing one says so itself."""
    asked: Request = g.request
    panels: list[Panel] = current_app.extensions["crm"].panels.get(place, [])
    shown = []
    for panel in panels:
        if not asked.may(panel.right):
            continue
        markup = _markup(panel, asked, about)
        if markup:
            shown.append((panel, markup))
    return shown


def _markup(panel: Panel, asked: Request, about: dict[str, Any]) -> Any:
    try:
        with time_limit(PANEL_SECONDS), asked.uow.session.begin_nested():
            return panel.view(asked, **about)
    except FAILURES as error:
        log.warning("panel failed", panel=panel.title, reason=described(error), exc_info=True)
        return render_template("web/parts/failed_panel.html", title=panel.title)
