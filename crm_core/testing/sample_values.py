"""Values that fit a function's type hints, for calls that are to be refused anyway."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_core.ids import new_id

_PLAIN: dict[Any, Callable[[], Any]] = {
    UUID: new_id,
    str: lambda: "x",
    int: lambda: 1,
    bool: lambda: True,
    float: lambda: 1.0,
    bytes: lambda: b"x",
    Decimal: lambda: Decimal(1),
    datetime: lambda: datetime.now(UTC),
    date: lambda: datetime.now(UTC).date(),
}
_MAPPINGS = (dict, collections.abc.Mapping)


def sample_arguments(function: Callable[..., Any]) -> dict[str, Any]:
    """Return values for the arguments after the first that have no default."""
    hints = typing.get_type_hints(function)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return {
        each.name: sample(hints.get(each.name, str))
        for each in parameters
        if each.default is each.empty and each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
    }


def sample(hint: Any) -> Any:
    """Return a value of a type, as plain as can be."""
    origin = typing.get_origin(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]()
    if origin in (typing.Union, types.UnionType):
        kinds = typing.get_args(hint)
        return None if type(None) in kinds else sample(kinds[0])
    if origin is typing.Literal:
        return typing.get_args(hint)[0]
    if isinstance(origin or hint, type):
        return _of_class(origin or hint)
    return None


def _of_class(kind: type[Any]) -> Any:
    if issubclass(kind, enum.Enum):
        return next(iter(kind))
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        needed = [
            field.name
            for field in dataclasses.fields(kind)
            if field.default is field.default_factory is dataclasses.MISSING
        ]
        return kind(**{name: sample(hints[name]) for name in needed})
    if kind in _MAPPINGS:
        return {}
    if issubclass(kind, collections.abc.Set):
        return frozenset()
    return () if issubclass(kind, collections.abc.Iterable) else None
