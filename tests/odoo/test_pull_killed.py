"""A pull that is killed half-way and run again ends in the same state."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select

from crm_core.access import Actor
from crm_core.entities import Customer, SyncRun
from crm_core.persistence.database import Database
from pulling import PullingOffice


@pytest.fixture
def office(database: Database, system: Actor, odoo_db: Any) -> PullingOffice:
    return PullingOffice(database, system, odoo_db)


RUN_ALONE = """
import sys
from crm_core.access import system_actor
from crm_core.entities import Backend
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.sync.engine import run
from crm_odoo.settings import open_backend
from sqlalchemy import select

database = Database(sys.argv[1])
with unit_of_work(database, actor=system_actor("test")) as uow:
    backend = uow.scalars(select(Backend)).one()
remote = open_backend(backend.config, sys.stdin.readline().strip())

def told(*progress):
    print(*progress, flush=True)
    sys.stdin.readline()  # goes on when it is told to, or is killed here

run(database, backend, remote, page_size=20, on_progress=told)
"""


@pytest.mark.slow
@pytest.mark.parametrize("entity", ["customer", "order", "invoice"])
def test_killed_in_the_middle_and_run_again_ends_the_same(
    office: PullingOffice, entity: str
) -> None:
    for line in killed_while(office, entity):
        assert line.startswith(entity)
    left = office.one(select(func.count()).select_from(Customer))[0]
    assert left > 0
    assert office.pull().state == "done"
    after = office.counts()
    assert not any(
        c.get("created") or c.get("updated") for c in office.pull(full=True).counts.values()
    )
    assert office.counts() == after
    states = office.all(select(SyncRun.state).order_by(SyncRun.started_at))
    assert [row.state for row in states] == ["failed", "done", "done"]


def killed_while(office: PullingOffice, entity: str) -> Iterator[str]:
    """Run in a process of its own and kill it once it is in the middle of an entity."""
    url = office.database.url.render_as_string(hide_password=False)
    process = subprocess.Popen(
        [sys.executable, "-c", RUN_ALONE, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(office.odoo.bot.secret + "\n")
    process.stdin.flush()
    for line in process.stdout:
        if line.startswith(entity):
            process.send_signal(signal.SIGKILL)
            yield line
            break
        process.stdin.write("\n")
        process.stdin.flush()
    assert process.wait() == -signal.SIGKILL
