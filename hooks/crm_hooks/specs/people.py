"""Hooks about the people who work with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from crm_hooks.belongings import Belongings
from crm_hooks.markers import hookspec


@hookspec
def crm_collect_belongings(uow: Any, user_id: UUID) -> Sequence[Belongings]:
    """Name what of this plugin belongs to a user, for whoever takes over their work.

    Called when somebody's work is about to be handed over or given back, within the transaction of
    whoever does that. Name only what still needs somebody: what is closed stays with its history.

    Args:
        uow: The unit of work (``crm_core.persistence.unit_of_work.UnitOfWork``); to be read only.
        user_id: Whose records.

    Returns:
        A sequence of ``Belongings``, one a kind of record; empty or None for none.

    Raises:
        Anything raised is logged, and nothing is handed over: a part of it would be lost.

    Ordering: kinds are handed over by the position of their implementation, then by plugin name,
    all before customers.

    Since: 1.0

    Example:
        >>> from uuid import UUID
        >>> from crm_hooks import hookimpl
        >>> from crm_hooks.belongings import Belonging, Belongings
        >>> @hookimpl
        ... def crm_collect_belongings(uow, user_id):
        ...     letter = Belonging(UUID(int=1), "Answer to Eleni")
        ...     return [Belongings("paper_letter", "Letters", "crm_paper.services:give", (letter,))]
        >>> crm_collect_belongings(None, None)[0].records[0].title
        'Answer to Eleni'
    """
    raise NotImplementedError
