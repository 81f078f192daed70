"""All rows that hang on one customer, read in a few prepared statements past the session.

Whoever may see a customer may see these rows: each class read here declares exactly that
(``ThroughCustomer()``, checked when this module is imported), so once the session has given the
customer to the actor nothing is left to be scoped. A statement built once and run on the
connection costs a third of one that the session scopes and compiles anew, and the customer card is
the page that people look at all day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Select, bindparam, func, select, union_all
from sqlalchemy.sql.selectable import CompoundSelect

from crm_core.entities.commerce import (
    Product,
    Transaction,
    TransactionKind,
    TransactionLine,
    TransactionState,
)
from crm_core.entities.consent import Consent, ProfileAttribute, ProfileValue
from crm_core.entities.customer import Address, ContactPoint, CustomerTag, Tag
from crm_core.entities.interaction import Activity, Interaction
from crm_core.entities.user import Ownership, User
from crm_core.persistence.bulk import table_of
from crm_core.persistence.scope import ThroughCustomer

if TYPE_CHECKING:
    from crm_core.persistence.unit_of_work import UnitOfWork

Statement = Select[Any] | CompoundSelect[Any]

RECENT = 20
"""Documents of each kind, and done activities, that are read besides the open ones."""

for _class in (
    Activity,
    Address,
    Consent,
    ContactPoint,
    CustomerTag,
    Interaction,
    Ownership,
    ProfileValue,
    Transaction,
):
    assert _class.__scope__ == ThroughCustomer(), _class  # noqa: S101  a rule of the code itself


def rows_of(
    uow: UnitOfWork, customer_id: UUID, *, interactions: int
) -> Mapping[str, list[dict[str, Any]]]:
    """Return the rows of a customer that the session has shown to the actor.

    Args:
        uow: The unit of work.
        customer_id: Which customer; that the actor may see it, the caller has checked.
        interactions: How many of the latest interactions to read.

    Returns:
        Dicts by column name, in lists called ``contact_points, addresses, tags, owners,
        interactions, activities, documents, consents, profile, products``.
    """
    uow.flush()
    connection = uow.connection()
    values = {"customer_id": customer_id, "interactions": interactions}
    found = {}
    for name, statement in _STATEMENTS.items():
        result = connection.execute(statement, values)
        keys = list(result.keys())
        found[name] = [dict(zip(keys, row, strict=True)) for row in result]
    return found


def _columns(model: Any, *names: str) -> list[Any]:
    return [table_of(model).c[name] for name in names]


def _of_customer(model: Any) -> Any:
    return table_of(model).c.customer_id == bindparam("customer_id")


def _contact_points() -> Statement:
    names = ("id", "kind", "value", "normalized", "label")
    order = _columns(ContactPoint, "position", "id")
    return select(*_columns(ContactPoint, *names)).where(_of_customer(ContactPoint)).order_by(*order)


def _addresses() -> Statement:
    left_out = ("customer_id", "archived_at")
    table = table_of(Address)
    return (
        select(*(column for column in table.c if column.name not in left_out))
        .where(_of_customer(Address), table.c.archived_at.is_(None))
        .order_by(table.c.use, table.c.id)
    )


def _tags() -> Statement:
    tag, carried = table_of(Tag), table_of(CustomerTag)
    return (
        select(tag.c.id, tag.c.name)
        .join(carried, carried.c.tag_id == tag.c.id)
        .where(_of_customer(CustomerTag))
        .order_by(tag.c.name)
    )


def _owners() -> Statement:
    own, user = table_of(Ownership), table_of(User)
    return (
        select(
            own.c.id,
            own.c.user_id,
            user.c.name.label("user_name"),
            own.c.from_at,
            own.c.until_at,
            own.c.changed_by,
        )
        .outerjoin(user, user.c.id == own.c.user_id)
        .where(_of_customer(Ownership))
        .order_by(own.c.from_at.desc(), own.c.id.desc())
    )


def _interactions() -> Statement:
    said, user = table_of(Interaction), table_of(User)
    names = ("id", "at", "channel", "direction", "subject", "body", "about_type", "about_id")
    return (
        select(*_columns(Interaction, *names), user.c.name.label("user_name"))
        .outerjoin(user, user.c.id == said.c.user_id)
        .where(_of_customer(Interaction))
        .order_by(said.c.at.desc(), said.c.id.desc())
        .limit(bindparam("interactions"))
    )


def _activities() -> Statement:
    todo, user = table_of(Activity), table_of(User)
    names = ("id", "type", "summary", "note", "due_at", "is_open", "done_at", "version")
    chosen = (
        select(*_columns(Activity, *names), user.c.name.label("owner_name"))
        .outerjoin(user, user.c.id == todo.c.owner_id)
        .where(_of_customer(Activity))
    )
    done = chosen.where(todo.c.is_open.is_(False)).order_by(todo.c.due_at.desc()).limit(RECENT)
    return union_all(chosen.where(todo.c.is_open.is_(True)), done.subquery().select())


def _documents() -> Statement:
    document = table_of(Transaction)
    left_out = ("customer_id", "delivery_address_id", "invoice_address_id", "owner_id")
    chosen = select(*(column for column in document.c if column.name not in left_out)).where(
        _of_customer(Transaction)
    )
    # The latest of each kind come straight from the index; over all kinds they would be sorted.
    latest = [
        chosen.where(document.c.kind == kind.value)
        .order_by(document.c.issued_on.desc(), document.c.id.desc())
        .limit(RECENT)
        .subquery()
        .select()
        for kind in TransactionKind
    ]
    return union_all(chosen.where(document.c.is_open.is_(True)), *latest)


def _consents() -> Statement:
    names = ("id", "purpose", "channel", "status", "evidence", "at")
    order = [column.desc() for column in _columns(Consent, "at", "id")]
    return select(*_columns(Consent, *names)).where(_of_customer(Consent)).order_by(*order)


def _profile() -> Statement:
    value, attribute = table_of(ProfileValue), table_of(ProfileAttribute)
    return (
        select(
            value.c.id,
            *_columns(ProfileAttribute, "code", "title", "type", "is_personal"),
            value.c.value,
            value.c.updated_at,
        )
        .join(attribute, attribute.c.id == value.c.attribute_id)
        .where(_of_customer(ProfileValue))
        .order_by(attribute.c.title, attribute.c.code)
    )


def _products() -> Statement:
    product, line, document = table_of(Product), table_of(TransactionLine), table_of(Transaction)
    bought = (TransactionState.CONFIRMED.value, TransactionState.DONE.value)
    last_on = func.max(document.c.issued_on)
    return (
        select(
            product.c.id,
            product.c.name,
            product.c.reference,
            document.c.kind.label("source"),
            func.sum(line.c.quantity, type_=line.c.quantity.type).label("quantity"),
            func.count(document.c.id.distinct()).label("times"),
            last_on.label("last_on"),
        )
        .join(line, line.c.product_id == product.c.id)
        .join(document, document.c.id == line.c.transaction_id)
        .where(
            _of_customer(Transaction),
            document.c.kind.in_((TransactionKind.ORDER.value, TransactionKind.INVOICE.value)),
            document.c.state.in_(bought),
        )
        .group_by(product.c.id, product.c.name, product.c.reference, document.c.kind)
        .order_by(last_on.desc(), product.c.id)
    )


_STATEMENTS: Mapping[str, Statement] = {
    "contact_points": _contact_points(),
    "addresses": _addresses(),
    "tags": _tags(),
    "owners": _owners(),
    "interactions": _interactions(),
    "activities": _activities(),
    "documents": _documents(),
    "consents": _consents(),
    "profile": _profile(),
    "products": _products(),
}
