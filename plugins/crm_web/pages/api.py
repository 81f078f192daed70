"""The documentation of the REST API, drawn from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import current_app

from crm_core.messages import t
from crm_web.sdk.pages import ANYBODY, Pages
from crm_web.sdk.request import Request

pages = Pages("api", __name__, title=t("REST API"), prefix="/api")
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Described:
    """An operation as the page shows it.

    Attributes:
        anchor: By which a link finds it.
        parameters: In the order of the document.
        body: Name of the schema of what is sent, or empty.
        answers: Status and what it means, with the name of its schema or an empty text.
    """

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    parameters: list[Mapping[str, Any]]
    body: str
    answers: list[tuple[str, str, str]]


@pages.get("/docs", right=ANYBODY)
def docs(request: Request) -> str:
    """Show every operation and every schema."""
    told = current_app.extensions["crm"].openapi()
    sections: dict[str, list[Described]] = {tag["name"]: [] for tag in told["tags"]}
    for path, methods in told["paths"].items():
        for method in METHODS:
            if method in methods:
                shown = _described(told, path, method, methods)
                sections[methods[method]["tags"][0]].append(shown)
    schemas = told["components"]["schemas"]
    fields = {name: list(_fields(schema)) for name, schema in sorted(schemas.items())}
    return request.render("web/api/docs.html", sections=sections, schemas=fields)


def _described(
    told: Mapping[str, Any], path: str, method: str, methods: Mapping[str, Any]
) -> Described:
    operation = methods[method]
    given = operation.get("requestBody", {}).get("content", {})
    answers = []
    for status, answer in operation["responses"].items():
        if "$ref" in answer:
            answer = told["components"]["responses"][_name(answer)]  # noqa: PLW2901
        schemas = [each.get("schema", {}) for each in answer.get("content", {}).values()]
        answers.append((str(status), answer["description"], "".join(map(_name, schemas))))
    return Described(
        f"{method}-{path.removeprefix('/api/v1/').replace('/', '-')}",
        method.upper(),
        path,
        operation.get("summary", ""),
        operation.get("description", ""),
        [*methods.get("parameters", ()), *operation.get("parameters", ())],
        "".join(_name(each.get("schema", {})) for each in given.values()),
        sorted(answers),
    )


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _fields(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    """Yield a schema's fields: name, type in words, what it refers to, whether it is needed."""
    for name, field in schema.get("properties", {}).items():
        inner = field.get("items", field)
        kinds = inner.get("type", "")
        words = [kinds] if isinstance(kinds, str) else list(kinds)
        words += [str(inner[key]) for key in ("format",) if key in inner]
        words += [" | ".join(map(str, inner["enum"]))] if "enum" in inner else []
        several = "[] " if "items" in field else ""
        refers = _name(inner) or "".join(_name(each) for each in inner.get("anyOf", ()))
        yield (
            name,
            several + ", ".join(filter(None, words)),
            refers,
            name in schema.get("required", ()),
        )
