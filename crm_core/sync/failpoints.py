"""Named moments of a run at which being killed would hurt most, for tests that kill it there.

``reach`` does nothing unless a test has armed it: in code, never by setting or environment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

PULL = (
    "pull.sweep_opened",
    "pull.page_fetched",
    "pull.rows_written",
    "pull.bindings_written",
    "pull.before_commit",
    "pull.page_written",
    "pull.swept",
    "pull.fates_told",
    "pull.gone_followed",
    "pull.links_compared",
)
PUSH = (
    "push.merged_there",
    "push.batch_read",
    "push.compared",
    "push.before_update",
    "push.updated",
    "push.agreed",
    "push.looked_for",
    "push.linked",
    "push.marked_sent",
    "push.created",
    "push.bound",
    "push.before_settling",
)

_armed: Callable[[str], None] | None = None


def reach(name: str) -> None:
    """Say that a run is at this point."""
    if _armed is not None:
        _armed(name)


@contextmanager
def armed(act: Callable[[str], None]) -> Iterator[None]:
    """Have ``act`` told every point that is reached; what it raises, the run meets there."""
    global _armed  # noqa: PLW0603  one process runs one test
    _armed = act
    try:
        yield
    finally:
        _armed = None
