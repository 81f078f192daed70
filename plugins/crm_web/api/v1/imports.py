"""Imports from files: sent, tried, run by the worker, undone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import send_file
from marshmallow import fields, validate
from werkzeug.wrappers import Response

from crm_core.entities.import_job import IMPORT
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.paging import Page
from crm_core.services import import_jobs as jobs
from crm_core.services.attachments import keep_bytes
from crm_core.services.customer_matching import MATCH_KEYS
from crm_core.services.import_undo import ask_undo
from crm_web.sdk.api import Api, Call, File, PageQuery, Result, Said, SaidData, Strict

api = Api("imports", title="Imports", prefix="/imports")
JOB = "/<uuid:job_id>"
CSV = "text/csv"


class ColumnsField(fields.String):
    """A form's text that holds JSON: heading to the column that it means."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            told = json.loads(super()._deserialize(value, *args, **kwargs))
        except ValueError:
            told = None
        if not isinstance(told, dict) or not all(isinstance(each, str) for each in told.values()):
            raise InputError(
                t("columns: write it as JSON, heading to column."), code="web.api.columns"
            )
        return told


class ImportSchema(Strict):
    """A file to import, as a form sends it."""

    file = File(required=True)
    columns = ColumnsField(metadata={"description": "JSON: heading to column, blank for none."})
    match = fields.String(
        validate=validate.Length(1, 200),
        metadata={"description": f"Keys separated by commas; {', '.join(MATCH_KEYS)}."},
    )
    dry_run = fields.String(validate=validate.OneOf(["true", "false"]))


class ImportResult(Result):
    """An import, and how far it is."""

    id = fields.UUID(required=True)
    owner = fields.String()
    file_name = fields.String()
    size_bytes = fields.Integer()
    is_dry_run = fields.Boolean()
    state = fields.String()
    created_at = fields.DateTime()
    began_at = fields.DateTime()
    ended_at = fields.DateTime()
    progress = fields.Raw()
    result = SaidData()
    message = Said()
    undo = SaidData()
    columns = fields.Dict(keys=fields.String(), values=fields.String())
    match = fields.List(fields.String())
    has_faults = fields.Boolean()


@api.get("/", query=PageQuery, page=ImportResult, right=IMPORT)
def list_(call: Call) -> Page[dict[str, Any]]:
    """List imports, the latest first."""
    return jobs.list_imports(call.uow, **call.query)


@api.post("/", upload=ImportSchema, result=ImportResult, status=201, right=IMPORT)
def send(call: Call) -> Mapping[str, Any]:
    """Send a file, to be imported by the worker; with ``dry_run`` it is only tried."""
    body, file = call.body, call.body["file"]
    folder = call.request.application.config.files_folder
    job = jobs.queue_import(
        call.uow,
        keep_bytes(folder, file.stream),
        file.filename or "",
        columns=body.get("columns"),
        match=body.get("match", ",".join(MATCH_KEYS)).split(","),
        dry_run=body.get("dry_run") == "true",
    )
    return jobs.show_import(call.uow, job.id)


@api.get(JOB, result=ImportResult, right=IMPORT)
def get(call: Call, job_id: UUID) -> Mapping[str, Any]:
    """Tell how far an import is, and what came of it."""
    return jobs.show_import(call.uow, job_id)


@api.get(f"{JOB}/faults", media=CSV, right=IMPORT)
def faults(call: Call, job_id: UUID) -> Response:
    """Return the file of faults."""
    folder = call.request.application.config.files_folder
    path = jobs.faults_path(call.uow, folder, job_id)
    return send_file(path, mimetype=CSV, as_attachment=True, download_name="faults.csv")


@api.post(f"{JOB}/run", result=ImportResult, status=201, right=IMPORT)
def run(call: Call, job_id: UUID) -> Mapping[str, Any]:
    """Import what was tried, with the same columns and keys."""
    return jobs.show_import(call.uow, jobs.queue_again(call.uow, job_id).id)


@api.post(f"{JOB}/stop", result=ImportResult, right=IMPORT)
def stop(call: Call, job_id: UUID) -> Mapping[str, Any]:
    """Stop an import at its next batch; what was written until then stays."""
    return jobs.show_import(call.uow, jobs.stop_import(call.uow, job_id).id)


@api.post(f"{JOB}/undo", result=ImportResult, right=IMPORT)
def undo(call: Call, job_id: UUID) -> Mapping[str, Any]:
    """Ask the worker to undo an import."""
    return jobs.show_import(call.uow, ask_undo(call.uow, job_id).id)
