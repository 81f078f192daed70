"""One run in a process of its own that is killed with SIGKILL at a named point.

    python killing.py DATABASE POINT AT          (how to reach the back office comes as JSON)

Prints ``reached POINT`` before it dies, ``ended`` when it was not killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 180


def run_and_die(url: str, point: str, at: int, reach: dict[str, Any], page_size: int) -> bool:
    """Run once in another process; return whether it was killed at the point.

    Args:
        url: The front office's database.
        point: Name of a failpoint.
        at: At its how-manieth time it dies.
        reach: ``{"socket": …}`` of an in-memory office, or ``{"config": …, "secret": …}`` of Odoo.
        page_size: Records a page, and a batch.
    """
    process = subprocess.run(
        [sys.executable, __file__, url, point, str(at), str(page_size)],
        input=json.dumps(reach),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if process.returncode == -signal.SIGKILL:
        assert process.stdout.endswith(f"reached {point}\n"), process.stdout
        return True
    assert process.returncode == 0, process.stdout + process.stderr
    return False


def _main(url: str, point: str, at: int, page_size: int) -> None:
    from sqlalchemy import select

    from crm_core.access import system_actor
    from crm_core.entities import Backend
    from crm_core.persistence.database import Database
    from crm_core.persistence.unit_of_work import unit_of_work
    from crm_core.sync import failpoints
    from crm_core.sync.engine import run

    left = at

    def die(name: str) -> None:
        nonlocal left
        left -= name == point
        if left == 0 and name == point:
            print(f"reached {point}", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    database = Database(url)
    with unit_of_work(database, actor=system_actor("test")) as uow:
        backend = uow.scalars(select(Backend)).one()
    remote = _connected(json.loads(sys.stdin.read()))
    with failpoints.armed(die):
        run(database, backend, remote, page_size=page_size, batch_size=page_size)
    print("ended", flush=True)


def _connected(reach: dict[str, Any]) -> Any:
    if "socket" in reach:
        from crm_core.testing.memory_far import connect_to

        return connect_to(Path(reach["socket"]))
    from crm_odoo.settings import open_backend

    return open_backend(reach["config"], reach["secret"])


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
