"""Forms about deals: adding, changing, winning, losing and handing them over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate
from sqlalchemy import or_, select

from crm_core.entities import Customer, Product, Relationship, User
from crm_core.errors import ConflictError, CrmError, InputError, NotFoundError, RuleViolationError
from crm_core.messages import t
from crm_core.services.lookup import resolve_unmerged_id
from crm_core.services.search import search_customers
from crm_core.services.settings import load_settings
from crm_sales.models import Opportunity
from crm_sales.pages.board import key_in
from crm_sales.pages.deals import CARD, version_read
from crm_sales.permissions import OPPORTUNITY_EDIT, OPPORTUNITY_VIEW
from crm_sales.schemas.opportunities import OpportunitySchema
from crm_sales.services.opportunities import (
    add_opportunity,
    assign_opportunity,
    edit_opportunity,
    lose_opportunity,
    permitted_opportunity,
    win_opportunity,
)
from crm_sales.services.opportunity_list import show_opportunity
from crm_sales.services.pipelines import list_competitors, list_loss_reasons, list_pipelines
from crm_web.sdk import Form, Pages, Request

pages = Pages("sales_deal_forms", "crm_sales", title=t("Deals"), prefix="/sales/deals")

TELLABLE = (InputError, ConflictError, RuleViolationError)
"""Errors that stand above the form that they came from."""
MOST_CHOICES = 200


class DealForm(OpportunitySchema):
    """A deal as a page sends it: tags as a line, and a customer where none is known yet."""

    tags = fields.String(  # type: ignore[assignment]
        allow_none=True,
        validate=validate.Length(max=2_000),
        metadata={"title": t("Tags"), "help": t("Several are separated by commas.")},
    )


class NewDealForm(DealForm):
    """A new deal: with whom, and in which pipeline."""

    customer = fields.String(
        required=True,
        validate=validate.Length(max=250),
        metadata={"title": t("Customer"), "help": t("A name, a reference or an e-mail address.")},
    )
    pipeline = fields.String(allow_none=True, metadata={"title": t("Pipeline")})


class LosingForm(Schema):
    """Why a deal was lost."""

    reason = fields.String(required=True, metadata={"title": t("Reason")})
    competitor = fields.String(
        allow_none=True,
        validate=validate.Length(max=250),
        metadata={"title": t("Competitor"), "help": t("Who got it, where somebody did.")},
    )
    note = fields.String(
        allow_none=True,
        validate=validate.Length(max=10_000),
        metadata={"title": t("What is to be learned from it"), "rows": 3},
    )


class WinningForm(Schema):
    """What to say of a deal that is won."""

    note = fields.String(
        allow_none=True,
        validate=validate.Length(max=10_000),
        metadata={"title": t("What is to be learned from it"), "rows": 3},
    )


class OwnerForm(Schema):
    """Who is to work on a deal."""

    owner = fields.UUID(
        allow_none=True, metadata={"title": t("Who works on it"), "help": t("Nobody, if empty.")}
    )


@pages.get("/new", right=OPPORTUNITY_EDIT)
def new(request: Request) -> str:
    """Ask for a new deal."""
    customer_id = key_in(request, "customer")
    customer = request.uow.get(Customer, customer_id) if customer_id else None
    starts = {
        "customer": customer.name if customer else "",
        "currency_code": load_settings(request.uow).base_currency,
        "pipeline": request.args.get("pipeline") or "",
    }
    return _new_form(request, starts, customer)


@pages.post("/new", right=OPPORTUNITY_EDIT)
def add(request: Request) -> Any:
    """Add a deal."""
    customer_id = key_in(request, "customer_id")
    customer = request.uow.get(Customer, customer_id) if customer_id else None
    try:
        sent = request.read(_new_schema(customer))
        text = sent.pop("customer", None)
        tags = _tags(sent.pop("tags", None))
        deal = add_opportunity(
            request.uow,
            customer.id if customer else _customer_meant(request, text),
            sent.pop("name"),
            pipeline_code=sent.pop("pipeline", None),
            tags=tags,
            **sent,
        )
        request.uow.flush()
    except TELLABLE as error:
        page = _new_form(request, request.form, customer, error)
        return page, error.http_status
    return request.done(t("Added: {deal}", deal=deal.name), to=CARD, opportunity_id=deal.id)


@pages.get("/<uuid:opportunity_id>/edit", right=OPPORTUNITY_EDIT)
def edit(request: Request, opportunity_id: UUID) -> str:
    """Show the fields of a deal, to change them."""
    found = _mine(request, opportunity_id)
    return _edit_form(request, found, _line_of_tags(found), found["version"])


@pages.post("/<uuid:opportunity_id>/edit", right=OPPORTUNITY_EDIT)
def save(request: Request, opportunity_id: UUID) -> Any:
    """Save what was changed, unless somebody else was faster: then both are shown."""
    try:
        sent = request.read(DealForm())
        sent["is_committed"] = bool(sent.get("is_committed"))
        sent["tags"] = _tags(sent.get("tags"))
        changed = edit_opportunity(
            request.uow,
            opportunity_id,
            sent,
            expected_version=version_read(request),
        )
        request.uow.flush()
    except TELLABLE as error:
        found = _mine(request, opportunity_id)
        page = _edit_form(request, found, request.form, found["version"], error)
        return page, error.http_status
    return request.done(t("Saved."), to=CARD, opportunity_id=changed.id)


@pages.get("/<uuid:opportunity_id>/win", right=OPPORTUNITY_EDIT)
def winning(request: Request, opportunity_id: UUID) -> str:
    """Ask what to say of a deal that is won."""
    return _asked(request, opportunity_id, WinningForm(), t("Won"))


@pages.post("/<uuid:opportunity_id>/win", right=OPPORTUNITY_EDIT)
def win(request: Request, opportunity_id: UUID) -> Any:
    """Close a deal as won."""
    return _answered(
        request,
        opportunity_id,
        WinningForm(),
        t("Won"),
        lambda sent: win_opportunity(request.uow, opportunity_id, note=sent.get("note")),
    )


@pages.get("/<uuid:opportunity_id>/lose", right=OPPORTUNITY_EDIT)
def losing(request: Request, opportunity_id: UUID) -> str:
    """Ask why a deal is lost."""
    return _asked(request, opportunity_id, LosingForm(), t("Lost"))


@pages.post("/<uuid:opportunity_id>/lose", right=OPPORTUNITY_EDIT)
def lose(request: Request, opportunity_id: UUID) -> Any:
    """Close a deal as lost."""
    return _answered(
        request,
        opportunity_id,
        LosingForm(),
        t("Lost"),
        lambda sent: lose_opportunity(
            request.uow,
            opportunity_id,
            reason_code=sent["reason"],
            competitor=sent.get("competitor"),
            note=sent.get("note"),
        ),
    )


@pages.get("/<uuid:opportunity_id>/owner", right=OPPORTUNITY_EDIT)
def owner(request: Request, opportunity_id: UUID) -> str:
    """Ask who is to work on a deal."""
    return _asked(request, opportunity_id, OwnerForm(), t("Who works on it"))


@pages.post("/<uuid:opportunity_id>/owner", right=OPPORTUNITY_EDIT)
def assign(request: Request, opportunity_id: UUID) -> Any:
    """Have somebody else work on a deal; who gave it away may not see it any more."""
    return _answered(
        request,
        opportunity_id,
        OwnerForm(),
        t("Who works on it"),
        lambda sent: assign_opportunity(request.uow, opportunity_id, sent.get("owner")),
    )


def _mine(request: Request, opportunity_id: UUID) -> dict[str, Any]:
    permitted_opportunity(request.uow, opportunity_id, OPPORTUNITY_EDIT)
    return show_opportunity(request.uow, opportunity_id)


def _asked(
    request: Request,
    opportunity_id: UUID,
    schema: Schema,
    title: str,
    error: CrmError | None = None,
) -> str:
    found = _mine(request, opportunity_id)
    choices = {}
    if "reason" in schema.fields:
        choices["reason"] = [(r["code"], r["name"]) for r in list_loss_reasons(request.uow)]
    if "owner" in schema.fields:
        choices["owner"] = _users(request)
    starts: Mapping[str, Any] = {"owner": found["owner_id"]}
    return request.render(
        "sales/deals/form.html",
        title=title,
        deal=found,
        form=Form(
            schema,
            request.form if error else starts,
            choices=choices,
            error=error,
        ),
        rivals=list_competitors(request.uow) if "competitor" in schema.fields else [],
    )


def _answered(
    request: Request,
    opportunity_id: UUID,
    schema: Schema,
    title: str,
    act: Callable[[dict[str, Any]], Opportunity],
) -> Any:
    try:
        changed = act(request.read(schema))
        request.uow.flush()
    except TELLABLE as error:
        page = _asked(request, opportunity_id, schema, title, error)
        return page, error.http_status
    if not request.uow.actor.may_for_owner(OPPORTUNITY_VIEW, changed.owner_id):
        return request.done(t("Saved."), to="sales_deals.deals")
    return request.done(t("Saved."), to=CARD, opportunity_id=changed.id)


def _new_schema(customer: Customer | None) -> Schema:
    return NewDealForm(exclude=("customer",) if customer else ())


def _new_form(
    request: Request, values: Any, customer: Customer | None, error: CrmError | None = None
) -> str:
    pipelines = [(each["code"], each["name"]) for each in list_pipelines(request.uow)]
    form = Form(
        _new_schema(customer),
        values,
        choices={
            "product_id": _products(request),
            "pipeline": pipelines,
            **({"contact_id": _people(request, customer.id)} if customer else {}),
        },
        error=error,
    )
    names = [name for name in form.schema.fields if name != "contact_id" or customer]
    if len(pipelines) == 1:
        names.remove("pipeline")
    return request.render(
        "sales/deals/edit.html", title=t("New deal"), form=form, names=names, customer=customer
    )


def _edit_form(
    request: Request,
    found: Mapping[str, Any],
    values: Any,
    version: int,
    error: CrmError | None = None,
) -> str:
    form = Form(
        DealForm(),
        values,
        choices={
            "product_id": _products(request),
            "contact_id": _people(request, found["customer_id"], found["contact_id"]),
        },
        error=error,
    )
    return request.render(
        "sales/deals/edit.html",
        title=t("Change the deal"),
        form=form,
        names=list(form.schema.fields),
        deal=found,
        version=version,
        now_there=_now_there(form, found) if isinstance(error, ConflictError) else [],
    )


def _now_there(form: Form, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return label and value of the fields in which what was typed differs from what is kept."""
    kept = Form(form.schema, _line_of_tags(found), choices=form.choices)
    return [
        (field.label, dict(field.choices).get(field.value, field.value))
        for field in kept
        if str(field.value or "") != str(form[field.name].value or "")
    ]


