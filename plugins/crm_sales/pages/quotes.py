"""Offers: lists of them, the editor with live totals, and approving."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_core.errors import CrmError, InputError
from crm_core.messages import t
from crm_sales.models import QuoteState
from crm_sales.pages.quote_words import DECISIONS, FILTERS, ROLES, STATES, TONES
from crm_sales.permissions import QUOTE_APPROVE, QUOTE_EDIT, QUOTE_VIEW
from crm_sales.services.pricing.limits import own_limit
from crm_sales.services.quotes.approval import (
    approve_quote,
    refuse_approval,
    submit_quote,
    unpriced_told,
)
from crm_sales.services.quotes.checks import CHANGEABLE
from crm_sales.services.quotes.editing import add_quote, refresh_prices
from crm_sales.services.quotes.lines import (
    add_bundle,
    add_line,
    edit_lines,
    move_line,
    remove_line,
)
from crm_sales.services.quotes.preview import preview_quote
from crm_sales.services.quotes.reading import (
    find_products,
    list_quotes,
    quotes_to_approve,
)
from crm_sales.services.quotes.versions import OVER, revise_quote, withdraw_quote
from crm_sales.services.quotes.view import quote_view, record_and_view
from crm_web.sdk import Menu, Pages, Request

pages = Pages("sales_quotes", "crm_sales", title=t("Offers"), prefix="/sales/quotes")
QUOTE = "/<uuid:quote_id>"
SHOWN = "sales_quotes.show"
FEW = 10
FIELDS = (
    "description",
    "quantity",
    "unit_price",
    "discount_percent",
    "tax_percent",
    "role",
    "group",
)
MAY_BE_EMPTY = ("unit_price", "tax_percent", "group", "description")
WORDS = {
    "states": STATES,
    "tones": TONES,
    "roles": ROLES,
    "decisions": DECISIONS,
    "filters": FILTERS,
}


@pages.get("/", right=QUOTE_VIEW, menu=Menu(t("Offers"), "file", "sales", 30))
def quotes(request: Request) -> str:
    """List offers, the newest first."""
    state = request.args.get("state", "")
    is_mine = request.args.get("whose") == "mine"
    page = list_quotes(
        request.uow,
        owner_id=request.uow.actor.user_id if is_mine else None,
        state=state or None,
        text=request.args.get("q") or None,
        cursor=request.args.get("cursor") or None,
    )
    return request.render(
        "sales/quotes/list.html", page=page, state=state, is_mine=is_mine, **WORDS
    )


@pages.get("/to-approve", right=QUOTE_APPROVE)
def to_approve(request: Request) -> str:
    """List offers that wait for whoever looks."""
    page = quotes_to_approve(request.uow, cursor=request.args.get("cursor") or None)
    return request.render(
        "sales/quotes/to_approve.html", page=page, limit=own_limit(request.uow), **WORDS
    )


@pages.post("/of/<uuid:opportunity_id>", right=QUOTE_EDIT)
def add(request: Request, opportunity_id: UUID) -> Any:
    """Make an offer of a deal."""
    quote = add_quote(request.uow, opportunity_id)
    return request.to(SHOWN, quote_id=quote.id)


@pages.get(QUOTE, right=QUOTE_VIEW, shows="sales_quote")
def show(request: Request, quote_id: UUID) -> str:
    """Show an offer, to be changed where it may be."""
    return _drawn(request, quote_id)


@pages.post(QUOTE, right=QUOTE_EDIT)
def save(request: Request, quote_id: UUID) -> Any:
    """Keep what was typed into the lines, then do what the button says."""
    try:
        told = _saved(request, quote_id)
    except CrmError as error:
        return _refused(request, quote_id, error)
    act, _, found = request.form.get("act", "").partition(":")
    arguments = {"q": request.form.get("q", "")} if act == "find" and not found else {}
    if told:
        return request.done(told, to=SHOWN, quote_id=quote_id, **arguments)
    return request.to(SHOWN, quote_id=quote_id, **arguments)


def _saved(request: Request, quote_id: UUID) -> str:
    uow, form = request.uow, request.form
    version = _version(form)
    changes = _changes(form, quote_view(uow, quote_id)["lines"])
    if changes:
        edit_lines(uow, quote_id, changes, expected_version=version)
        version = None
    act, _, what = form.get("act", "").partition(":")
    given: dict[str, Any] = {"expected_version": version}
    if act == "submit":
        return _submitted(submit_quote(uow, quote_id, **given).state)
    if act == "add":
        add_line(uow, quote_id, product_id=_key(what), **given)
        return t("The product was added.")
    if act == "bundle":
        add_bundle(uow, quote_id, _key(what), **given)
        return t("The bundle was added.")
    if act in ("section", "note"):
        add_line(uow, quote_id, kind=act, description=form.get("text", ""), **given)
        return t("The line was added.")
    if act == "remove":
        remove_line(uow, quote_id, _key(what), **given)
        return t("The line was removed.")
    if act in ("up", "down"):
        move_line(uow, quote_id, _key(what), steps=-1 if act == "up" else 1, **given)
        return ""
    return t("Saved.") if changes else ""


def _submitted(state: str) -> str:
    if state == QuoteState.WAITING:
        return t("The discount is above your limit: the offer waits for approval.")
    return t("The offer is approved and can be sent.")


@pages.post(f"{QUOTE}/preview", right=QUOTE_EDIT, own_work=True)
def preview(request: Request, quote_id: UUID) -> Any:
    """Say what the offer comes to with what stands in the form; nothing is kept."""
    assert request.actor is not None
    with request.application.unit_of_work(request.actor) as uow:
        lines = quote_view(uow, quote_id)["lines"]
        context: dict[str, Any] = {"preview": None, "error": None}
        try:
            context["preview"] = preview_quote(uow, quote_id, _changes(request.form, lines))
        except InputError as error:
            context["error"] = error  # told beside the sums, as what saving would say
        return request.render("sales/quotes/amounts.html", **context)


@pages.post(f"{QUOTE}/approve", right=QUOTE_APPROVE)
def approve(request: Request, quote_id: UUID) -> Any:
    """Let an offer pass that waits."""
    version, note = _version(request.form), request.form.get("reason")
    try:
        quote = approve_quote(request.uow, quote_id, note=note, expected_version=version)
    except CrmError as error:
        return _refused(request, quote_id, error)
    told = t("{number} is approved.", number=quote.number)
    return request.back(told, otherwise=SHOWN, quote_id=quote_id)


@pages.post(f"{QUOTE}/refuse", right=QUOTE_APPROVE)
def refuse(request: Request, quote_id: UUID) -> Any:
    """Send an offer that waits back to its maker."""
    version, reason = _version(request.form), request.form.get("reason", "")
    try:
        quote = refuse_approval(request.uow, quote_id, reason, expected_version=version)
    except CrmError as error:
        return _refused(request, quote_id, error)
    told = t("{number} went back to its maker.", number=quote.number)
    return request.back(told, otherwise=SHOWN, quote_id=quote_id)


@pages.post(f"{QUOTE}/revise", right=QUOTE_EDIT)
def revise(request: Request, quote_id: UUID) -> Any:
    """Make the next version of an offer."""
    try:
        quote = revise_quote(request.uow, quote_id, expected_version=_version(request.form))
    except CrmError as error:
        return _refused(request, quote_id, error)
    return request.done(
        t("This is the new version; the one before is not open to the customer any more."),
        to=SHOWN,
        quote_id=quote.id,
    )


@pages.post(f"{QUOTE}/withdraw", right=QUOTE_EDIT)
def withdraw(request: Request, quote_id: UUID) -> Any:
    """Take an offer back."""
    try:
        withdraw_quote(request.uow, quote_id, expected_version=_version(request.form))
    except CrmError as error:
        return _refused(request, quote_id, error)
    return request.done(t("The offer is withdrawn."), to=SHOWN, quote_id=quote_id)


@pages.post(f"{QUOTE}/reprice", right=QUOTE_EDIT)
def reprice(request: Request, quote_id: UUID) -> Any:
    """Price all lines as if they were added today."""
    try:
        refresh_prices(request.uow, quote_id, expected_version=_version(request.form))
    except CrmError as error:
        return _refused(request, quote_id, error)
    return request.done(t("All lines are priced anew."), to=SHOWN, quote_id=quote_id)


@pages.panel("sales_deal", t("Offers"), right=QUOTE_VIEW, position=20)
def of_deal(request: Request, opportunity_id: UUID) -> str:
    """Show the offers of a deal, and the way to make one."""
    page = list_quotes(request.uow, opportunity_id=opportunity_id, limit=FEW)
    return request.render(
        "sales/quotes/panel.html",
        page=page,
        opportunity_id=opportunity_id,
        may_add=request.may(QUOTE_EDIT),
        **WORDS,
    )


@pages.panel("customer", t("Offers"), right=QUOTE_VIEW, position=20)
def of_customer(request: Request, customer_id: UUID) -> str:
    """Show a customer's latest offers."""
    page = list_quotes(request.uow, customer_id=customer_id, limit=FEW)
    if not page.items:
        return ""
    return request.render(
        "sales/quotes/panel.html", page=page, opportunity_id=None, may_add=False, **WORDS
    )


