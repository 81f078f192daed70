"""One customer and all rows that hang on it, read in a few prepared statements past the session.

A statement built once and run on the connection costs a third of one that the session scopes, and
the small lists come together in one: the customer card is the page that people look at all day. So
the scope is applied here by hand. The customer, and those it is tied to, are asked for within the
actor's reach. Whoever may see a customer may see the other rows: each class read here declares
exactly that (``ThroughCustomer()``, checked when this module is imported).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    null,
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
from crm_core.entities.consent import Consent, ProfileAttribute, ProfileValue
from crm_core.entities.customer import Address, ContactPoint, Customer, CustomerTag, Tag
from crm_core.entities.interaction import Activity, Interaction
from crm_core.entities.relationship import Relationship, RelationshipType
from crm_core.entities.sync import Backend, Binding, SyncCursor
from crm_core.entities.user import Ownership, User
from crm_core.persistence.bulk import table_of
from crm_core.persistence.scope import CUSTOMER_VIEW, ThroughCustomer, owner_criterion
from crm_core.persistence.types import Key, UtcDateTime

if TYPE_CHECKING:
    from crm_core.persistence.unit_of_work import UnitOfWork

Rows = list[dict[str, Any]]
Statement = Select[Any] | CompoundSelect[Any]

RECENT = 20
"""Documents of each kind, and done activities, that are read besides the open ones."""
ADDRESS_TEXTS = (
    *("use", "recipient", "street", "street2", "postal_code", "city", "region", "country_code"),
    *("email", "phone", "mobile", "note"),
)
_BUYING = (TransactionKind.ORDER, TransactionKind.INVOICE)
_BOUGHT = (TransactionState.CONFIRMED, TransactionState.DONE)
_THIS = bindparam("customer_id", type_=Key())

for _class in (
    *(Activity, Address, Consent, ContactPoint, CustomerTag, Interaction, Ownership),
    *(ProfileValue, Transaction),
):
    if _class.__scope__ != ThroughCustomer():
        raise TypeError(f"{_class.__name__} is not readable by all who may see its customer.")


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
        tags, owners, consents, profile, sources, relationships, interactions, activities,
        documents, products``.
    """
    uow.flush()
    connection = uow.connection()
    values = {"customer_id": customer_id, "interactions": interactions}
    actor = uow.actor
    customer, relationships = _scoped(
        actor.reach(CUSTOMER_VIEW), actor.user_id, actor.team_user_ids
    )
    found = {"customer": _read(connection, customer, values)}
    if not found["customer"]:
        return None
    found["relationships"] = _read(connection, relationships, values)
    for name, statement in _STATEMENTS.items():
        found[name] = _read(connection, statement, values)
    found.update(_sorted_facts(connection.execute(_FACTS, values).all()))
    return found


def _read(connection: Connection, statement: Statement, values: Mapping[str, Any]) -> Rows:
    result = connection.execute(statement, values)
    keys = tuple(result.keys())
    return [dict(zip(keys, row, strict=True)) for row in result.all()]


def _columns(model: Any, *names: str) -> list[Any]:
    return [table_of(model).c[name] for name in names]


def _of_customer(model: Any) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = table_of(model).c.customer_id == _THIS
    return condition


def _text(value: str) -> ColumnElement[str]:
    """Write a word of ours into the statement: each bound value costs at every execution."""
    return literal_column(f"'{value}'", Text())


@lru_cache(maxsize=256)
def _scoped(
    reach: Reach, user_id: UUID | None, team_user_ids: frozenset[UUID]
) -> tuple[Select[Any], Select[Any]]:
    """Return the statements on customers, within a reach."""
    actor = Actor(user_id=user_id, login="", team_user_ids=team_user_ids)
    visible = owner_criterion(table_of(Customer).c.owner_id, actor, reach)
    statements = _customer(), _relationships()
    if visible is None:
        return statements
    return statements[0].where(visible), statements[1].where(visible)


def _customer() -> Select[Any]:
    customer, user = table_of(Customer), table_of(User)
    return (
        select(*customer.c, user.c.name.label("owner_name"))
        .outerjoin(user, user.c.id == customer.c.owner_id)
        .where(customer.c.id == _THIS)
    )


