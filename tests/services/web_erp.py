"""A back office for tests of the sync desk: it was run, and left conflicts and a bad record."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from crm_core.entities.conflict import Conflict, ConflictState
from crm_core.entities.sync import DeadLetter, SyncCursor, SyncRun
from crm_core.services.backends import add_backend

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def desk(office, tmp_path):
    """A back office that was run twice, with conflicts, and a record set aside."""
    folder = tmp_path / "erp"
    folder.mkdir()

    def fill(uow):
        backend = add_backend(
            uow, name="erp", type_name="files", config={"path": str(folder)}, secret_ref=None
        )
        for number, state in enumerate(("done", "failed")):
            counts = {
                "entities": {"customer": {"created": 5, "set_aside": 1}},
                "warnings": [SCRIPT],
            }
            uow.add(
                SyncRun(
                    backend_id=backend.id,
                    state=state,
                    started_at=uow.now - timedelta(hours=2 - number),
                    finished_at=uow.now - timedelta(hours=1 - number),
                    counts=counts,
                    message=f"It broke {SCRIPT}" if state == "failed" else None,
                )
            )
        uow.add(SyncCursor(backend_id=backend.id, entity="customer", refreshed_at=uow.now))
        uow.add(
            DeadLetter(
                backend_id=backend.id,
                entity="customer",
                remote_id="77",
                label=SCRIPT,
                code="x",
                reason="It has no name.",
                first_at=uow.now - timedelta(days=1),
                last_at=uow.now,
            )
        )
        for field, ours, theirs in (("name", "Northquux", SCRIPT), ("note", "Ours", "Theirs")):
            uow.add(
                Conflict(
                    backend_id=backend.id,
                    entity="customer",
                    local_id=office.known.customers["employee"],
                    remote_id="5",
                    label="Northquux",
                    field=field,
                    base="Before",
                    ours=ours,
                    theirs=theirs,
                    state=ConflictState.OPEN.value,
                    opened_at=uow.now - timedelta(days=2),
                )
            )

    office.write(fill)
    return office


def conflicts(office):
    """Return id, state and winner of each conflict, by field."""
    return office.read(
        lambda uow: {c.field: (str(c.id), c.state, c.winner) for c in uow.scalars(every(Conflict))}
    )


def every(model):
    """Return the statement for all of a kind."""
    return select(model)
