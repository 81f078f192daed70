"""The customer card: one customer whole, as the desk sees it while the phone rings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from crm_core.entities.commerce import TransactionKind
from crm_core.errors import NotFoundError
from crm_core.messages import t
from crm_core.persistence.card_rows import card_rows
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.consents import latest_statements
from crm_core.services.currencies import rates_on
from crm_core.services.settings import Settings
from crm_hooks.contributions import CardPanel

TIMELINE_LIMIT = 20
Rows = list[dict[str, Any]]

_ORDER, _INVOICE = TransactionKind.ORDER.value, TransactionKind.INVOICE.value
_REFUND = TransactionKind.REFUND.value


@dataclass(frozen=True, slots=True)
class CustomerCard:
    """Everything known of one customer; lists of dicts by field name.

    Attributes:
        customer: ``id, kind, stage, name, reference, vat, language, job_title,
            preferred_channel, note, owner_id, owner_name, archived_at, created_at, updated_at,
            version``.
        contact_points: ``id, kind, value, normalized, label`` in order.
        addresses: The fields of ``Address``, without archived ones.
        tags: ``id, name``.
        owners: Who answered for it when, latest first.
        relationships: See ``list_relationships``.
        timeline: ``kind`` (interaction, activity, document), ``id, at, on, title, detail,
            direction, body, who``, newest first; a document has a day (``on``), the others a
            moment (``at``). ``detail`` is the channel, the activity's type or the document's kind.
        documents: Open ones and the latest of each kind, newest first: the fields of
            ``Transaction`` and ``is_overdue``.
        balance: What is still to be paid.
        activities: Open ones, soonest due first, with ``is_overdue``.
        consents: What counts now, a dict for each purpose and channel.
        profile: ``id, code, title, type, is_personal, value, updated_at``.
        products: What was bought: ``id, name, reference, quantity, times, last_on``.
        sources: Freshness: ``backend, remote_id, state, synced_at`` and ``refreshed`` (entity to
            the moment it was last read to the end).
        panels: What plugins show, ``CardPanel`` each.
    """

    customer: dict[str, Any]
    contact_points: Rows
    addresses: Rows
    tags: Rows
    owners: Rows
    relationships: Rows
    timeline: Rows
    documents: Rows
    balance: Balance
    activities: Rows
    consents: Rows
    profile: Rows
    products: Rows
    sources: Rows
    panels: list[CardPanel]


@dataclass(frozen=True, slots=True)
class Balance:
    """What is still to be paid: open invoices less open refunds, and what of it is overdue.

    Attributes:
        currencies: ``currency_code, open_amount, overdue_amount`` for each currency.
        base_currency: The company's own.
        open_amount: All of it in the base currency; None where a rate is missing.
        overdue_amount: The same for what is overdue.
        rate_on: From when the oldest rate used is; None where none was needed.
        without_rate: Currencies from which no rate leads to the base.
    """

    currencies: Rows
    base_currency: str
    open_amount: Decimal | None
    overdue_amount: Decimal | None
    rate_on: date | None
    without_rate: list[str]


def customer_card(
    uow: UnitOfWork, customer_id: UUID, settings: Settings, *, timeline_limit: int = TIMELINE_LIMIT
) -> CustomerCard:
    """Return one customer whole, in a fixed number of statements.

    Args:
        uow: The unit of work.
        customer_id: Which.
        settings: Of this database: "today" is the company's, totals are in its base currency.
        timeline_limit: How many things of the past to show, at most.

    Raises:
        NotFoundError: There is none that the actor may see.
    """
    uow.actor.require(CUSTOMER_VIEW)
    rows = card_rows(uow, customer_id, interactions=timeline_limit)
    if rows is None:
        raise NotFoundError(
            t(
                "There is no customer {customer_id} that {login} may see.",
                customer_id=customer_id,
                login=uow.actor.login,
            ),
            code="core.customer.not_found",
            details={"id": str(customer_id)},
        )
    now = uow.now
    today = now.astimezone(ZoneInfo(settings.time_zone)).date()
    documents = _documents(rows["documents"], today)
    return CustomerCard(
        customer=rows["customer"][0],
        contact_points=rows["contact_points"],
        addresses=rows["addresses"],
        tags=rows["tags"],
        owners=rows["owners"],
        relationships=rows["relationships"],
        timeline=_timeline(rows["timeline"], documents, timeline_limit),
        documents=documents,
        balance=_balance(uow, documents, settings.base_currency, today),
        activities=_activities(rows["activities"], now),
        consents=latest_statements(rows["consents"]),
        profile=[{**row, "is_personal": bool(row["is_personal"])} for row in rows["profile"]],
        products=_products(rows["products"]),
        sources=_sources(rows["sources"]),
        panels=uow.hooks.collect(
            "crm_collect_card_panels", instead=_failed_panel, uow=uow, customer_id=customer_id
        ),
    )


def _failed_panel(plugin: str) -> CardPanel:
    """Say of a plugin that failed what a reader would otherwise miss without knowing."""
    said = t("This cannot be shown now; it was written down for the administrators.")
    return CardPanel(plugin, fields=((t("Left out"), said),))


def _documents(rows: Rows, today: date) -> Rows:
    """Drop those read twice (open and recent), mark the overdue, newest first."""
    documents = {row["id"]: row for row in rows}
    for row in documents.values():
        due_on = row["due_on"]
        row["is_overdue"] = bool(
            row["is_open"] and row["kind"] == _INVOICE and due_on is not None and due_on < today
        )
    return sorted(
        documents.values(), key=lambda row: (row["issued_on"] or date.min, row["id"]), reverse=True
    )


def _timeline(events: Rows, documents: Rows, limit: int) -> Rows:
    entries = events + [
        {
            "kind": "document",
            "id": row["id"],
            "at": None,
            "on": row["issued_on"],
            "title": row["number"],
            "detail": row["kind"],
            "direction": None,
            "body": row["reference"],
            "who": None,
        }
        for row in documents[:limit]
        if row["issued_on"] is not None
    ]
    entries.sort(key=_moment, reverse=True)
    return entries[:limit]


def _moment(entry: Mapping[str, Any]) -> datetime:
    at: datetime | None = entry["at"]
    return at or datetime.combine(entry["on"], time.min, UTC)


def _balance(uow: UnitOfWork, documents: Rows, base: str, today: date) -> Balance:
    sums: dict[str, list[Decimal]] = {}
    for row in documents:
        if row["is_open"]:
            total = sums.setdefault(row["currency_code"], [Decimal(0), Decimal(0)])
            is_refund = row["kind"] == _REFUND
            total[0] += -row["open_amount"] if is_refund else row["open_amount"]
            total[1] += row["open_amount"] if row["is_overdue"] else 0
    currencies = [
        {"currency_code": code, "open_amount": total[0], "overdue_amount": total[1]}
        for code, total in sorted(sums.items())
    ]
    if not set(sums) - {base}:
        total = sums.get(base, [Decimal(0), Decimal(0)])
        return Balance(currencies, base, total[0], total[1], None, [])
    table = rates_on(uow, {base, *sums}, today)
    converted = {
        code: [table.convert(amount, code, base) for amount in total]
        for code, total in sums.items()
    }
    missing = sorted(code for code, pair in converted.items() if None in pair)
    if missing:
        return Balance(currencies, base, None, None, None, missing)
    known = [[one for one in pair if one is not None] for pair in converted.values()]
    used = [pair[0].rate_on for code, pair in zip(converted, known, strict=True) if code != base]
    opened = sum((pair[0].amount for pair in known), Decimal(0))
    overdue = sum((pair[1].amount for pair in known), Decimal(0))
    return Balance(currencies, base, opened, overdue, min(used), [])


def _activities(rows: Rows, now: datetime) -> Rows:
    for row in rows:
        row["is_overdue"] = row["due_at"] < now
    return sorted(rows, key=lambda row: (row["due_at"], row["id"]))


def _products(rows: Rows) -> Rows:
    """Count what was ordered; what was only ever invoiced, by its invoices."""
    products: dict[UUID, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["source"] != _ORDER):
        products.setdefault(row["id"], row)
    chosen = sorted(
        products.values(), key=lambda row: (row["last_on"] or date.min, row["id"]), reverse=True
    )
    return [{key: row[key] for key in row if key != "source"} for row in chosen]


def _sources(rows: Rows) -> Rows:
    """Gather the entities read from each back office."""
    sources: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        entity, refreshed_at = row.pop("entity"), row.pop("refreshed_at")
        told = sources.setdefault((row["backend"], row["remote_id"]), {**row, "refreshed": {}})
        if entity is not None:
            told["refreshed"][entity] = refreshed_at
    return list(sources.values())
