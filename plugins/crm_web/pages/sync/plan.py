"""The plan of a first sync: made by the worker, decided on here or in a file, applied."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from flask import make_response
from werkzeug.wrappers import Response

from crm_core.entities.sync import SYNC_VIEW
from crm_core.entities.sync_request import RequestKind
from crm_core.errors import InputError
from crm_core.messages import n, t
from crm_core.services.backends import backend_named
from crm_core.services.workers import last_sign
from crm_core.sync.planning.files import read_plan, write_plan
from crm_core.sync.planning.plan import Decision
from crm_core.sync.planning.store import (
    CHOICES,
    GROUPS,
    decide_group,
    decide_rows,
    group_counts,
    kept_plan,
    list_plan_rows,
    load_plan,
    take_decisions,
)
from crm_core.sync.requests import ask, last_request
from crm_web.pages.sync.declared import MANAGE, RUN, SHOWN, pages, stage_words
from crm_web.sdk.request import Request

EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pages.get("/of/<name>/plan", right=SYNC_VIEW)
def plan(request: Request, name: str) -> str:
    """Show the plan by group, and what came of it where it was applied."""
    return _shown(request, name)


def _shown(request: Request, name: str, error: str = "") -> str:
    uow, found = request.uow, backend_named(request.uow, name)
    kept, given = kept_plan(uow, found.id), request.args
    counts, page = group_counts(uow, found.id), None
    group = given.get("group", "")
    if group not in GROUPS:
        group = next((each for each in GROUPS if counts[each]["rows"]), "decide")
    refused = bool(given.get("refused"))
    if kept is not None:
        cursor = given.get("cursor")
        page = list_plan_rows(uow, found.id, group, refused=refused, limit=SHOWN, cursor=cursor)
    requests = (last_request(uow, found.id, kind) for kind in (RequestKind.PLAN, RequestKind.APPLY))
    making, applying = requests
    going = [each for each in (making, applying) if each and each["ended_at"] is None]
    return request.render(
        "web/sync/plan.html",
        stage_words=stage_words,
        name=name,
        backend_id=found.id,
        is_accepted=found.plan_accepted_at is not None,
        plan=kept,
        groups=counts,
        group=group,
        refused=refused,
        page=page,
        choices={side.value: [each.value for each in taken] for side, taken in CHOICES.items()},
        making=making,
        applying=applying,
        going=going,
        may_decide=request.may(MANAGE) and kept is not None and kept["applied_at"] is None,
        sign=last_sign(uow),
        error=error,
    )


@pages.post("/of/<name>/plan/make", right=RUN)
def make_plan(request: Request, name: str) -> Response:
    """Ask the worker for a plan; the one kept until now is replaced."""
    ask(request.uow, name, RequestKind.PLAN)
    return request.to("sync.plan", name=name)


@pages.post("/of/<name>/plan/decide", right=MANAGE)
def decide_plan(request: Request, name: str) -> Response:
    """Decide on rows: each by its own field, those ticked, or all of a group that are open."""
    backend_id = backend_named(request.uow, name).id
    group = request.form.get("group", "")
    try:
        decided = _decided(request, backend_id, group)
    except InputError as error:
        return make_response(_shown(request, name, error.message), error.http_status)
    said = n("{count} row decided.", "{count} rows decided.", decided)
    return request.back(said, otherwise="sync.plan", name=name, group=group)


def _decided(request: Request, backend_id: Any, group: str) -> int:
    uow, form = request.uow, request.form
    together = form.get("together", "")
    if together:
        decision = _decision(together.removesuffix("_all"))
        if together.endswith("_all"):
            return decide_group(uow, backend_id, group, decision)
        return decide_rows(uow, backend_id, _numbers(form.getlist("row")), decision)
    chosen: dict[Decision, list[int]] = {}
    for field, value in form.items():
        number = field.removeprefix("d-")
        if number != field and value != form.get(f"was-{number}"):
            chosen.setdefault(_decision(value), []).extend(_numbers([number]))
    return sum(decide_rows(uow, backend_id, rows, each) for each, rows in chosen.items())


def _decision(text: str) -> Decision:
    try:
        return Decision(text)
    except ValueError:
        raise InputError(
            t("A row can be linked, created, ignored or left open."), code="core.sync.plan_decision"
        ) from None


def _numbers(texts: list[str]) -> list[int]:
    return [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 10]


@pages.get("/of/<name>/plan/file", right=SYNC_VIEW)
def plan_file(request: Request, name: str) -> Response:
    """Return the plan as an Excel file, in which decisions can be changed."""
    found = load_plan(request.uow, backend_named(request.uow, name).id)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.xlsx"
        write_plan(found, path)
        response = make_response(path.read_bytes())
    response.content_type = EXCEL
    response.headers["Content-Disposition"] = f'attachment; filename="plan-{name}.xlsx"'
    return response


@pages.post("/of/<name>/plan/upload", right=MANAGE)
def upload_plan(request: Request, name: str) -> Response:
    """Take over the decisions of a file that was downloaded before."""
    sent = request.files.get("file")
    try:
        if sent is None or not sent.filename:
            raise InputError(t("Choose the file first."), code="web.no_file")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"plan{Path(sent.filename).suffix.lower()[:6]}"
            sent.save(path)
            head, rows, _ = read_plan(path)
        backend_id = backend_named(request.uow, name).id
        changed = take_decisions(request.uow, backend_id, head, rows)
    except InputError as error:
        return make_response(_shown(request, name, error.message), error.http_status)
    said = n("{count} decision taken over.", "{count} decisions taken over.", changed)
    return request.done(said, to="sync.plan", name=name)


@pages.post("/of/<name>/plan/apply", right=MANAGE)
def apply_plan(request: Request, name: str) -> Response:
    """Ask the worker to do what the plan says."""
    ask(request.uow, name, RequestKind.APPLY)
    return request.to("sync.plan", name=name)
