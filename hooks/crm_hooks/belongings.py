"""Frozen things that plugins say of what belongs to a user."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Belonging:
    """One record that belongs to a user.

    Attributes:
        id: Its key.
        title: What people read.
        customer_id: The customer it hangs on; records of one customer go to the same person.
        facts: ``(name, value)`` pairs by which rules choose who gets it: ``(("stage", "new"),)``.
    """

    id: UUID
    title: str
    customer_id: UUID | None = None
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Belongings:
    """Records of one kind that belong to a user.

    Attributes:
        kind: As references name such records: ``loyalty_steward``.
        title: What people call them.
        assign: ``"module:attribute"`` of ``assign(uow, owners) -> None``: gives records to users
            (``Mapping[UUID, UUID]``, at most 500 at once), as whoever acts, whose right it checks;
            an error that it raises stops the whole.
        records: All of them.
    """

    kind: str
    title: str
    assign: str
    records: tuple[Belonging, ...]
