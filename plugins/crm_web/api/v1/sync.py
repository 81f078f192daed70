"""Back offices: how they stand, runs, requests, conflicts, what is set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from crm_core.entities.conflict import ConflictState
from crm_core.entities.sync import SYNC_VIEW
from crm_core.entities.sync_request import RequestKind
from crm_core.persistence.paging import Page
from crm_core.schemas.customer import LINE, TEXT
from crm_core.services import backends
from crm_core.services.backend_options import switch_backend
from crm_core.services.sync_status import list_entities, list_standing
from crm_core.sync import requests, resolve
from crm_core.sync.masters import CHOICES, masters_of, set_masters
from crm_core.sync.permit import confirm_backend
from crm_core.sync.stopping import ask_stop, ask_stop_request
from crm_web.sdk.api import Api, Call, Flag, PageQuery, Result, Said, SaidData, Strict

api = Api("sync", title="Back offices and sync", prefix="/")
BACKEND = "/backends/<name>"
RUN, MANAGE = "core.sync.run", "core.backend.manage"


class BackendResult(Result):
    """A back office, and how its last run went."""

    id = fields.UUID(required=True)
    name = fields.String()
    type = fields.String()
    is_enabled = fields.Boolean()
    is_paused = fields.Boolean()
    writes = Said()
    running_by = fields.String()
    run_id = fields.UUID()
    run_state = fields.String()
    started_at = fields.DateTime()
    finished_at = fields.DateTime()
    succeeded_at = fields.DateTime()
    message = Said()
    set_aside = fields.Integer()
    login_refused_at = fields.DateTime()
    hindrances = fields.List(Said())


class EntityResult(Result):
    """How far one kind of record is in step."""

    entity = fields.String(required=True)
    mark = fields.DateTime()
    refreshed_at = fields.DateTime()
    swept_at = fields.DateTime()
    is_under_way = fields.Boolean()
    age_seconds = fields.Float()
    bound = fields.Dict(keys=fields.String(), values=fields.Integer())
    waiting = fields.Integer()
    unwritten = fields.Integer()
    set_aside = fields.Integer()
    conflicts = fields.Integer()
    held = fields.Integer()


class SwitchSchema(Strict):
    """Whether it is synced."""

    on = Flag(required=True)


class MasterResult(Result):
    """Who wins a field that both sides changed."""

    entity = fields.String(required=True)
    field = fields.String(required=True)
    master = fields.String()
    source = fields.String()


class MastersSchema(Strict):
    """Field to master: ``{"customer.note": "ask"}``."""

    masters = fields.Dict(
        keys=fields.String(),
        values=fields.String(validate=validate.OneOf(CHOICES)),
        required=True,
        validate=validate.Length(min=1),
        metadata={"minProperties": 1},
    )


class RunsQuery(PageQuery):
    """Which runs."""

    backend = fields.String(validate=validate.Length(1, LINE))
    state = fields.String(
        validate=validate.OneOf(["running", "done", "partly", "stopped", "failed"])
    )


class RunResult(Result):
    """One run of the sync."""

    id = fields.UUID(required=True)
    backend_id = fields.UUID()
    backend = fields.String()
    state = fields.String()
    started_at = fields.DateTime()
    finished_at = fields.DateTime()
    counts = SaidData()
    remote_calls = fields.Integer()
    message = Said()
    stop_asked_by = fields.String()


class RequestSchema(Strict):
    """What the worker shall do; the flags go with ``run`` and ``dry_run``."""

    kind = fields.String(
        required=True,
        validate=validate.OneOf([each.value for each in RequestKind if each != RequestKind.RETRY]),
    )
    full = Flag()
    accept_vanished = Flag()


class RetrySchema(Strict):
    """What to try again; all that is set aside where none are named."""

    unread = fields.List(fields.UUID(), validate=validate.Length(max=500))
    unwritten = fields.List(fields.UUID(), validate=validate.Length(max=500))


class RequestResult(Result):
    """What the worker was asked for, and how far it is."""

    id = fields.UUID(required=True)
    backend_id = fields.UUID()
    kind = fields.String()
    state = fields.String()
    asked_at = fields.DateTime()
    asked_by = fields.String()
    began_at = fields.DateTime()
    ended_at = fields.DateTime()
    stop_asked_by = fields.String()
    progress = fields.Raw()
    message = Said()
    result = SaidData()


class ConflictQuery(PageQuery):
    """Which conflicts; those that are not decided unless said."""

    backend = fields.String(validate=validate.Length(1, LINE))
    state = fields.String(validate=validate.OneOf([each.value for each in ConflictState]))
    entity = fields.String(validate=validate.Length(1, LINE))
    field = fields.String(
        validate=validate.Length(1, LINE), metadata={"description": "Such as customer.name."}
    )


class ConflictResult(Result):
    """A field that both sides changed."""

    id = fields.UUID(required=True)
    backend = fields.String()
    entity = fields.String()
    label = fields.String()
    field = fields.String()
    base = fields.Raw()
    ours = fields.Raw()
    theirs = fields.Raw()
    ours_at = fields.DateTime()
    ours_by = fields.String()
    theirs_at = fields.DateTime()
    theirs_by = fields.String()
    state = fields.String()
    winner = fields.String()
    suggestion = fields.String()
    because = Said()
    opened_at = fields.DateTime()
    decided_at = fields.DateTime()
    decided_by = fields.String()


class ResolveSchema(Strict):
    """Whose value counts, for some conflicts; all of them are decided, or none."""

    ids = fields.List(fields.UUID(), required=True, validate=validate.Length(1, 500))
    take = fields.String(required=True, validate=validate.OneOf(resolve.TAKES))
    value = fields.String(
        validate=validate.Length(max=TEXT), metadata={"description": "Goes with take=value."}
    )


class ResolvedResult(Result):
    """A conflict that was decided."""

    id = fields.UUID(required=True)


class UnreadResult(Result):
    """A record of a back office that cannot be read now, and why."""

    id = fields.UUID(required=True)
    entity = fields.String()
    remote_id = fields.String()
    label = fields.String()
    code = fields.String()
    reason = Said()
    attempts = fields.Integer()
    first_at = fields.DateTime()
    last_at = fields.DateTime()


class UnwrittenResult(Result):
    """A record of ours that cannot be written to a back office now, and why."""

    id = fields.UUID(required=True)
    entity = fields.String()
    local_id = fields.UUID()
    label = fields.String()
    code = fields.String()
    reason = Said()
    attempts = fields.Integer()
    first_at = fields.DateTime()
    last_at = fields.DateTime()


@api.get("/backends", page=BackendResult, right=SYNC_VIEW)
def list_backends(call: Call) -> Sequence[Mapping[str, Any]]:
    """List back offices, and how each stands."""
    usual = timedelta(minutes=call.request.application.config.sync_minutes)
    return list_standing(call.uow, usual)


@api.get(f"{BACKEND}/entities", page=EntityResult, right=SYNC_VIEW)
def entities(call: Call, name: str) -> Sequence[Mapping[str, Any]]:
    """List how far each kind of record is in step."""
    return list_entities(call.uow, backends.backend_named(call.uow, name).id)


@api.put(f"{BACKEND}/switch", body=SwitchSchema, right=MANAGE)
def switch(call: Call, name: str) -> None:
    """Let a back office be synced, or leave it alone."""
    switch_backend(call.uow, name, on=call.body["on"])


@api.post(f"{BACKEND}/confirm", right=MANAGE)
def confirm(call: Call, name: str) -> None:
    """Say that this database is the one that writes to it."""
    confirm_backend(call.uow, name)


@api.get(f"{BACKEND}/masters", page=MasterResult, right=SYNC_VIEW)
def masters(call: Call, name: str) -> Sequence[Mapping[str, Any]]:
    """List who wins each field that both sides changed."""
    return masters_of(call.uow, name, **_known(call, name))


@api.patch(f"{BACKEND}/masters", body=MastersSchema, page=MasterResult, right=MANAGE)
def change_masters(call: Call, name: str) -> Sequence[Mapping[str, Any]]:
    """Say who wins some fields."""
    chosen = [f"{field}={master}" for field, master in call.body["masters"].items()]
    set_masters(call.uow, name, chosen, **_known(call, name))
    return masters_of(call.uow, name, **_known(call, name))


@api.get("/runs", query=RunsQuery, page=RunResult, right=SYNC_VIEW)
def list_runs(call: Call) -> Page[dict[str, Any]]:
    """List runs, the latest first."""
    asked = dict(call.query)
    name = asked.pop("backend", None)
    backend_id = None if name is None else backends.backend_named(call.uow, name).id
    return backends.list_runs(call.uow, backend_id, **asked)


@api.get("/runs/<uuid:run_id>", result=RunResult, right=SYNC_VIEW)
def run(call: Call, run_id: UUID) -> Mapping[str, Any]:
    """Return a run."""
    return backends.run_named(call.uow, str(run_id))


@api.post("/runs/<uuid:run_id>/stop", result=RunResult, status=202, right=RUN)
def stop(call: Call, run_id: UUID) -> Mapping[str, Any]:
    """Have a run end at its next page, whichever process it runs in; one that died is closed."""
    ask_stop(call.uow, run_id)
    return backends.run_named(call.uow, str(run_id))


@api.post(
    f"{BACKEND}/requests", body=RequestSchema, result=RequestResult, status=202, right=SYNC_VIEW
)
def ask(call: Call, name: str) -> Mapping[str, Any]:
    """Ask the worker for a run, a dry run, a plan, its application, or a test of the connection."""
    flags = dict(call.body)
    kind = RequestKind(flags.pop("kind"))
    if kind not in (RequestKind.RUN, RequestKind.DRY_RUN):
        flags = {}
    return requests.show_request(call.uow, requests.ask(call.uow, name, kind, **flags))


@api.post(f"{BACKEND}/retry", body=RetrySchema, result=RequestResult, status=202, right=RUN)
def retry(call: Call, name: str) -> Mapping[str, Any]:
    """Ask for records that were set aside to be tried again."""
    return requests.show_request(call.uow, requests.ask_retry(call.uow, name, **call.body))


@api.get("/requests/<uuid:request_id>", result=RequestResult, right=SYNC_VIEW)
def request(call: Call, request_id: UUID) -> Mapping[str, Any]:
    """Tell how far a request to the worker is."""
    return requests.show_request(call.uow, request_id)


@api.delete("/requests/<uuid:request_id>", right=RUN)
def withdraw(call: Call, request_id: UUID) -> None:
    """Take back what the worker has not begun."""
    requests.withdraw(call.uow, request_id)


@api.post("/requests/<uuid:request_id>/stop", result=RequestResult, status=202, right=RUN)
def stop_request(call: Call, request_id: UUID) -> Mapping[str, Any]:
    """Have a dry run, a plan or the applying of one end at its next page or batch."""
    ask_stop_request(call.uow, request_id)
    return requests.show_request(call.uow, request_id)


@api.get("/conflicts", query=ConflictQuery, page=ConflictResult, right=SYNC_VIEW)
def conflicts(call: Call) -> Page[dict[str, Any]]:
    """List fields that both sides changed, the latest first."""
    asked = dict(call.query)
    name, state = asked.pop("backend", None), asked.pop("state", None)
    chosen = resolve.Chosen(
        None if name is None else backends.backend_named(call.uow, name).id,
        asked.pop("field", None),
        asked.pop("entity", None),
    )
    wanted = None if state is None else ConflictState(state)
    return resolve.list_conflicts(call.uow, chosen, state=wanted, **asked)


@api.get("/conflicts/<uuid:conflict_id>", result=ConflictResult, right=SYNC_VIEW)
def conflict(call: Call, conflict_id: UUID) -> Mapping[str, Any]:
    """Return a conflict, with what is suggested."""
    return resolve.show_conflict(call.uow, str(conflict_id))


@api.post("/conflicts/resolve", body=ResolveSchema, page=ResolvedResult, right=resolve.RESOLVE)
def resolve_(call: Call) -> Sequence[Mapping[str, Any]]:
    """Decide conflicts; the next run carries it out."""
    body = call.body
    ids = [str(each) for each in body["ids"]]
    done = resolve.resolve_conflicts(call.uow, ids, body["take"], value=body.get("value"))
    return [{"id": each} for each in done]


@api.get(f"{BACKEND}/unread", query=PageQuery, page=UnreadResult, right=SYNC_VIEW)
def unread(call: Call, name: str) -> Page[dict[str, Any]]:
    """List records that could not be read, with the reason of each."""
    backend_id = backends.backend_named(call.uow, name).id
    return backends.list_set_aside(call.uow, backend_id, **call.query)


@api.get(f"{BACKEND}/unwritten", query=PageQuery, page=UnwrittenResult, right=SYNC_VIEW)
def unwritten(call: Call, name: str) -> Page[dict[str, Any]]:
    """List records that could not be written, with the reason of each."""
    backend_id = backends.backend_named(call.uow, name).id
    return backends.list_unwritten(call.uow, backend_id, **call.query)


def _known(call: Call, name: str) -> dict[str, Any]:
    application = call.request.application
    return {
        "fixed": application.fixed_masters(name),
        "plugins": tuple(application.plugins.entities.values()),
    }
