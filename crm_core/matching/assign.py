"""Pairing two sides one to one; what is not clear is left for a person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from crm_core.matching.candidates import LeftOut, candidates
from crm_core.matching.compare import LIKELY, Pair
from crm_core.matching.features import Features

MARGIN = 5
"""By how much a pair must be better than any other of its two records."""


@dataclass(slots=True)
class Matching:
    """Two sides, paired.

    Attributes:
        pairs: Which mean the same; each record stands in at most one.
        undecided: Pairs of records that stand in none of ``pairs``, for a person to decide on:
            unsure ones, and those that are not clearly better than another.
        left_out: Keys shared by so many records that they were not compared for its sake.
    """

    pairs: list[Pair]
    undecided: list[Pair]
    left_out: list[LeftOut] = field(default_factory=list)


def match(left: Sequence[Features], right: Sequence[Features]) -> Matching:
    """Pair two sets of records, each with unique keys.

    The outcome does not depend on the order of either, nor on which is the left one.
    """
    left_out: list[LeftOut] = []
    found = assign(candidates(left, right, left_out))
    found.left_out = left_out
    return found


def assign(pairs: Iterable[Pair]) -> Matching:
    """Choose among scored pairs those that are likely and clearly better than any other.

    What a chosen pair takes is no candidate of other records any more, which may make another
    pair clear; a pair that is clear stays so, so the order in which they are taken is all one.
    """
    known = list(pairs)
    sides = (defaultdict[Hashable, list[Pair]](list), defaultdict[Hashable, list[Pair]](list))
    for pair in known:
        sides[0][pair.left].append(pair)
        sides[1][pair.right].append(pair)
    taken: tuple[set[Hashable], set[Hashable]] = (set(), set())
    chosen: list[Pair] = []

    def is_free(pair: Pair) -> bool:
        return pair.left not in taken[0] and pair.right not in taken[1]

    def is_clear(pair: Pair) -> bool:
        rivals = (*sides[0][pair.left], *sides[1][pair.right])
        return pair.score >= LIKELY and all(
            other is pair or not is_free(other) or other.score <= pair.score - MARGIN
            for other in rivals
        )

    waiting = known
    while waiting:
        clear = [pair for pair in waiting if is_free(pair) and is_clear(pair)]
        for pair in clear:
            taken[0].add(pair.left)
            taken[1].add(pair.right)
        chosen += clear
        # Taking a pair may make clear what competed with what it competed with.
        waiting = _near(clear, sides)
    return Matching(chosen, [pair for pair in known if is_free(pair)])


def _near(
    clear: Sequence[Pair], sides: tuple[dict[Hashable, list[Pair]], dict[Hashable, list[Pair]]]
) -> list[Pair]:
    lost = [p for pair in clear for p in (*sides[0][pair.left], *sides[1][pair.right])]
    near = (p for pair in lost for p in (*sides[0][pair.left], *sides[1][pair.right]))
    return list(dict.fromkeys(near))
