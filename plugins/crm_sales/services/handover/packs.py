"""A pack per customer, for whoever takes over: who they are, what is open, said and promised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from crm_core.access import Actor
from crm_core.entities import (
    Activity,
    Address,
    ContactPoint,
    Customer,
    Interaction,
    Transaction,
    User,
)
from crm_core.messages import say, t
from crm_core.persistence.bulk import chunked
from crm_core.persistence.database import Database
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.services.customer_export import Rows, checked_format, exporting, write_export
from crm_core.services.places import place_of
from crm_core.services.settings import load_settings
from crm_sales.models import (
    DealState,
    HandedItem,
    NextStep,
    Opportunity,
    Quote,
    QuoteState,
    Stage,
)
from crm_sales.permissions import HANDOVER

LAST_CONTACTS = 5
A_ROUND = 200
"""Customers whose packs are read at a time."""


def customer_packs(uow: UnitOfWork, customer_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Return packs of up to some hundred customers, as far as the actor may see what is in them.

    Returns:
        By name, dicts of ``id, name, kind, stage, reference, language, owner_name``, and lists:
        ``points, addresses, deals, documents`` (open invoices and orders), ``contacts`` (the last
        five, latest first), ``todo`` (open activities) and ``offers`` (sent, not answered).
    """
    uow.actor.require(CUSTOMER_VIEW)
    statement = (
        select(
            Customer.id,
            Customer.name,
            Customer.kind,
            Customer.stage,
            Customer.reference,
            Customer.language,
            User.name.label("owner_name"),
        )
        .outerjoin(User, User.id == Customer.owner_id)
        .where(Customer.id.in_(list(customer_ids)))
        .order_by(Customer.name, Customer.id)
    )
    packs = {row.id: dict(row._mapping) for row in uow.execute(statement)}
    for name, part in _PARTS.items():
        for pack in packs.values():
            pack[name] = []
        for row in uow.execute(part(list(packs))):
            values = dict(row._mapping)
            packs[values.pop("customer_id")][name].append(values)
    return list(packs.values())


def customer_pack(uow: UnitOfWork, customer_id: UUID) -> dict[str, Any]:
    """Return the pack of one customer, as :func:`customer_packs` does.

    Raises:
        NotFoundError: There is none that the actor may see.
    """
    uow.actor.require(CUSTOMER_VIEW)
    return customer_packs(uow, [uow.get(Customer, customer_id).id])[0]


def export_packs(
    database: Database, actor: Actor, handover_id: UUID, out_path: Path, format: str | None = None
) -> int:
    """Write the packs of all customers of a handover to one table, audited; return its lines.

    Args:
        database: From which.
        actor: Who takes them along; they need the right to export customers.
        handover_id: Of which handover.
        out_path: The file; one that is there is replaced when all went well.
        format: ``xlsx`` or ``csv``; None goes by the file's ending.

    Raises:
        PermissionDeniedError: The actor may not export, or not hand over.
        InputError: The format is not known.
        ConfigurationError: The file cannot be written.
    """
    reader = exporting(actor)
    chosen = checked_format(out_path, format)
    headings = [say(each) for each in (t("Customer"), t("Part"), t("When"), t("What"), t("More"))]
    told = f"handover={handover_id}"
    rows = _lines(database, reader, handover_id, headings)
    return write_export(database, actor, out_path, chosen, headings, rows, query=told)


def _lines(database: Database, actor: Actor, handover_id: UUID, headings: Sequence[str]) -> Rows:
    with unit_of_work(database, actor=actor) as uow:
        place = place_of(uow, load_settings(uow))
        for some in chunked(handed_customers(uow, handover_id), A_ROUND):
            for pack in customer_packs(uow, some):
                for cells in _told(pack, place):
                    yield pack["id"], dict(zip(headings, (pack["name"], *cells), strict=True))


def handed_customers(uow: UnitOfWork, handover_id: UUID) -> list[UUID]:
    """Return the customers of a handover that the actor may see, by name."""
    uow.actor.require(HANDOVER)
    statement = (
        select(Customer.id)
        .join(HandedItem, HandedItem.record_id == Customer.id)
        .where(HandedItem.handover_id == handover_id, HandedItem.kind == Customer.__entity__)
        .order_by(Customer.name, Customer.id)
    )
    return list(uow.scalars(statement))


