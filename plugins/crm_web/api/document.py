"""The OpenAPI document: what is in it beside what the schemas say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cache
from http import HTTPStatus
from threading import Lock
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask, g, request
from marshmallow import Schema, fields
from werkzeug.wrappers import Response

from crm_core.messages import t
from crm_web.api.repeating import takes_key
from crm_web.encoding import encoded
from crm_web.errors import NobodyError
from crm_web.problem_details import MEDIA
from crm_web.sdk.api import Operation, PageQuery

PATH = "/api/openapi.json"
OWN = ("crm_web", "crm_core", "abc", "flask_smorest")
OPTIONS: dict[str, Any] = {
    "title": "CRM front office",
    "version": "1",
    "openapi_version": "3.1.0",
    "info": {
        "description": "Customers and what happens with them. Lists come in pages, records carry "
        "an ETag, problems are those of RFC 9457."
    },
}
PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "description": "A URN made of the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened and what to do next."},
        "code": {"type": "string", "description": "Stable: programs key on it."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "details": {"type": "object"},
    },
}
_HEADER: dict[str, Any] = {"in": "header", "schema": {"type": "string"}}
IF_MATCH = {
    **_HEADER,
    "name": "If-Match",
    "required": True,
    "description": "The record's ETag as it was read, or * for whatever is there.",
}
IF_NONE_MATCH = {
    **_HEADER,
    "name": "If-None-Match",
    "description": "An ETag: 304 while the record is as it was.",
}
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "Any text of your own: sent again with the same body, the first answer comes.",
}
_TEXT = {"schema": {"type": "string"}}
_NO_NUL = "^[^\\u0000]*$"


def prepare(spec: APISpec, marshmallow: MarshmallowPlugin) -> None:
    """Add what operations refer to, and how our fields are described."""
    spec.components.schema("Problem", PROBLEM)
    for status in (400, 401, 403, 404, 409, 412, 413, 415, 422, 428, 429):
        spec.components.response(
            f"Problem{status}",
            {
                "description": HTTPStatus(status).phrase,
                "content": {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        )
    spec.components.security_scheme(
        "token", {"type": "http", "scheme": "bearer", "description": "A token of one's own."}
    )
    marshmallow.converter.add_attribute_function(_as_text)  # type: ignore[union-attr]


def schema_name(schema: type[Schema] | Schema) -> str:
    """Return what the document calls a schema."""
    kind = schema if isinstance(schema, type) else type(schema)
    name = kind.__name__.removesuffix("Schema")
    package = kind.__module__.partition(".")[0]
    if package not in OWN:  # two plugins may each have a Card
        name = f"{package.removeprefix('crm_').title()}{name}"
    is_partial = not isinstance(schema, type) and schema.partial
    return f"{name}Changes" if is_partial else name


def _as_text(_self: Any, field: fields.Field[Any], **_: Any) -> dict[str, Any]:
    if isinstance(field, fields.Decimal) and field.as_string:
        return {"type": ["string", "null"] if field.allow_none else "string", "format": "decimal"}
    plain = isinstance(field, fields.String) and not isinstance(field, fields.UUID | fields.Email)
    if plain and not field.validators and "pattern" not in field.metadata:
        return {}
    return {}


def described(operation: Operation) -> dict[str, Any]:
    """Return what the document says of an operation beside its schemas."""
    options, parameters = operation.options, []
    statuses = {400, 401, 403, 404, 422, 429}
    if operation.writes:
        statuses.add(409)
    if options.get("versioned"):
        parameters.append(IF_MATCH)
        statuses |= {412, 428}
    if "body" in options or "upload" in options:
        statuses |= {413, 415}
    if takes_key(operation) and not options.get("secret"):
        parameters.append(IDEMPOTENCY_KEY)
    responses: dict[str | int, Any] = {
        str(status): {"$ref": f"#/components/responses/Problem{status}"}
        for status in sorted(statuses)
    }
    good: dict[str, Any] = {}
    if "result" in options and "version" in options["result"]().fields:
        good["ETag"] = _TEXT
        if not operation.writes:
            parameters.append(IF_NONE_MATCH)
            responses["304"] = {"description": "It is as it was."}
    if "page" in options and issubclass(options.get("query", object), PageQuery):
        good["Link"] = {**_TEXT, "description": "The next page, where there is one."}
    if good:
        responses[operation.status] = {"headers": good}  # a number, as smorest keeps its own
    told: dict[str, Any] = {"responses": responses, "security": [{"token": []}]}
    if parameters:
        told["parameters"] = parameters
    return deepcopy(told)


def finished(spec: APISpec, titles: Sequence[str]) -> dict[str, Any]:
    """Return the document without what smorest adds and nothing refers to."""
    told: dict[str, Any] = spec.to_dict()
    told["tags"] = [{"name": title} for title in titles]
    for unused in ("Error", "PaginationMetadata"):
        told["components"]["schemas"].pop(unused, None)
    return told


def serve(app: Flask, make: Callable[[], dict[str, Any]]) -> None:
    """Serve the document to whoever is signed in or shows a token; it is made when asked for."""
    lock = Lock()

    @cache
    def made() -> tuple[dict[str, Any], bytes]:
        told = make()
        return told, encoded(told)

    def describe() -> dict[str, Any]:
        with lock:
            return made()[0]

    def openapi() -> Response:
        if g.request.actor is None:
            raise NobodyError(t("Say who you are: send a token, or sign in."))
        with lock:
            raw = made()[1]
        response = Response(raw, mimetype="application/json")
        response.set_etag(hashlib.sha256(raw).hexdigest()[:16])
        response.make_conditional(request)
        return response

    app.extensions["crm"].openapi = describe
    app.add_url_rule(PATH, "openapi", openapi)
