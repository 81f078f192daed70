"""What services ask of their arguments, in one wording."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from crm_core.errors import InputError, StaleVersionError
from crm_core.persistence.base import Versioned

E = TypeVar("E", bound=StrEnum)

CLOCK_SKEW = timedelta(minutes=5)
LINE, PAGES = 250, 100_000
"""Characters: the most that a line of text may have, and the most that a long one may."""


def filled(text: str | None, field: str, *, most: int = LINE) -> str:
    """Return ``text`` without surrounding space; raises InputError for none or too much of it."""
    kept = optional(text, field, most=most)
    if kept is None:
        raise InputError(f"{field} is empty: give some text.", code=f"core.{field}.empty")
    return kept


def optional(text: str | None, field: str, *, most: int = PAGES) -> str | None:
    """Return ``text`` without surrounding space, None for blank; raises InputError for too much."""
    stripped = (text or "").strip()
    if "\x00" in stripped:
        raise InputError(f"{field} holds a NUL character: remove it.", code=f"core.{field}.invalid")
    if len(stripped) > most:
        raise InputError(
            f"{field} has {len(stripped):,} characters, more than {most:,}: shorten it.",
            code=f"core.{field}.invalid",
        )
    return stripped or None


def one_of(kind: type[E], text: str, field: str) -> str:
    """Return the value of the enum that ``text`` names; raises InputError listing them all."""
    try:
        return kind(text.strip().lower()).value
    except ValueError:
        raise InputError(
            f"{text!r} is not a {field}; choose one of {', '.join(m.value for m in kind)}.",
            code=f"core.{field}.unknown",
            details={"field": field, "choices": [m.value for m in kind]},
        ) from None


def past(at: datetime | None, now: datetime, field: str) -> datetime:
    """Return ``at``, or now when it is None; raises InputError for the future or a naive moment."""
    if at is None:
        return now
    if at.tzinfo is None:
        raise InputError(
            f"{field}: the moment {at.isoformat()} has no time zone; give one, such as +00:00.",
            code="core.naive_datetime",
        )
    if at > now + CLOCK_SKEW:
        raise InputError(
            f"{field}: {at.isoformat()} lies in the future; give when it happened.",
            code="core.in_future",
        )
    return at


def expect_version(record: Versioned, expected_version: int | None) -> None:
    """Raise StaleVersionError unless the record still is at the version the caller read."""
    if expected_version is not None and record.version != expected_version:
        raise StaleVersionError(
            f"{record.__entity__} {record.id} is at version {record.version}, you read version "
            f"{expected_version}: load it again and repeat your change.",
            details={"id": str(record.id), "version": record.version},
        )
