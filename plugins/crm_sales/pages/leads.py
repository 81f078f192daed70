"""Leads: the queue with the reason of each assignment, one lead, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from crm_core.errors import ConflictError, CrmError, InputError, NotFoundError, RuleViolationError
from crm_core.messages import n, t
from crm_sales.models import Lead, LeadState
from crm_sales.permissions import LEAD_ASSIGN, LEAD_EDIT, LEAD_VIEW
from crm_sales.schemas.leads import FIELDS, LeadSchema
from crm_sales.services.assignment.assigning import ask_assignment, assign_lead, release_lead
from crm_sales.services.assignment.explaining import list_decisions, told_briefly
from crm_sales.services.assignment.people import list_sellers
from crm_sales.services.leads.arriving import add_lead, edit_lead
from crm_sales.services.leads.closing import (
    disqualify_lead,
    merge_leads,
    qualify_lead,
    reopen_lead,
)
from crm_sales.services.leads.matching import lead_duplicates
from crm_sales.services.leads.reading import count_leads, list_leads, may_edit, show_lead
from crm_sales.services.pipelines import list_pipelines
from crm_web.sdk import Form, Menu, Pages, Request

pages = Pages("sales_leads", "crm_sales", title=t("Leads"), prefix="/sales/leads")

LISTS: dict[str, dict[str, Any]] = {
    "mine": {"state": LeadState.NEW},
    "all": {"state": LeadState.NEW},
    "queue": {"state": LeadState.NEW, "waiting": True},
    "closed": {"state": LeadState.DISQUALIFIED},
    "qualified": {"state": LeadState.QUALIFIED},
}
REASONS = (
    t("No need"),
    t("No budget"),
    t("Cannot be reached"),
    t("Bought elsewhere"),
    t("Not serious"),
)
_SHOWN = (InputError, ConflictError, RuleViolationError, NotFoundError)


@pages.get("/", right=LEAD_VIEW, menu=Menu(t("Leads"), "star", "sales", 5))
def leads(request: Request) -> str:
    """List leads: mine, all, those that wait, and those that are closed."""
    which = request.args.get("which", "mine")
    which = which if which in LISTS else "mine"
    uow, text = request.uow, request.args.get("q", "").strip()[:100]
    page = list_leads(
        uow,
        **LISTS[which],
        owner_id=uow.actor.user_id if which == "mine" else None,
        text=text or None,
        cursor=request.args.get("cursor") or None,
    )
    return request.render(
        "sales/leads/list.html",
        leads=told_briefly(uow, page.items),
        next_cursor=page.next_cursor,
        which=which,
        text=text,
        counted=count_leads(uow),
        may_add=request.may(LEAD_EDIT),
        may_assign=request.may(LEAD_ASSIGN),
    )


@pages.get("/new", right=LEAD_EDIT)
def new(request: Request) -> str:
    """Show the form for a lead."""
    return _form(request, {})


@pages.post("/new", right=LEAD_EDIT)
def send_new(request: Request) -> Any:
    """Take a lead in."""
    owner_id = request.uow.actor.user_id if request.form.get("mine") == "true" else None
    try:
        lead = add_lead(request.uow, _typed(request), owner_id=owner_id)
    except InputError as error:
        return request.refuse("sales/leads/form.html", **_form_values(request, error))
    if owner_id is None:
        return request.done(t("Taken in: the rules say who gets it."), to="sales_leads.leads")
    return request.done(t("Taken in."), to="sales_leads.lead", lead_id=lead.id)


@pages.get("/<uuid:lead_id>", right=LEAD_VIEW, shows=Lead.__entity__)
def lead(request: Request, lead_id: UUID) -> str:
    """Show a lead: what is known, whom it may be from, who has it and why."""
    return request.render("sales/leads/lead.html", **_lead(request, lead_id))


@pages.get("/<uuid:lead_id>/edit", right=LEAD_EDIT)
def edit(request: Request, lead_id: UUID) -> str:
    """Show the form with what is known of a lead."""
    return _form(request, show_lead(request.uow, lead_id), lead_id)


@pages.post("/<uuid:lead_id>/edit", right=LEAD_EDIT)
def send_edit(request: Request, lead_id: UUID) -> Any:
    """Change what is known of a lead."""
    try:
        edit_lead(request.uow, lead_id, _typed(request), expected_version=_version(request))
    except (InputError, ConflictError) as error:
        values = _form_values(request, error, lead_id)
        return request.refuse("sales/leads/form.html", error.http_status, **values)
    return request.done(t("Saved."), to="sales_leads.lead", lead_id=lead_id)


@pages.post("/<uuid:lead_id>/qualify", right=LEAD_EDIT)
def qualify(request: Request, lead_id: UUID) -> Any:
    """Make a customer and a deal of a lead."""
    form = request.form

    def act() -> Any:
        chosen = form.get("customer", "")
        names = ("name", "job_title", "email", "phone")
        contact = {name: form.get(f"contact_{name}", "").strip() or None for name in names}
        deal = {
            "name": form.get("deal_name", "").strip() or None,
            "pipeline_code": form.get("pipeline_code") or None,
        }
        made = qualify_lead(
            request.uow,
            lead_id,
            customer_id=_key(chosen) if chosen not in ("", "new") else None,
            is_new=chosen == "new",
            contacts=[contact] if contact["name"] else [],
            deal=deal if form.get("with_deal") == "true" else None,
            expected_version=_version(request),
        )
        return request.done(t("Qualified."), to="customers.card", customer_id=made.customer_id)

    return _done(request, lead_id, act)


@pages.post("/<uuid:lead_id>/disqualify", right=LEAD_EDIT)
def disqualify(request: Request, lead_id: UUID) -> Any:
    """Say that nothing will come of a lead."""

    def act() -> Any:
        reason = request.form.get("reason", "")
        disqualify_lead(request.uow, lead_id, reason=reason, expected_version=_version(request))
        return request.done(t("Disqualified."), to="sales_leads.leads")

    return _done(request, lead_id, act)


@pages.post("/<uuid:lead_id>/reopen", right=LEAD_EDIT)
def reopen(request: Request, lead_id: UUID) -> Any:
    """Take back that a lead was disqualified."""

    def act() -> Any:
        reopen_lead(request.uow, lead_id, expected_version=_version(request))
        return request.done(t("It is open again."), to="sales_leads.lead", lead_id=lead_id)

    return _done(request, lead_id, act)


@pages.post("/<uuid:lead_id>/assign", right=LEAD_ASSIGN)
def assign(request: Request, lead_id: UUID) -> Any:
    """Give a lead to somebody by hand."""

    def act() -> Any:
        user_id = _key(request.form.get("user", ""))
        assign_lead(request.uow, lead_id, user_id, expected_version=_version(request))
        if not request.uow.actor.may_for_owner(LEAD_VIEW, user_id):
            return request.done(t("Given."), to="sales_leads.leads")
        return request.done(t("Given."), to="sales_leads.lead", lead_id=lead_id)

    return _done(request, lead_id, act)


@pages.post("/<uuid:lead_id>/release", right=LEAD_EDIT)
def release(request: Request, lead_id: UUID) -> Any:
    """Put a lead back into the queue."""

    def act() -> Any:
        release_lead(request.uow, lead_id, expected_version=_version(request))
        message = t("Back in the queue: the rules say who gets it.")
        return request.done(message, to="sales_leads.leads")

    return _done(request, lead_id, act)


@pages.post("/<uuid:lead_id>/merge", right=LEAD_EDIT)
def merge(request: Request, lead_id: UUID) -> Any:
    """Put another lead into this one."""

    def act() -> Any:
        merge_leads(request.uow, lead_id, _key(request.form.get("other", "")))
        return request.done(t("One lead now."), to="sales_leads.lead", lead_id=lead_id)

    return _done(request, lead_id, act)


@pages.post("/try", right=LEAD_ASSIGN)
def try_rules(request: Request) -> Any:
    """Have the rules tried on all that wait."""
    asked = ask_assignment(request.uow)
    message = n(
        "The rules are tried on {count} lead.", "The rules are tried on {count} leads.", asked
    )
    return request.done(message, to="sales_leads.leads", which="queue")


@pages.panel("customer", t("Leads"), right=LEAD_VIEW, position=40)
def of_customer(request: Request, customer_id: UUID) -> str:
    """Show the leads that came from a customer."""
    page = list_leads(request.uow, state=None, customer_id=customer_id, limit=5)
    if not page.items:
        return ""
    return request.render("sales/leads/panel.html", leads=page.items)


def _done(request: Request, lead_id: UUID, act: Callable[[], Any]) -> Any:
    """Do something with a lead, or show it again with why that was refused."""
    try:
        with request.uow.session.begin_nested():
            return act()
    except _SHOWN as error:
        context = _lead(request, lead_id, error)
        return request.refuse("sales/leads/lead.html", error.http_status, **context)


def _lead(request: Request, lead_id: UUID, error: CrmError | None = None) -> dict[str, Any]:
    uow = request.uow
    shown = show_lead(uow, lead_id)
    is_open = shown["state"] == LeadState.NEW
    may_change = is_open and may_edit(uow, shown["owner_id"])
    found = lead_duplicates(uow, lead_id) if is_open else []
    people = list_sellers(uow) if is_open and request.may(LEAD_ASSIGN) else []
    return {
        "lead": shown,
        "customers": [each for each in found if each.kind == "customer"],
        "others": [each for each in found if each.kind == "lead"],
        "decisions": list_decisions(uow, lead_id),
        "pipelines": list_pipelines(uow) if may_change else [],
        "people": [p for p in people if uow.actor.may_for_owner(LEAD_ASSIGN, p["user_id"])],
        "may_change": may_change,
        "may_reopen": shown["state"] == LeadState.DISQUALIFIED and may_edit(uow, shown["owner_id"]),
        "reasons": REASONS,
        "error": error,
        "typed": request.form,
    }


def _form(request: Request, values: dict[str, Any], lead_id: UUID | None = None) -> str:
    return request.render(
        "sales/leads/form.html",
        form=Form(LeadSchema(), values),
        lead_id=lead_id,
        version=values.get("version"),
        is_mine=not request.may(LEAD_ASSIGN),
    )


def _form_values(request: Request, error: CrmError, lead_id: UUID | None = None) -> dict[str, Any]:
    version = request.form.get("version")
    if isinstance(error, ConflictError) and lead_id is not None:
        version = show_lead(request.uow, lead_id)["version"]  # they have seen what is said now
    return {
        "form": Form(LeadSchema(), request.form, error=error),
        "lead_id": lead_id,
        "version": version,
        "is_mine": request.form.get("mine") == "true",
    }


def _typed(request: Request) -> dict[str, Any]:
    return {name: request.form[name] for name in FIELDS if name in request.form}


def _version(request: Request) -> int | None:
    text = request.form.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _key(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InputError(t("Choose one of the list."), code="sales.lead.choice") from None
