"""One customer and all rows that hang on it, read in a few prepared statements past the session.

A statement built once and run on the connection costs a third of one that the session scopes, and
the small lists come together in one: the customer card is the page that people look at all day. So
the scope is applied here by hand. The customer, and those it is tied to, are asked for within the
actor's reach. Whoever may see a customer may see the other rows: each class read here declares
exactly that, which ``of_customer`` checks when this module is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    func,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.sql.selectable import CompoundSelect

from crm_core.access import Actor, Reach
from crm_core.entities.commerce import (
    Product,
    Transaction,
    TransactionKind,
    TransactionLine,
    TransactionState,
)
from crm_core.entities.customer import Customer
from crm_core.entities.interaction import Activity, Interaction
from crm_core.entities.user import User
from crm_core.persistence.bulk import table_of
from crm_core.persistence.card_facts import (
    NO_MOMENT,
    NO_NUMBER,
    NO_TEXT,
    THIS,
    Rows,
    columns,
    facts,
    of_customer,
    sorted_facts,
    word,
)
from crm_core.persistence.scope import CUSTOMER_VIEW, owner_criterion

if TYPE_CHECKING:
    from crm_core.persistence.unit_of_work import UnitOfWork

Statement = Select[Any] | CompoundSelect[Any]

RECENT = 20
"""Documents of each kind, and done activities, that are read besides the open ones."""
_BUYING = (TransactionKind.ORDER, TransactionKind.INVOICE)
_BOUGHT = (TransactionState.CONFIRMED, TransactionState.DONE)


def card_rows(
    uow: UnitOfWork, customer_id: UUID, *, interactions: int
) -> Mapping[str, Rows] | None:
    """Return a customer and what hangs on it, or None where the actor may not see it.

    Args:
        uow: The unit of work.
        customer_id: Which customer.
        interactions: How many of the latest interactions to read.

    Returns:
        Dicts by column name, in lists called ``customer`` (one), ``contact_points, addresses,
        tags, owners, consents, profile, sources, relationships, documents, products, timeline``
        (interactions and done activities) and ``activities`` (open ones).
    """
    uow.flush()
    connection, actor = uow.connection(), uow.actor
    values = {"customer_id": customer_id, "interactions": interactions}
    customer, facts_seen = _scoped(actor.reach(CUSTOMER_VIEW), actor.user_id, actor.team_user_ids)
    found = {"customer": _read(connection, customer, values)}
    if not found["customer"]:
        return None
    found.update(sorted_facts(connection.execute(facts_seen, values).all()))
    found["documents"] = _read(connection, _DOCUMENTS, values)
    found["products"] = _read(connection, _PRODUCTS, values)
    found["timeline"], found["activities"] = _sorted_events(
        connection.execute(_EVENTS, values).all()
    )
    return found


def _read(connection: Connection, statement: Statement, values: Mapping[str, Any]) -> Rows:
    result = connection.execute(statement, values)
    keys = tuple(result.keys())
    return [dict(zip(keys, row, strict=True)) for row in result.all()]


def _sorted_events(events: Iterable[Any]) -> tuple[Rows, Rows]:
    """Tell what happened from what is still to do."""
    past, todo = [], []
    for kind, key, at, title, detail, direction, body, who, due_at, version in events:
        if at is not None:
            past.append(
                {
                    "kind": kind,
                    "id": key,
                    "at": at,
                    "on": None,
                    "title": title,
                    "detail": detail,
                    "direction": direction,
                    "body": body,
                    "who": who,
                }
            )
        else:
            todo.append(
                {
                    "id": key,
                    "type": detail,
                    "summary": title,
                    "note": body,
                    "due_at": due_at,
                    "owner_name": who,
                    "version": version,
                }
            )
    return past, todo


@lru_cache(maxsize=256)
def _scoped(
    reach: Reach, user_id: UUID | None, team_user_ids: frozenset[UUID]
) -> tuple[Select[Any], CompoundSelect[Any]]:
    """Return the statements that name customers, within a reach."""
    actor = Actor(user_id=user_id, login="", team_user_ids=team_user_ids)
    visible = owner_criterion(table_of(Customer).c.owner_id, actor, reach)
    customer = _customer()
    return customer if visible is None else customer.where(visible), facts(visible)


def _customer() -> Select[Any]:
    customer, user = table_of(Customer), table_of(User)
    return (
        select(*customer.c, user.c.name.label("owner_name"))
        .outerjoin(user, user.c.id == customer.c.owner_id)
        .where(customer.c.id == THIS)
    )


def _events() -> Statement:
    """Interactions and activities in one shape; only what is still to do has no moment."""
    said, todo, user = table_of(Interaction), table_of(Activity), table_of(User)
    interactions = (
        select(
            word("interaction").label("kind"),
            *columns(Interaction, "id", "at", "subject", "channel", "direction", "body"),
            user.c.name.label("who"),
            NO_MOMENT.label("due_at"),
            NO_NUMBER.label("version"),
        )
        .outerjoin(user, user.c.id == said.c.user_id)
        .where(of_customer(Interaction))
        .order_by(said.c.at.desc(), said.c.id.desc())
        .limit(bindparam("interactions"))
    )
    done_at = func.coalesce(todo.c.done_at, todo.c.due_at)
    done = _activities(done_at).where(todo.c.is_open.is_(False)).order_by(todo.c.due_at.desc())
    return union_all(
        interactions.subquery().select(),
        _activities(NO_MOMENT).where(todo.c.is_open.is_(True)),
        done.limit(RECENT).subquery().select(),
    )


def _activities(at: ColumnElement[Any]) -> Select[Any]:
    todo, user = table_of(Activity), table_of(User)
    return (
        select(
            word("activity").label("kind"),
            todo.c.id,
            at.label("at"),
            *columns(Activity, "summary", "type"),
            NO_TEXT.label("direction"),
            todo.c.note,
            user.c.name.label("who"),
            *columns(Activity, "due_at", "version"),
        )
        .outerjoin(user, user.c.id == todo.c.owner_id)
        .where(of_customer(Activity))
    )


def _documents() -> Statement:
    document = table_of(Transaction)
    left_out = ("customer_id", "delivery_address_id", "invoice_address_id", "owner_id")
    chosen = select(*(column for column in document.c if column.name not in left_out)).where(
        of_customer(Transaction)
    )
    # The latest of each kind come straight from the index; over all kinds they would be sorted.
    latest = [
        chosen.where(document.c.kind == word(kind))
        .order_by(document.c.issued_on.desc(), document.c.id.desc())
        .limit(RECENT)
        .subquery()
        .select()
        for kind in TransactionKind
    ]
    return union_all(chosen.where(document.c.is_open.is_(True)), *latest)


def _products() -> Statement:
    product, line, document = table_of(Product), table_of(TransactionLine), table_of(Transaction)
    last_on = func.max(document.c.issued_on)
    return (
        select(
            *columns(Product, "id", "name", "reference"),
            document.c.kind.label("source"),
            type_coerce(func.sum(line.c.quantity), line.c.quantity.type).label("quantity"),
            func.count(document.c.id.distinct()).label("times"),
            last_on.label("last_on"),
        )
        .join(line, line.c.product_id == product.c.id)
        .join(document, document.c.id == line.c.transaction_id)
        .where(
            of_customer(Transaction),
            or_(*(document.c.kind == word(kind) for kind in _BUYING)),
            or_(*(document.c.state == word(state) for state in _BOUGHT)),
        )
        .group_by(product.c.id, product.c.name, product.c.reference, document.c.kind)
    )


_DOCUMENTS, _PRODUCTS, _EVENTS = _documents(), _products(), _events()
