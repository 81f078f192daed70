"""Putting the API together: what modules declare, at its paths and in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import flask_smorest
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from marshmallow import Schema, fields, validate
from webargs.fields import DelimitedList
from werkzeug.wrappers import Response

from crm_web.api import document
from crm_web.api.answering import FIELDS, ApiView, run
from crm_web.api.encoding import OrjsonProvider
from crm_web.api.parsing import StrictParser
from crm_web.sdk.api import Api, Operation, Result, Strict

PREFIX = "/api/v1"


class _Smorest(flask_smorest.Api):
    """Flask-smorest for what it does best: errors are the application's own."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        pass


class _Blueprint(flask_smorest.Blueprint):
    ARGUMENTS_PARSER = StrictParser()


def mount(app: Flask, apis: Iterable[Api]) -> None:
    """Add the operations of some modules to the application, and their description."""
    app.json = OrjsonProvider(app)
    described = MarshmallowPlugin(schema_name_resolver=document.schema_name)
    smorest = _Smorest(app, spec_kwargs={**document.OPTIONS, "marshmallow_plugin": described})
    document.prepare(smorest.spec, described)
    titles = {}
    for api in apis:
        blueprint = _Blueprint(f"api-{api.name}", __name__, description=api.title)
        for operation in api.operations:
            view = ApiView(operation, _answer(blueprint, operation, described.converter))
            blueprint.add_url_rule(
                operation.rule.rstrip("/"),
                operation.name,
                view,
                methods=[operation.method],
                tags=[api.title],
            )
        smorest.register_blueprint(blueprint, url_prefix=PREFIX + api.path.rstrip("/"))
        titles[api.title] = api.name
    document.install(app, smorest.spec, titles)


def _answer(
    blueprint: _Blueprint, operation: Operation, converter: Any
) -> Callable[..., Response]:
    """Return what checks what was sent and runs the operation, with what documents it."""
    options = operation.options
    sources: list[tuple[str, Any, str]] = [("query", _query(operation), "query")]
    if "body" in options:
        sources.append(("body", options["body"], "json"))
    if "upload" in options:
        sources.append(("body", options["upload"], "files"))
    names = [name for name, _, _ in sources]

    def answer(*given: Any, **parts: Any) -> Response:
        return run(operation, dict(zip(names, given, strict=True)), parts)

    answer.__doc__ = operation.view.__doc__
    answered: Any = answer
    for _, schema, location in reversed(sources):
        answered = blueprint.arguments(schema, location=location)(answered)
    answered = blueprint.response(
        operation.status, _given(operation, converter), content_type=options.get("media")
    )(answered)
    described: Callable[..., Response] = blueprint.doc(**document.described(operation))(answered)
    return described


def _query(operation: Operation) -> type[Schema]:
    base = operation.options.get("query", Strict)
    schema = operation.schema
    if operation.writes or schema is None or FIELDS in base().fields:
        return base
    names = sorted(schema().fields)
    several = DelimitedList(
        fields.String(validate=validate.OneOf(names)),
        validate=validate.Length(min=1, max=len(names)),
        metadata={"description": "Only these fields, separated by commas."},
    )
    return type(f"{base.__name__}OfFields", (base,), {FIELDS: several})


def _given(operation: Operation, converter: Any) -> dict[str, Any] | None:
    """Return what the document refers to; smorest would copy schemas over and over."""
    schema = operation.schema
    if schema is None:
        media = operation.options.get("media")
        return {"type": "string", "format": "binary"} if media else None
    if "page" in operation.options:
        schema = _page_of(schema)
    described: dict[str, Any] = converter.resolve_nested_schema(schema)
    return described


@cache
def _page_of(schema: type[Schema]) -> type[Schema]:
    name = schema.__name__.removesuffix("Schema").removesuffix("Result") + "Page"
    return Result.from_dict(
        {
            "items": fields.List(fields.Nested(schema), required=True),
            "next_cursor": fields.String(
                allow_none=True, metadata={"description": "Asks for what comes after; or null."}
            ),
        },
        name=name,
    )
