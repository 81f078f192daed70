"""The values of a list's columns that stand in other tables: read for a page at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, select

from crm_core.entities.commerce import Transaction, TransactionKind
from crm_core.entities.consent import ProfileAttribute, ProfileValue
from crm_core.entities.customer import Address, AddressUse, ContactPoint, Customer, CustomerTag, Tag
from crm_core.entities.interaction import Activity, Interaction
from crm_core.messages import t
from crm_core.persistence.bulk import among
from crm_core.services.customer_list_compare import Asking
from crm_hooks.contributions import ListColumn

Values = Mapping[str, Mapping[UUID, Any]]
"""Column to customer to value; who has none is left out."""
Reader = Callable[[Asking, Sequence[UUID], Sequence[str]], Values]


def first_point(*point_kinds: str) -> Callable[[Any], ColumnElement[Any]]:
    """Return what makes the SQL of a customer's first contact point of these kinds of its id."""
    # Spelt out, for a list of plain values is put into the text at each execution.
    kinds = [literal(kind) for kind in point_kinds]

    def made(customer_id: Any) -> ColumnElement[Any]:
        return (
            select(ContactPoint.value)
            .where(ContactPoint.customer_id == customer_id, ContactPoint.kind.in_(kinds))
            .order_by(ContactPoint.position, ContactPoint.id)
            .limit(1)
            .scalar_subquery()
        )

    return made


def of_main_address(column: Any) -> Callable[[Any], ColumnElement[Any]]:
    """Return what makes the SQL of a column of a customer's main address of its id."""

    def made(customer_id: Any) -> ColumnElement[Any]:
        return (
            select(column)
            .where(
                Address.customer_id == customer_id,
                Address.use == AddressUse.MAIN.value,
                Address.archived_at.is_(None),
            )
            .order_by(Address.id)
            .limit(1)
            .scalar_subquery()
        )

    return made


def read_tags(asking: Asking, ids: Sequence[UUID], _names: Sequence[str]) -> Values:
    """Read the names of tags, sorted."""
    rows: Any = asking.uow.execute(
        select(CustomerTag.customer_id, Tag.name)
        .join(Tag, Tag.id == CustomerTag.tag_id)
        .where(among(CustomerTag.customer_id, ids))
        .order_by(CustomerTag.customer_id, Tag.name)
    )
    found: dict[UUID, list[str]] = defaultdict(list)
    for customer_id, name in rows:
        found[customer_id].append(name)
    return {"tags": found}


def read_moments(asking: Asking, ids: Sequence[UUID], names: Sequence[str]) -> Values:
    """Read when there was contact last, and what is to be done next."""
    found: dict[str, dict[UUID, Any]] = {}
    rows: Any
    if "last_contact" in names:
        # One look into the index a customer: some have thousands of interactions.
        latest = select(func.max(Interaction.at)).where(Interaction.customer_id == Customer.id)
        rows = asking.uow.execute(
            select(Customer.id, latest.correlate(Customer).scalar_subquery()).where(
                among(Customer.id, ids)
            )
        )
        found["last_contact"] = {row[0]: row[1] for row in rows}
    if "next_activity" in names or "open_activities" in names:
        todo = Activity
        rows = asking.uow.execute(
            select(todo.customer_id, func.min(todo.due_at), func.count())
            .where(among(todo.customer_id, ids), todo.is_open)
            .group_by(todo.customer_id)
        )
        counted = {row[0]: (row[1], row[2]) for row in rows}
        found["next_activity"] = {key: each[0] for key, each in counted.items()}
        found["open_activities"] = {key: counted.get(key, (None, 0))[1] for key in ids}
    return found


def read_balances(asking: Asking, ids: Sequence[UUID], _names: Sequence[str]) -> Values:
    """Read what is still to be paid, by currency, and whether any of it is overdue."""
    document = Transaction
    rows: Any = asking.uow.execute(
        select(
            document.customer_id,
            document.currency_code,
            document.kind,
            func.sum(document.open_amount),
            func.min(document.due_on),
        )
        .where(among(document.customer_id, ids), document.is_open)
        .group_by(document.customer_id, document.currency_code, document.kind)
        .order_by(document.customer_id, document.currency_code)
    )
    sums: dict[UUID, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    overdue = dict.fromkeys(ids, False)
    for customer_id, currency, kind, amount, due_on in rows:
        is_refund = kind == TransactionKind.REFUND.value
        sums[customer_id][currency] += -amount if is_refund else amount
        late = due_on is not None and due_on < asking.today
        overdue[customer_id] |= late and kind == TransactionKind.INVOICE.value
    balances = {
        customer_id: [
            {"currency_code": code, "open_amount": amount} for code, amount in amounts.items()
        ]
        for customer_id, amounts in sums.items()
    }
    return {"balance": balances, "overdue": overdue}


def read_profile(asking: Asking, ids: Sequence[UUID], names: Sequence[str]) -> Values:
    """Read profile values, as they are kept."""
    codes = [name.partition(".")[2] for name in names]
    rows: Any = asking.uow.execute(
        select(ProfileValue.customer_id, ProfileAttribute.code, ProfileValue.value)
        .join(ProfileAttribute, ProfileAttribute.id == ProfileValue.attribute_id)
        .where(among(ProfileValue.customer_id, ids), ProfileAttribute.code.in_(codes))
    )
    found: dict[str, dict[UUID, Any]] = {name: {} for name in names}
    for customer_id, code, value in rows:
        found[f"profile.{code}"][customer_id] = value
    return found


def reader_of_plugin(column: ListColumn) -> Reader:
    """Return what reads a plugin's column."""

    def read(asking: Asking, ids: Sequence[UUID], _names: Sequence[str]) -> Values:
        what = t("The column {title}", title=column.title)
        return {column.name: asking.uow.hooks.call(column.values, what, asking.uow, ids)}

    return read
