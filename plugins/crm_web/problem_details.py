"""Problems as RFC 9457 has them: what went wrong, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flask import make_response, request
from werkzeug.wrappers import Response

from crm_core.errors import CrmError
from crm_core.messages import say, t
from crm_web.encoding import encoded

ROOTS = ("/api/v1", "/api/openapi.json")
MEDIA = "application/problem+json"
URN = "urn:crm:problem:"
TITLES = {
    400: t("The request is not as it has to be"),
    401: t("Nobody is signed in"),
    403: t("A right is missing"),
    404: t("There is no such thing"),
    405: t("The address takes no such request"),
    409: t("It does not fit what is there"),
    412: t("Somebody changed it since"),
    413: t("That is too much at once"),
    415: t("It was sent in a form that is not read here"),
    422: t("It cannot be taken as it is"),
    428: t("It has to be said which version is meant"),
    429: t("Too much at once: wait a little"),
}
BROKEN = t("Something broke on our side")


def is_api() -> bool:
    """Return whether this request is one of the API."""
    return request.path.startswith(ROOTS)


def problem_response(error: CrmError, status: int) -> Response:
    """Return the answer that tells of an error."""
    response = make_response(encoded(problem_body(error, status)), status)
    response.mimetype = MEDIA
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="crm"'
    if status == 429 and "seconds" in error.details:
        response.headers["Retry-After"] = str(error.details["seconds"])
    return response


def problem_body(error: CrmError, status: int) -> dict[str, Any]:
    """Return the members of a problem."""
    body: dict[str, Any] = {
        "type": URN + error.code,
        "title": say(TITLES.get(status, BROKEN)),
        "status": status,
        "detail": say(error.message),
        "code": error.code,
    }
    faults = list(_faults(error.details))
    if faults:
        body["errors"] = faults
    rest = {
        name: _said(value)
        for name, value in error.details.items()
        if name not in ("faults", "fields")
    }
    if rest:
        body["details"] = rest
    return body


def _faults(details: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for fault in details.get("faults") or ():
        if isinstance(fault, Mapping):
            told = fault.get("message", "")
            yield {"field": str(fault.get("field", "")), "detail": say(told)}
    named = details.get("fields") or ()
    if isinstance(named, Mapping):
        for name, told in named.items():
            yield {"field": str(name), "detail": say(told)}
    else:
        for name in named:
            yield {"field": str(name), "detail": say(t("cannot be taken here; leave it out."))}


def _said(value: Any) -> Any:
    if isinstance(value, str):
        return say(value)
    if isinstance(value, Mapping):
        return {str(name): _said(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_said(inner) for inner in value]
    return value
