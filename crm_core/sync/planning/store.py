"""A plan kept in the database, where people decide on its rows one by one or in a file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, func, select, update

from crm_core.entities.sync import SYNC_VIEW
from crm_core.entities.sync_request import SyncPlan, SyncPlanRow
from crm_core.errors import InputError, NotFoundError, RuleViolationError
from crm_core.messages import t
from crm_core.persistence.bulk import PARAMETERS, chunked, insert_rows
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.backends import MANAGE
from crm_core.sync.planning.plan import Decision, Plan, PlanHead, PlanRow, Side

GROUPS: Mapping[str, tuple[tuple[Decision, ...], tuple[Side, ...]]] = {
    "decide": ((Decision.OPEN,), tuple(Side)),
    "link": ((Decision.LINK,), (Side.BOTH,)),
    "create_here": ((Decision.CREATE,), (Side.THERE,)),
    "create_there": ((Decision.CREATE,), (Side.HERE,)),
    "ignore": ((Decision.IGNORE,), tuple(Side)),
}
"""What was proposed, and where the records of such rows stand."""
CHOICES: Mapping[Side, tuple[Decision, ...]] = {
    Side.BOTH: (Decision.LINK, Decision.CREATE, Decision.IGNORE),
    Side.HERE: (Decision.CREATE, Decision.IGNORE),
    Side.THERE: (Decision.CREATE, Decision.IGNORE),
}
_TOLD = ("entity", "side", "decision", "local_id", "local_name", "remote_id", "remote_name")
_OWN = (*_TOLD, "score", "reason", "local_state", "remote_state")
_SHOWN = ("position", *_OWN[:-2], "proposal", "refusal")


def keep_plan(uow: UnitOfWork, backend_id: UUID, plan: Plan, summary: Mapping[str, Any]) -> None:
    """Keep a plan in the place of the one before."""
    drop_plan(uow, backend_id)
    head = asdict(plan.head)
    uow.add(SyncPlan(backend_id=backend_id, head=head, summary=dict(summary), made_at=uow.now))
    uow.flush()
    rows = (
        {
            "backend_id": backend_id,
            "position": number,
            "proposal": row.decision.value,
            **{name: getattr(row, name) for name in _OWN},
            "side": row.side.value,
            "decision": row.decision.value,
            "refusal": None,
        }
        for number, row in enumerate(plan.rows, 1)
    )
    for chunk in chunked(rows):
        insert_rows(uow.connection(), SyncPlanRow, chunk)


def drop_plan(uow: UnitOfWork, backend_id: UUID) -> None:
    """Forget the plan of a backend, if there is one."""
    for model in (SyncPlanRow, SyncPlan):
        gone = delete(model).where(model.backend_id == backend_id)
        uow.execute(gone.execution_options(synchronize_session=False))


def kept_plan(uow: UnitOfWork, backend_id: UUID) -> dict[str, Any] | None:
    """Return ``head``, ``summary``, ``made_at`` and ``applied_at`` of a plan; None without one."""
    uow.actor.require(SYNC_VIEW)
    columns = (SyncPlan.head, SyncPlan.summary, SyncPlan.made_at, SyncPlan.applied_at)
    row = uow.execute(select(*columns).where(SyncPlan.backend_id == backend_id)).first()
    return None if row is None else dict(row._mapping)


def group_counts(uow: UnitOfWork, backend_id: UUID) -> dict[str, dict[str, int]]:
    """Return of each group how many ``rows`` it has, how many are ``open`` and ``refused``."""
    columns = (SyncPlanRow.proposal, SyncPlanRow.side)
    statement = select(
        *columns,
        func.count().label("rows"),
        func.count().filter(SyncPlanRow.decision == Decision.OPEN.value).label("open"),
        func.count(SyncPlanRow.refusal).label("refused"),
    ).where(SyncPlanRow.backend_id == backend_id)
    counted = uow.execute(statement.group_by(*columns)).all()
    found = {name: dict.fromkeys(("rows", "open", "refused"), 0) for name in GROUPS}
    for row in counted:
        for name, (proposals, sides) in GROUPS.items():
            if row.proposal in proposals and row.side in sides:
                for key in found[name]:
                    found[name][key] += getattr(row, key)
    return found


def list_plan_rows(
    uow: UnitOfWork,
    backend_id: UUID,
    group: str,
    *,
    refused: bool = False,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return rows of a group as the plan has them; with ``refused`` those left for a new plan."""
    uow.actor.require(SYNC_VIEW)
    statement: Any = select(*(getattr(SyncPlanRow, name) for name in _SHOWN))
    statement = _of_group(statement.where(SyncPlanRow.backend_id == backend_id), group)
    if refused:
        statement = statement.where(SyncPlanRow.refusal.is_not(None))
    return page_of(uow, statement, keys=(SyncPlanRow.position,), limit=limit, cursor=cursor)


def _of_group(statement: Any, group: str) -> Any:
    if group not in GROUPS:
        raise NotFoundError(t("A plan has no such part."), code="core.sync.plan_group")
    proposals, sides = GROUPS[group]
    return statement.where(
        SyncPlanRow.proposal.in_([each.value for each in proposals]),
        SyncPlanRow.side.in_([each.value for each in sides]),
    )


