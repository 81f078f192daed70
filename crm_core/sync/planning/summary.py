"""A plan in numbers, with a few names of each kind."""

from __future__ import annotations

from collections import Counter
from typing import Any

from crm_core.entities.hold import HoldSide
from crm_core.matching import verdict
from crm_core.sync.planning.plan import Decision, Plan, PlanRow, settle
from crm_core.sync.planning.sides import CUSTOMER
from crm_core.sync.run_record import RunReport

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


def put_into(report: RunReport, plan: Plan) -> dict[str, Any]:
    """Put what a plan comes to into a dry run's report, in the place of its guess at customers.

    Returns:
        The plan's summary.
    """
    summary = summary_of(plan)
    counts, examples = summary["counts"], summary["examples"]
    read = report.counts.setdefault(CUSTOMER, {})
    read["created"], read["linked"] = counts["created_here"], counts["linked"]
    written = {"linked": counts["linked"], "created": counts["created_there"]}
    names = {what: [each["ours"] for each in examples[at]] for what, at in _WRITTEN.items()}
    before = report.pushed.pop(CUSTOMER, {})
    kept: dict[str, Any] = {what: before[what] for what in _KEPT if what in before}
    shown = {what: before["examples"][what] for what in kept if what in before["examples"]}
    if any((*written.values(), *kept.values())) and not counts["only_here"]:
        told = {what: names[what] for what in written if written[what]}
        report.pushed[CUSTOMER] = {**kept, **written, "examples": {**shown, **told}}
    return summary


_KEPT = ("updated", "gone")
_WRITTEN = {"linked": "linked", "created": "created_there"}


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
