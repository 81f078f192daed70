"""From a declared operation to an answer: who asks, may they, one unit of work, one commit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from flask import g, request
from marshmallow import Schema
from werkzeug.datastructures import ETags
from werkzeug.wrappers import Response

from crm_core.errors import PermissionDeniedError, StaleVersionError
from crm_core.messages import t
from crm_core.persistence.paging import Page
from crm_web.api.repeating import repeated
from crm_web.encoding import encoded
from crm_web.errors import ConditionMissingError, NobodyError
from crm_web.sdk.api import Call, Operation
from crm_web.sdk.request import Request
from crm_web.security import check_sent_by_us

FIELDS = "fields"
JSON = "application/json"


@dataclass
class ApiView:
    """What Flask calls for an operation; tests that walk the API read its ``operation``.

    ``answer`` takes the parts of the path, checks what was sent and runs the operation.
    """

    operation: Operation
    answer: Callable[..., Response]
    _apidoc: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._apidoc = self.answer._apidoc  # type: ignore[attr-defined]  # noqa: SLF001  as smorest has it
        self.__doc__ = self.operation.view.__doc__

    def __call__(self, **parts: Any) -> Response:
        """Answer one call."""
        permit(g.request, self.operation)
        return self.answer(**parts)


def permit(asked: Request, operation: Operation) -> None:
    """Let a call through, or raise why not; nothing that was sent has been looked at so far."""
    if asked.actor is None:
        raise NobodyError(
            t("Say who you are: send a token (Authorization: Bearer …), or sign in."),
        )
    if g.signed_in is not None:
        if operation.writes:
            check_sent_by_us(asked)
        if g.signed_in.step:
            raise PermissionDeniedError(
                t("Finish signing in first: open any page of this site."), code="web.api.step"
            )
    elif operation.writes and not g.holder.may_write:
        raise PermissionDeniedError(
            t("This token only reads: make one that may write."), code="web.api.read_only"
        )
    if operation.right:
        asked.actor.require(operation.right)


def run(operation: Operation, sent: Mapping[str, Any], parts: Mapping[str, Any]) -> Response:
    """Run an operation on what was sent and checked; commit what it wrote."""
    asked: Request = g.request
    query = dict(sent.get("query") or {})
    only = () if operation.options.get("as_is") else tuple(query.pop(FIELDS, ()))
    call = Call(asked, query, sent.get("body") or {}, _expected_version(operation))
    with repeated(operation, asked) as repeat:
        if repeat.answer is not None:
            return repeat.answer
        if operation.options.get("opens_own"):
            return repeat.kept(_response(operation, operation.view(call, **parts), only))
        with asked.application.unit_of_work(call.actor, write=operation.writes) as uow:
            asked.open(uow)
            given = operation.view(call, **parts)
            if operation.writes:
                uow.flush()
            response = _response(operation, given, only)
            if operation.writes and response.status_code < 400:
                repeat.commit(uow, response)
        for act in asked.after_commit:
            act()
    return response


def _expected_version(operation: Operation) -> int | None:
    if not operation.options.get("versioned"):
        return None
    if "If-Match" not in request.headers:
        raise ConditionMissingError(
            t("Send the record's ETag as If-Match, so that nobody's change is lost.")
        )
    wanted: ETags = request.if_match
    if wanted.star_tag:
        return None
    for tag in wanted.as_set():
        version = (tag or "").partition("-")[0]
        if version.isascii() and version.isdigit() and len(version) < 12:
            return int(version)
    raise StaleVersionError(t("If-Match names no version of this record: read it again."))


def _response(operation: Operation, given: Any, only: tuple[str, ...]) -> Response:
    if isinstance(given, Response):
        return given
    if operation.schema is None:
        return Response(status=operation.status)
    if "page" in operation.options:
        return _page(operation, given, only)
    record = _dumped(operation, given, only)
    response = Response(encoded(record), operation.status, mimetype=JSON)
    version = (
        given.get("version") if isinstance(given, Mapping) else getattr(given, "version", None)
    )
    if version is not None:
        digest = hashlib.sha256(response.get_data()).hexdigest()[:16]
        response.set_etag(f"{version}-{digest}")
        if not operation.writes:
            response.make_conditional(request)
    if operation.status == 201 and isinstance(record, Mapping) and "id" in record:
        response.headers["Location"] = f"{request.path.rstrip('/')}/{record['id']}"
    return response


def _page(operation: Operation, given: Any, only: tuple[str, ...]) -> Response:
    items, cursor = (given.items, given.next_cursor) if isinstance(given, Page) else (given, None)
    body = {"items": _dumped(operation, items, only), "next_cursor": cursor}
    response = Response(encoded(body), operation.status, mimetype=JSON)
    if cursor is not None:
        arguments = {**request.args.to_dict(), "cursor": cursor}
        response.headers["Link"] = f'<{_address(arguments)}>; rel="next"'
    return response


def _address(arguments: Mapping[str, str]) -> str:
    from urllib.parse import quote, urlencode

    return f"{quote(request.path)}?{urlencode(arguments)}"


def _dumped(operation: Operation, given: Any, only: tuple[str, ...]) -> Any:
    if operation.options.get("as_is"):
        return given
    assert operation.schema is not None
    schema = _instance(operation.schema, only)
    return schema.dump(given, many="page" in operation.options)


@lru_cache(maxsize=1_024)
def _instance(schema: type[Schema], only: tuple[str, ...]) -> Schema:
    if not only:
        return schema()
    always = (name for name, field in schema().fields.items() if field.required)
    return schema(only={*only, *always})
