"""The conflict desk: what both sides changed, and deciding it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from werkzeug.wrappers import Response

from crm_core.entities.conflict import MERGED, ConflictState
from crm_core.entities.sync import SYNC_VIEW
from crm_core.errors import InputError
from crm_core.messages import n, t
from crm_core.services.backends import backend_named
from crm_core.sync.resolve import (
    RESOLVE,
    VALUE,
    Chosen,
    list_conflicts,
    neighbours,
    open_fields,
    resolve_conflicts,
    show_conflict,
    takes_text,
)
from crm_web.pages.sync.declared import SHOWN, pages
from crm_web.sdk.request import Request

AGES = {"1": t("older than a day"), "7": t("older than a week"), "30": t("older than 30 days")}
STATES = ("open", "resolved", "done", "gone")
FILTERS = ("backend", "entity", "field", "age", "state")


@pages.get("/conflicts", right=SYNC_VIEW)
def conflicts(request: Request) -> str:
    """List the fields that both sides changed."""
    return _listed(request, request.args)


def _listed(request: Request, given: Any) -> str:
    filters = {name: given.get(name, "") for name in FILTERS}
    state = filters["state"] if filters["state"] in STATES else STATES[0]
    page = list_conflicts(
        request.uow,
        _chosen(request, filters),
        state=ConflictState(state),
        limit=SHOWN,
        cursor=given.get("cursor"),
    )
    counted = open_fields(request.uow)
    return request.render(
        "web/sync/conflicts.html",
        page=page,
        filters={**filters, "state": state},
        counted=counted,
        open=sum(each["open"] for each in counted),
        ages=AGES,
        states=STATES,
    )


def _chosen(request: Request, filters: dict[str, str]) -> Chosen:
    name, age = filters["backend"], filters["age"]
    return Chosen(
        backend_named(request.uow, name).id if name else None,
        filters["field"] or None,
        filters["entity"] or None,
        request.uow.now - timedelta(days=int(age)) if age in AGES else None,
    )


@pages.post("/conflicts", right=RESOLVE)
def decide_many(request: Request) -> Response:
    """Decide the conflicts chosen, or all that the filters leave open, for one side."""
    take = request.form.get("take", "")
    filters = {name: request.form.get(name, "") for name in FILTERS}
    chosen: Any = request.form.getlist("conflict")
    if request.form.get("all"):
        chosen = _chosen(request, filters)
    if take not in ("erp", "crm") or not chosen:
        said = t("Choose conflicts first, then whose value counts.")
        return request.back(said, otherwise="sync.conflicts")
    decided = resolve_conflicts(request.uow, chosen, take)
    told = n(
        "{count} conflict decided; the next run carries it out.",
        "{count} conflicts decided; the next run carries it out.",
        len(decided),
    )
    kept = {name: value for name, value in filters.items() if value}
    return request.done(told, to="sync.conflicts", **kept)


@pages.get("/conflicts/<uuid:conflict_id>", right=SYNC_VIEW)
def conflict(request: Request, conflict_id: UUID) -> str:
    """Show one conflict: both sides, what they last agreed on, and a suggestion."""
    return request.render("web/sync/conflict.html", **_side_by_side(request, conflict_id))


def _side_by_side(request: Request, conflict_id: UUID) -> dict[str, Any]:
    found = show_conflict(request.uow, str(conflict_id))
    newer, older = neighbours(request.uow, conflict_id)
    return {
        "conflict": found,
        "is_merge": found["field"] == MERGED,
        "takes_text": takes_text(found["entity"], found["field"]),
        "newer": newer,
        "older": older,
        "error": "",
        "typed": None,
    }


@pages.post("/conflicts/<uuid:conflict_id>", right=RESOLVE)
def decide(request: Request, conflict_id: UUID) -> Response:
    """Decide one conflict: for a side, or with another value; then go on to the next."""
    take = request.form.get("take", "")
    typed = request.form.get("value", "").strip() if take == VALUE else None
    shown = _side_by_side(request, conflict_id)
    if take not in ("erp", "crm", VALUE):
        return request.refuse("web/sync/conflict.html", **shown)
    try:
        resolve_conflicts(request.uow, [str(conflict_id)], take, value=typed)
    except InputError as error:
        told = {**shown, "error": error.message, "typed": typed}
        return request.refuse("web/sync/conflict.html", error.http_status, **told)
    said = t("Decided; the next run carries it out.")
    following = shown["older"] or shown["newer"]
    if following:
        return request.done(said, to="sync.conflict", conflict_id=following)
    return request.done(said, to="sync.conflicts")