def _relationships() -> Select[Any]:
    tie, kind, other = table_of(Relationship), table_of(RelationshipType), table_of(Customer)
    outgoing = tie.c.from_customer_id == _THIS
    label = case((outgoing, kind.c.name), else_=kind.c.inverse_name).label("label")
    return (
        select(
            tie.c.id,
            kind.c.code.label("type"),
            label,
            other.c.id.label("other_id"),
            other.c.name.label("other_name"),
            other.c.kind.label("other_kind"),
            *_columns(Relationship, "started_on", "ended_on", "note"),
        )
        .join(kind, kind.c.id == tie.c.type_id)
        .join(
            other,
            other.c.id == case((outgoing, tie.c.to_customer_id), else_=tie.c.from_customer_id),
        )
        .where(or_(outgoing, tie.c.to_customer_id == _THIS))
        .order_by(kind.c.code, other.c.name, tie.c.id)
    )


def _interactions() -> Statement:
    said, user = table_of(Interaction), table_of(User)
    return (
        select(
            *_columns(Interaction, "id", "at"),
            said.c.subject.label("title"),
            said.c.channel.label("detail"),
            *_columns(Interaction, "direction", "body"),
            user.c.name.label("who"),
        )
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
        chosen.where(document.c.kind == _text(kind))
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
            *_columns(Product, "id", "name", "reference"),
            document.c.kind.label("source"),
            type_coerce(func.sum(line.c.quantity), line.c.quantity.type).label("quantity"),
            func.count(document.c.id.distinct()).label("times"),
            last_on.label("last_on"),
        )
        .join(line, line.c.product_id == product.c.id)
        .join(document, document.c.id == line.c.transaction_id)
        .where(
            _of_customer(Transaction),
            or_(*(document.c.kind == _text(kind) for kind in _BUYING)),
            or_(*(document.c.state == _text(state) for state in _BOUGHT)),
        )
        .group_by(product.c.id, product.c.name, product.c.reference, document.c.kind)
    )


def _fact(
    section: str,
    key: Any,
    texts: Sequence[Any],
    *,
    moments: Sequence[Any] = (),
    other_id: Any = None,
    rank: Any = None,
) -> Select[Any]:
    """Select a small list in the shape that all small lists share, padded with NULL."""
    # PostgreSQL wants the type of each NULL told where selects are united.
    texts = [*texts, *[cast(null(), Text())] * (len(ADDRESS_TEXTS) - len(texts))]
    moments = [*moments, *[cast(null(), UtcDateTime())] * (2 - len(moments))]
    other_id = cast(null(), Key()) if other_id is None else other_id
    rank = cast(null(), Integer()) if rank is None else rank
    return select(
        _text(section).label("section"),
        key.label("id"),
        *(type_coerce(text, Text()).label(f"text_{n}") for n, text in enumerate(texts)),
        *(type_coerce(at, UtcDateTime()).label(f"at_{n}") for n, at in enumerate(moments)),
        type_coerce(other_id, Key()).label("other_id"),
        rank.label("rank"),
    )


