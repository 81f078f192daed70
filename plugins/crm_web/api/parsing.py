"""Arguments and bodies, checked by their schemas; what a schema does not know is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NoReturn

import flask
import orjson
from marshmallow import RAISE, Schema, ValidationError
from webargs import core
from webargs.flaskparser import FlaskParser

from crm_core.borrowed_words import own_words
from crm_core.errors import InputError
from crm_core.messages import t
from crm_web.errors import MediaTypeError, RequestError

JSON, FORM = "json", "files"
MOST_DEPTH = 50


class StrictParser(FlaskParser):
    """Reads requests strictly: nothing unknown, nothing twice, no NUL, JSON as JSON is."""

    DEFAULT_UNKNOWN_BY_LOCATION = dict.fromkeys(("query", JSON, FORM, "form"), RAISE)
    DEFAULT_VALIDATION_STATUS = 400

    def _get_schema(self, argmap: Any, req: flask.Request) -> Schema:
        return _instance(argmap) if isinstance(argmap, type) else super()._get_schema(argmap, req)

    def _raw_load_json(self, req: flask.Request) -> Any:
        raw = req.get_data(cache=True)
        if not raw and not req.content_length:
            return {}
        if not core.is_json(req.mimetype):
            raise MediaTypeError(
                t("Send it as {media}.", media="application/json"),
                details={"media_type": "application/json"},
            )
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise RequestError(
                t("The body is no JSON: {reason}", reason=str(error)), code="web.api.json"
            ) from None
        _check(value)
        return value

    def load_files(self, req: flask.Request, schema: Schema) -> Any:
        """Return what a form sent: files and fields alike."""
        if req.mimetype != "multipart/form-data":
            raise MediaTypeError(
                t("Send it as {media}.", media="multipart/form-data"),
                details={"media_type": "multipart/form-data"},
            )
        sent = {**req.form.to_dict(), **req.files.to_dict()}
        _check(sent)
        return sent

    def load_querystring(self, req: flask.Request, schema: Schema) -> Any:
        """Return the arguments; none may be there twice."""
        given = req.args.to_dict(flat=False)
        twice = [name for name, values in given.items() if len(values) > 1]
        if twice:
            raise RequestError(
                t("{name} is given more than once.", name=", ".join(twice)),
                details={
                    "faults": [{"field": name, "message": t("is there twice.")} for name in twice]
                },
            )
        flat = {name: values[0] for name, values in given.items()}
        _check(flat)
        return flat

    def handle_error(
        self, error: ValidationError, req: Any, schema: Any, **_options: Any
    ) -> NoReturn:
        """Say what is wrong with each field."""
        faults = [
            {"field": ".".join(path), "message": text}
            for location, messages in error.normalized_messages().items()  # type: ignore[no-untyped-call]
            for path, text in _flattened(messages, ())
            if location
        ]
        raise RequestError(
            t("Some of what was sent cannot be read: see errors."), details={"faults": faults}
        ) from None


@cache
def _instance(schema: type[Schema]) -> Schema:
    return schema()


def _flattened(messages: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            yield from _flattened(inner, path if key == "_schema" else (*path, str(key)))
    elif isinstance(messages, list):
        for inner in messages:
            yield from _flattened(inner, path)
    else:
        yield path, own_words(messages if isinstance(messages, str) else str(messages))


def _check(value: Any, depth: int = 0) -> None:
    """Refuse what no field takes: NUL in a text, and nesting that reading would break on."""
    if isinstance(value, str):
        if "\x00" in value:
            raise InputError(t("A text holds a NUL character; remove it."), code="web.api.nul")
        return
    if depth > MOST_DEPTH:
        raise RequestError(
            t("The body is nested more than {depth} deep.", depth=MOST_DEPTH), code="web.api.json"
        )
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _check(name, depth + 1)
            _check(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, depth + 1)
