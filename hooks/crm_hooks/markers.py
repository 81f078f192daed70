"""The pluggy markers of this product and the version of its hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

import pluggy

PROJECT_NAME = "crm"
HOOKS_API_VERSION = "1.0"
POSITION = "crm_position"

F = TypeVar("F", bound=Callable[..., Any])

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
_mark = pluggy.HookimplMarker(PROJECT_NAME)


@overload
def hookimpl(function: F) -> F: ...
@overload
def hookimpl(*, position: int = 0) -> Callable[[F], F]: ...
def hookimpl(function: F | None = None, *, position: int = 0) -> F | Callable[[F], F]:
    """Mark a function of ``plugin.py`` as the implementation of the hook it is named like.

    Args:
        function: The implementation, when used without parentheses.
        position: Implementations are called in ascending order of it, equal ones by the plugins'
            names; each after those of the plugins it requires where nothing else is said.
    """

    def mark(implementation: F) -> F:
        setattr(implementation, POSITION, position)
        return _mark(implementation)

    return mark if function is None else mark(function)
