"""From deals and groups to probabilities, and writing those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection

from crm_core.persistence.bulk import update_rows
from crm_sales.models import DealState, Opportunity
from crm_sales.services.scoring.bayes import EVERYBODY, Group, Score, Step
from crm_sales.services.scoring.deals import Deal, DealReader
from crm_sales.services.scoring.frequencies import groups_of, steps_of

_OF_CLOSED = {DealState.WON.value: Decimal(1), DealState.LOST.value: Decimal(0)}


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores deals by their team's closed ones, or by all where the team has too few.

    Attributes:
        groups: What was counted.
        variables: Which count.
        least: Closed deals it takes.
        steps: All stages.
    """

    groups: Mapping[str, Group]
    variables: tuple[str, ...]
    least: int
    steps: Mapping[str, Step]

    def group_for(self, team_id: UUID | None) -> Group | None:
        """Return whose closed deals are enough to score by; None where not even all are."""
        for name in (str(team_id), EVERYBODY):
            group = self.groups.get(name)
            if group is not None and group.is_enough(self.least):
                return group
        return None

    def score(self, deal: Deal) -> Score | None:
        """Return a deal's score; None where too few deals are closed."""
        group = self.group_for(deal.team_id)
        return group.score(deal.facts, self.variables) if group else None

    def probability(self, deal: Deal) -> Decimal:
        """Return what is kept: 1 or 0 once closed, a person's, the score, or the stage's."""
        if deal.state != DealState.OPEN:
            return _OF_CLOSED[deal.state]
        if deal.override is not None:
            return deal.override.probability
        score = self.score(deal)
        if score is not None:
            return score.probability
        return Decimal(self.steps[str(deal.stage_id)].percent) / 100


def scorer_of(reader: DealReader, deals: Sequence[Deal] | None = None) -> Scorer:
    """Return what scores these deals, or any where None."""
    connection = reader.uow.connection()
    steps = steps_of(connection)
    groups = groups_of(connection, steps, deals)
    return Scorer(groups, reader.variables, reader.least, steps)


def keep_probabilities(
    connection: Connection, scorer: Scorer, deals: Sequence[Deal]
) -> dict[UUID, Decimal]:
    """Write the probabilities that are others now, and return all by the deals' ids.

    Past the session: a probability that follows from the rest is no change that somebody made.
    """
    found = {each.id: scorer.probability(each) for each in deals}
    rows = [
        {"id": each.id, "probability": found[each.id]}
        for each in deals
        if each.probability != found[each.id]
    ]
    update_rows(connection, Opportunity, rows)
    return found
