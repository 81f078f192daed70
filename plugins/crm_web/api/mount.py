"""Putting the API together: what modules declare, at its paths and in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from crm_web.api.parsing import StrictParser
from crm_web.encoding import OrjsonProvider
from crm_web.sdk.api import Api, Operation, Result, Strict

PREFIX = "/api/v1"


class _Smorest(flask_smorest.Api):  # type: ignore[misc]  # it has no types
    """Flask-smorest for what it does best: errors are the application's own."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        pass


class _Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # as above
    ARGUMENTS_PARSER = StrictParser()


def mount(app: Flask, apis: Sequence[Api]) -> None:
    """Add the operations of some modules to the application, and their description."""
    app.json = OrjsonProvider(app)
    blueprints = [_blueprint(api) for api in apis]
    for api, blueprint in zip(apis, blueprints, strict=True):
        app.register_blueprint(blueprint, url_prefix=PREFIX + api.path.rstrip("/"))

    def described() -> dict[str, Any]:
        schemas = MarshmallowPlugin(schema_name_resolver=document.schema_name)
        smorest = _Smorest(app, spec_kwargs={**document.OPTIONS, "marshmallow_plugin": schemas})
        document.prepare(smorest.spec, schemas)
        for blueprint in blueprints:
            blueprint.register_views_in_doc(
                smorest, app, smorest.spec, name=blueprint.name, parameters=None
            )
        return document.finished(smorest.spec, [api.title for api in apis])

    document.serve(app, described)


@cache
def _blueprint(api: Api) -> _Blueprint:
    """Return the operations of a module; they are the same in every application."""
    blueprint = _Blueprint(f"api-{api.name}", __name__, description=api.title)
    for operation in api.operations:
        view = ApiView(operation, _answer(blueprint, operation))
        blueprint.add_url_rule(
            operation.rule.rstrip("/"),
            operation.name,
            view,
            methods=[operation.method],
            tags=[api.title],
        )
    return blueprint


def _answer(blueprint: _Blueprint, operation: Operation) -> Callable[..., Response]:
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
        operation.status, _given(operation), content_type=options.get("media")
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


def _given(operation: Operation) -> type[Schema] | dict[str, str] | None:
    schema = operation.schema
    if schema is None:
        media = operation.options.get("media")
        return {"type": "string", "format": "binary"} if media else None
    return _page_of(schema) if "page" in operation.options else schema


@cache
def _page_of(schema: type[Schema]) -> type[Schema]:
    name = schema.__name__.removesuffix("Schema").removesuffix("Result") + "Page"
    told = {"description": "Asks for what comes after; or null."}
    members = {
        "items": fields.List(fields.Nested(schema), required=True),
        "next_cursor": fields.String(allow_none=True, metadata=told),
        "__module__": schema.__module__,
    }
    return type(name, (Result,), members)