def _line_of_tags(found: Mapping[str, Any]) -> dict[str, Any]:
    amount = found["expected_amount"]
    return {
        **found,
        "tags": ", ".join(found["tags"]),
        "expected_amount": None if amount is None else f"{amount.normalize():f}",
    }


def _tags(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").replace("،", ",").split(",") if name.strip()]


def _customer_meant(request: Request, text: str) -> UUID:
    """Return the customer whom a name, a reference or an id means; say which could be meant."""
    try:
        return resolve_unmerged_id(request.uow, text)
    except NotFoundError:
        found = search_customers(request.uow, text, limit=6).items
    same = [each for each in found if each.name == text] or found
    if len(same) == 1:
        return same[0].id
    if not found:
        told = t("No customer is found by this.")
    else:
        names = ", ".join(each.name for each in found[:5])
        told = t("Several fit: {names}. Give more of it.", names=names)
    raise InputError(
        t("Some fields cannot be taken as they are: see what stands beside them."),
        code="sales.deal.customer",
        details={"fields": {"customer": told}},
    )


def _products(request: Request) -> list[tuple[str, str]]:
    rows = request.uow.execute(
        select(Product.id, Product.name)
        .where(Product.archived_at.is_(None), Product.is_sold.is_(True))
        .order_by(Product.name, Product.id)
        .limit(MOST_CHOICES)
    )
    return [(str(row.id), row.name) for row in rows]


def _people(
    request: Request, customer_id: UUID, present: UUID | None = None
) -> list[tuple[str, str]]:
    """Return the people tied to a customer, and the contact that is named already."""
    ties = select(Relationship.from_customer_id).where(Relationship.to_customer_id == customer_id)
    other = select(Relationship.to_customer_id).where(Relationship.from_customer_id == customer_id)
    mine = or_(Customer.id.in_(ties.union(other)), Customer.id == present)
    rows = request.uow.execute(
        select(Customer.id, Customer.name)
        .where(mine, Customer.kind == "person", Customer.merged_into_id.is_(None))
        .order_by(Customer.name)
        .limit(MOST_CHOICES)
    )
    return [(str(row.id), row.name) for row in rows]


def _users(request: Request) -> list[tuple[str, str]]:
    rows = request.uow.execute(
        select(User.id, User.name).where(User.is_enabled.is_(True)).order_by(User.name)
    )
    return [(str(row.id), row.name) for row in rows]
