"""What a push did, or would do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

EXAMPLES = 5


@dataclass(slots=True)
class PushCounts:
    """What a push did, or would do, with one entity: counts, and names of a few of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, what: str, label: str) -> None:
        """Count one record."""
        self.counts[what] += 1
        shown = self.examples.setdefault(what, [])
        if len(shown) < EXAMPLES:
            shown.append(label)

    def take(self, other: PushCounts) -> None:
        """Add what another counted."""
        self.counts.update(other.counts)
        for what, labels in other.examples.items():
            shown = self.examples.setdefault(what, [])
            shown += labels[: EXAMPLES - len(shown)]
