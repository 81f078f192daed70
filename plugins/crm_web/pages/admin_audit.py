"""The record of who changed what, with search and the state of its chain."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from werkzeug.wrappers import Response

from crm_core.entities.customer import Customer
from crm_core.entities.system import AUDIT_VIEW
from crm_core.entities.user import Role, Team, User
from crm_core.errors import InputError
from crm_core.messages import n, t
from crm_core.services.audit import AuditFilter, list_audit, verify
from crm_web.sdk.pages import Menu, Pages
from crm_web.sdk.request import Request
from crm_web.shown import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

pages = Pages("admin_audit", __name__, title="Audit", prefix="/admin/audit")
SHOWN = 50
FILTERS = ("login", "action", "entity", "field", "text", "since", "until", "sealed")
ACTIONS = ("create", "update", "delete", "erase", "merge", "export", "stop")
NAMED = {"customer_id": Customer, "role_id": Role, "team_id": Team}
"""What fields name by an id; others, such as an owner's, name a user."""

FIRST, LAST = date(2, 1, 1), date(9998, 12, 31)
"""Beyond these nothing was written, and a day has no moments in every zone."""


@pages.get("/", right=AUDIT_VIEW, menu=Menu(t("Audit"), "shield", "admin", position=80))
def audit(request: Request) -> str:
    """List who changed what, as far as the filters say."""
    filters = {name: request.args.get(name, "").strip() for name in FILTERS}
    page, error = None, ""
    try:
        page = list_audit(
            request.uow,
            entity_type=filters["entity"] or None,
            wanted=_wanted(request, filters),
            limit=SHOWN,
            cursor=request.args.get("cursor"),
        )
    except InputError as told:
        error = told.message
    return request.render(
        "web/admin/audit.html",
        page=page,
        names=_names(request, page.items if page else ()),
        kept=_kept,
        filters=filters,
        actions=ACTIONS,
        error=error,
    )


def _names(request: Request, entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return what the records are called that entries name by their ids."""
    wanted: dict[Any, set[UUID]] = defaultdict(set)
    for each in entries:
        if each["customer_id"]:
            wanted[Customer].add(each["customer_id"])
        for name, pair in (each["changes"] or {}).items():
            if name.endswith("_id"):
                ids = map(_uuid, pair if isinstance(pair, list) else [pair])
                wanted[NAMED.get(name, User)].update(filter(None, ids))
    found = [
        request.uow.execute(select(model.id, model.name).where(model.id.in_(ids)))
        for model, ids in wanted.items()
        if ids
    ]
    return {str(row.id): row.name for rows in found for row in rows}


def _kept(value: Any) -> Any:
    """Return a value that was written down as it is shown: a moment where the viewer is."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) and "T" in value else None
        return moment(at) if at and at.tzinfo else value
    except (ValueError, OverflowError):  # people type what they like: not every zone has year 1
        return value


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _wanted(request: Request, filters: dict[str, str]) -> AuditFilter:
    sealed = {"yes": True, "no": False}.get(filters["sealed"])
    given: dict[str, Any] = {
        name: filters[name] or None for name in ("login", "action", "field", "text")
    }
    until = _day(request, filters["until"])
    return AuditFilter(
        **given,
        since=_day(request, filters["since"]),
        until=until + timedelta(days=1) if until else None,
        is_sealed=sealed,
    )


def _day(request: Request, text: str) -> datetime | None:
    """Return when a day begins for the viewer; raises InputError for what is no day."""
    if not text:
        return None
    zone = request.viewer.time_zone if request.viewer else request.settings.time_zone
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007  the zone follows
    except ValueError:
        raise InputError(t("{text!r} is no day.", text=text[:40]), code="web.form") from None
    return datetime.combine(min(max(day, FIRST), LAST), time(), ZoneInfo(zone))


@pages.post("/verify", right=AUDIT_VIEW)
def check(request: Request) -> Response:
    """Verify the chain from its first entry to its last."""
    report = verify(request.application.database)
    if report.first_break is not None:
        broken = report.first_break
        said = t(
            "The chain breaks at position {position}: {reason}",
            position=broken.position,
            reason=broken.reason,
        )
        request.notices.append(("bad", said))
        return request.to("admin_audit.audit")
    said = n(
        "The chain of {count} entry is whole; {unsealed} wait to be sealed by the worker.",
        "The chain of {count} entries is whole; {unsealed} wait to be sealed by the worker.",
        report.sealed,
        unsealed=report.unsealed,
    )
    return request.done(said, to="admin_audit.audit")
