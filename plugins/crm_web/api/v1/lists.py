"""Many customers at once: saved views, changing many, taking a list away as a file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import Response, send_file
from marshmallow import fields, validate

from crm_core.entities.customer import CustomerStage
from crm_core.entities.view import SavedView, Sharing
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.schemas.customer import LINE, NAME
from crm_core.services import customer_bulk_edit as bulk
from crm_core.services import saved_views as views
from crm_core.services.customer_export import EXPORT, FORMATS
from crm_core.services.customer_list_export import export_list
from crm_core.services.customer_list_query import MOST_LETTERS, parse_list_query
from crm_web.sdk.api import Api, Call, Flag, Result, Said, Strict, Whole

api = Api("lists", title="Lists of customers", prefix="/")
MEDIA = "application/octet-stream"


class ViewResult(Result):
    """A saved view."""

    id = fields.UUID(required=True)
    name = fields.String()
    query = fields.String()
    sharing = fields.String()
    is_default = fields.Boolean()
    owner_id = fields.UUID()
    owner_name = fields.String()
    is_own = fields.Boolean()
    version = fields.Integer()


class ViewsQuery(Strict):
    """Of which list."""

    list_name = fields.String(validate=validate.Length(1, LINE))


def _sharing(**options: Any) -> fields.String:
    return fields.String(validate=validate.OneOf([each.value for each in Sharing]), **options)


class ViewSchema(Strict):
    """A query to keep under a name."""

    name = fields.String(required=True, validate=validate.Length(1, LINE))
    query = fields.String(
        required=True,
        validate=validate.Length(max=MOST_LETTERS),
        metadata={"description": "As a link to the list has it: stage=active&sort=-created"},
    )
    list_name = fields.String(validate=validate.Length(1, LINE))
    sharing = _sharing()
    is_default = Flag()


class ViewChangesSchema(Strict):
    """What to change of a view."""

    name = fields.String(validate=validate.Length(1, LINE))
    query = fields.String(validate=validate.Length(max=MOST_LETTERS))
    sharing = _sharing()
    is_default = Flag()


class ChosenSchema(Strict):
    """A customer, and the version that was read; without it, whatever is there."""

    id = fields.UUID(required=True)
    version = Whole(validate=validate.Range(1, 2**31 - 1))


def _tags() -> Any:
    name = fields.String(validate=validate.Length(1, NAME))
    return fields.List(name, validate=validate.Length(max=200))


class BulkChangesSchema(Strict):
    """What to change on each."""

    owner = fields.String(
        validate=validate.Length(max=LINE),
        metadata={"description": "A login; an empty text for nobody."},
    )
    stage = fields.String(validate=validate.OneOf([each.value for each in CustomerStage]))
    add_tags = _tags()
    remove_tags = _tags()
    archive = Flag(metadata={"description": "True to archive, false to bring back."})
    profile = fields.Dict(
        keys=fields.String(), values=fields.String(validate=validate.Length(max=LINE))
    )


class BulkSchema(Strict):
    """Which customers, and what to change on each."""

    items = fields.List(
        fields.Nested(ChosenSchema), required=True, validate=validate.Length(1, bulk.MOST_AT_ONCE)
    )
    changes = fields.Nested(BulkChangesSchema, required=True)


class BulkOutcomeResult(Result):
    """What came of one customer."""

    customer_id = fields.UUID(required=True)
    name = fields.String()
    state = fields.String(metadata={"description": "done, unchanged or refused"})
    code = fields.String()
    message = Said()


class ExportBody(Strict):
    """Which customers and columns, and in which form."""

    query = fields.String(validate=validate.Length(max=MOST_LETTERS))
    format = fields.String(required=True, validate=validate.OneOf(FORMATS))


@api.get("/views", query=ViewsQuery, page=ViewResult, right=CUSTOMER_VIEW)
def views_(call: Call) -> Sequence[Mapping[str, Any]]:
    """List the saved views that one may use: one's own and those shared."""
    return views.list_views(call.uow, **call.query)


@api.post("/views", body=ViewSchema, result=ViewResult, status=201, right=CUSTOMER_VIEW)
def add_view(call: Call) -> SavedView:
    """Keep a query under a name."""
    body = dict(call.body)
    return views.add_view(call.uow, body.pop("name"), body.pop("query"), **body)


@api.patch(
    "/views/<uuid:view_id>",
    body=ViewChangesSchema,
    result=ViewResult,
    versioned=True,
    right=CUSTOMER_VIEW,
)
def change_view(call: Call, view_id: UUID) -> SavedView:
    """Change a view of one's own."""
    version = call.expected_version
    return views.change_view(call.uow, view_id, expected_version=version, **call.body)


@api.delete("/views/<uuid:view_id>", right=CUSTOMER_VIEW)
def remove_view(call: Call, view_id: UUID) -> None:
    """Remove a view of one's own."""
    views.remove_view(call.uow, view_id)


@api.post("/customers/bulk", body=BulkSchema, page=BulkOutcomeResult, right=CUSTOMER_VIEW)
def bulk_edit(call: Call) -> Sequence[bulk.BulkOutcome]:
    """Change many customers; each has an outcome of its own, and one refused holds up no other."""
    chosen = [bulk.Chosen(each["id"], each.get("version")) for each in call.body["items"]]
    changes = dict(call.body["changes"])
    for name in changes.keys() & {"add_tags", "remove_tags"}:
        changes[name] = tuple(changes[name])
    return bulk.edit_many(call.uow, chosen, bulk.BulkChanges(**changes))


@api.post("/customers/export", body=ExportBody, media=MEDIA, right=EXPORT, opens_own=True)
def export(call: Call) -> Response:
    """Return a list as a file: CSV, Excel or vCard; that somebody took it along is audited."""
    kind = call.body["format"]
    with tempfile.NamedTemporaryFile(suffix=f".{kind}") as file:
        query = parse_list_query(call.body.get("query", ""))
        database = call.request.application.database
        export_list(database, call.actor, query, Path(file.name), format=kind)
        made = Path(file.name).open("rb")  # noqa: SIM115  the answer closes it
    return send_file(made, MEDIA, as_attachment=True, download_name=f"customers.{kind}")
