"""The small lists of a customer card, of many shapes, in one statement.

Each becomes a *fact*: a section, an id, texts, moments, days, one more id and a number. A dozen
statements of two rows each would cost more than all else on the card.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Integer,
    Select,
    Text,
    bindparam,
    case,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy.sql.selectable import CompoundSelect

from crm_core.entities.consent import Consent, ProfileAttribute, ProfileValue
from crm_core.entities.customer import Address, ContactPoint, Customer, CustomerTag, Tag
from crm_core.entities.relationship import Relationship, RelationshipType
from crm_core.entities.sync import Backend, Binding, SyncCursor
from crm_core.entities.user import Ownership, User
from crm_core.persistence.bulk import table_of
from crm_core.persistence.scope import ThroughCustomer
from crm_core.persistence.types import Key, UtcDateTime

Rows = list[dict[str, Any]]

THIS = bindparam("customer_id", type_=Key())

# PostgreSQL wants the type of each NULL told where selects are united. Written out, they cost less
# than expressions when the statement's cache key is hashed.
NO_TEXT: Any = literal_column("CAST(NULL AS TEXT)", Text())
NO_MOMENT: Any = literal_column("CAST(NULL AS TIMESTAMP WITH TIME ZONE)", UtcDateTime())
NO_DAY: Any = literal_column("CAST(NULL AS DATE)", Date())
NO_KEY: Any = literal_column("CAST(NULL AS UUID)", Key())
NO_NUMBER: Any = literal_column("CAST(NULL AS INTEGER)", Integer())
ADDRESS_TEXTS = (
    *("use", "recipient", "street", "street2", "postal_code", "city", "region", "country_code"),
    *("email", "phone", "mobile", "note"),
)


def columns(model: Any, *names: str) -> list[Any]:
    """Return columns of the table behind a class."""
    return [table_of(model).c[name] for name in names]


def of_customer(model: Any) -> ColumnElement[bool]:
    """Return the condition that a row hangs on the customer asked for.

    Raises:
        TypeError: Not all who may see a customer may see such rows.
    """
    if model.__scope__ != ThroughCustomer():
        raise TypeError(f"{model.__name__} is not readable by all who may see its customer.")
    condition: ColumnElement[bool] = table_of(model).c.customer_id == THIS
    return condition


def word(value: str) -> ColumnElement[str]:
    """Write a word of ours into the statement: each bound value costs at every execution."""
    return literal_column(f"'{value}'", Text())


def _fact(
    section: str,
    key: Any,
    texts: Sequence[Any],
    *,
    moments: Sequence[Any] = (),
    days: Sequence[Any] = (NO_DAY, NO_DAY),
    other_id: Any = NO_KEY,
    rank: Any = NO_NUMBER,
) -> Select[Any]:
    """Select a small list in the shape that all small lists share, padded with NULL."""
    texts = [*texts, *[NO_TEXT] * (len(ADDRESS_TEXTS) - len(texts))]
    moments = [*moments, *[NO_MOMENT] * (2 - len(moments))]
    return select(
        word(section).label("section"),
        key.label("id"),
        *(text.label(f"text_{n}") for n, text in enumerate(texts)),
        *(at.label(f"at_{n}") for n, at in enumerate(moments)),
        *(on.label(f"on_{n}") for n, on in enumerate(days)),
        other_id.label("other_id"),
        rank.label("rank"),
    )


def facts(visible: ColumnElement[bool] | None) -> CompoundSelect[Any]:
    """Return the statement that reads all facts of the customer asked for.

    Args:
        visible: Which customers the actor may see, for those it is tied to; None for all.
    """
    ties = _relationships()
    return union_all(
        ties if visible is None else ties.where(visible), *_described(), *_followed(), _sources()
    )


def _described() -> tuple[Select[Any], ...]:
    """Select addresses, contact points, tags and profile."""
    address, point = table_of(Address), table_of(ContactPoint)
    tag, carried = table_of(Tag), table_of(CustomerTag)
    value, attribute = table_of(ProfileValue), table_of(ProfileAttribute)
    return (
        _fact("addresses", address.c.id, columns(Address, *ADDRESS_TEXTS)).where(
            of_customer(Address), address.c.archived_at.is_(None)
        ),
        _fact(
            "contact_points",
            point.c.id,
            columns(ContactPoint, "kind", "value", "normalized", "label"),
            rank=point.c.position,
        ).where(of_customer(ContactPoint)),
        _fact("tags", tag.c.id, [tag.c.name])
        .join(carried, carried.c.tag_id == tag.c.id)
        .where(of_customer(CustomerTag)),
        _fact(
            "profile",
            value.c.id,
            [*columns(ProfileAttribute, "title", "code", "type"), value.c.value],
            moments=[value.c.updated_at],
            rank=case((attribute.c.is_personal, 1), else_=0),
        )
        .join(attribute, attribute.c.id == value.c.attribute_id)
        .where(of_customer(ProfileValue)),
    )


def _followed() -> tuple[Select[Any], ...]:
    """Select what follows each other in time: owners and consents."""
    own, user, consent = table_of(Ownership), table_of(User), table_of(Consent)
    return (
        _fact(
            "owners",
            own.c.id,
            [user.c.name, own.c.changed_by],
            moments=[own.c.from_at, own.c.until_at],
            other_id=own.c.user_id,
        )
        .select_from(own)
        .outerjoin(user, user.c.id == own.c.user_id)
        .where(of_customer(Ownership)),
        _fact(
            "consents",
            consent.c.id,
            columns(Consent, "purpose", "channel", "status", "evidence"),
            moments=[consent.c.at],
        ).where(of_customer(Consent)),
    )


def _sources() -> Select[Any]:
    binding, backend, cursor = table_of(Binding), table_of(Backend), table_of(SyncCursor)
    return (
        _fact(
            "sources",
            binding.c.id,
            [backend.c.name, *columns(Binding, "remote_id", "state"), cursor.c.entity],
            moments=[binding.c.synced_at, cursor.c.refreshed_at],
        )
        .select_from(binding)
        .join(backend, backend.c.id == binding.c.backend_id)
        .outerjoin(cursor, cursor.c.backend_id == binding.c.backend_id)
        .where(binding.c.local_id == THIS, binding.c.entity == word("customer"))
    )


def _relationships() -> Select[Any]:
    tie, kind, other = table_of(Relationship), table_of(RelationshipType), table_of(Customer)
    outgoing = tie.c.from_customer_id == THIS
    other_id = case((outgoing, tie.c.to_customer_id), else_=tie.c.from_customer_id)
    label = case((outgoing, kind.c.name), else_=kind.c.inverse_name)
    return (
        _fact(
            "relationships",
            tie.c.id,
            [kind.c.code, label, other.c.name, other.c.kind, tie.c.note],
            days=columns(Relationship, "started_on", "ended_on"),
            other_id=other.c.id,
        )
        .select_from(tie)
        .join(kind, kind.c.id == tie.c.type_id)
        .join(other, other.c.id == other_id)
        .where(or_(outgoing, tie.c.to_customer_id == THIS))
    )


_ID, _TEXT, _AT = 1, 2, 2 + len(ADDRESS_TEXTS)
_ON, _OTHER_ID, _RANK = _AT + 2, _AT + 4, _AT + 5
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
    "relationships": {
        "id": _ID,
        "type": _TEXT,
        "label": _TEXT + 1,
        "other_id": _OTHER_ID,
        "other_name": _TEXT + 2,
        "other_kind": _TEXT + 3,
        "started_on": _ON,
        "ended_on": _ON + 1,
        "note": _TEXT + 4,
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
    "relationships": itemgetter(_TEXT, _TEXT + 2, _ID),
    "sources": itemgetter(_TEXT, _TEXT + 1),
}
_LATEST_FIRST = ("owners", "consents")


def sorted_facts(rows: Iterable[Any]) -> dict[str, Rows]:
    """Sort the small lists apart, each in its own order."""
    found: dict[str, list[Any]] = {section: [] for section in _SECTIONS}
    for row in rows:
        found[row[0]].append(row)
    for section, listed in found.items():
        if len(listed) > 1:
            listed.sort(key=_ORDER[section], reverse=section in _LATEST_FIRST)
        places = _SECTIONS[section]
        found[section] = [{name: row[n] for name, n in places.items()} for row in listed]
    return found