def _drawn(request: Request, quote_id: UUID, error: CrmError | None = None) -> str:
    record, view = record_and_view(request.uow, quote_id)  # panels ask for the record again
    actor = request.uow.actor
    may_edit = actor.may_for_owner(QUOTE_EDIT, record.owner_id)
    is_open = may_edit and view["state"] in CHANGEABLE
    text = request.args.get("q", "") or request.form.get("q", "")
    asked = next((each for each in view["approvals"] if each["decision"] == "waiting"), None)
    return request.render(
        "sales/quotes/show.html",
        quote=view,
        typed=request.form if error else {},
        error=error,
        text_of=text_of,
        unpriced_told=unpriced_told,
        is_open=is_open,
        may_edit=may_edit,
        may_decide=asked is not None
        and actor.may_for_owner(QUOTE_APPROVE, view["owner_id"])
        and asked["asked_by_id"] != actor.user_id,
        may_revise=may_edit and view["is_latest"] and view["state"] not in ("accepted", "ordered"),
        may_withdraw=may_edit and view["state"] not in OVER,
        asked=asked,
        limit=own_limit(request.uow),
        query=text,
        products=find_products(request.uow, text) if is_open and text else None,
        **WORDS,
    )


def _refused(request: Request, quote_id: UUID, error: CrmError) -> Any:
    if error.http_status == 404:
        raise error
    request.uow.session.rollback()
    return _drawn(request, quote_id, error), error.http_status


