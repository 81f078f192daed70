"""The SQL of what stands beside customers in other tables, as the list of customers asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ColumnExpressionArgument,
    Float,
    and_,
    case,
    cast,
    exists,
    func,
    or_,
    select,
)

from crm_core.entities.commerce import Transaction, TransactionKind
from crm_core.entities.consent import ProfileValue
from crm_core.entities.customer import (
    Address,
    AddressUse,
    ContactPoint,
    Customer,
    CustomerTag,
    Tag,
)
from crm_core.entities.interaction import Activity, Interaction
from crm_core.normalize import normalize_contact
from crm_core.persistence.bulk import among
from crm_core.services import customer_list_compare as kinds
from crm_core.services.customer_list_compare import Asking, holds
from crm_core.services.customer_list_query import Operator

FEW = 1_000
"""Customers that are looked up by their ids."""
Expression = Callable[[Asking], ColumnElement[Any]]
Condition = Callable[[Asking, Operator, Sequence[Any]], ColumnElement[bool]]


def _having(
    asking: Asking, customer_id: Any, *conditions: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Return the SQL that a customer has a row elsewhere, in the way that the list is walked best.

    Few customers are looked up one by one; of many, a page is full after a short walk in its order.
    """
    found = select(customer_id).where(*conditions).limit(FEW + 1)
    ids = asking.uow.scalars(found).all()
    if len(ids) <= FEW:
        return among(Customer.id, ids)
    return exists().where(customer_id == Customer.id, *conditions)


def tagged(asking: Asking, operator: Operator, values: Sequence[Any]) -> ColumnElement[bool]:
    """Return the SQL that a customer carries tags."""
    carried = CustomerTag.customer_id
    if operator is Operator.FILLED:
        return _having(asking, carried)
    ids = asking.uow.scalars(select(Tag.id).where(Tag.name.in_(values))).all()
    return _having(asking, carried, CustomerTag.tag_id.in_(ids))


def contact(*contact_kinds: str) -> Condition:
    """Return the condition on the contact points of some kinds."""

    def condition(asking: Asking, operator: Operator, values: Sequence[Any]) -> ColumnElement[bool]:
        point = ContactPoint
        conditions: list[ColumnElement[bool]] = [point.kind.in_(contact_kinds)]
        if operator in (Operator.IS, Operator.ANY):
            region = asking.settings.phone_region
            same = {normalize_contact(contact_kinds[0], each, region) or each for each in values}
            conditions.append(point.normalized.in_(sorted(same)))
        elif operator is not Operator.FILLED:
            conditions.append(
                or_(
                    holds(kinds.TEXT, point.value, operator, values),
                    holds(kinds.TEXT, point.normalized, operator, values),
                )
            )
        return _having(asking, point.customer_id, *conditions)

    return condition


def address(column: Any, kind: str) -> Condition:
    """Return the condition on a column of the main address."""

    def condition(asking: Asking, operator: Operator, values: Sequence[Any]) -> ColumnElement[bool]:
        return _having(
            asking,
            Address.customer_id,
            holds(kind, column, operator, values),
            Address.use == AddressUse.MAIN.value,
            Address.archived_at.is_(None),
        )

    return condition


def extreme(moment: Any, *rows: ColumnExpressionArgument[bool], is_latest: bool) -> Condition:
    """Return the condition on the latest, or earliest, moment of a customer's rows elsewhere.

    It asks whether there are rows, and none beyond: databases answer that for all customers at
    once, where the greatest moment would be looked up for each.
    """

    def condition(
        _asking: Asking, operator: Operator, values: Sequence[Any]
    ) -> ColumnElement[bool]:
        if operator is Operator.FILLED:
            return exists().where(*rows)
        since = values[0][1] if operator is Operator.AFTER else values[0][0]
        until = values[0][0] if operator is Operator.BEFORE else values[-1][1]
        within = []
        if operator is not Operator.BEFORE:
            within.append(moment >= since)
        if operator is not Operator.AFTER:
            within.append(moment < until)
        found = exists().where(*rows, *within)
        if operator is (Operator.AFTER if is_latest else Operator.BEFORE):
            return found
        beyond = moment >= until if is_latest else moment < since
        return and_(found, ~exists().where(*rows, beyond))

    return condition


last_contact = extreme(Interaction.at, Interaction.customer_id == Customer.id, is_latest=True)
next_activity = extreme(
    Activity.due_at, Activity.customer_id == Customer.id, Activity.is_open, is_latest=False
)


def open_activities(_asking: Asking) -> ColumnElement[Any]:
    """Return the SQL of how many things are to be done."""
    todo = select(func.count()).where(Activity.customer_id == Customer.id, Activity.is_open)
    return todo.correlate(Customer).scalar_subquery()


def overdue(asking: Asking) -> ColumnElement[Any]:
    """Return the SQL of whether an invoice is overdue."""
    return exists().where(
        Transaction.customer_id == Customer.id,
        Transaction.is_open,
        Transaction.due_on < asking.today,
        Transaction.kind == TransactionKind.INVOICE.value,
    )


def owing(_asking: Asking, _operator: Operator, _values: Sequence[Any]) -> ColumnElement[bool]:
    """Return the SQL that there is something to be paid."""
    return exists().where(Transaction.customer_id == Customer.id, Transaction.is_open)


def profile_condition(attribute_id: UUID, kind: str) -> Condition:
    """Return the condition on an attribute that stands in rows of its own."""
    value: Any = ProfileValue.value
    if kind == kinds.NUMBER:
        # The case keeps other attributes' texts from being taken for numbers.
        value = case((ProfileValue.attribute_id == attribute_id, cast(value, Float)))

    def condition(asking: Asking, operator: Operator, values: Sequence[Any]) -> ColumnElement[bool]:
        conditions: list[ColumnElement[bool]] = [ProfileValue.attribute_id == attribute_id]
        if kind == kinds.YES_NO:
            conditions.append(value == str(values[0]).lower())
        elif operator is not Operator.FILLED:
            conditions.append(_canonical(kind, value, operator, values))
        return _having(asking, ProfileValue.customer_id, *conditions)

    return condition


def _canonical(
    kind: str, value: Any, operator: Operator, values: Sequence[Any]
) -> ColumnElement[bool]:
    """Compare what is kept as text; ISO dates sort as dates do."""
    if kind != kinds.DATE:
        return holds(kind, value, operator, values)
    days = [day.isoformat() for day in values]
    found: ColumnElement[bool] = value.between(days[0], days[-1])
    if operator in (Operator.BEFORE, Operator.AFTER):
        found = value < days[0] if operator is Operator.BEFORE else value > days[0]
    return found
