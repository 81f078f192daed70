"""What services ask of plugins: the calls they may make, and an answer for when there are none."""

from __future__ import annotations

from typing import Any, Protocol


class HookCalls(Protocol):
    """Calls a hook's implementations, one by one and apart from each other."""

    def collect(self, hook: str, **arguments: Any) -> list[Any]:
        """Return what all implementations of a ``crm_collect_*`` hook give, the faulty left out."""
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

    def collect(self, hook: str, **arguments: Any) -> list[Any]:
        """Nothing."""
        return []

    def decide(self, hook: str, **arguments: Any) -> Any:
        """No answer."""
        return None

    def check(self, hook: str, **arguments: Any) -> list[Any]:
        """No objection."""
        return []
