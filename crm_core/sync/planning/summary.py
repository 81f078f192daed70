"""A plan in numbers, with a few names of each kind."""

from __future__ import annotations

from collections import Counter
from typing import Any

from crm_core.entities.hold import HoldSide
from crm_core.matching import verdict
from crm_core.sync.planning.plan import Decision, Plan, PlanRow, settle

EXAMPLES = 5


def summary_of(plan: Plan) -> dict[str, Any]:
    """Return what a plan comes to if it is applied as it stands.

    ``counts`` has ``in_step``, ``linked``, of these ``sure`` and ``likely``, ``created_here``,
    ``created_there``, ``undecided_here``, ``undecided_there``, ``ignored`` (records), ``only_here``
    and ``set_aside``; ``examples`` a few rows of each kind of row; ``left_out`` what too many
    records share to compare them for its sake.
    """
    settled = settle(plan.rows)
    links = Counter(verdict(row.score or 0) for row in settled.links)
    undecided = Counter(side for side, _ in settled.undecided)
    counts = {
        "in_step": plan.in_step,
        "linked": len(settled.links),
        "sure": links["sure"],
        "likely": links["likely"],
        "created_here": len(settled.takes),
        "created_there": len(settled.makes),
        "undecided_here": undecided[HoldSide.LOCAL],
        "undecided_there": undecided[HoldSide.REMOTE],
        "ignored": len(settled.ignored),
        "only_here": plan.only_here,
        "set_aside": len(plan.set_aside),
    }
    examples: dict[str, list[dict[str, Any]]] = {
        "linked": _some(settled.links),
        "created_here": _some(settled.takes),
        "created_there": _some(settled.makes),
        "undecided": _some([row for row in plan.rows if row.decision == Decision.OPEN]),
    }
    return {
        "made_at": plan.head.made_at,
        "counts": counts,
        "examples": examples,
        "set_aside": plan.set_aside[:EXAMPLES],
        "left_out": plan.left_out[:EXAMPLES],
        "left_out_count": len(plan.left_out),
    }


def _some(rows: list[PlanRow]) -> list[dict[str, Any]]:
    return [
        {
            "ours": row.local_name or None,
            "theirs": row.remote_name or None,
            "score": row.score,
            "reason": row.reason,
        }
        for row in rows[:EXAMPLES]
    ]
