"""Messages kept in the database, so that whoever reads them later reads their own language.

A kept message is its English text, a mark, and as JSON what it is made of. So the text stays
readable when its words are others in a later version or its package is gone, and whoever looks
into the table, or searches it, finds plain English first. A text that is no message, such as what a
server said, is kept as it is: data. It cannot pass for a message, since the last mark counts, JSON
has none within, and behind a text that has marks of its own another one is put.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from crm_core.messages import Message, Shown, say

MARK = "\x1e"
VERSION = 1
_BARE = frozenset({int, float, bool, type(None)})


def kept(text: str) -> str:
    """Return a text, maybe a message, as it is kept; without NUL, which PostgreSQL does not take.

    Args:
        text: A message, or data.
    """
    plain = text.replace("\0", "")
    if isinstance(text, Message):
        made_of = json.dumps([VERSION, *_parts(text)], ensure_ascii=False, separators=(",", ":"))
        return f"{plain}{MARK}{made_of}"
    return plain + MARK if MARK in plain else plain


def told(text: str) -> str:
    """Return what was kept: a message again, or the text."""
    plain, mark, made_of = text.rpartition(MARK)
    if not mark:
        return text
    if not made_of:
        return plain
    try:
        version, *parts = json.loads(made_of)
        return _message(plain, *parts) if version == VERSION else plain
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
        return text  # not written by us: it stood there before texts were kept like this


def kept_within(value: Any) -> Any:
    """Return plain data, as JSON holds it, with every text in it as it is kept."""
    return _each(value, kept)


def told_within(value: Any) -> Any:
    """Return plain data with every text in it as :func:`told` gives it back."""
    return _each(value, told)


def said_within(value: Any) -> Any:
    """Return plain data with every message in it in the language being spoken."""
    return _each(value, say)


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    # Counts of runs are many: what holds no text costs no call.
    if isinstance(value, dict):
        return {
            key: inner if type(inner) in _BARE else _each(inner, change)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [inner if type(inner) in _BARE else _each(inner, change) for inner in value]
    return value


def _parts(message: Message) -> list[Any]:
    values = {name: _plain(value) for name, value in message.params.items()}
    return [
        message.template,
        values,
        message.plural,
        message.number,
        message.context,
        message.package,
    ]


def _message(english: str, template: str, values: dict[str, Any], *rest: Any) -> Message:
    plural, number, context, package = rest
    params = {name: _value(value) for name, value in values.items()}
    return Message(template, params, plural, number, context, package, english)


def _plain(value: Any) -> Any:
    """Return a message's value as JSON has it; what that does not know under its kind's name."""
    if isinstance(value, Message):
        return {"message": [str(value).replace("\0", ""), *_parts(value)]}
    if isinstance(value, Shown):
        return {"shown": [str(value).replace("\0", ""), repr(value).replace("\0", "")]}
    if isinstance(value, str):
        return value.replace("\0", "")
    for kind in _KINDS:
        if isinstance(value, kind):
            return {kind.__name__: str(value) if kind is Decimal else value.isoformat()}
    return value


def _value(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    return _MADE[kind](inner)


_KINDS: tuple[Any, ...] = (Decimal, datetime, date, time)
"""A datetime is a date too, so it is asked about first."""
_MADE: dict[str, Callable[[Any], Any]] = {
    "message": lambda parts: _message(*parts),
    "shown": lambda parts: Shown(*parts),
    "Decimal": Decimal,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
}
