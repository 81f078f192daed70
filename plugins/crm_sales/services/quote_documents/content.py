"""What an offer says to its customer: on paper, and on the page behind its link."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import case, select

from crm_core.entities import Address, AddressUse
from crm_core.locale_format import nearest_locale
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.settings import load_settings
from crm_sales.models import LineKind, LineRole, TaxSource
from crm_sales.permissions import QUOTE_VIEW
from crm_sales.services.quote_choices import CHOICES, choose_lines, chosen_of
from crm_sales.services.quotes.amounts import reckon
from crm_sales.services.quotes.checks import reckoning_for
from crm_sales.services.quotes.view import quote_view

_OF_LINES = (
    *("id", "kind", "role", "group", "is_chosen", "quantity", "unit", "unit_price"),
    *("discount_percent", "tax_percent", "untaxed_amount", "total_amount"),
)


def offer_content(
    uow: UnitOfWork, quote_id: UUID, *, chosen: Collection[UUID] | None = None
) -> dict[str, Any]:
    """Return all that an offer says to its customer, and nothing that is for us.

    It holds ``id, number, state, version, language, currency_code, decimals, customer, contact,
    address, seller, seller_email, made_on, valid_until_on, payment_term, terms, lines`` (what is
    bought as things stand, with sections and notes), ``options`` (what may be taken in addition),
    ``alternatives`` (``name`` and ``lines`` of what may be taken instead), ``choices`` (all that
    can be chosen), ``has_discount``, the sums, ``taxes`` and ``tax_is_estimate``.

    Args:
        uow: Any unit of work.
        quote_id: Which.
        chosen: As it would be with these options and alternatives; None for as it stands.

    Raises:
        NotFoundError: There is no such offer that the actor may see.
        InputError, RuleViolationError: What is chosen will not do.
    """
    uow.actor.require(QUOTE_VIEW)
    view = quote_view(uow, quote_id)
    if chosen is not None:
        _choose(uow, view, chosen)
    settings = load_settings(uow)
    made_at = view["sent_at"] or uow.now
    said = {
        "language": view["language"] or settings.language,
        "decimals": view["money_places"],
        "customer": view["customer_name"] or "",
        "contact": view["contact_name"] or "",
        "seller": view["owner_name"] or "",
        "seller_email": view["owner_email"] or "",
        "made_on": made_at.astimezone(ZoneInfo(settings.time_zone)).date(),
        "payment_term": view["payment_term_note"] or view["payment_term_name"],
        "tax_is_estimate": view["tax_source"] == TaxSource.ESTIMATE,
        "taxes": _taxes(view),
        "has_discount": any(line["discount_percent"] for line in view["lines"]),
    }
    for name in ("id", "number", "state", "version", "currency_code", "valid_until_on", "terms"):
        said[name] = view[name]
    said["untaxed_amount"], said["total_amount"] = view["untaxed_amount"], view["total_amount"]
    said["address"] = _address(uow, view, said["language"])
    return said | _sorted(view["lines"])


def _choose(uow: UnitOfWork, view: dict[str, Any], chosen: Collection[UUID]) -> None:
    """Have an offer be as it would be with another choice."""
    lines = [SimpleNamespace(**line) for line in view["lines"]]
    if set(chosen) == chosen_of(lines):
        return
    choose_lines(uow, lines, chosen)
    by_erp = view["tax_source"] == TaxSource.ERP
    totals = reckon(lines, reckoning_for(uow, view["currency_code"]), by_erp=by_erp)
    for line, shown in zip(lines, view["lines"], strict=True):
        shown["is_chosen"] = line.is_chosen
    view["taxes"] = [asdict(part) for part in totals.taxes]
    for name in ("untaxed_amount", "tax_amount", "total_amount"):
        view[name] = getattr(totals, name)


def _address(uow: UnitOfWork, view: Mapping[str, Any], language: str) -> list[str]:
    """Return the lines of the address that the offer goes to: the invoice's, else the main one."""
    address = view["invoice_address"] or _main_address(uow, view["customer_id"])
    if address is None:
        return []
    place = " ".join(filter(None, (address["postal_code"], address["city"])))
    country = nearest_locale(language).territories.get(address["country_code"] or "")
    named = [address[name] for name in ("recipient", "street", "street2")]
    return [part for part in (*named, place, address["region"], country) if part]


def _main_address(uow: UnitOfWork, customer_id: UUID) -> Mapping[str, Any] | None:
    is_main = case((Address.use == AddressUse.MAIN, 0), else_=1)
    statement = (
        select(
            Address.recipient,
            Address.street,
            Address.street2,
            Address.postal_code,
            Address.city,
            Address.region,
            Address.country_code,
        )
        .where(Address.customer_id == customer_id, Address.archived_at.is_(None))
        .order_by(is_main, Address.id)
        .limit(1)
    )
    row = uow.execute(statement).one_or_none()
    return None if row is None else dict(row._mapping)


def _sorted(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the lines by what a customer may do about them."""
    shown = [_line(line) for line in lines]
    left = [each for each in shown if each["is_choice"] and not each["is_chosen"]]
    groups: dict[str, list[dict[str, Any]]] = {}
    for each in left:
        if each["role"] == LineRole.ALTERNATIVE:
            groups.setdefault(each["group"] or "", []).append(each)
    return {
        "lines": [each for each in shown if not each["is_choice"] or each["is_chosen"]],
        "options": [each for each in left if each["role"] == LineRole.OPTION],
        "alternatives": [{"name": name, "lines": some} for name, some in groups.items()],
        "choices": [each for each in shown if each["is_choice"]],
    }


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: line[name] for name in _OF_LINES} | {
        "description": line["description"] or line["product_name"] or "",
        "is_choice": line["kind"] == LineKind.PRODUCT and line["role"] in CHOICES,
        "is_part": line["bundle_line_id"] is not None,
    }


def _taxes(view: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tax by rate; in one sum where the rates' sums do not make up the whole."""
    taxes = [{"percent": each["percent"], "amount": each["tax_amount"]} for each in view["taxes"]]
    if sum((each["amount"] for each in taxes), Decimal(0)) != view["tax_amount"]:
        return [{"percent": None, "amount": view["tax_amount"]}]
    return [each for each in taxes if each["percent"]]
