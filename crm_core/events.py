"""What can have happened: events in the past tense, and those of the core.

An event carries ids and plain values only; whoever hears of it reads the rest. It is recorded with
``uow.record(event)`` and handed to its handlers after the commit (``crm_core.outbox``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import singledispatch
from typing import Any, ClassVar
from uuid import UUID

MOST_IDS = 1_000
"""Ids in one event of bulk work."""
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")


class Event:
    """Base of all events: a frozen dataclass whose fields are its payload.

    Attributes:
        name: What others know it by: ``sales.opportunity.won``, the plugin's name first.
        version: Counted up when a field changes its meaning or goes; a new field is no new version.
    """

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not _NAME.fullmatch(cls.name):
            raise TypeError(f"{cls.__name__} needs a name such as sales.opportunity.won.")

    @property
    def record(self) -> tuple[str, UUID | str] | None:
        """The one record it is about, as (entity type, id), whose events are handled in order.

        None, the default, for an event about several records or none: it waits for no other.
        """
        return None

    def payload(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them: ids, numbers with decimals and times as text.

        Raises:
            TypeError: A field is no plain value.
        """
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class CustomersCreated(Event):
    """Customers were added, with all that came with them."""

    name: ClassVar[str] = "core.customer.created"

    customer_ids: tuple[UUID, ...]

    @property
    def record(self) -> tuple[str, UUID] | None:
        """The customer, when it is one."""
        return _single("customer", self.customer_ids)


@dataclass(frozen=True, slots=True)
class CustomersChanged(Event):
    """Customers changed: themselves, or their contact points, addresses, tags, profile or ties.

    One that was deleted is among them too, and cannot be found any more.
    """

    name: ClassVar[str] = "core.customer.changed"

    customer_ids: tuple[UUID, ...]

    @property
    def record(self) -> tuple[str, UUID] | None:
        """The customer, when it is one."""
        return _single("customer", self.customer_ids)


@dataclass(frozen=True, slots=True)
class CustomersMerged(Event):
    """A customer went into another; all that hung on ``drop_id`` hangs on ``keep_id`` now."""

    name: ClassVar[str] = "core.customer.merged"

    keep_id: UUID
    drop_id: UUID
    merge_id: UUID

    @property
    def record(self) -> tuple[str, UUID]:
        """The survivor."""
        return "customer", self.keep_id


@dataclass(frozen=True, slots=True)
class CustomersUnmerged(Event):
    """A merge was undone: ``drop_id`` is a customer of its own again."""

    name: ClassVar[str] = "core.customer.unmerged"

    keep_id: UUID
    drop_id: UUID
    merge_id: UUID

    @property
    def record(self) -> tuple[str, UUID]:
        """Who was the survivor."""
        return "customer", self.keep_id


@dataclass(frozen=True, slots=True)
class TagsChanged(Event):
    """Tags were made or renamed."""

    name: ClassVar[str] = "core.tag.changed"

    tag_ids: tuple[UUID, ...]

    @property
    def record(self) -> tuple[str, UUID] | None:
        """The tag, when it is one."""
        return _single("tag", self.tag_ids)


@dataclass(frozen=True, slots=True)
class UserDisabled(Event):
    """A user may not act any more."""

    name: ClassVar[str] = "core.user.disabled"

    user_id: UUID

    @property
    def record(self) -> tuple[str, UUID]:
        """The user."""
        return "user", self.user_id


@dataclass(frozen=True, slots=True)
class RecordsChanged(Event):
    """A plugin's synced records were made or changed, so that back offices hear of it.

    ``entity`` is the name of a ``SyncableEntity``; its plugin records this event.
    """

    name: ClassVar[str] = "core.record.changed"

    entity: str
    ids: tuple[UUID, ...]

    @property
    def record(self) -> tuple[str, UUID] | None:
        """The record, when it is one."""
        return _single(self.entity, self.ids)


def _single(entity_type: str, ids: tuple[UUID, ...]) -> tuple[str, UUID] | None:
    return (entity_type, ids[0]) if len(ids) == 1 else None


@singledispatch
def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it; the kinds that can be are registered below."""
    raise TypeError(f"{value!r} is no plain value that an event can carry")


@_plain.register(str)
@_plain.register(int)
@_plain.register(type(None))
def _as_is(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


@_plain.register(UUID)
@_plain.register(Decimal)
def _as_text(value: UUID | Decimal) -> str:
    return str(value)


@_plain.register
def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise TypeError(f"{value!r} is no number that JSON knows")
    return value


@_plain.register
def _day(value: date) -> str:
    return value.isoformat()


@_plain.register
def _moment(value: datetime) -> str:
    if value.tzinfo is None:
        raise TypeError(f"{value!r} has no time zone")
    return value.astimezone(UTC).isoformat()


@_plain.register(tuple)
@_plain.register(list)
def _several(value: Sequence[Any]) -> list[Any]:
    # Ids are what most events carry, and by the thousand.
    return [str(each) if type(each) is UUID else _plain(each) for each in value]


@_plain.register
def _set(value: AbstractSet) -> list[Any]:  # type: ignore[type-arg]
    return sorted(_plain(each) for each in value)


@_plain.register
def _mapping(value: Mapping) -> dict[str, Any]:  # type: ignore[type-arg]
    if not all(isinstance(key, str) for key in value):
        raise TypeError(f"{value!r} has keys that are no text")
    return {key: _plain(each) for key, each in value.items()}
