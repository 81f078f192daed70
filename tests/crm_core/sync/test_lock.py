from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from crm_core.entities import SyncLock
from crm_core.errors import FatalSyncError, LockedError
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.sync import lock


def hold(office: Any, **values: Any) -> Any:
    """Take the lease, and alter how it stands in the database."""
    token = lock.acquire(office.database, office.actor, office.backend.id, "main")
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        if values:
            uow.execute(update(SyncLock).values(**values))
        uow.commit()
    return token


def test_this_process_is_alive(office: Any) -> None:
    hold(office)
    with pytest.raises(LockedError, match=f":{os.getpid()}"):
        office.run()


@pytest.mark.parametrize("started", ["1", ""])
def test_a_number_that_another_process_has_now_is_told_by_when_it_was_started(
    office: Any, started: str
) -> None:
    holder = f"{lock.socket.gethostname()}:{os.getpid()}:{started}"
    hold(office, holder=holder)
    if started:
        assert office.run().state == "done"
    else:  # a system that does not tell: it may be alive
        with pytest.raises(LockedError):
            office.run()


def test_another_machines_lease_holds_until_it_ends(office: Any) -> None:
    hold(office, holder="elsewhere:1:1")
    with pytest.raises(LockedError, match="elsewhere"):
        office.run()
    hold_end = datetime.now(UTC) - timedelta(seconds=1)
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        uow.execute(update(SyncLock).values(expires_at=hold_end))
        uow.commit()
    assert office.run().state == "done"


def test_a_lease_of_a_clock_that_was_ahead_does_not_hold_for_years(office: Any) -> None:
    token = hold(office, holder="elsewhere:1:1", expires_at=datetime.now(UTC) + timedelta(days=400))
    assert office.run().state == "done"
    with unit_of_work(office.database, actor=office.actor, write=True) as uow:
        with pytest.raises(FatalSyncError) as caught:
            lock.renew(uow, office.backend.id, token)
    assert caught.value.code == "core.sync.lease_lost"