def _facts() -> Statement:
    tag, carried = table_of(Tag), table_of(CustomerTag)
    own, user = table_of(Ownership), table_of(User)
    value, attribute = table_of(ProfileValue), table_of(ProfileAttribute)
    binding, backend, cursor = table_of(Binding), table_of(Backend), table_of(SyncCursor)
    address, point, consent = table_of(Address), table_of(ContactPoint), table_of(Consent)
    return union_all(
        _fact("addresses", address.c.id, _columns(Address, *ADDRESS_TEXTS)).where(
            _of_customer(Address), address.c.archived_at.is_(None)
        ),
        _fact(
            "contact_points",
            point.c.id,
            _columns(ContactPoint, "kind", "value", "normalized", "label"),
            rank=point.c.position,
        ).where(_of_customer(ContactPoint)),
        _fact("tags", tag.c.id, [tag.c.name])
        .join(carried, carried.c.tag_id == tag.c.id)
        .where(_of_customer(CustomerTag)),
        _fact(
            "owners",
            own.c.id,
            [user.c.name, own.c.changed_by],
            moments=[own.c.from_at, own.c.until_at],
            other_id=own.c.user_id,
        )
        .select_from(own)
        .outerjoin(user, user.c.id == own.c.user_id)
        .where(_of_customer(Ownership)),
        _fact(
            "consents",
            consent.c.id,
            _columns(Consent, "purpose", "channel", "status", "evidence"),
            moments=[consent.c.at],
        ).where(_of_customer(Consent)),
        _fact(
            "profile",
            value.c.id,
            [*_columns(ProfileAttribute, "title", "code", "type"), value.c.value],
            moments=[value.c.updated_at],
            rank=case((attribute.c.is_personal, 1), else_=0),
        )
        .join(attribute, attribute.c.id == value.c.attribute_id)
        .where(_of_customer(ProfileValue)),
        _fact(
            "sources",
            binding.c.id,
            [backend.c.name, *_columns(Binding, "remote_id", "state"), cursor.c.entity],
            moments=[binding.c.synced_at, cursor.c.refreshed_at],
        )
        .select_from(binding)
        .join(backend, backend.c.id == binding.c.backend_id)
        .outerjoin(cursor, cursor.c.backend_id == binding.c.backend_id)
        .where(binding.c.local_id == _THIS, binding.c.entity == _text("customer")),
    )


_ID, _TEXT, _AT = 1, 2, 2 + len(ADDRESS_TEXTS)
_OTHER_ID, _RANK = _AT + 2, _AT + 3
"""Places of a fact's columns in its row."""

_SECTIONS: Mapping[str, Mapping[str, int]] = {
    "contact_points": {
        "id": _ID,
        "kind": _TEXT,
        "value": _TEXT + 1,
        "normalized": _TEXT + 2,
        "label": _TEXT + 3,
    },
    "addresses": {"id": _ID, **{name: _TEXT + n for n, name in enumerate(ADDRESS_TEXTS)}},
    "tags": {"id": _ID, "name": _TEXT},
    "owners": {
        "id": _ID,
        "user_id": _OTHER_ID,
        "user_name": _TEXT,
        "from_at": _AT,
        "until_at": _AT + 1,
        "changed_by": _TEXT + 1,
    },
    "consents": {
        "id": _ID,
        "purpose": _TEXT,
        "channel": _TEXT + 1,
        "status": _TEXT + 2,
        "evidence": _TEXT + 3,
        "at": _AT,
    },
    "profile": {
        "id": _ID,
        "code": _TEXT + 1,
        "title": _TEXT,
        "type": _TEXT + 2,
        "is_personal": _RANK,
        "value": _TEXT + 3,
        "updated_at": _AT,
    },
    "sources": {
        "backend": _TEXT,
        "remote_id": _TEXT + 1,
        "state": _TEXT + 2,
        "synced_at": _AT,
        "entity": _TEXT + 3,
        "refreshed_at": _AT + 1,
    },
}
_ORDER: Mapping[str, Callable[[Any], Any]] = {
    "contact_points": itemgetter(_RANK, _ID),
    "addresses": itemgetter(_TEXT, _ID),
    "tags": itemgetter(_TEXT),
    "owners": itemgetter(_AT, _ID),
    "consents": itemgetter(_AT, _ID),
    "profile": itemgetter(_TEXT, _ID),
    "sources": itemgetter(_TEXT, _TEXT + 1),
}
_LATEST_FIRST = ("owners", "consents")


def _sorted_facts(rows: Iterable[Any]) -> dict[str, Rows]:
    """Sort the small lists apart, each in its own order."""
    found: dict[str, list[Any]] = {section: [] for section in _SECTIONS}
    for row in rows:
        found[row[0]].append(row)
    for section, facts in found.items():
        if len(facts) > 1:
            facts.sort(key=_ORDER[section], reverse=section in _LATEST_FIRST)
        places = _SECTIONS[section]
        found[section] = [{name: row[n] for name, n in places.items()} for row in facts]
    return found


_STATEMENTS: Mapping[str, Statement] = {
    "interactions": _interactions(),
    "activities": _activities(),
    "documents": _documents(),
    "products": _products(),
}
_FACTS = _facts()
