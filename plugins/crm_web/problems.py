"""What went wrong, as a page or as data; never a traceback."""

from __future__ import annotations

import structlog
from flask import g, make_response, request
from markupsafe import Markup
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.wrappers import Response

from crm_core.cli.failures import write_log
from crm_core.errors import CrmError, InputError, NotFoundError
from crm_core.messages import say, t
from crm_core.plugins.discovery import FAILURES
from crm_core.services.rights import CORE_RIGHTS
from crm_web.problem_details import is_api, problem_response
from crm_web.sdk.request import Request

log = structlog.get_logger(__name__)
_FRAMELESS = Markup(
    '<!doctype html><meta charset="utf-8"><title>{0}</title><h1>{0}</h1><p>{1}</p><p>{2}</p>'
)
"""For when what stands around every page is what breaks."""


def problem(error: CrmError, status: int | None = None) -> Response:
    """Return the page, or the data, that tells of an error."""
    asked: Request | None = g.get("request")
    status = status or error.http_status
    if is_api():
        return problem_response(error, status)
    if asked is None or asked.wants_json:
        told = {"code": error.code, "message": say(error.message), "details": error.details}
        return make_response({"error": told}, status)
    try:
        page = asked.render(
            "web/error.html", error=error, status=status, right=_right(asked, error)
        )
    except FAILURES as also:
        _note(also)
        page = _FRAMELESS.format(say(t("That did not work")), say(error.message), error.code)
    return make_response(page, status)


def refused(error: HTTPException) -> Response:
    """Return what is told of a request that leads nowhere."""
    status = error.code or 500
    if status == 404:
        told: CrmError = NotFoundError(t("There is no such page."), code="web.no_page")
    elif status == 405:
        told = InputError(t("That address takes no such request."), code="web.no_method")
    elif status == 413:
        told = InputError(
            t("That is more than can be sent at once: send less, or a smaller file."),
            code="web.too_much",
        )
    else:
        told = InputError(
            t("The request cannot be understood: go back, load the page again and repeat."),
            code="web.request",
        )
    response = problem(told, status)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def broken(error: Exception) -> Response:
    """Say that something broke and was written down; never what it was."""
    _note(error)
    message = t(
        "Something broke on our side. Nothing was saved, and it was written down for the "
        "administrators. Try again; if it happens again, tell them when it was."
    )
    return problem(CrmError(message, code="web.broken"))


def _right(asked: Request, error: CrmError) -> str:
    """Return what people call the right that is missing, or empty."""
    code = str(error.details.get("right", ""))
    of_plugin = asked.application.plugins.rights.get(code)
    return say(of_plugin.title if of_plugin else CORE_RIGHTS.get(code, ""))


def _note(error: BaseException) -> None:
    path = write_log(error)
    log.error("page broke", path=request.path, reason=repr(error), logged_in=str(path))
