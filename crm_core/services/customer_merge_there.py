"""Asking back offices to merge the records of customers that were merged here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from crm_core.entities.customer import Customer
from crm_core.entities.merge import CustomerMerge, MergeThere, MergeThereState
from crm_core.entities.sync import Backend, Binding, BindingState
from crm_core.errors import RuleViolationError
from crm_core.messages import t
from crm_core.persistence.ledger_undo import Left
from crm_core.persistence.unit_of_work import UnitOfWork

Pair = tuple[UUID, str, str]
"""A back office, the record there that stays, and the one that goes into it."""


def pairs_there(uow: UnitOfWork, keep_id: UUID, drop_id: UUID) -> list[Pair]:
    """Return what back offices would have to merge, were two customers merged here.

    Raises:
        RuleViolationError: None of them holds records of both, as far as the actor may see.
    """
    pairs = _pairs(uow, keep_id, drop_id)
    if not pairs:
        raise RuleViolationError(
            t("No back office holds records of both customers: there is nothing to merge there."),
            code="core.customer_merge.not_there",
        )
    return pairs


def holders_of_both(uow: UnitOfWork, keep_id: UUID, drop_id: UUID) -> list[str]:
    """Return the names of the back offices that would be asked, were that chosen."""
    ids = {backend_id for backend_id, _, _ in _pairs(uow, keep_id, drop_id)}
    names = select(Backend.name).where(Backend.id.in_(ids)).order_by(Backend.name)
    return list(uow.scalars(names)) if ids else []


def _pairs(uow: UnitOfWork, keep_id: UUID, drop_id: UUID) -> list[Pair]:
    bound = select(Binding.backend_id, Binding.local_id, Binding.remote_id).where(
        Binding.entity == Customer.__entity__,
        Binding.local_id.in_([keep_id, drop_id]),
        Binding.state.in_((BindingState.ACTIVE.value, BindingState.ARCHIVED.value)),
    )
    rows = uow.execute(bound.order_by(Binding.id)).all()
    staying: dict[UUID, str] = {}
    for row in rows:
        if row.local_id == keep_id:
            staying.setdefault(row.backend_id, row.remote_id)
    return [
        (row.backend_id, staying[row.backend_id], row.remote_id)
        for row in rows
        if row.local_id == drop_id and row.backend_id in staying
    ]


def ask_there(uow: UnitOfWork, merge: CustomerMerge, pairs: Sequence[Pair]) -> None:
    """Have the next runs ask back offices to merge these records."""
    for backend_id, keep, drop in pairs:
        asked = {"keep_remote_id": keep, "drop_remote_id": drop}
        uow.add(MergeThere(merge_id=merge.id, backend_id=backend_id, **asked))
    uow.flush()


def take_back(uow: UnitOfWork, merge: CustomerMerge) -> list[Left]:
    """Ask no more for a merge that is undone; return what was done there and cannot be undone."""
    uow.execute(
        update(MergeThere)
        .where(MergeThere.merge_id == merge.id, MergeThere.state == MergeThereState.WAITING.value)
        .values(state=MergeThereState.TAKEN_BACK.value)
    )
    return [
        Left(
            Backend.__entity__,
            str(each["backend"]),
            (),
            t(
                "record {drop} went into {keep} there, which cannot be undone from here",
                drop=each["drop_remote_id"],
                keep=each["keep_remote_id"],
            ),
        )
        for each in list_there(uow, [merge.id])
        if each["state"] == MergeThereState.DONE.value
    ]


def list_there(uow: UnitOfWork, merge_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Return what back offices were asked to merge.

    Args:
        uow: The unit of work.
        merge_ids: For which merges.

    Returns:
        A dict each: ``merge_id, backend`` (its name), ``keep_remote_id, drop_remote_id, state,
        reason``.
    """
    statement = (
        select(
            MergeThere.merge_id,
            Backend.name.label("backend"),
            MergeThere.keep_remote_id,
            MergeThere.drop_remote_id,
            MergeThere.state,
            MergeThere.reason,
        )
        .join(Backend, Backend.id == MergeThere.backend_id)
        .where(MergeThere.merge_id.in_(merge_ids))
        .order_by(MergeThere.id)
    )
    return [dict(row._mapping) for row in uow.execute(statement)]
