"""Counting all closed deals anew: at first, after the bands changed, or when in doubt."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, text

from crm_core.messages import t
from crm_core.persistence.bulk import table_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import DealState, ScoreCount, ScoreFrequency
from crm_sales.permissions import CONFIGURE
from crm_sales.services.scoring.bayes import EVERYBODY, LEAST_OF_EACH
from crm_sales.services.scoring.deals import DealReader, deal
from crm_sales.services.scoring.frequencies import (
    add_deltas,
    added_up,
    no_deltas,
    note_counted,
)
from crm_sales.services.scoring.scorer import Scorer, scorer_of

A_BATCH = 2_000
_TABLES = (table_of(ScoreCount), table_of(ScoreFrequency))


def train_scores(uow: UnitOfWork) -> dict[str, Any]:
    """Count all closed deals anew; open ones are scored by them at the next occasion.

    Whoever closes a deal meanwhile waits.

    Returns:
        As :func:`training_of`.
    """
    uow.actor.require(CONFIGURE)
    uow.flush()
    connection = uow.connection()
    _lock(connection)
    for table in _TABLES:
        connection.execute(delete(table))
    reader, deltas = DealReader(uow), no_deltas()
    after: UUID | None = None
    while True:
        behind = [] if after is None else [deal.id > after]
        deals = reader.where(deal.state != DealState.OPEN.value, *behind, limit=A_BATCH)
        note_counted(connection, deals)
        added_up((each.as_counted for each in deals if each.as_counted), deltas)
        if len(deals) < A_BATCH:
            break
        after = deals[-1].id
    add_deltas(connection, deltas)
    return told(scorer_of(reader))


def training_of(uow: UnitOfWork) -> dict[str, Any]:
    """Return what scores are learnt from: ``won, lost, least, is_enough, refusal, variables``.

    Numbers of the whole company, for those who set the module up.
    """
    uow.actor.require(CONFIGURE)
    return told(scorer_of(DealReader(uow), []))


def told(scorer: Scorer) -> dict[str, Any]:
    """Return in plain values what is counted of all teams, and whether it is enough."""
    group = scorer.groups.get(EVERYBODY)
    won, lost = group.deals if group else (0, 0)
    refusal = None if scorer.group_for(None) else refused(scorer, won, lost)
    return {
        "won": won,
        "lost": lost,
        "least": scorer.least,
        "is_enough": refusal is None,
        "refusal": refusal,
        "variables": list(scorer.variables),
    }


def refused(scorer: Scorer, won: int, lost: int) -> str:
    """Return why there are no scores."""
    return t(
        "Too few deals are closed for scores: {won} won and {lost} lost. It takes {least}, with "
        "{each} of either kind at least; until then the stage's probability counts.",
        won=won,
        lost=lost,
        least=scorer.least,
        each=LEAST_OF_EACH,
    )


def _lock(connection: Connection) -> None:
    """Have others who count wait; on SQLite who writes is alone anyhow."""
    if connection.dialect.name != "sqlite":
        names = ", ".join(table.name for table in _TABLES)
        connection.execute(text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))