def _told(pack: dict[str, Any], place: Any) -> Iterator[tuple[str, str, str, str]]:
    """Give the lines of a pack: part, when, what, more."""

    def line(part: str, at: Any, what: Any, *more: Any) -> tuple[str, str, str, str]:
        return say(part), at or "", say(what or ""), ", ".join(say(each) for each in more if each)

    about = t("Customer")
    yield line(about, "", pack["name"], pack["kind"], pack["stage"], pack["reference"])
    for each in pack["points"]:
        yield line(t("Contact"), "", each["value"], each["kind"], each["label"])
    for each in pack["addresses"]:
        yield line(t("Address"), "", each["street"], each["city"], each["country_code"])
    for each in pack["deals"]:
        amount = place.money(each["expected_amount"], each["currency_code"])
        yield line(
            t("Deal"), place.day(each["expected_close_on"]), each["name"], each["stage"], amount
        )
    for each in pack["documents"]:
        amount = place.money(each["open_amount"], each["currency_code"])
        yield line(t("Document"), place.day(each["due_on"]), each["number"], each["kind"], amount)
    for each in pack["contacts"]:
        yield line(
            t("Last contact"),
            place.moment(each["at"]),
            each["subject"],
            each["channel"],
            each["who"],
        )
    for each in pack["todo"]:
        yield line(
            t("Promise"), place.moment(each["due_at"]), each["summary"], each["deal"], each["who"]
        )
    for each in pack["offers"]:
        amount = place.money(each["total_amount"], each["currency_code"])
        yield line(t("Offer"), place.day(each["valid_until_on"]), each["number"], amount)


def _points(ids: list[UUID]) -> Any:
    point = ContactPoint
    return (
        select(point.customer_id, point.kind, point.label, point.value)
        .where(point.customer_id.in_(ids))
        .order_by(point.customer_id, point.position, point.id)
    )


def _addresses(ids: list[UUID]) -> Any:
    address = Address
    return (
        select(
            address.customer_id,
            address.use,
            address.street,
            address.postal_code,
            address.city,
            address.country_code,
        )
        .where(address.customer_id.in_(ids), address.archived_at.is_(None))
        .order_by(address.customer_id, address.id)
    )


def _deals(ids: list[UUID]) -> Any:
    deal = Opportunity
    return (
        select(
            deal.customer_id,
            deal.id,
            deal.name,
            Stage.name.label("stage"),
            deal.expected_amount,
            deal.currency_code,
            deal.expected_close_on,
            deal.note,
        )
        .join(Stage, Stage.id == deal.stage_id)
        .where(deal.customer_id.in_(ids), deal.state == DealState.OPEN)
        .order_by(deal.customer_id, deal.id)
    )


def _documents(ids: list[UUID]) -> Any:
    document = Transaction
    return (
        select(
            document.customer_id,
            document.kind,
            document.number,
            document.issued_on,
            document.due_on,
            document.open_amount,
            document.currency_code,
        )
        .where(document.customer_id.in_(ids), document.is_open)
        .order_by(document.customer_id, document.due_on, document.id)
    )


def _contacts(ids: list[UUID]) -> Any:
    """The last few of each customer, numbered from the latest on."""
    talk = Interaction
    place = func.row_number().over(
        partition_by=talk.customer_id, order_by=(talk.at.desc(), talk.id.desc())
    )
    numbered = (
        select(
            talk.customer_id,
            talk.at,
            talk.channel,
            talk.direction,
            talk.subject,
            talk.user_id,
            place.label("place"),
        )
        .where(talk.customer_id.in_(ids))
        .subquery()
    )
    told = numbered.c
    return (
        select(
            told.customer_id,
            told.at,
            told.channel,
            told.direction,
            told.subject,
            User.name.label("who"),
        )
        .outerjoin(User, User.id == told.user_id)
        .where(told.place <= LAST_CONTACTS)
        .order_by(told.customer_id, told.place)
    )


def _todo(ids: list[UUID]) -> Any:
    todo = Activity
    return (
        select(
            todo.customer_id,
            todo.due_at,
            todo.type,
            todo.summary,
            Opportunity.name.label("deal"),
            User.name.label("who"),
        )
        .outerjoin(NextStep, NextStep.activity_id == todo.id)
        .outerjoin(Opportunity, Opportunity.id == NextStep.opportunity_id)
        .outerjoin(User, User.id == todo.owner_id)
        .where(todo.customer_id.in_(ids), todo.is_open)
        .order_by(todo.customer_id, todo.due_at, todo.id)
    )


def _offers(ids: list[UUID]) -> Any:
    offer = Quote
    return (
        select(
            offer.customer_id,
            offer.number,
            offer.total_amount,
            offer.currency_code,
            offer.valid_until_on,
            offer.sent_at,
        )
        .where(offer.customer_id.in_(ids), offer.state == QuoteState.SENT)
        .order_by(offer.customer_id, offer.id)
    )


_PARTS = {
    "points": _points,
    "addresses": _addresses,
    "deals": _deals,
    "documents": _documents,
    "contacts": _contacts,
    "todo": _todo,
    "offers": _offers,
}
