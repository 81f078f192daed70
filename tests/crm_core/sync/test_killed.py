"""Killed at every point where it hurts, with 1,000 records on the move: the next run mends it."""

from __future__ import annotations

import copy
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from crm_core.access import system_actor
from crm_core.entities import Binding, Customer, PushItem, SyncRun
from crm_core.entities.customer import ContactPoint, CustomerTag, Tag
from crm_core.persistence.database import Database
from crm_core.services.audit import seal, verify
from crm_core.services.customer_merge import merge_customers
from crm_core.services.customers import create_customer, edit_customer
from crm_core.services.tags import tag_customer
from crm_core.sync import failpoints
from crm_core.sync.permit import confirm_backend
from crm_core.testing.front_office import BACKEND, FrontOffice
from crm_core.testing.memory_far import served
from crm_core.testing.memory_office import MemoryOffice
from killing import run_and_die

POINTS = (*failpoints.PULL, *failpoints.PUSH)
PAGE_SIZE = 100


@pytest.fixture(scope="module")
def scene(tmp_path_factory: Any, crm_sqlite_template: Path) -> tuple[Path, MemoryOffice]:
    """1,000 records: many are new on one side or both, edited, gone, or tagged from either side."""
    path = tmp_path_factory.mktemp("scene") / "crm.sqlite"
    shutil.copyfile(crm_sqlite_template, path)
    office, database = MemoryOffice(), Database(f"sqlite:///{path}")
    front = FrontOffice(database, system_actor("test"), office.connect)
    front.accept()
    known = office.make_many("customer", [_row(f"Known {n}") for n in range(600)])
    front.run()
    ids = {each.name: each.id for each in front.customers().values()}
    office.make_many("customer", [_row(f"Theirs {n}") for n in range(200)])
    for n in range(100):
        office.change("customer", known[n], {"note": f"edited there {n}"})
    for remote_id in known[580:595]:
        office.delete("customer", remote_id)
    office.tag(office.make("tag", {"name": "From their side"}), known[200:230])

    def edit(uow: Any) -> None:
        for n in range(200):
            values = _row(f"Ours {n}") | {"reference": f"O-{n}"}
            create_customer(uow, values)
        for n in range(50, 150):
            edit_customer(uow, ids[f"Known {n}"], {"job_title": f"edited here {n}"})
        for n in range(300, 310):
            tag_customer(uow, ids[f"Known {n}"], ["From our side"])
        for n in range(400, 403):
            merge_customers(uow, ids[f"Known {n}"], ids[f"Known {n + 10}"], there=True)

    front.change(edit)
    office.make("customer", _row("Ours 7") | {"reference": "O-7"})  # known to both already
    database.dispose()
    return path, office


def _row(name: str) -> dict[str, Any]:
    email = name.replace(" ", ".").lower() + "@example.org"
    return {
        "kind": "person",
        "name": name,
        "contact_points": [{"kind": "email", "value": email}],
    }


class Stage:
    """A copy of the scene."""

    def __init__(self, folder: Path, scene: tuple[Path, MemoryOffice], actor: Any) -> None:
        path, office = scene
        folder.mkdir()
        shutil.copyfile(path, folder / "crm.sqlite")
        self.socket = folder / "office"
        self.office = MemoryOffice()
        self.office.rows, self.office.names = copy.deepcopy((office.rows, office.names))
        self.office._last_id = office._last_id
        database = Database(f"sqlite:///{folder / 'crm.sqlite'}")
        self.front = FrontOffice.reopened(database, actor, self.office.connect)
        self.front.change(lambda uow: confirm_backend(uow, BACKEND))

    def killed(self, point: str, at: int) -> bool:
        url = self.front.database.url.render_as_string(hide_password=False)
        with served(self.office, self.socket):
            return run_and_die(url, point, at, {"socket": str(self.socket)}, PAGE_SIZE)

    def run(self) -> Any:
        return self.front.run(page_size=PAGE_SIZE, batch_size=PAGE_SIZE)

    def state(self) -> tuple[Any, ...]:
        """Return what each side holds, by name."""
        rows = self.office.rows["customer"].values()
        tags = {str(key): row.values["name"] for key, row in self.office.rows["tag"].items()}
        there = [
            {**row.values, "tag_refs": sorted(tags[ref] for ref in row.values["tag_refs"])}
            for row in rows
        ]
        points = select(Customer.name, ContactPoint.value).join(
            ContactPoint, ContactPoint.customer_id == Customer.id
        )
        carried = (
            select(Customer.name, Tag.name)
            .join(CustomerTag, CustomerTag.customer_id == Customer.id)
            .join(Tag, Tag.id == CustomerTag.tag_id)
        )
        names = (Customer.name, Customer.reference, Customer.note, Customer.job_title)
        here = [
            self.front.all(select(*names, Customer.archived_at.is_(None))),
            self.front.all(points),
            self.front.all(carried),
            self.front.all(
                select(Customer.name, Binding.state).join(Binding, Binding.local_id == Customer.id)
            ),
        ]
        return (
            sorted(there, key=lambda values: str(values["name"])),
            sorted(tags.values()),
            [sorted(map(tuple, rows), key=repr) for rows in here],
        )

    def check_sound(self) -> None:
        seal(self.front.database)
        assert verify(self.front.database).first_break is None
        with self.front.database.engine.connect() as connection:
            told = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
            assert told == "ok"
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []

    def close(self) -> None:
        self.front.database.dispose()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: Any, scene: Any) -> tuple[Any, Counter[str]]:
    """What a run without a kill leaves, and how often it was at each point."""
    stage = Stage(tmp_path_factory.mktemp("whole") / "stage", scene, system_actor("test"))
    reached: Counter[str] = Counter()
    with failpoints.armed(lambda name: reached.update([name])):
        assert stage.run().state == "done"
    state = stage.state()
    stage.close()
    return state, reached


@pytest.fixture
def stage(tmp_path: Path, scene: Any, system: Any) -> Iterator[Stage]:
    stage = Stage(tmp_path / "stage", scene, system)
    yield stage
    stage.close()


def test_every_point_is_reached_by_a_run(undisturbed: Any) -> None:
    assert undisturbed[1].keys() == set(POINTS)
    assert len(failpoints.PULL) <= 15
    assert len(failpoints.PUSH) <= 15


@pytest.mark.slow
@pytest.mark.parametrize("point", random.Random(7).sample(POINTS, len(POINTS)))
def test_killed_and_run_again_all_is_as_if_it_never_was(
    stage: Stage, undisturbed: Any, point: str
) -> None:
    state, reached = undisturbed
    assert stage.killed(point, random.Random(point).randint(1, reached[point]))
    assert stage.run().state == "done"
    assert stage.state() == state
    stage.check_sound()
    states = [row.state for row in stage.front.all(select(SyncRun.state).order_by(SyncRun.id))]
    assert "failed" in states, "the run that was killed is told as such"
    assert stage.front.count(PushItem) == 0
    writes = stage.office.writes
    again = stage.run()
    assert (again.state, again.pushed, stage.office.writes) == ("done", {}, writes)


@pytest.mark.slow
def test_killed_again_and_again(stage: Stage, undisturbed: Any) -> None:
    """One kill after the other on the same database, each at another point."""
    for point in random.Random(11).sample(POINTS, len(POINTS)):
        stage.killed(point, 1)
    assert stage.run().state == "done"
    assert stage.state() == undisturbed[0]
    stage.check_sound()
