"""Handing a leaver's work over: trying it out, doing it, undoing it, and the packs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate

from crm_core.errors import CrmError
from crm_core.messages import n, p, t
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.services.customer_export import EXPORT
from crm_core.services.teams import list_teams
from crm_core.services.users import list_users
from crm_sales.models import ItemState
from crm_sales.permissions import HANDOVER
from crm_sales.services.handover.handing import hand_over, plan_handover
from crm_sales.services.handover.packs import customer_pack, export_packs
from crm_sales.services.handover.reading import handed_items, list_handovers, show_handover
from crm_sales.services.handover.undoing import is_undoable, undo_handover
from crm_web.sdk import Form, Menu, Pages, Request

pages = Pages("sales_handover", "crm_sales", title=t("Handovers"), prefix="/sales/handover")
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
KINDS: Mapping[str, str] = {
    "customer": p("many", "Customers"),
    "activity": p("many", "Activities"),
    "sales_opportunity": p("many", "Deals"),
    "sales_lead": p("many", "Leads"),
    "sales_quote": p("many", "Offers"),
}
"""What kinds of records are called; others say what they are themselves."""
STATES: Mapping[str, str] = {
    ItemState.GIVEN.value: p("of a record", "handed over"),
    ItemState.BACK.value: p("of a record", "given back"),
    ItemState.LEFT.value: p("of a record", "left where it was"),
}


class HandoverSchema(Schema):
    """Whose work goes to whom."""

    leaver = fields.String(required=True, metadata={"title": t("Whose work")})
    to = fields.List(
        fields.String(),
        load_default=list,
        metadata={
            "title": t("To whom"),
            "kind": "checkboxes",
            "help": t("Several take turns with the customers."),
        },
    )
    team = fields.String(
        allow_none=True, metadata={"title": t("Or a team"), "help": t("Its members take turns.")}
    )
    rules = fields.String(
        allow_none=True,
        validate=validate.Length(max=10_000),
        metadata={
            "title": t("Rules that come first"),
            "help": t(
                "One a line, such as country=GR:eleni or stage=negotiation:mara. What can be "
                "asked: country, language, stage, pipeline, kind, customer."
            ),
            "rows": 4,
        },
    )
    note = fields.String(
        allow_none=True, validate=validate.Length(max=2_000), metadata={"title": t("Why")}
    )


@pages.get("/", right=HANDOVER, menu=Menu(t("Handovers"), "person", "admin", 15))
def handovers(request: Request) -> str:
    """Show handovers, the latest first."""
    page = list_handovers(request.uow, cursor=request.args.get("cursor") or None)
    return request.render("sales/handover/list.html", page=page)


@pages.get("/new", right=HANDOVER)
def new(request: Request) -> str:
    """Show the form to hand over."""
    values = {"leaver": request.args.get("leaver", "")}
    return request.render("sales/handover/new.html", form=_form(request, values), plan=None)


@pages.post("/new", right=HANDOVER)
def send_new(request: Request) -> Any:
    """Say what would go to whom; hand over once that was seen."""
    try:
        given = request.read(HandoverSchema(), lists=("to",))
        by: dict[str, Any] = {
            "to": given["to"],
            "team": given.get("team"),
            "rules": (given.get("rules") or "").splitlines(),
        }
        if request.form.get("do") != "hand-over":
            plan = plan_handover(request.uow, given["leaver"], **by)
            form = _form(request, request.form)
            return request.render("sales/handover/new.html", form=form, plan=plan)
        made = hand_over(request.uow, given["leaver"], note=given.get("note"), **by)
    except CrmError as error:
        form = _form(request, request.form, error)
        status = error.http_status
        return request.refuse("sales/handover/new.html", status, form=form, plan=None)
    count = sum(made.counts.values())
    message = n("{count} record was handed over.", "{count} records were handed over.", count)
    return request.done(message, to="sales_handover.handover", handover_id=made.id)


@pages.get("/<uuid:handover_id>", right=HANDOVER)
def handover(request: Request, handover_id: UUID) -> str:
    """Show what went to whom."""
    shown = show_handover(request.uow, handover_id)
    asked: dict[str, Any] = {
        name: request.args.get(name) or None for name in ("kind", "state", "cursor")
    }
    return request.render(
        "sales/handover/show.html",
        handover=shown,
        page=handed_items(request.uow, handover_id, **asked),
        asked=asked,
        kinds=KINDS,
        states=STATES,
        may_undo=is_undoable(shown, request.uow.now),
        may_export=request.may(EXPORT),
    )


@pages.post("/<uuid:handover_id>/undo", right=HANDOVER)
def undo(request: Request, handover_id: UUID) -> Any:
    """Give back what the handover took, but for what went on since."""
    report = undo_handover(request.uow, handover_id)
    back = sum(report.back.values())
    if not report.left:
        message = n("{count} record was given back.", "{count} records were given back.", back)
        return request.done(message, to="sales_handover.handover", handover_id=handover_id)
    message = n(
        "{count} record was given back. What went on since is listed here.",
        "{count} records were given back. What went on since is listed here.",
        back,
    )
    state = ItemState.LEFT.value
    return request.done(message, to="sales_handover.handover", handover_id=handover_id, state=state)


@pages.post("/<uuid:handover_id>/packs", right=HANDOVER, own_work=True)
def packs(request: Request, handover_id: UUID) -> Any:
    """Give the packs of all its customers as one Excel file."""
    assert request.actor is not None, "nobody else comes here"
    application = request.application
    with application.unit_of_work(request.actor) as uow:
        show_handover(uow, handover_id)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "packs.xlsx"
        export_packs(application.database, request.actor, handover_id, path)
        content = path.read_bytes()
    return request.file(path.name, content, EXCEL)


@pages.get("/packs/<uuid:customer_id>", right=CUSTOMER_VIEW)
def pack(request: Request, customer_id: UUID) -> str:
    """Show what to know of a customer whom one takes over."""
    shown = customer_pack(request.uow, customer_id)
    return request.render("sales/handover/pack.html", pack=shown, now=request.uow.now)


def _form(request: Request, values: Any, error: CrmError | None = None) -> Form:
    users = list_users(request.uow, limit=1_000).items
    teams = list_teams(request.uow)
    choices = {
        "leaver": [
            ("", t("Choose somebody")),
            *((user["login"], _called(user)) for user in users),
        ],
        "to": [(user["login"], _called(user)) for user in users if user["is_enabled"]],
        "team": [(team["name"], team["name"]) for team in teams],
    }
    return Form(HandoverSchema(), values, choices=choices, error=error)


def _called(user: Mapping[str, Any]) -> str:
    return f"{user['name']} ({user['login']})"
