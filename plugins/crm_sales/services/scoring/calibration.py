"""How well scores would have done: learnt from deals closed before a day, held against later ones.

A deal is scored as it could have been first: by deals that were closed before the day, in the
stage where it stood on that day, or where it began if it began later. Its other facts are those it
was closed with, since what they were before is not kept. Overrides do not count: they are people's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from math import sqrt
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.bulk import table_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.settings import load_settings
from crm_sales.models import DealState, Opportunity, OpportunityMove, ScoreCount, ScoreFrequency
from crm_sales.permissions import FORECAST_VIEW
from crm_sales.schemas.opportunities import FIRST_DAY
from crm_sales.services.scoring.bayes import STAGE, Group
from crm_sales.services.scoring.deals import DealReader, deal
from crm_sales.services.scoring.frequencies import (
    added_up,
    groups_from,
    no_deltas,
    steps_of,
)
from crm_sales.services.scoring.scorer import Scorer
from crm_sales.services.scoring.training import told

MOST_TESTED = 20_000
"""The latest closed deals; more would say the same."""
USUAL_DAYS = 90
BINS = 10
_Z = 1.96
"""For an interval that holds 95 of 100 times."""
_move = table_of(OpportunityMove).c
_count = table_of(ScoreCount).c
_kept = table_of(ScoreFrequency).c


@dataclass
class Bin:
    """Deals whose scores lie in one tenth."""

    count: int = 0
    won: int = 0
    predicted: float = 0.0


@dataclass
class Tally:
    """What is added up of the deals tested."""

    tested: int = 0
    won: int = 0
    left_out: int = 0
    squares: float = 0.0
    base_squares: float = 0.0
    gains_squared: float = 0.0
    """Of what each deal's score did away with, by which it is told how sure the sum is."""
    bins: list[Bin] = field(default_factory=lambda: [Bin() for _ in range(BINS)])

    def take(self, predicted: float, base: float, *, is_won: bool) -> None:
        """Hold what was predicted against what came."""
        came = 1.0 if is_won else 0.0
        self.tested += 1
        self.won += is_won
        error, base_error = (predicted - came) ** 2, (base - came) ** 2
        self.squares += error
        self.base_squares += base_error
        self.gains_squared += (base_error - error) ** 2
        into = self.bins[min(int(predicted * BINS), BINS - 1)]
        into.count += 1
        into.won += is_won
        into.predicted += predicted


def calibrate_scores(uow: UnitOfWork, since: date | None = None) -> dict[str, Any]:
    """Score the deals closed since a day by those closed before, and say how right that was.

    Only deals that the actor may see are tested; what they are scored by is learnt from all.

    Args:
        uow: A unit of work.
        since: The day, in the company's time zone; 90 days ago when None.

    Returns:
        ``since``; ``trained_won`` and ``trained_lost``; ``tested``, ``won`` of them; ``left_out``
        for want of closed deals before; ``is_cut`` when only the latest were tested; ``brier`` and
        ``base_brier`` (of saying the share of won deals each time; None of no deals); ``skill``,
        the part of the second that the score does away with, and the ends of an interval that
        holds the true part 95 of 100 times, ``skill_least`` and ``skill_most``; ``refusal``, why
        nothing was scored; ``bins``: ``low, high, count, won, predicted, observed, least, most``
        each, the last two the ends of an interval that holds the true share 95 of 100 times.

    Raises:
        InputError: The day lies in the future.
    """
    uow.actor.require(FORECAST_VIEW)
    zone = ZoneInfo(load_settings(uow).time_zone)
    today = uow.now.astimezone(zone).date()
    day = max(since or today - timedelta(days=USUAL_DAYS), FIRST_DAY)
    if day > today:
        raise InputError(
            t("{day} lies in the future: no deal was closed since.", day=day),
            code="sales.score.since",
        )
    begin = datetime.combine(day, time(), zone)
    closed = _tested(uow, begin)
    scorer, later = _learnt_before(DealReader(uow), begin, closed)
    stages = _stages_at(uow.connection(), begin, closed)
    tally = Tally()
    for each in later:
        _hold(scorer, each, stages.get(each.id), tally)
    before = told(scorer)
    return {
        "since": day,
        "trained_won": before["won"],
        "trained_lost": before["lost"],
        "refusal": None if tally.tested else _refusal(before, len(closed)),
        "is_cut": len(closed) == MOST_TESTED,
        **_measured(tally),
    }


def _tested(uow: UnitOfWork, begin: datetime) -> dict[UUID, datetime]:
    """Return when the deals that the actor may see were closed, the latest ones since."""
    statement = (
        select(Opportunity.id, Opportunity.closed_at)
        .where(Opportunity.state != DealState.OPEN.value, Opportunity.closed_at >= begin)
        .order_by(Opportunity.closed_at.desc(), Opportunity.id)
        .limit(MOST_TESTED)
    )
    return {row.id: row.closed_at for row in uow.execute(statement)}


