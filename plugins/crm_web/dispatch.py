"""From a declared page to an answer: who asks, may they, one unit of work, one commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from flask import current_app, g, make_response, render_template
from werkzeug.wrappers import Response

from crm_core.errors import PermissionDeniedError
from crm_core.messages import t
from crm_core.plugins.discovery import FAILURES, described
from crm_core.plugins.limits import time_limit
from crm_web.sdk.pages import Panel, Route
from crm_web.sdk.request import Request
from crm_web.security import came_from_here, check_sent_by_us

if TYPE_CHECKING:
    from markupsafe import Markup

log = structlog.get_logger(__name__)
PANEL_SECONDS = 3.0


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
        return sign_in_first(asked)
    if writes:
        check_sent_by_us(asked)
    if g.signed_in.step and g.signed_in.step not in route.steps:
        return asked.to(f"account.{g.signed_in.step}")
    if route.right:
        asked.actor.require(route.right)
    if route.own_work:
        return make_response(route.view(asked, **arguments))
    with asked.application.unit_of_work(asked.actor, write=writes) as uow:
        asked.open(uow)
        response = make_response(route.view(asked, **arguments))
        if writes and response.status_code < 400:
            uow.commit()
            for act in asked.after_commit:
                act()
    return response


def sign_in_first(asked: Request) -> Response:
    """Ask who it is; what a form sent is kept for afterwards."""
    if asked.wants_json:
        raise PermissionDeniedError(
            t("Your session has ended: sign in again."), code="web.session_ended"
        )
    if asked.method != "POST":
        return asked.to("account.sign_in", next=None if asked.path == "/" else asked.path)
    kept = [
        (name, value)
        for name, values in asked.form.lists()
        for value in values
        if not name.startswith("_") and "password" not in name and came_from_here(asked)
    ]
    page = asked.render("web/account/sign_in.html", next=asked.path, kept=kept, form=None)
    return make_response(page, 401)


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
