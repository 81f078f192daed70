"""A small picture of whom a customer is tied to, drawn here: no script, no image file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

WIDTH, HEIGHT, LOW = 340, 230, 84
"""Of the picture; low, where so few stand in it that they find room beside the middle."""
MOST, FEW, LETTERS = 8, 2, 17
_ACROSS, _DOWN = 112, 78


@dataclass(frozen=True, slots=True)
class Node:
    """One customer in the picture.

    Attributes:
        name: In full; ``short`` fits below its circle.
        relation: How it is tied to the one in the middle.
    """

    customer_id: UUID
    name: str
    short: str
    kind: str
    relation: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is drawn; ``more`` counts those for whom there is no room."""

    nodes: Sequence[Node]
    more: int
    x: int
    y: int
    width: int
    height: int


def picture(ties: Sequence[Mapping[str, Any]]) -> Picture:
    """Place those that a customer is tied to around it; ended ties are left out."""
    present = {tie["other_id"]: tie for tie in ties if tie["ended_on"] is None}
    drawn = list(present.values())[:MOST]
    is_low = len(drawn) <= FEW
    height = LOW if is_low else HEIGHT
    x, y = WIDTH // 2, height // 2 - 8
    x -= _ACROSS // 2 if len(drawn) == 1 else 0
    start = 0.0 if is_low else -math.pi / 2
    nodes = []
    for index, tie in enumerate(drawn):
        angle = start + 2 * math.pi * index / len(drawn)
        name = tie["other_name"]
        nodes.append(
            Node(
                tie["other_id"],
                name,
                name if len(name) <= LETTERS else f"{name[: LETTERS - 1].rstrip()}…",
                tie["other_kind"],
                tie["label"],
                round(x + _ACROSS * math.cos(angle)),
                round(y + _DOWN * math.sin(angle)),
            )
        )
    return Picture(nodes, len(present) - len(drawn), x, y, WIDTH, height)