def _learnt_before(
    reader: DealReader, begin: datetime, tested: Collection[UUID]
) -> tuple[Scorer, list[Any]]:
    """Return what scored on a day: what is counted, without what was closed since.

    And of the latter those to be tested, as they were counted.
    """
    connection = reader.uow.connection()
    names = (_kept.group, _kept.variable, _kept.value, _kept.won, _kept.lost)
    counted = no_deltas()
    for group, variable, value, won, lost in connection.execute(select(*names)):
        counted[group, variable, value] = [won, lost]
    statement = (
        select(deal.id, _count.team_id, _count.is_won, _count.facts)
        .join_from(table_of(ScoreCount), table_of(Opportunity), deal.id == _count.opportunity_id)
        .where(deal.closed_at >= begin)
        .execution_options(yield_per=1_000)
    )
    later = []
    for row in connection.execute(statement):
        added_up([(row.team_id, row.is_won, row.facts)], counted, -1)
        if row.id in tested:
            later.append(row)
    steps = steps_of(connection)
    groups = groups_from(_rows(counted), steps)
    return Scorer(groups, reader.variables, reader.least, steps), later


def _rows(counted: Mapping[tuple[str, str, str], Sequence[int]]) -> Iterator[tuple[Any, ...]]:
    """Yield what is left of the counts, and each variable's sum."""
    totals: dict[tuple[str, str], list[int]] = {}
    for (group, variable, value), (won, lost) in counted.items():
        if won or lost:
            yield group, variable, value, won, lost, 0
            total = totals.setdefault((group, variable), [0, 0, 0])
            for place, more in enumerate((won, lost, 1)):
                total[place] += more
    for (group, variable), (won, lost, values) in totals.items():
        yield group, variable, None, won, lost, values


def _hold(scorer: Scorer, each: Any, stage_id: UUID | None, tally: Tally) -> None:
    group = scorer.group_for(each.team_id)
    if group is None:
        tally.left_out += 1
        return
    facts = {name: values for name, values in each.facts.items() if name != STAGE}
    if stage_id is not None:
        facts[STAGE] = [str(stage_id)]
    score = group.score(facts, scorer.variables)
    tally.take(float(score.probability), _base(group), is_won=each.is_won)


def _stages_at(
    connection: Connection, at: datetime, closed: Mapping[UUID, datetime]
) -> dict[UUID, UUID]:
    """Return where deals stood at a moment, or where they began if they began later."""
    if not closed:
        return {}
    statement = (
        select(_move.opportunity_id, _move.at, _move.from_stage_id, _move.to_stage_id)
        .join(table_of(Opportunity), deal.id == _move.opportunity_id)
        .where(deal.closed_at >= min(closed.values()))
        .order_by(_move.at, _move.id)
        .execution_options(yield_per=1_000)
    )
    found: dict[UUID, UUID] = {}
    for row in connection.execute(statement):
        if row.opportunity_id in closed:
            found.setdefault(row.opportunity_id, row.from_stage_id or row.to_stage_id)
            if row.at < at:
                found[row.opportunity_id] = row.to_stage_id
    return found


def _base(group: Group) -> float:
    won, lost = group.deals
    return won / (won + lost)


def _measured(tally: Tally) -> dict[str, Any]:
    tested = tally.tested
    brier = tally.squares / tested if tested else None
    base = tally.base_squares / tested if tested else None
    skill = 1 - brier / base if brier is not None and base else None
    reach = _reach(tally) if skill is not None and tested > 1 else None
    return {
        "tested": tested,
        "won": tally.won,
        "left_out": tally.left_out,
        "brier": brier,
        "base_brier": base,
        "skill": skill,
        "skill_least": None if skill is None or reach is None else skill - reach,
        "skill_most": None if skill is None or reach is None else min(1.0, skill + reach),
        "bins": list(_bins(tally.bins)),
    }


def _reach(tally: Tally) -> float:
    """Return how far the skill may be off by chance: few deals tell little."""
    tested = tally.tested
    mean = (tally.base_squares - tally.squares) / tested
    variance = max(0.0, tally.gains_squared / tested - mean * mean) * tested / (tested - 1)
    return _Z * sqrt(variance / tested) / (tally.base_squares / tested)


def _bins(bins: Iterable[Bin]) -> Iterator[dict[str, Any]]:
    for place, each in enumerate(bins):
        count = each.count
        least, most = interval(each.won, count) if count else (None, None)
        yield {
            "low": place / BINS,
            "high": (place + 1) / BINS,
            "count": count,
            "won": each.won,
            "predicted": each.predicted / count if count else None,
            "observed": each.won / count if count else None,
            "least": least,
            "most": most,
        }


def interval(won: int, count: int) -> tuple[float, float]:
    """Return between which shares the true one lies, 95 of 100 times (Wilson's interval)."""
    share, spread = won / count, _Z * _Z / count
    middle = (share + spread / 2) / (1 + spread)
    reach = _Z / (1 + spread) * sqrt(share * (1 - share) / count + spread / (4 * count))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _refusal(before: Mapping[str, Any], later: int) -> str:
    if not later:
        return t("No deal that you may see was closed since then: name an earlier day.")
    return before["refusal"] or t("No deal could be scored: train the scores first.")
