"""JSON as it goes out and comes in: by orjson, which is strict about what JSON is."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import orjson
from flask.json.provider import JSONProvider


def encoded(value: Any) -> bytes:
    """Return plain values as JSON: amounts as text, moments as RFC 3339."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, str):  # a message to people, an enumeration
        return str(value)
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError(type(value).__name__)


class OrjsonProvider(JSONProvider):
    """What Flask writes and reads JSON with."""

    def dumps(self, obj: Any, **_options: Any) -> str:
        """Return a value as JSON."""
        return encoded(obj).decode()

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        """Return the value that JSON stands for."""
        return orjson.loads(s)
