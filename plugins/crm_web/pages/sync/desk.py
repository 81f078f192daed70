"""How each back office stands, at one look, and what people ask of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import make_response
from werkzeug.wrappers import Response

from crm_core.entities.sync import SYNC_VIEW
from crm_core.entities.sync_request import RequestKind
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.services.backend_options import switch_backend
from crm_core.services.backends import backend_named
from crm_core.services.sync_status import (
    STANDING,
    last_read,
    latest_runs,
    list_entities,
    list_standing,
    standing_counts,
)
from crm_core.services.workers import last_sign
from crm_core.sync.permit import confirm_backend, permit_of, permits_of
from crm_core.sync.requests import ask, list_requests, open_requests, withdraw
from crm_web.pages.sync.declared import MANAGE, RUN, pages, stage_words
from crm_web.sdk.pages import Menu
from crm_web.sdk.request import Request

CHARTED = 30
FLAGS = ("full", "accept_vanished", "without_plan")
ASKED = (RequestKind.RUN.value, RequestKind.DRY_RUN.value)


@pages.get("/", right=SYNC_VIEW, menu=Menu(t("Sync"), icon="sync", position=60))
def desk(request: Request) -> str:
    """Show how every back office stands."""
    uow = request.uow
    usual = timedelta(minutes=request.application.config.sync_minutes)
    counts: dict[UUID, dict[str, int]] = {}
    for (backend_id, _), each in standing_counts(uow).items():
        total = counts.setdefault(backend_id, dict.fromkeys(STANDING, 0))
        for what, number in each.items():
            total[what] += number
    backends = list_standing(uow, usual)
    runs, read = latest_runs(uow, CHARTED), last_read(uow)
    asked, permits = open_requests(uow), permits_of(uow)
    for item in backends:
        key = item["id"]
        item["counts"] = counts.get(key, dict.fromkeys(STANDING, 0))
        item["runs"], item["read"] = runs.get(key, []), read.get(key, {})
        item["asked"], item["permit"] = asked.get(key, []), permits[key]
        item["marker"] = _marker(item["runs"], item["asked"])
    return request.render(
        "web/sync/desk.html", stage_words=stage_words, backends=backends, sign=last_sign(uow)
    )


@pages.get("/progress", right=SYNC_VIEW)
def progress(request: Request) -> Response:
    """Tell a script how far everything is; ``marker`` moves when a page is out of date."""
    runs, asked = latest_runs(request.uow, 1), open_requests(request.uow)
    told = {}
    for key in {*runs, *asked}:
        newest, waiting = runs.get(key, []), asked.get(key, [])
        told[str(key)] = {"marker": _marker(newest, waiting), **_how_far(newest, waiting)}
    return make_response(told)


@pages.get("/of/<name>", right=SYNC_VIEW)
def backend(request: Request, name: str) -> str:
    """Show one back office: entities, runs, what was asked for."""
    uow = request.uow
    found = backend_named(uow, name)
    usual = timedelta(minutes=request.application.config.sync_minutes)
    (item,) = (each for each in list_standing(uow, usual) if each["id"] == found.id)
    runs = latest_runs(uow, CHARTED).get(found.id, [])
    asked = list_requests(uow, found.id)
    open_ = [each for each in reversed(asked) if each["ended_at"] is None]
    kind = request.application.plugins.backend_types.get(found.type)
    return request.render(
        "web/sync/backend.html",
        stage_words=stage_words,
        item={**item, "runs": runs, "asked": open_, "marker": _marker(runs, open_)},
        kind=kind.title if kind else found.type,
        entities=list_entities(uow, found.id),
        asked=asked,
        permit=permit_of(uow, found),
        is_planned=found.plan_accepted_at is not None,
        sign=last_sign(uow),
    )


@pages.post("/of/<name>/ask/<kind>", right=RUN)
def ask_for(request: Request, name: str, kind: str) -> Response:
    """Ask the worker for a run, or for what one would change."""
    if kind not in ASKED:
        raise InputError(t("That cannot be asked for."), code="web.sync.kind")
    options = {flag: True for flag in FLAGS if request.form.get(flag)}
    request_id = ask(request.uow, name, RequestKind(kind), **options)
    if kind == RequestKind.RUN:
        said = t("Asked for a run of {name}.", name=name)
        return request.back(said, otherwise="sync.backend", name=name)
    return request.to("sync.asked", request_id=request_id)


@pages.post("/of/<name>/check", right=MANAGE)
def check(request: Request, name: str) -> Response:
    """Ask the worker to try the connection."""
    return request.to("sync.asked", request_id=ask(request.uow, name, RequestKind.CHECK))


@pages.post("/asked/<uuid:request_id>/withdraw", right=RUN)
def take_back(request: Request, request_id: UUID) -> Response:
    """Take back what the worker has not begun."""
    withdraw(request.uow, request_id)
    return request.back(t("Taken back."), otherwise="sync.desk")


@pages.post("/of/<name>/switch", right=MANAGE)
def switch(request: Request, name: str) -> Response:
    """Let a back office be synced, or leave it alone."""
    on = request.form.get("on") == "true"
    switch_backend(request.uow, name, on=on)
    said = t("{name} is switched on.", name=name) if on else t("{name} is off.", name=name)
    return request.back(said, otherwise="sync.backend", name=name)


@pages.post("/of/<name>/confirm", right=MANAGE)
def confirm(request: Request, name: str) -> Response:
    """Say that this database is the one that writes to it."""
    confirm_backend(request.uow, name)
    said = t("This database writes to {name}.", name=name)
    return request.done(said, to="sync.backend", name=name)


def _marker(runs: list[dict[str, Any]], asked: list[dict[str, Any]]) -> str:
    run = f"{runs[-1]['id']} {runs[-1]['state']}" if runs else ""
    return " ".join([run, *(f"{each['id']} {each['state']}" for each in asked)])


def _how_far(runs: list[dict[str, Any]], asked: list[dict[str, Any]]) -> dict[str, Any]:
    """Return ``stage``, ``done`` and ``total`` of what goes on; empty when nothing does."""
    told = [each["progress"] for each in asked if each["progress"]]
    if runs and runs[-1]["state"] == "running":
        told.insert(0, runs[-1]["counts"].get("progress"))
    found = next(filter(None, told), None)
    return {**found, "stage": stage_words(found["stage"])} if found else {}
