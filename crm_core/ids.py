"""Record keys: UUID version 7, so that keys made one after another also sort that way."""

from __future__ import annotations

from uuid import UUID, SafeUUID

from uuid_utils import uuid7

__all__ = ["UUID", "new_id"]

_UNKNOWN = SafeUUID.unknown


def new_id() -> UUID:
    """Return a fresh UUIDv7 (RFC 9562) as a standard library UUID."""
    # What UUID(int=…) comes down to, without checking what is known to be right.
    key = object.__new__(UUID)
    object.__setattr__(key, "int", uuid7().int)
    object.__setattr__(key, "is_safe", _UNKNOWN)
    return key