def _changes(form: Mapping[str, str], lines: list[dict[str, Any]]) -> dict[UUID, Mapping[str, Any]]:
    """Return what was typed over what stands in the lines."""
    changes: dict[UUID, Mapping[str, Any]] = {}
    for line in lines:
        values: dict[str, Any] = {}
        for field in FIELDS:
            typed = form.get(f"{field}-{line['id']}")
            if typed is not None and typed.strip() != text_of(line[field]):
                empty = None if field in MAY_BE_EMPTY else ""
                values[field] = typed.strip() or empty
        if f"choice-{line['id']}" in form:
            is_chosen = f"is_chosen-{line['id']}" in form
            if is_chosen != line["is_chosen"]:
                values["is_chosen"] = is_chosen
        if values:
            changes[line["id"]] = values
    return changes


def text_of(value: Any) -> str:
    """Return a value as it stands in a field of the editor."""
    if isinstance(value, Decimal):
        whole, _, rest = f"{value.normalize():f}".partition(".")
        return f"{whole}.{rest.ljust(2, '0')}" if rest else whole
    return "" if value is None else str(value)


def _version(form: Mapping[str, str]) -> int | None:
    text = form.get("version", "")
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _key(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InputError(t("Choose one from the list."), code="sales.quote.choose") from None
