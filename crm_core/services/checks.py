"""What services ask of their arguments, in one wording."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from crm_core.errors import InputError, StaleVersionError
from crm_core.messages import t
from crm_core.persistence.base import Versioned

E = TypeVar("E", bound=StrEnum)

CLOCK_SKEW = timedelta(minutes=5)
LINE, PAGES = 250, 100_000
"""Characters: the most that a line of text may have, and the most that a long one may."""


def filled(text: str | None, field: str, *, most: int = LINE) -> str:
    """Return ``text`` without surrounding space; raises InputError for none or too much of it."""
    kept = optional(text, field, most=most)
    if kept is None:
        raise InputError(
            t("{field} is empty: give some text.", field=field), code=f"core.{field}.empty"
        )
    return kept


def optional(text: str | None, field: str, *, most: int = PAGES) -> str | None:
    """Return ``text`` without surrounding space, None for blank; raises InputError for too much."""
    stripped = (text or "").strip()
    if "\x00" in stripped:
        raise InputError(
            t("{field} holds a NUL character: remove it.", field=field),
            code=f"core.{field}.invalid",
        )
    if len(stripped) > most:
        raise InputError(
            t(
                "{field} has {count:,} characters, more than {most:,}: shorten it.",
                field=field,
                count=len(stripped),
                most=most,
            ),
            code=f"core.{field}.invalid",
        )
    return stripped or None


def one_of(kind: type[E], text: str, field: str) -> str:
    """Return the value of the enum that ``text`` names; raises InputError listing them all."""
    try:
        return kind(text.strip().lower()).value
    except ValueError:
        raise InputError(
            t(
                "{text!r} is not a {field}; choose one of {kind}.",
                text=text,
                field=field,
                kind=", ".join(m.value for m in kind),
            ),
            code=f"core.{field}.unknown",
            details={"field": field, "choices": [m.value for m in kind]},
        ) from None


def past(at: datetime | None, now: datetime, field: str) -> datetime:
    """Return ``at``, or now when it is None; raises InputError for the future or a naive moment."""
    if at is None:
        return now
    if at.tzinfo is None:
        raise InputError(
            t(
                "{field}: the moment {at} has no time zone; give one, such as +00:00.",
                field=field,
                at=at.isoformat(),
            ),
            code="core.naive_datetime",
        )
    if at > now + CLOCK_SKEW:
        raise InputError(
            t(
                "{field}: {at} lies in the future; give when it happened.",
                field=field,
                at=at.isoformat(),
            ),
            code="core.in_future",
        )
    return at


def expect_version(record: Versioned, expected_version: int | None) -> None:
    """Raise StaleVersionError unless the record still is at the version the caller read."""
    if expected_version is not None and record.version != expected_version:
        raise StaleVersionError(
            t(
                "{entity} {record_id} is at version {version}, you read version "
                "{expected_version}: load it again and repeat your change.",
                entity=record.__entity__,
                record_id=record.id,
                version=record.version,
                expected_version=expected_version,
            ),
            details={"id": str(record.id), "version": record.version},
        )
