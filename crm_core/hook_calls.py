"""What services ask of plugins: the calls they may make, and an answer for when there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from crm_hooks.contributions import ListColumn, PluginSetting, Right, SyncableEntity


class HookCalls(Protocol):
    """Calls a hook's implementations, one by one and apart from each other."""

    @property
    def entities(self) -> Mapping[str, SyncableEntity]:
        """Plugins' records that can be kept in step with a back office, by name."""
        ...

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

    entities: Mapping[str, SyncableEntity] = {}
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


class LazyHooks:
    """The plugins of an application as services see them: loaded when something is first asked."""

    def __init__(self, load: Callable[[], HookCalls]) -> None:
        self._load = load

    @property
    def entities(self) -> Mapping[str, SyncableEntity]:
        """See :class:`HookCalls`."""
        return self._load().entities

    @property
    def list_columns(self) -> Mapping[str, ListColumn]:
        """See :class:`HookCalls`."""
        return self._load().list_columns

    @property
    def rights(self) -> Mapping[str, Right]:
        """See :class:`HookCalls`."""
        return self._load().rights

    @property
    def settings(self) -> Mapping[str, PluginSetting]:
        """See :class:`HookCalls`."""
        return self._load().settings

    def call(self, reference: str, what: str, uow: Any, *arguments: Any) -> Any:
        """See :class:`HookCalls`."""
        return self._load().call(reference, what, uow, *arguments)

    def collect(
        self, hook: str, *, instead: Callable[[str], Any] | None = None, **arguments: Any
    ) -> list[Any]:
        """See :class:`HookCalls`."""
        return self._load().collect(hook, instead=instead, **arguments)

    def decide(self, hook: str, **arguments: Any) -> Any:
        """See :class:`HookCalls`."""
        return self._load().decide(hook, **arguments)

    def check(self, hook: str, **arguments: Any) -> list[Any]:
        """See :class:`HookCalls`."""
        return self._load().check(hook, **arguments)
