"""What comes next with deals: what is due, what is missing, and planning it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate

from crm_core.errors import CrmError
from crm_core.locale_format import JALALI
from crm_core.messages import p, spoken_language, t
from crm_core.services.places import place_of
from crm_sales.models import NextStep
from crm_sales.permissions import OPPORTUNITY_EDIT, OPPORTUNITY_VIEW
from crm_sales.services.next_steps import (
    complete_step,
    list_steps,
    open_steps,
    plan_step,
    postpone_step,
    without_next_step,
)
from crm_sales.services.opportunity_access import permitted_opportunity
from crm_sales.services.sequences import list_sequences
from crm_web.sdk import Form, Menu, Pages, Request

pages = Pages("sales_steps", "crm_sales", title=t("Next steps"), prefix="/sales/steps")
MISSING = "missing"
LISTS = (
    ("overdue", t("Overdue")),
    ("today", t("Today")),
    ("week", t("Within a week")),
    ("all", t("All")),
    (MISSING, t("Nothing planned")),
)
TYPES = (
    ("call", p("to do", "Call")),
    ("email", p("to do", "E-mail")),
    ("meeting", p("to do", "Meeting")),
    ("visit", p("to do", "Visit")),
    ("task", p("to do", "Task")),
)
PUT_OFF = (1, 7)
"""Days by which a step is put off with one press."""


class StepSchema(Schema):
    """What comes next."""

    type = fields.String(required=True, metadata={"title": t("What")})
    due_at = fields.String(
        required=True,
        metadata={"title": t("When"), "help": t("Such as tomorrow, +2d or 2027-03-31 14:30.")},
    )
    summary = fields.String(
        allow_none=True, validate=validate.Length(max=250), metadata={"title": t("In one line")}
    )
    note = fields.String(allow_none=True, metadata={"title": t("Note"), "rows": 4})


class PickedStepSchema(StepSchema):
    """What comes next, its moment picked instead of typed."""

    due_at = fields.String(required=True, metadata={"title": t("When"), "kind": "datetime-local"})


@pages.get(
    "/",
    right=OPPORTUNITY_VIEW,
    menu=Menu(t("Next steps"), icon="clock", section="sales", position=20),
)
def steps(request: Request) -> str:
    """Show what is due by when, or the deals for which nothing is planned."""
    which = request.args.get("which", "")
    which = which if which in dict(LISTS) else "all"
    is_mine = request.args.get("whose") != "all"
    asked: dict[str, Any] = {
        "owner_id": request.uow.actor.user_id if is_mine else None,
        "cursor": request.args.get("cursor") or None,
    }
    if which == MISSING:
        page = without_next_step(request.uow, **asked)
    else:
        page = list_steps(request.uow, when=which, **asked)
    return request.render(
        "sales/steps/steps.html",
        page=page,
        lists=LISTS,
        which=which,
        is_mine=is_mine,
        now=request.uow.now,
        may_edit=request.may(OPPORTUNITY_EDIT),
    )


@pages.get("/of/<uuid:opportunity_id>", right=OPPORTUNITY_EDIT)
def plan(request: Request, opportunity_id: UUID) -> str:
    """Show the form to plan what comes next for a deal."""
    deal = permitted_opportunity(request.uow, opportunity_id, OPPORTUNITY_EDIT)
    form = _form(request, {"type": "call"})
    return request.render("sales/steps/plan.html", deal=deal, form=form)


@pages.post("/of/<uuid:opportunity_id>", right=OPPORTUNITY_EDIT)
def send_plan(request: Request, opportunity_id: UUID) -> Any:
    """Plan what comes next for a deal."""
    deal = permitted_opportunity(request.uow, opportunity_id, OPPORTUNITY_EDIT)
    try:
        given = request.read(StepSchema())
        place = place_of(request.uow, request.settings)
        due_at = place.typed_moment(given.pop("due_at"), request.uow.now)
        plan_step(request.uow, opportunity_id, due_at=due_at, **given)
    except CrmError as error:
        if error.http_status not in (409, 422):
            raise
        form = _form(request, request.form, error)
        return request.refuse("sales/steps/plan.html", error.http_status, deal=deal, form=form)
    return request.back(t("Planned."), otherwise="sales_deals.deal", opportunity_id=opportunity_id)


@pages.post("/<uuid:activity_id>/done", right=OPPORTUNITY_VIEW)
def done(request: Request, activity_id: UUID) -> Any:
    """Say that a step is done, and ask what comes next where nothing does."""
    deal_id = complete_step(request.uow, activity_id)
    if request.may(OPPORTUNITY_EDIT) and not open_steps(request.uow, [deal_id]):
        message = t("Done. What comes next?")
        return request.done(message, to="sales_steps.plan", opportunity_id=deal_id)
    return request.back(t("Done."), otherwise="sales_steps.steps")


@pages.post("/<uuid:activity_id>/later", right=OPPORTUNITY_VIEW)
def later(request: Request, activity_id: UUID) -> Any:
    """Put a step off by a day or a week, to the same time of day."""
    uow = request.uow
    days = 7 if request.form.get("days") == "7" else 1
    step = uow.get(NextStep, activity_id)
    zone = place_of(uow, request.settings).zone
    [due_at] = [
        each["due_at"]
        for each in open_steps(uow, [step.opportunity_id]).get(step.opportunity_id, [])
        if each["id"] == activity_id
    ] or [uow.now]
    begun = max(due_at, uow.now).astimezone(zone)
    postpone_step(uow, activity_id, begun + timedelta(days=days))
    return request.back(t("Put off."), otherwise="sales_steps.steps")


@pages.get("/sequences", right=OPPORTUNITY_VIEW)
def sequences(request: Request) -> str:
    """Show what is planned by itself when a deal enters a stage."""
    found = list_sequences(request.uow)
    return request.render("sales/steps/sequences.html", sequences=found)


@pages.panel("sales_deal", t("Next steps"), right=OPPORTUNITY_VIEW, position=10)
def on_deal(request: Request, opportunity_id: UUID) -> str:
    """Show on a deal what comes next with it."""
    found = open_steps(request.uow, [opportunity_id]).get(opportunity_id, [])
    return request.render(
        "sales/steps/panel.html",
        steps=found,
        opportunity_id=opportunity_id,
        now=request.uow.now,
        may_edit=request.may(OPPORTUNITY_EDIT),
    )


def _form(request: Request, values: Any, error: CrmError | None = None) -> Form:
    """Return the form; browsers pick no Jalali days, so whoever counts in these types them."""
    zone = place_of(request.uow, request.settings).zone
    due_at = request.uow.now.astimezone(zone).replace(hour=10, minute=0) + timedelta(days=2)
    types = spoken_language() in JALALI
    if error is None:
        values = {**values, "due_at": "+2d" if types else due_at}
    return Form(
        StepSchema() if types else PickedStepSchema(),
        values,
        choices={"type": TYPES},
        error=error,
        time_zone=zone.key,
    )
