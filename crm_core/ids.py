"""Record keys: UUID version 7, so that keys made one after another also sort that way."""

from __future__ import annotations

from uuid import UUID

from uuid_utils.compat import uuid7

__all__ = ["UUID", "new_id"]


def new_id() -> UUID:
    """Return a fresh UUIDv7 (RFC 9562) as a standard library UUID."""
    return uuid7()
