"""Who wins a field that both sides changed: its master, the later edit, or a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_core.access import Actor, Reach
from crm_core.entities import Conflict
from crm_core.errors import InputError, NotFoundError, PermissionDeniedError
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.contact_details import add_address, change_address, main_address
from crm_core.sync.masters import set_masters
from crm_core.sync.protocol import Edit, RemotePage
from crm_core.sync.resolve import Chosen, list_conflicts, resolve_conflicts, show_conflict
from crm_core.testing.front_office import BACKEND, FrontOffice
from crm_files.backend import FilesBackend


class Stamped(FilesBackend):
    """A folder that also tells when and by whom its customers were changed, by a clock of its own.

    Args:
        folder: The folder.
        changed_at: When each row was last changed, by the remote's clock.
        ahead: How far that clock is ahead of ours.
    """

    def __init__(
        self, folder: Any, changed_at: datetime | None = None, ahead: timedelta = timedelta(0)
    ) -> None:
        super().__init__(folder)
        self.changed_at, self.ahead = changed_at, ahead

    def server_time(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def pages(self, entity: str, **options: Any) -> Iterator[RemotePage]:
        for page in super().pages(entity, **options):
            yield self._stamped(page)

    def read(self, entity: str, remote_ids: Sequence[str]) -> RemotePage:
        return self._stamped(super().read(entity, remote_ids))

    def _stamped(self, page: RemotePage) -> RemotePage:
        edited = {"changed_at": self.changed_at, "changed_by": "maria@erp"}
        return replace(page, records=[replace(each, **edited) for each in page.records])


def masters(front: FrontOffice, *texts: str) -> None:
    front.change(lambda uow: set_masters(uow, BACKEND, texts))


def at_odds(front: FrontOffice, **values: tuple[Any, Any, Any]) -> UUID:
    """Make a customer whose fields were (before, ours, theirs) and have not met since."""
    customer_id = front.create("Ελένη O'Brien", **{name: v[0] for name, v in values.items()})
    front.run()
    front.edit(customer_id, **{name: ours for name, (_, ours, _) in values.items()})
    write(front, customer_id, **{name: theirs for name, (_, _, theirs) in values.items()})
    return customer_id


def write(front: FrontOffice, customer_id: UUID, **values: Any) -> None:
    remote_id = front.remote_id(customer_id)
    [answer] = front.connect().update("customer", [Edit(remote_id, "", values)])
    assert answer.remote_id == remote_id, answer.reason


def told(front: FrontOffice, customer_id: UUID) -> dict[str, Any]:
    [record] = front.connect().read("customer", [front.remote_id(customer_id)]).records
    return dict(record.values)


def both(front: FrontOffice, customer_id: UUID, field: str) -> tuple[Any, Any]:
    return getattr(front.customer(customer_id), field), told(front, customer_id)[field]


def conflicts(front: FrontOffice) -> list[Conflict]:
    return [row[0] for row in front.all(select(Conflict).order_by(Conflict.id))]


def resolve(front: FrontOffice, chosen: Any, take: str, value: str | None = None) -> None:
    front.change(lambda uow: resolve_conflicts(uow, chosen, take, value=value))


def quiet(front: FrontOffice, remote: FilesBackend | None = None) -> None:
    """Nothing is left to do: a further run writes nothing on either side."""
    before = conflicts(front)
    report = front.run(remote)
    assert report.state == "done"
    assert report.pushed == {}
    assert all(count.get("updated", 0) == 0 for count in report.counts.values())
    assert [(c.id, c.state) for c in conflicts(front)] == [(c.id, c.state) for c in before]


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=1), timedelta(hours=-1)])
@pytest.mark.parametrize(
    ("later_by", "winner"), [(timedelta(minutes=-5), "crm"), (timedelta(minutes=5), "erp")]
)
def test_the_later_edit_wins_whatever_the_clocks_say(
    front: FrontOffice, tmp_path: Any, ahead: timedelta, later_by: timedelta, winner: str
) -> None:
    masters(front, "customer.name=newest")
    customer_id = front.create("Before")
    front.run()
    front.edit(customer_id, name="Ours")
    write(front, customer_id, name="Theirs")
    theirs_at = datetime.now(UTC) + later_by
    front.run(Stamped(tmp_path, theirs_at + ahead, ahead))
    expected = "Ours" if winner == "crm" else "Theirs"
    assert both(front, customer_id, "name") == (expected, expected)
    [conflict] = conflicts(front)
    assert (conflict.state, conflict.winner, conflict.decided_by) == ("done", winner, "newest")
    assert (conflict.ours_by, conflict.theirs_by) == (front.actor.login, "maria@erp")
    assert conflict.theirs_at is not None
    # How far their clock is ahead is told no nearer than it takes to ask.
    assert abs(conflict.theirs_at - theirs_at) < timedelta(minutes=1)
    quiet(front, Stamped(tmp_path, theirs_at + ahead, ahead))


@pytest.mark.parametrize(("field", "winner"), [("name", "Theirs"), ("note", "Ours")])
def test_where_the_later_one_is_not_known_the_default_master_wins(
    front: FrontOffice, field: str, winner: str
) -> None:
    masters(front, "customer.name=newest", "customer.note=newest")
    customer_id = front.create("Before", note="Before")
    front.run()
    front.edit(customer_id, **{field: "Ours"})
    write(front, customer_id, **{field: "Theirs"})
    front.run()
    assert both(front, customer_id, field) == (winner, winner)
    quiet(front)


def test_a_person_is_asked_and_all_else_goes_on(front: FrontOffice) -> None:
    masters(front, "customer.note=ask")
    other = front.create("Another", note="x")
    customer_id = at_odds(front, note=("before", "ours", "theirs"))
    front.edit(customer_id, job_title="Buyer")
    write(front, customer_id, language="el-GR")
    front.edit(other, note="changed")

    report = front.run()

    assert report.state == "done"
    assert report.counts["customer"]["conflicts"] == 1
    assert both(front, customer_id, "note") == ("ours", "theirs")
    assert both(front, customer_id, "job_title") == ("Buyer", "Buyer")
    assert both(front, customer_id, "language") == ("el-GR", "el-GR")
    assert both(front, other, "note") == ("changed", "changed")
    [conflict] = conflicts(front)
    assert (conflict.field, conflict.base, conflict.ours, conflict.theirs, conflict.state) == (
        *("note", "before", "ours", "theirs"),
        "open",
    )
    quiet(front)
    # And with later edits of other fields on both sides it still stands as it was found.
    front.edit(customer_id, job_title="Head of buying")
    write(front, customer_id, language="pl-PL")
    front.run()
    assert both(front, customer_id, "note") == ("ours", "theirs")
    assert both(front, customer_id, "job_title") == ("Head of buying", "Head of buying")
    assert both(front, customer_id, "language") == ("pl-PL", "pl-PL")
    quiet(front)


@pytest.mark.parametrize(
    ("take", "value", "expected"),
    [("erp", None, "theirs"), ("crm", None, "ours"), ("value", "سوم", "سوم")],
)
def test_what_a_person_decides_is_carried_out_by_the_next_run(
    front: FrontOffice, take: str, value: str | None, expected: str
) -> None:
    masters(front, "customer.note=ask")
    customer_id = at_odds(front, note=("before", "ours", "theirs"))
    front.run()
    [conflict] = conflicts(front)
    resolve(front, [str(conflict.id)[:13]], take, value)
    assert conflicts(front)[0].state == "resolved"
    front.run()
    assert both(front, customer_id, "note") == (expected, expected)
    [conflict] = conflicts(front)
    assert (conflict.state, conflict.decided_by) == ("done", front.actor.login)
    assert conflict.winner == ("erp" if take == "erp" else "crm")
    quiet(front)


@pytest.mark.parametrize(("take", "value"), [("erp", None), ("crm", None), ("value", "Łódź")])
def test_a_line_of_an_address_is_decided_by_itself(
    front: FrontOffice, take: str, value: str | None
) -> None:
    masters(front, "customer.address=ask")
    customer_id = front.create("Moved")
    address = {"use": "main", "street": "Old 1", "city": "Wien", "country_code": "AT"}
    front.change(lambda uow: add_address(uow, customer_id, address))
    front.run()

    def move(uow: Any) -> None:
        change_address(uow, main_address(uow, customer_id), {"city": "Graz", "street": "Neu 2"})

    front.change(move)
    write(front, customer_id, address={**told(front, customer_id)["address"], "city": "Linz"})
    front.run()
    [conflict] = conflicts(front)
    assert (conflict.field, conflict.ours, conflict.theirs) == ("address.city", "Graz", "Linz")
    there = told(front, customer_id)["address"]
    assert (there["city"], there["street"]) == ("Linz", "Neu 2")
    quiet(front)

    resolve(front, [str(conflict.id)], take, value)
    front.run()
    expected = value or {"erp": "Linz", "crm": "Graz"}[take]
    there = told(front, customer_id)["address"]
    assert (there["city"], there["street"]) == (expected, "Neu 2")
    with unit_of_work(front.database, actor=front.actor) as uow:
        from crm_core.entities import Address

        here = uow.get(Address, main_address(uow, customer_id))
    assert (here.city, here.street) == (expected, "Neu 2")
    assert conflicts(front)[0].state == "done"
    quiet(front)


@pytest.mark.parametrize("take", ["erp", "crm"])
def test_what_moved_since_it_was_decided_is_asked_again(front: FrontOffice, take: str) -> None:
    masters(front, "customer.note=ask")
    customer_id = at_odds(front, note=("before", "ours", "theirs"))
    front.run()
    resolve(front, [str(conflicts(front)[0].id)], take)
    if take == "erp":
        front.edit(customer_id, note="ours, later")
    else:
        write(front, customer_id, note="theirs, later")
    front.run()
    ours, theirs = both(front, customer_id, "note")
    assert {ours, theirs} == {"ours, later", "theirs"} or {ours, theirs} == {
        "ours",
        "theirs, later",
    }
    [conflict] = conflicts(front)
    assert (conflict.state, conflict.ours, conflict.theirs) == ("open", ours, theirs)
    assert conflict.winner is None
    quiet(front)


@pytest.mark.parametrize("side", ["ours", "theirs"])
@pytest.mark.parametrize("value", ["before", "same"])
def test_a_conflict_ends_by_itself_when_the_sides_agree(
    front: FrontOffice, side: str, value: str
) -> None:
    masters(front, "customer.note=ask")
    others = "theirs" if side == "ours" else "ours"
    customer_id = at_odds(front, note=("before", "ours", "theirs"))
    front.run()
    new = others if value == "same" else "before"
    if side == "ours":
        front.edit(customer_id, note=new)
    else:
        write(front, customer_id, note=new)
    front.run()
    # What one side took back leaves the other's edit, which goes its way.
    assert both(front, customer_id, "note") == (others, others)
    assert [conflict.state for conflict in conflicts(front)] == ["gone"]
    quiet(front)


def test_many_are_decided_at_once_and_only_by_who_may(front: FrontOffice) -> None:
    masters(front, "customer.note=ask", "customer.job_title=ask")
    ids = [
        at_odds(front, note=("b", "ours", "theirs"), job_title=("b", "ours", "theirs"))
        for _ in range(3)
    ]
    front.run()
    assert len(conflicts(front)) == 6
    rights = dict.fromkeys(("core.sync.view", "core.customer.view"), Reach.ALL)
    viewer = Actor(user_id=None, login="v", rights=rights, origin="test")
    with unit_of_work(front.database, actor=viewer, write=True) as uow:
        page = list_conflicts(uow, front.backend.id)
        assert len(page.items) == 6
        with pytest.raises(PermissionDeniedError):
            resolve_conflicts(uow, [str(page.items[0]["id"])], "erp")
    resolve(front, Chosen(front.backend.id, "customer.note"), "crm")
    front.run()
    assert {both(front, each, "note") for each in ids} == {("ours", "ours")}
    assert {both(front, each, "job_title") for each in ids} == {("ours", "theirs")}
    resolve(front, Chosen(front.backend.id), "erp")
    front.run()
    assert {both(front, each, "job_title") for each in ids} == {("theirs", "theirs")}
    with unit_of_work(front.database, actor=viewer) as uow:
        assert list_conflicts(uow, front.backend.id).items == []
        assert len(list_conflicts(uow, front.backend.id, pending=False).items) == 6
    quiet(front)


@pytest.mark.parametrize("by_file", [False, True])
@pytest.mark.parametrize(
    ("master", "won"), [("erp", "theirs"), ("crm", "ours"), ("newest", "theirs")]
)
def test_a_new_master_decides_what_was_asked_before(
    front: FrontOffice, tmp_path: Any, master: str, won: str, *, by_file: bool
) -> None:
    masters(front, "customer.note=ask", "customer.job_title=ask")
    customer_id = at_odds(front, note=("b", "ours", "theirs"), job_title=("b", "ours", "theirs"))
    later = Stamped(tmp_path, datetime.now(UTC) + timedelta(hours=1))
    front.run(later)
    if not by_file:
        masters(front, f"customer.note={master}")
    fixed = {"customer.note": master} if by_file else {}
    front.run(later, masters=fixed)
    assert both(front, customer_id, "note") == (won, won)
    assert both(front, customer_id, "job_title") == ("ours", "theirs")
    found = {each.field: (each.state, each.decided_by) for each in conflicts(front)}
    assert found == {"note": ("done", master), "job_title": ("open", None)}
    quiet(front, later)


def test_a_new_master_decides_over_addresses_too(front: FrontOffice) -> None:
    masters(front, "address.city=ask", "customer.address=ask")
    customer_id = front.create("Ann")
    front.change(lambda uow: add_address(uow, customer_id, {"street": "S", "city": "Wien"}))
    front.run()
    address_id = front.change(lambda uow: main_address(uow, customer_id))
    assert address_id is not None
    front.change(lambda uow: change_address(uow, address_id, {"city": "Graz"}))
    write(front, customer_id, address={**told(front, customer_id)["address"], "city": "Linz"})
    front.run()
    assert [each.state for each in conflicts(front)] == ["open"]
    masters(front, "customer.address=crm")
    front.run()
    assert told(front, customer_id)["address"]["city"] == "Graz"
    assert [each.state for each in conflicts(front)] == ["done"]
    quiet(front)


def test_a_conflict_tells_who_when_and_what_is_suggested(front: FrontOffice, tmp_path: Any) -> None:
    masters(front, "customer.note=ask", "customer.name=ask")
    customer_id = at_odds(front, note=("before", "the newer", "the older"))
    front.edit(customer_id, name="Acme Handels GmbH")
    write(front, customer_id, name="acme handels gmbh")
    front.run(Stamped(tmp_path, datetime.now(UTC) - timedelta(days=1)))
    with unit_of_work(front.database, actor=front.actor) as uow:
        shown = {
            found["field"]: show_conflict(uow, str(found["id"]))
            for found in list_conflicts(uow, front.backend.id).items
        }
        with pytest.raises(NotFoundError):
            show_conflict(uow, "0" * 12)
    note = shown["note"]
    assert (note["suggestion"], note["because"]) == ("crm", "it was changed last")
    assert (note["ours_by"], note["theirs_by"]) == (front.actor.login, "maria@erp")
    assert note["ours_at"] - note["theirs_at"] > timedelta(hours=23)
    assert shown["name"]["because"] == "both say the same but for capitals or accents"


def test_a_conflict_over_a_record_that_is_gone_ends(front: FrontOffice, tmp_path: Any) -> None:
    masters(front, "customer.note=ask")
    at_odds(front, note=("before", "ours", "theirs"))
    front.run()
    file = tmp_path / "customers.csv"
    file.write_text(file.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    front.run(accept_vanished=True)
    assert [conflict.state for conflict in conflicts(front)] == ["gone"]


@pytest.mark.parametrize(
    "text", ["customer.note", "customer.note=both", "customer.shoe=erp", "=erp"]
)
def test_a_master_that_there_is_not_is_refused(front: FrontOffice, text: str) -> None:
    with pytest.raises(InputError, match="will not do"):
        masters(front, text)


def test_what_the_configuration_says_wins_and_is_not_changed_by_command(
    front: FrontOffice,
) -> None:
    customer_id = at_odds(front, note=("before", "ours", "theirs"))
    front.run(masters={"customer.note": "erp"})
    assert both(front, customer_id, "note") == ("theirs", "theirs")
    fixed = {"customer.note": "erp"}
    with pytest.raises(InputError, match=r"crm\.toml"):
        front.change(lambda uow: set_masters(uow, BACKEND, ["customer.note=crm"], fixed=fixed))
