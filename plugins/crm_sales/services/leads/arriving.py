"""Leads come in: typed by hand, or told by other modules; what is told twice makes one lead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from crm_core.entities.commerce import Product
from crm_core.entities.user import User
from crm_core.errors import InputError, RuleViolationError
from crm_core.matching.names import name_words
from crm_core.messages import n, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import LINE, filled
from crm_core.services.currencies import ensure_currency, rounded
from crm_core.services.settings import load_settings
from crm_core.services.users import require_enabled
from crm_sales.events import LeadsAdded
from crm_sales.models import Lead, LeadState
from crm_sales.permissions import LEAD_ASSIGN, LEAD_EDIT
from crm_sales.schemas.leads import FIELDS, TEXT, load_lead, read_lead
from crm_sales.services.leads.reading import expect_lead_as_read, permitted_lead


def add_lead(
    uow: UnitOfWork,
    values: Mapping[str, Any],
    *,
    owner_id: UUID | None = None,
    arrival_key: str | None = None,
) -> Lead:
    """Take a lead in; one that came before is given back as it is.

    Args:
        uow: A writing unit of work.
        values: Fields of ``crm_sales.schemas.leads.LeadSchema``.
        owner_id: Who gets it; None for whom the rules name, as soon as they are asked.
        arrival_key: Names where it came from, such as ``form:17``.

    Raises:
        InputError: A field is wrong; ``details["fields"]`` says what of each.
        PermissionDeniedError: The right is missing, or does not reach this owner.
    """
    uow.actor.require(LEAD_EDIT)
    arrival_key = filled(arrival_key, "arrival_key") if arrival_key is not None else None
    if arrival_key is not None:
        known = uow.scalar(select(Lead).where(Lead.arrival_key == arrival_key))
        if known is not None:
            return _survivor(uow, known)
    record = load_lead(values, region=load_settings(uow).phone_region)
    (lead,) = insert_leads(uow, [{**record, "owner_id": owner_id, "arrival_key": arrival_key}])
    return lead


def insert_leads(uow: UnitOfWork, records: Iterable[Mapping[str, Any]]) -> list[Lead]:
    """Write leads whose fields are checked; ``product`` is a reference.

    Raises:
        InputError: There is no such product.
        PermissionDeniedError: The right is missing, or does not reach an owner.
    """
    uow.actor.require(LEAD_EDIT)
    rows = [dict(record) for record in records]
    products = product_ids(uow, {row["product"] for row in rows if row.get("product")})
    base = load_settings(uow).base_currency
    for code in {str(row.get("currency_code") or base) for row in rows}:
        ensure_currency(uow, code)
    _check_owners(uow, {row["owner_id"] for row in rows if row.get("owner_id")})
    leads = []
    for row in rows:
        text = row.pop("product", None)
        row["product_id"] = _known(products, text) if text else None
        row["currency_code"] = row.get("currency_code") or base
        row["assigned_at"] = uow.now if row.get("owner_id") else None
        lead = Lead(state=LeadState.NEW.value, created_at=uow.now, updated_at=uow.now, **row)
        _settle(lead)
        leads.append(uow.add(lead))
    uow.flush()
    if leads:
        uow.record(LeadsAdded(tuple(lead.id for lead in leads)))
    return leads


def edit_lead(
    uow: UnitOfWork,
    lead_id: UUID,
    changes: Mapping[str, Any],
    *,
    expected_version: int | None = None,
) -> Lead:
    """Change some fields of a lead; None or blank text clears one.

    Raises:
        InputError: A field is wrong, or cannot be changed here.
        RuleViolationError: It is closed.
        StaleVersionError: Somebody changed it since.
    """
    lead = open_lead(uow, lead_id, expected_version)
    record = load_lead(changes, partial=True, region=lead.country_code or _region(uow))
    if "name" in record or "company" in record:
        company = record.get("company", lead.company)
        record["name"] = record.get("name", lead.name) or company
        if not record["name"]:
            raise InputError(
                t("A lead needs a name, or the company's: give one."),
                code="sales.lead.invalid",
                details={"fields": {"name": t("is empty: give a name, or the company's.")}},
            )
    if "product" in record:
        text = str(record.pop("product") or "")
        record["product_id"] = _known(product_ids(uow, {text}), text) if text else None
    if "currency_code" in record:
        record["currency_code"] = record["currency_code"] or load_settings(uow).base_currency
        ensure_currency(uow, record["currency_code"])
    changed = {name: value for name, value in record.items() if getattr(lead, name) != value}
    for name, value in changed.items():
        setattr(lead, name, value)
    if changed:
        lead.updated_at = uow.now
        _settle(lead)
        uow.flush()
    return lead


def take_lead(uow: UnitOfWork, told: Mapping[str, Any]) -> Lead:
    """Take in what another module tells (``sales.lead.asked``), once for each arrival key.

    Nothing is lost: what no field can hold stands in the words of the request.

    Args:
        uow: A writing unit of work.
        told: ``arrival_key``, and fields of a lead with ``title`` for its name.
    """
    uow.actor.require(LEAD_EDIT)
    values = {name: told.get(name) for name in FIELDS if told.get(name) is not None}
    if told.get("title") is not None:
        values["name"] = told["title"]
    left: dict[str, Any] = {}
    _record, faults = read_lead(values, region=_region(uow))
    for name in faults:
        if name in values:
            left[name] = values.pop(name)
    if values.get("product") and not product_ids(uow, [str(values["product"])]):
        left["product"] = values.pop("product")
    if not values.get("name") and not values.get("company"):
        values["name"] = str(left.get("email") or values.get("email") or t("Unnamed"))[:LINE]
    if left:
        lines = [values.get("request"), *(f"{name}: {value}" for name, value in left.items())]
        values["request"] = "\n".join(str(line) for line in lines if line)[:TEXT].replace("\0", " ")
    return add_lead(uow, values, arrival_key=str(told.get("arrival_key") or "")[:LINE] or None)


def open_lead(uow: UnitOfWork, lead_id: UUID, expected_version: int | None) -> Lead:
    """Return a lead that the actor may change and that is not closed.

    Raises:
        RuleViolationError: It is closed.
        StaleVersionError: Somebody changed it since.
    """
    lead = permitted_lead(uow, lead_id, LEAD_EDIT)
    expect_lead_as_read(uow, lead, expected_version)
    if lead.state != LeadState.NEW:
        raise RuleViolationError(
            t(
                "The lead {lead} ({lead_id}) is {state} already: open it again first.",
                lead=lead.name,
                lead_id=lead.id,
                state=lead.state,
            ),
            code="sales.lead.closed",
            details={"id": str(lead.id), "state": lead.state},
        )
    return lead


def product_ids(uow: UnitOfWork, references: Iterable[str]) -> dict[str, UUID]:
    """Return the products in use that references, or ids, name; those that none has are left out.

    Raises:
        PermissionDeniedError: The actor may not change leads.
    """
    uow.actor.require(LEAD_EDIT)
    wanted = sorted(set(references))
    ids = [key for text in wanted if (key := _key(text)) is not None]
    found = uow.execute(
        select(Product.id, Product.reference).where(
            or_(Product.reference.in_(wanted), Product.id.in_(ids)),
            Product.archived_at.is_(None),
        )
    ).all()
    by_name = {str(row.id): row.id for row in found}
    return by_name | {row.reference: row.id for row in found if row.reference}


def _known(products: Mapping[str, UUID], text: str) -> UUID:
    key = _key(text)
    found = products.get(text) or (products.get(str(key)) if key else None)
    if found is None:
        raise InputError(
            t("There is no product {text!r}: give the reference of one that is sold.", text=text),
            code="sales.lead.product",
            details={"fields": {"product": t("is no product that is sold.")}},
        )
    return found


def _key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _check_owners(uow: UnitOfWork, owner_ids: set[UUID]) -> None:
    if not owner_ids:
        return
    users = uow.scalars(select(User).where(User.id.in_(owner_ids))).all()
    if len(users) < len(owner_ids):
        raise InputError(
            n("There is no such user.", "There are no such users.", len(owner_ids) - len(users)),
            code="sales.lead.owner",
        )
    for user in users:
        require_enabled(user)
        if not uow.actor.may_for_owner(LEAD_ASSIGN, user.id):
            uow.actor.require_for_owner(LEAD_EDIT, user.id, t("leads of {login}", login=user.login))


def _settle(lead: Lead) -> None:
    """Keep what follows from other fields in step with them."""
    kind = "company" if lead.company else "person"
    words = name_words(lead.company or lead.name, kind)
    lead.name_key = " ".join(sorted(words)) or None
    if lead.expected_amount is not None:
        lead.expected_amount = rounded(lead.expected_amount, lead.currency_code)


def _region(uow: UnitOfWork) -> str | None:
    return load_settings(uow).phone_region


def _survivor(uow: UnitOfWork, lead: Lead) -> Lead:
    """Return the lead that a lead went into, at last; itself where it was not merged."""
    while lead.merged_into_id is not None:
        lead = uow.get(Lead, lead.merged_into_id)
    return lead
