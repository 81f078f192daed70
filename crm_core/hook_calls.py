"""What services ask of plugins: the calls they may make, and an answer for when there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from crm_hooks.contributions import ListColumn, PluginSetting, Right


class HookCalls(Protocol):
    """Calls a hook's implementations, one by one and apart from each other."""

    @property
    def list_columns(self) -> Mapping[str, ListColumn]:
        """What plugins add to the list of customers, by name."""
        ...

    @property
    def rights(self) -> Mapping[str, Right]:
        """Rights that plugins' services ask for, by code."""
        ...

    @property
    def settings(self) -> Mapping[str, PluginSetting]:
        """Settings of plugins, by name."""
        ...

    def call(self, reference: str, what: str, uow: Any, *arguments: Any) -> Any:
        """Call what a contribution names as ``"module:attribute"``, ``what`` for people.

        Raises:
            PluginFailedError: It failed, or took too long.
        """
        ...

    def collect(
        self, hook: str, *, instead: Callable[[str], Any] | None = None, **arguments: Any
    ) -> list[Any]:
        """Return what all implementations of a ``crm_collect_*`` hook give, the faulty left out.

        ``instead`` gives what stands in the place of a faulty plugin's answer, by its name.
        """
        ...

    def decide(self, hook: str, **arguments: Any) -> Any:
        """Return the first answer to a ``crm_decide_*`` hook; None when nobody has one.

        Raises:
            PluginFailedError: An implementation failed before there was an answer.
        """
        ...

    def check(self, hook: str, **arguments: Any) -> list[Any]:
        """Return every ``Objection`` to a ``crm_check_*`` hook; a failure counts as one."""
        ...


class NoHooks:
    """No plugin is in use."""

    list_columns: Mapping[str, ListColumn] = {}
    rights: Mapping[str, Right] = {}
    settings: Mapping[str, PluginSetting] = {}

    def call(self, reference: str, what: str, uow: Any, *arguments: Any) -> Any:
        """Nothing is contributed that could be called."""
        raise LookupError(reference)

    def collect(
        self, hook: str, *, instead: Callable[[str], Any] | None = None, **arguments: Any
    ) -> list[Any]:
        """Nothing."""
        return []

    def decide(self, hook: str, **arguments: Any) -> Any:
        """No answer."""
        return None

    def check(self, hook: str, **arguments: Any) -> list[Any]:
        """No objection."""
        return []
