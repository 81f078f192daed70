"""Having a back office merge the records of customers merged here, where that was asked for."""

from __future__ import annotations

from sqlalchemy import select, update

from crm_core.entities.merge import MergeThere, MergeThereState
from crm_core.errors import FatalSyncError, RecordSyncError
from crm_core.messages import t
from crm_core.sync import lock
from crm_core.sync.bindings import bound_records
from crm_core.sync.context import SyncContext
from crm_core.sync.failpoints import reach
from crm_core.sync.merged_there import follow_merges
from crm_core.sync.protocol import RIGHT_MISSING, MergingBackend

CUSTOMER = "customer"
AT_ONCE = 100
"""How many a run asks for, at most: each takes a moment, and nothing else goes on meanwhile."""


def merge_there(context: SyncContext) -> None:
    """Do what was asked for and has not been done, one after the other."""
    waiting = (
        select(MergeThere.id, MergeThere.keep_remote_id, MergeThere.drop_remote_id)
        .where(
            MergeThere.backend_id == context.backend_id,
            MergeThere.state == MergeThereState.WAITING.value,
        )
        .order_by(MergeThere.id)
        .limit(AT_ONCE)
    )
    with context.reading() as uow:
        rows = uow.execute(waiting).all()
    for row in rows:
        context.check_stopped()
        refusal = _merged(context, row.keep_remote_id, row.drop_remote_id)
        reach("push.merged_there")
        state = MergeThereState.REFUSED if refusal else MergeThereState.DONE
        with context.writing() as uow:
            lock.renew(uow, context.backend_id, context.token)
            told = update(MergeThere).where(
                MergeThere.id == row.id, MergeThere.state == MergeThereState.WAITING.value
            )
            uow.execute(told.values(state=state.value, reason=refusal))
            if refusal is None:
                keys = [row.drop_remote_id]
                gone = bound_records(uow, context.backend_id, CUSTOMER, keys)
                follow_merges(context, uow, gone, dict.fromkeys(gone, row.keep_remote_id))
            uow.commit()


def _merged(context: SyncContext, keep: str, drop: str) -> str | None:
    """Have two records merged; return why not, where that was refused."""
    if not isinstance(context.remote, MergingBackend):
        return t("{backend} cannot merge records.", backend=context.backend_name)
    try:
        context.remote.merge(CUSTOMER, keep, drop)
    except (RecordSyncError, FatalSyncError) as error:
        # What this login may not do to this pair is no reason to leave everything else undone.
        if isinstance(error, FatalSyncError) and error.code != RIGHT_MISSING:
            raise
        context.warnings.append(
            t(
                "customer {drop} was not merged into {keep} there: {reason}",
                drop=drop,
                keep=keep,
                reason=error.message,
            )
        )
        return error.message
    return None
