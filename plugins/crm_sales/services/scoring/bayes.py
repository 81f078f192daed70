"""Naive Bayes over closed deals; pure arithmetic, nothing is read here.

As Odoo describes its predictive lead scoring (the documentation of its CRM, "Assign leads with
predictive lead scoring", and "How does CRM Lead Scoring Computation work" in its public forum):

- P(won | values) = W / (W + L), with W = P(won) times, for each value that the deal has, the share
  of won deals that have it too, and L the same of lost deals. Values that are missing say nothing.
- Every count begins at 0.1, so that a value that was never won does not make winning impossible.
- Deals that were won have been in every stage of their pipeline, lost ones in those up to where
  they stood; both are counted there. So a later stage is always the better one.
- A tag counts once 50 closed deals bear it; the probability stays within 0.01 and 99.99 %.

Of our own is the product, which has many more values than the others: one counts from 20 closed
deals on, for of fewer it tells chance.

Each factor W' / L' says how many times as likely its value makes winning: the odds of the score are
those of all deals times its factors, so that a score can be told factor by factor.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import exp, log
from typing import NamedTuple
from uuid import UUID

SMOOTHING = 0.1
LEAST_TAGGED, LEAST_OF_PRODUCT = 50, 20
LEAST_OF_EACH = 10
"""Won ones, and lost ones, that it takes beside the number of closed deals that is set."""
LEAST_LIKELY, MOST_LIKELY = Decimal("0.0001"), Decimal("0.9999")
EVERYBODY = "*"
"""The group of all deals, whatever their team."""
DEAL = "deal"
"""The variable, with an empty value, under which all deals of a group are counted."""
STAGE, TAG, PRODUCT = "stage", "tag", "product"
LEAST_OF = {TAG: LEAST_TAGGED, PRODUCT: LEAST_OF_PRODUCT}
"""Closed deals from which a value counts; of other variables from the first one."""
_CERTAIN = 50.0

Facts = Mapping[str, Collection[str]]
"""What is known of a deal: variable to its values."""


class Count(NamedTuple):
    """Closed deals: how many were won, and lost."""

    won: int
    lost: int


class Total(NamedTuple):
    """Of a variable: closed deals by value added up, and how many values there are."""

    won: int
    lost: int
    values: int


class Step(NamedTuple):
    """A stage: of which pipeline, which place it has there, and what it says itself."""

    pipeline_id: UUID
    position: int
    percent: int


@dataclass(frozen=True, slots=True)
class Part:
    """What one value of one variable does to a score.

    Attributes:
        variable: One of ``crm_sales.settings.VARIABLES``.
        value: As it is counted.
        won: Deals with it that were won; of a stage, that came as far.
        lost: Deals with it that were lost.
        factor: How many times as likely it makes winning; None where it is not counted.
        why_not: ``unseen`` or ``few`` where it is not counted.
    """

    variable: str
    value: str
    won: int
    lost: int
    factor: float | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """How likely a deal is to be won.

    Attributes:
        probability: Between 0.0001 and 0.9999.
        group: Whose deals it was learnt from: a team's id or ``*``.
        won: How many of them were won.
        lost: How many were lost.
        parts: What each value did.
    """

    probability: Decimal
    group: str
    won: int
    lost: int
    parts: tuple[Part, ...]


@dataclass
class Group:
    """Closed deals of a team, or of all teams, as they were counted.

    Args:
        name: A team's id or ``*``.
        counts: ``(variable, value)`` to its deals; of those values at least that are asked for,
            and of all stages.
        totals: Each variable's sum over all its values.
        steps: All stages of all pipelines.
    """

    name: str
    counts: Mapping[tuple[str, str], Count]
    totals: Mapping[str, Total]
    steps: Mapping[str, Step]
    _parts: dict[tuple[str, str], Part] = field(default_factory=dict)

    @property
    def deals(self) -> Count:
        """All closed deals."""
        return self.counts.get((DEAL, ""), Count(0, 0))

    def is_enough(self, least: int) -> bool:
        """Whether there are as many closed deals as it takes."""
        won, lost = self.deals
        return won + lost >= least and min(won, lost) >= LEAST_OF_EACH

    def score(self, facts: Facts, variables: Iterable[str]) -> Score:
        """Return how likely a deal with these facts is to be won, as far as variables count."""
        parts = tuple(
            self.part(variable, value)
            for variable in variables
            for value in facts.get(variable, ())
        )
        won, lost = self.deals
        odds = log((won + SMOOTHING) / (lost + SMOOTHING))
        odds += sum(log(part.factor) for part in parts if part.factor is not None)
        bounded = min(max(odds, -_CERTAIN), _CERTAIN)  # far beyond what is kept; exp has limits
        return Score(clamped(1 / (1 + exp(-bounded))), self.name, won, lost, parts)

    def part(self, variable: str, value: str) -> Part:
        """Return what a value does to every score that has it."""
        found = self._parts.get((variable, value))
        if found is None:
            make = self._of_stage if variable == STAGE else self._of_value
            found = self._parts[variable, value] = make(variable, value)
        return found

    def _of_value(self, variable: str, value: str) -> Part:
        count = self.counts.get((variable, value))
        if count is None:
            return Part(variable, value, 0, 0, None, "unseen")
        won, lost = count
        if won + lost < LEAST_OF.get(variable, 0):
            return Part(variable, value, won, lost, None, "few")
        total = self.totals[variable]
        smoothed = SMOOTHING * total.values
        factor = _share(won, total.won + smoothed) / _share(lost, total.lost + smoothed)
        return Part(variable, value, won, lost, factor)

    def _of_stage(self, variable: str, value: str) -> Part:
        here = self.steps.get(value)
        if here is None:
            return Part(variable, value, 0, 0, None, "unseen")
        won = lost = reached = 0
        for stage_id, step in self.steps.items():
            if step.pipeline_id == here.pipeline_id:
                count = self.counts.get((STAGE, stage_id), Count(0, 0))
                won, lost = won + count.won, lost + count.lost
                reached += count.lost if step.position >= here.position else 0
        if not won + lost:
            return Part(variable, value, 0, 0, None, "unseen")
        return Part(variable, value, won, reached, 1 / _share(reached, lost + SMOOTHING))


def clamped(probability: float) -> Decimal:
    """Return a probability as it is kept: four places, never certain."""
    rounded = Decimal(probability).quantize(LEAST_LIKELY)
    return min(max(rounded, LEAST_LIKELY), MOST_LIKELY)


def _share(count: int, total: float) -> float:
    return (count + SMOOTHING) / total
