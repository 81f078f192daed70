"""The tables of frequencies: kept up deal by deal, so that a score passes over no other deals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, func, literal, null, or_, select, true, union_all
from sqlalchemy.dialects import postgresql, sqlite

from crm_core.persistence.bulk import AMONG, among, chunked, insert_rows, table_of
from crm_sales.models import ScoreCount, ScoreFrequency, Stage
from crm_sales.services.scoring.bayes import (
    DEAL,
    EVERYBODY,
    STAGE,
    Count,
    Facts,
    Group,
    Step,
    Total,
)
from crm_sales.services.scoring.deals import Deal

Key = tuple[str, str, str]
"""Group, variable, value."""
Deltas = dict[Key, list[int]]
"""What is to be added to the deals that were won and lost."""

_table = table_of(ScoreFrequency)
_kept = _table.c
_counts = table_of(ScoreCount)
_stage = table_of(Stage).c


def added_up(
    counted: Iterable[tuple[UUID | None, bool, Facts]], into: Deltas, sign: int = 1
) -> None:
    """Add deals, each with its team, whether it was won, and its facts, to what is counted."""
    for team_id, is_won, facts in counted:
        place = 0 if is_won else 1
        for group in (EVERYBODY,) if team_id is None else (EVERYBODY, str(team_id)):
            into[group, DEAL, ""][place] += sign
            for variable, values in facts.items():
                for value in values:
                    into[group, variable, value][place] += sign


def recount(connection: Connection, deals: Sequence[Deal]) -> None:
    """Count deals that were closed since, take out those that are open again or have changed."""
    changed = [each for each in deals if each.as_counted != each.counted]
    if not changed:
        return
    deltas = no_deltas()
    added_up((each.counted for each in changed if each.counted), deltas, -1)
    added_up((each.as_counted for each in changed if each.as_counted), deltas)
    forget_counted(connection, [each.id for each in changed if each.counted])
    note_counted(connection, changed)
    add_deltas(connection, deltas)


def no_deltas() -> Deltas:
    """Return what to add up into."""
    return defaultdict(lambda: [0, 0])


def forget_counted(connection: Connection, ids: Iterable[UUID]) -> None:
    """Forget what deals were counted as."""
    for some in chunked(ids, AMONG):
        connection.execute(delete(_counts).where(among(_counts.c.opportunity_id, some)))


def note_counted(connection: Connection, deals: Iterable[Deal]) -> None:
    """Note what closed deals are counted as."""
    rows = [
        {
            "opportunity_id": each.id,
            "team_id": counted[0],
            "is_won": counted[1],
            "facts": counted[2],
        }
        for each in deals
        if (counted := each.as_counted)
    ]
    insert_rows(connection, ScoreCount, rows)


def add_deltas(connection: Connection, deltas: Deltas) -> None:
    """Change the frequencies, in one order of rows always: two at once wait, and do not block."""
    make: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    insert = make(_table)
    statement = insert.on_conflict_do_update(
        index_elements=[_kept.group, _kept.variable, _kept.value],
        set_={"won": _kept.won + insert.excluded.won, "lost": _kept.lost + insert.excluded.lost},
    )
    changed = {key: added for key, added in sorted(deltas.items()) if any(added)}
    rows = [
        {"group": group, "variable": variable, "value": value, "won": won, "lost": lost}
        for (group, variable, value), (won, lost) in changed.items()
    ]
    for some in chunked(rows):
        connection.execute(statement, some)
    if any(min(added) < 0 for added in changed.values()):
        connection.execute(delete(_table).where(_kept.won == 0, _kept.lost == 0))


def groups_of(
    connection: Connection, steps: Mapping[str, Step], deals: Iterable[Deal] | None = None
) -> dict[str, Group]:
    """Return the groups of deals with what their scores need; of None, of all there may be."""
    conditions = []
    if deals is not None:
        listed = list(deals)
        teams = {str(each.team_id) for each in listed if each.team_id}
        values = {value for each in listed for some in each.facts.values() for value in some}
        conditions.append(_kept.group.in_([EVERYBODY, *sorted(teams)]))
        wanted = or_(_kept.variable == STAGE, _kept.value.in_(["", *sorted(values)]))
    else:
        wanted = true()
    single = select(
        _kept.group, _kept.variable, _kept.value, _kept.won, _kept.lost, literal(0).label("values")
    ).where(*conditions, wanted)
    summed = (
        select(
            _kept.group,
            _kept.variable,
            null().label("value"),
            func.sum(_kept.won).label("won"),
            func.sum(_kept.lost).label("lost"),
            func.count().label("values"),
        )
        .where(*conditions)
        .group_by(_kept.group, _kept.variable)
    )
    return groups_from(connection.execute(union_all(single, summed)), steps)


def groups_from(rows: Iterable[Any], steps: Mapping[str, Step]) -> dict[str, Group]:
    """Return groups by name: of rows ``group, variable, value, won, lost, values``."""
    counts: dict[str, dict[tuple[str, str], Count]] = defaultdict(dict)
    totals: dict[str, dict[str, Total]] = defaultdict(dict)
    for group, variable, value, won, lost, values in rows:
        if value is None:
            totals[group][variable] = Total(int(won), int(lost), values)
        else:
            counts[group][variable, value] = Count(won, lost)
    return {name: Group(name, counts[name], totals[name], steps) for name in totals}


def steps_of(connection: Connection) -> dict[str, Step]:
    """Return where each stage stands, by its id as it is counted."""
    columns = (_stage.id, _stage.pipeline_id, _stage.position, _stage.probability)
    return {str(row[0]): Step(*row[1:]) for row in connection.execute(select(*columns))}