def decide_rows(
    uow: UnitOfWork, backend_id: UUID, positions: Collection[int], decision: Decision
) -> int:
    """Decide on rows of a plan; return on how many.

    Raises:
        InputError: One of them does not take this decision.
    """
    _check_open(uow, backend_id)
    mine = SyncPlanRow.backend_id == backend_id
    takers = [side.value for side, taken in CHOICES.items() if decision in (*taken, Decision.OPEN)]
    decided = 0
    for chunk in chunked(sorted(set(positions)), PARAMETERS):
        these = (mine, SyncPlanRow.position.in_(chunk))
        odd = select(SyncPlanRow.position).where(*these, SyncPlanRow.side.not_in(takers))
        if uow.scalar(odd.limit(1)) is not None:
            raise InputError(
                t("Only two records that may be the same can be linked: choose create or ignore."),
                code="core.sync.plan_decision",
            )
        statement = update(SyncPlanRow).where(*these).values(decision=decision.value)
        result: Any = uow.execute(statement.execution_options(synchronize_session=False))
        decided += result.rowcount
    return decided


def decide_group(uow: UnitOfWork, backend_id: UUID, group: str, decision: Decision) -> int:
    """Decide on all rows of a group that are still open; return on how many."""
    statement = select(SyncPlanRow.position).where(
        SyncPlanRow.backend_id == backend_id, SyncPlanRow.decision == Decision.OPEN.value
    )
    return decide_rows(uow, backend_id, list(uow.scalars(_of_group(statement, group))), decision)


def take_decisions(
    uow: UnitOfWork, backend_id: UUID, head: PlanHead, rows: Sequence[PlanRow]
) -> int:
    """Take over what a file of the kept plan says; return how many decisions differ from before.

    Raises:
        InputError: The file is of another plan.
    """
    _check_open(uow, backend_id)
    kept = load_head(uow, backend_id)
    if kept != head:
        raise InputError(
            t("This file is of another plan than the one kept here: write the file anew."),
            code="core.sync.plan_of_another",
        )
    before = uow.execute(
        _rows(backend_id).with_only_columns(
            SyncPlanRow.position, SyncPlanRow.local_id, SyncPlanRow.remote_id, SyncPlanRow.decision
        )
    ).all()
    at = {(row.local_id, row.remote_id): row for row in before}
    changed: dict[Decision, list[int]] = {}
    for row in rows:
        was = at.get((row.local_id, row.remote_id))
        if was is not None and was.decision != row.decision.value:
            changed.setdefault(row.decision, []).append(was.position)
    return sum(decide_rows(uow, backend_id, places, each) for each, places in changed.items())


def _check_open(uow: UnitOfWork, backend_id: UUID) -> None:
    uow.actor.require(MANAGE)
    plan = uow.get(SyncPlan, backend_id)
    if plan.applied_at is not None:
        raise RuleViolationError(
            t("This plan was applied already: make a new one."), code="core.sync.plan_applied"
        )


def load_head(uow: UnitOfWork, backend_id: UUID) -> PlanHead:
    """Return the head of the plan that is kept; raises NotFoundError without one."""
    return PlanHead(**uow.get(SyncPlan, backend_id).head)


def load_plan(uow: UnitOfWork, backend_id: UUID) -> Plan:
    """Return the plan that is kept, with what was decided since; rows as they stand in it."""
    head = load_head(uow, backend_id)
    columns = (getattr(SyncPlanRow, name) for name in _OWN)
    rows = []
    for row in uow.execute(_rows(backend_id).with_only_columns(*columns)):
        told = dict(row._mapping)
        told["side"], told["decision"] = Side(told["side"]), Decision(told["decision"])
        rows.append(PlanRow(**told))
    return Plan(head, rows)


def note_applied(uow: UnitOfWork, backend_id: UUID, refused: Iterable[tuple[PlanRow, str]]) -> None:
    """Note that the kept plan was applied, and why rows of it were left for a new one."""
    plan = uow.get(SyncPlan, backend_id)
    plan.applied_at = uow.now
    by_key = {(row.local_id, row.remote_id): why for row, why in refused}
    if not by_key:
        return
    statement = _rows(backend_id).with_only_columns(
        SyncPlanRow.position, SyncPlanRow.local_id, SyncPlanRow.remote_id
    )
    reasons: dict[str, list[int]] = {}
    for row in uow.execute(statement):
        why = by_key.get((row.local_id, row.remote_id))
        if why is not None:
            reasons.setdefault(why, []).append(row.position)
    for why, positions in reasons.items():
        for chunk in chunked(positions, PARAMETERS):
            told = update(SyncPlanRow).where(
                SyncPlanRow.backend_id == backend_id, SyncPlanRow.position.in_(chunk)
            )
            told = told.values(refusal=why)
            uow.execute(told.execution_options(synchronize_session=False))


def _rows(backend_id: UUID) -> Select[Any]:
    mine = SyncPlanRow.backend_id == backend_id
    return select(SyncPlanRow.position).where(mine).order_by(SyncPlanRow.position)
