"""Runs, what was asked of the worker, and records that were set aside or are held."""

from __future__ import annotations

from uuid import UUID

from werkzeug.wrappers import Response

from crm_core.entities.sync import SYNC_VIEW
from crm_core.messages import t
from crm_core.services.backends import (
    backend_named,
    list_backends,
    list_runs,
    list_set_aside,
    list_unwritten,
    run_named,
)
from crm_core.services.holds import count_holds, list_holds
from crm_core.services.sync_status import conflicts_of_run, entities_of_run, told_run
from crm_core.services.workers import last_sign
from crm_core.sync.requests import ask_retry, show_request
from crm_core.sync.stopping import STOPPABLE, ask_stop, ask_stop_request, is_alive
from crm_web.pages.sync.declared import RUN, SHOWN, keys, pages, stage_words
from crm_web.sdk.request import Request

STATES = ("running", "done", "partly", "stopped", "failed")


@pages.get("/runs", right=SYNC_VIEW)
def runs(request: Request) -> str:
    """List runs, the latest first."""
    uow, name = request.uow, request.args.get("backend") or None
    state = request.args.get("state")
    page = list_runs(
        uow,
        backend_named(uow, name).id if name else None,
        state=state if state in STATES else None,
        limit=SHOWN,
        cursor=request.args.get("cursor"),
    )
    return request.render(
        "web/sync/runs.html",
        runs=[told_run(run) for run in page.items],
        next_cursor=page.next_cursor,
        backends=[each["name"] for each in list_backends(uow)],
        states=STATES,
        name=name,
        state=state,
    )


@pages.get("/runs/<uuid:run_id>", right=SYNC_VIEW)
def run(request: Request, run_id: UUID) -> str:
    """Show one run: what it read and wrote, what it left out and why."""
    found = run_named(request.uow, str(run_id))
    is_running = found["state"] == "running"
    return request.render(
        "web/sync/run.html",
        stage_words=stage_words,
        run=told_run(found),
        is_alive=is_running and is_alive(request.uow, found["backend_id"], run_id),
        entities=entities_of_run(found["counts"]),
        conflicts=conflicts_of_run(request.uow, found),
    )


@pages.post("/runs/<uuid:run_id>/stop", right=RUN)
def stop(request: Request, run_id: UUID) -> Response:
    """Have a run end at its next page, whichever process it runs in."""
    is_heard = ask_stop(request.uow, run_id)
    said = t("It ends after the page or batch under way; the next run goes on there.")
    if not is_heard:
        said = t("The process of that run was gone; the run is closed.")
    return request.done(said, to="sync.run", run_id=run_id)


@pages.get("/asked/<uuid:request_id>", right=SYNC_VIEW)
def asked(request: Request, request_id: UUID) -> str:
    """Show what was asked for, and what came of it."""
    found = show_request(request.uow, request_id)
    return request.render(
        "web/sync/asked.html",
        stage_words=stage_words,
        asked=found,
        can_stop=found["kind"] in STOPPABLE,
        sign=last_sign(request.uow),
    )


@pages.post("/asked/<uuid:request_id>/stop", right=RUN)
def stop_asked(request: Request, request_id: UUID) -> Response:
    """Have a dry run, a plan or the applying of one end at its next page or batch."""
    ask_stop_request(request.uow, request_id)
    said = t("It ends after the page or batch under way; what it had done is kept.")
    return request.done(said, to="sync.asked", request_id=request_id)


@pages.get("/of/<name>/set-aside", right=SYNC_VIEW)
def set_aside(request: Request, name: str) -> str:
    """List what could not be read or written, with the reasons."""
    uow, backend_id = request.uow, backend_named(request.uow, name).id
    which, cursor = request.args.get("show"), request.args.get("cursor")
    unread = unwritten = None
    if which != "unwritten":
        unread = list_set_aside(uow, backend_id, limit=SHOWN, cursor=cursor if which else None)
    if which != "unread":
        unwritten = list_unwritten(uow, backend_id, limit=SHOWN, cursor=cursor if which else None)
    return request.render("web/sync/set_aside.html", name=name, unread=unread, unwritten=unwritten)


@pages.post("/of/<name>/retry", right=RUN)
def retry(request: Request, name: str) -> Response:
    """Try records again that were set aside: those chosen, or all."""
    unread = keys(request.form.getlist("unread"))
    unwritten = keys(request.form.getlist("unwritten"))
    if not (unread or unwritten or request.form.get("all")):
        return request.back(t("Choose some records first."), otherwise="sync.set_aside", name=name)
    request_id = ask_retry(request.uow, name, unread=unread, unwritten=unwritten)
    return request.to("sync.asked", request_id=request_id)


@pages.get("/of/<name>/held", right=SYNC_VIEW)
def held(request: Request, name: str) -> str:
    """List the records that wait for a person to say what they are on the other side."""
    uow, backend_id = request.uow, backend_named(request.uow, name).id
    page = list_holds(uow, backend_id, limit=SHOWN, cursor=request.args.get("cursor"))
    counts = count_holds(uow, backend_id)
    return request.render("web/sync/held.html", name=name, page=page, counts=counts)
