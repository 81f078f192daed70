"""Applying a plan can be killed anywhere: again, or an ordinary run, ends in the same state."""

from __future__ import annotations

from typing import Any

import pytest

from crm_core.entities import Binding, Customer
from crm_core.errors import LockedError
from crm_core.persistence.database import Database
from crm_core.persistence.migrate import upgrade
from crm_core.sync import lock
from spelt_twice import contacts

from .conftest import TwoSides


class Killed(BaseException):
    """The process is gone."""


class Mortal:
    """A remote whose process dies at a certain call, before or after it worked."""

    def __init__(self, remote: Any, at: int, *, after: bool) -> None:
        self._remote, self._left, self._after = remote, at, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._remote, name)
        if name not in ("read", "create", "update", "find", "pages"):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Killed
            answer = found(*arguments, **options)
            if self._left == 0:
                raise Killed
            return answer

        return call


def prepared(sides: Any) -> None:
    sides.hold_both(contacts(5))
    sides.here("Only Here 1")
    sides.here("Only Here 2", addresses=[{"use": "delivery", "street": "Kaai 1"}])
    sides.here("Apart Ltd", reference="A1")
    sides.add_rows({"name": "Only There"}, {"name": "APART", "reference": "A1"})
    sides.plan()
    sides.decide(**{"Apart Ltd": "create"})


def killed(sides: Any, at: int, *, after: bool) -> bool:
    remote = Mortal(sides.connect(), at, after=after)
    try:
        sides.apply(remote)
    except Killed:
        return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("then", ["apply", "run"])
def test_killed_at_any_call_it_ends_as_if_it_had_not_been(system, tmp_path, after, then):

    for at in range(1, 40):
        folder = tmp_path / str(at)
        folder.mkdir()
        sides = TwoSides(fresh(folder), system, folder)
        prepared(sides)
        was_killed = killed(sides, at, after=after)
        if then == "run" and sides.count(Binding):
            sides.run()
        sides.apply()
        sides.run()
        here, there = sides.names()
        assert here == there, f"killed at call {at}"
        assert len(here) == 5 + 3 + 2, f"killed at call {at}: {here}"
        assert sides.count(Customer) == sides.count(Binding, Binding.entity == "customer")
        sides.office.database.dispose()
        if not was_killed:
            break
    assert at > 5


def fresh(folder: Any) -> Any:
    database = Database(f"sqlite:///{folder / 'crm.db'}")
    upgrade(database)
    return database


def test_it_waits_for_no_run_and_leaves_no_lease(sides):
    sides.here("Novak doo")
    sides.plan()
    token = lock.acquire(sides.database, sides.actor, sides.backend.id, "main")
    with pytest.raises(LockedError):
        sides.apply()
    assert sides.apply(dry_run=True).counts["created"] == 1
    lock.release(sides.database, sides.actor, sides.backend.id, token)
    sides.apply()
    lock.acquire(sides.database, sides.actor, sides.backend.id, "main")
