"""The state machine that drives both sides and the link at random."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from crm_core.access import system_actor
from crm_core.errors import RetryableSyncError
from crm_core.persistence.database import Database
from crm_core.sync import failpoints
from crm_core.sync.permit import confirm_backend
from crm_core.testing.front_office import BACKEND, FrontOffice
from crm_core.testing.memory_office import BEFORE, MemoryOffice
from people import People
from two_sides import FIELDS

IS_NIGHTLY = settings.get_current_profile_name() == "nightly"
BEGINNING = datetime(2026, 3, 2, 9, tzinfo=UTC)
POINTS = (*failpoints.PULL, *failpoints.PUSH)
WHICH = st.integers(0, 7)
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where databases lie: nothing here is about disks."""
LONGEST_WORK = timedelta(minutes=8)
"""Less than the engine reaches back before a mark."""


def prepared(template: Path, folder: Path) -> Path:
    """Return a database that has accepted the plan of an empty office, for copying."""
    path = folder / "prepared.sqlite"
    shutil.copyfile(template, path)
    database = Database(f"sqlite:///{path}")
    with time_machine.travel(BEGINNING):
        FrontOffice(database, system_actor("test"), MemoryOffice().connect).accept()
    database.dispose()
    return path


def bounded(examples: int, steps: int, *, is_random: bool = IS_NIGHTLY) -> settings:
    """Return how long to go on; without chance the same examples are tried every time."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=not is_random,
        database=None,
        phases=[Phase.generate, Phase.shrink] if is_random else [Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


class Convergence(RuleBasedStateMachine):
    """Subclass it with ``prepared``, a database made by that function.

    Every rule may always be chosen: which call a fault meets is for two threads to settle, so what
    there is after it may differ when the same steps are taken again.
    """

    prepared: Path

    def __init__(self) -> None:
        super().__init__()
        self.travel = time_machine.travel(BEGINNING, tick=True)
        self.clock = self.travel.start()
        self.folder = Path(tempfile.mkdtemp(prefix="convergence", dir=MEMORY))
        path = self.folder / "crm0.sqlite"
        shutil.copyfile(self.prepared, path)
        self.office = MemoryOffice()
        front = FrontOffice.reopened(
            Database(f"sqlite:///{path}"), system_actor("test"), self.office.connect
        )
        front.change(lambda uow: confirm_backend(uow, BACKEND))
        self.sides = People(front, self.office)

    def teardown(self) -> None:
        try:
            while self.sides.late:
                self.sides.commit_late()
            self.sides.come_to_rest()
        finally:
            self.sides.front.database.dispose()
            self.travel.stop()
            shutil.rmtree(self.folder)

    def _any(self, which: int) -> str:
        tokens = self.sides.tokens
        return tokens[which % len(tokens)]

    @initialize()
    def begin(self) -> None:
        self.sides.make_here()
        self.sides.make_there()
        self.sides.run()

    # New ones.

    @rule(where=st.sampled_from(["make_here", "make_there", "make_on_both"]))
    def make(self, where: str) -> None:
        getattr(self.sides, where)()

    @rule(number=st.integers(3, 9))
    def make_many(self, number: int) -> None:
        self.sides.make_many_there(number)

    # Edits.

    @rule(which=WHICH, field=st.sampled_from(FIELDS))
    def edit_here(self, which: int, field: str) -> None:
        self.sides.edit_here(self._any(which), field)

    @rule(which=WHICH, field=st.sampled_from(FIELDS))
    def edit_there(self, which: int, field: str) -> None:
        self.sides.edit_there(self._any(which), field)

    @rule(which=WHICH, field=st.sampled_from(FIELDS))
    def edit_both(self, which: int, field: str) -> None:
        self.sides.edit_here(self._any(which), field)
        self.sides.edit_there(self._any(which), field)

    @rule(which=WHICH, where=st.sampled_from(["tag_here", "from_tag", "from_customer"]))
    def tag(self, which: int, where: str) -> None:
        if where == "tag_here":
            self.sides.tag_here(self._any(which))
        else:
            self.sides.tag_there(self._any(which), from_tag=where == "from_tag")

    @rule(which=WHICH, where=st.sampled_from(["point_here", "point_there"]))
    def point(self, which: int, where: str) -> None:
        getattr(self.sides, where)(self._any(which))

    @rule(which=WHICH, other=WHICH, where=st.sampled_from(["tie_here", "tie_there"]))
    def tie(self, which: int, other: int, where: str) -> None:
        getattr(self.sides, where)(self._any(which), self._any(other))

    @rule(which=WHICH, where=st.sampled_from(["archive_here", "archive_there"]))
    def archive(self, which: int, where: str) -> None:
        getattr(self.sides, where)(self._any(which))

    @rule(which=WHICH)
    def begin_late(self, which: int) -> None:
        self.sides.begin_late(self._any(which))

    @rule()
    def commit_late(self) -> None:
        self.sides.commit_late()

    @rule(which=WHICH, minutes=st.integers(1, 5))
    def work_longer_than_a_run(self, which: int, minutes: int) -> None:
        self.sides.begin_late(self._any(which))
        self._pass(minutes)
        self._run_on()

    # Records that go.

    @rule(which=WHICH)
    def delete(self, which: int) -> None:
        self.sides.delete_there(self._any(which))

    @rule(which=WHICH, other=WHICH)
    def merge(self, which: int, other: int) -> None:
        self.sides.merge_there(self._any(which), self._any(other))

    @rule(which=WHICH, how=st.sampled_from(["hide_there", "put_outside", "order_there"]))
    def move(self, which: int, how: str) -> None:
        getattr(self.sides, how)(self._any(which))

    # Time.

    @rule(minutes=st.integers(1, 5))
    def wait(self, minutes: int) -> None:
        self._pass(minutes)

    def _pass(self, minutes: int) -> None:
        """Let time go by; what was begun there longest ago is committed in time."""
        self.clock.shift(timedelta(minutes=minutes))
        while self.sides.late and self.office.now() - self.sides.late[0][0].stamp > LONGEST_WORK:
            self.sides.commit_late()

    @rule(hours=st.sampled_from([-1, 1]))
    def our_clock(self, hours: int) -> None:
        """Our clock is set; theirs goes on as it was."""
        self.clock.shift(timedelta(hours=hours))
        self.office.offset -= timedelta(hours=hours)

    @rule(hours=st.sampled_from([-1, 1]))
    def their_clock(self, hours: int) -> None:
        """Their clock is set, nothing being under way; a run meets it so."""
        while self.sides.late:
            self.sides.commit_late()
        self.office.offset += timedelta(hours=hours)
        self.sides.run(full=hours < 0)  # marks of the future are refused, which says to do so

    # The link.

    @rule(page_size=st.sampled_from([2, 500]), full=st.booleans())
    def run(self, page_size: int, full: bool) -> None:
        self.sides.run(page_size=page_size, full=full)

    @rule(at=st.integers(1, 30), is_lost=st.booleans())
    def run_with_a_fault(self, at: int, is_lost: bool) -> None:
        self.office.fail(at=at, is_lost=is_lost)
        self._run_on()

    @rule(method=st.sampled_from(["create", "update"]), is_lost=st.booleans())
    def run_with_a_lost_write(self, method: str, is_lost: bool) -> None:
        self.office.fail(method, is_lost=is_lost)
        self._run_on()

    @rule(point=st.sampled_from(POINTS), at=st.integers(1, 3))
    def run_killed(self, point: str, at: int) -> None:
        self.sides.run_killed(point, at, page_size=2)

    @rule(at=st.integers(1, 30), which=WHICH, field=st.sampled_from(FIELDS))
    def run_while_edited(self, at: int, which: int, field: str) -> None:
        """Somebody over there edits while we run, though not between our read and our write."""
        left = at

        def edit(method: str, moment: str) -> None:
            nonlocal left
            left -= moment == BEFORE
            if left <= 0 and moment == BEFORE and method not in ("update", "create"):
                self.office.on_call = None
                self.sides.edit_there(self._any(which), field)

        self.office.on_call = edit
        self._run_on()

    def _run_on(self) -> None:
        try:
            self.sides.run(page_size=2)
        except RetryableSyncError:
            pass
        finally:
            self.office.on_call = None

    @rule()
    def copy(self) -> None:
        number = len(self.sides.copies)
        self.sides.copy(self.folder / f"copy{number}.sqlite")

    @rule()
    def restore(self) -> None:
        if not self.sides.copies:
            return
        self.sides.restore(self.folder / f"crm{self.sides.value()}.sqlite")
