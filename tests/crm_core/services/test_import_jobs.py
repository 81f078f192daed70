"""Imports that the worker runs, their mapping, their end in mid-way, and undoing them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, func, select

from crm_core.access import Reach
from crm_core.entities import Address, Customer, ImportJob, Relationship
from crm_core.errors import (
    InputError,
    NotFoundError,
    PermissionDeniedError,
    RuleViolationError,
)
from crm_core.messages import say
from crm_core.persistence.import_ledger import touched_since
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services import import_undo, import_worker
from crm_core.services.attachments import keep_bytes
from crm_core.services.contact_details import main_address, remove_address
from crm_core.services.customer_list import list_page
from crm_core.services.customer_list_query import parse_list_query
from crm_core.services.customers import edit_customer
from crm_core.services.import_jobs import (
    faults_path,
    list_imports,
    preview_import,
    queue_import,
    show_import,
    stop_import,
)
from crm_core.services.import_undo import ask_undo, undo_import
from crm_core.services.import_worker import claim_import, run_import
from crm_core.services.interactions import log_interaction
from crm_core.services.profile import define_attribute
from crm_core.services.relationships import end_relationship, relate_customers
from crm_core.services.users import disable_user, set_own_preferences

COLUMNS = "columns=name,stage,reference,email,city,tags,owner,profile.mood&sort=reference"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def queued(company: Any, folder: Path) -> Callable[..., UUID]:
    """Ask for the import of some lines."""

    def queued(*lines: str, login: str = "maria", name: str = "ένα.csv", **options: Any) -> UUID:
        kept = keep_bytes(folder, io.BytesIO(("\n".join(lines) + "\n").encode()))
        with company.writing(login) as uow:
            return queue_import(uow, kept, name, **options).id

    return queued


@pytest.fixture
def done(company: Any, folder: Path, queued: Callable[..., UUID]) -> Callable[..., UUID]:
    """Import some lines as the worker does."""

    def done(*lines: str, **options: Any) -> UUID:
        job_id = queued(*lines, **options)
        claimed = claim_import(company.database)
        assert claimed is not None
        assert (claimed.job_id, claimed.is_undo) == (job_id, False)
        run_import(company.database, folder, job_id)
        return job_id

    return done


def shown(company: Any, job_id: UUID, login: str = "maria") -> dict[str, Any]:
    with company.acting(login) as uow:
        return show_import(uow, job_id)


def listed(company: Any) -> list[dict[str, Any]]:
    with company.acting("maria") as uow:
        items = list_page(uow, parse_list_query(COLUMNS)).items
    return [
        {k: v for k, v in item.items() if k not in ("id", "version", "owner_id")} for item in items
    ]


def test_it_runs_for_whoever_asked_and_tells_what_came_of_it(
    company: Any, folder: Path, done: Callable[..., UUID]
) -> None:
    job_id = done(
        "Όνομα,Ref,x,email",
        "Μαρία,R1,?,m@example.com",
        ",R2,?,",
        "Zoë,R3,?,bad",
        columns={"Όνομα": "name", "Ref": "reference", "x": ""},
    )
    found = shown(company, job_id)
    assert (found["state"], found["owner"], found["file_name"]) == ("done", "maria", "ένα.csv")
    assert (found["result"]["created"], found["result"]["faulty_rows"]) == (1, 2)
    assert found["has_faults"]
    with company.acting("maria") as uow:
        text = faults_path(uow, folder, job_id).read_text("utf-8")
        assert "email" in text
        assert [item["id"] for item in list_imports(uow).items] == [job_id]
        assert uow.scalar(select(Customer.name)) == "Μαρία"
    assert claim_import(company.database) is None


def test_faults_are_told_in_the_language_of_who_reads_them(
    company: Any, folder: Path, done: Callable[..., UUID]
) -> None:
    with company.writing("maria") as uow:
        set_own_preferences(uow, language="el-GR", time_zone=None)
    job_id = done("name,email", "Zoë,=bad")
    [fault] = shown(company, job_id)["result"]["faults"]
    greek = say(fault["message"], "el")
    assert greek != fault["message"]
    assert fault["value"] == "=bad"
    assert type(fault["value"]) is str
    with company.acting("maria") as uow:
        text = faults_path(uow, folder, job_id).read_text("utf-8")
    assert greek in text
    assert "'=bad" in text


def test_a_mapping_is_remembered_for_the_same_headings(
    company: Any, tmp_path: Path, queued: Callable[..., UUID]
) -> None:
    path = tmp_path / "again.csv"
    path.write_text("Ref,Όνομα,City\nR1,Μαρία,Wien\n", encoding="utf-8")
    with company.acting("maria") as uow:
        preview = preview_import(uow, path)
        assert preview.columns == {"Ref": "reference", "Όνομα": "", "City": "city"}
        assert preview.rows == [["R1", "Μαρία", "Wien"]]
    queued("a", columns={"Όνομα": "name", "Ref": "reference", "City": ""})
    with company.acting("eva") as uow, pytest.raises(PermissionDeniedError):
        preview_import(uow, path)
    with company.acting("maria") as uow:
        assert preview_import(uow, path).columns["Όνομα"] == "name"


def test_what_cannot_be_is_refused_at_once(queued: Callable[..., UUID]) -> None:
    with pytest.raises(InputError):
        queued("a", columns={"a": "colour"})
    with pytest.raises(InputError):
        queued("a", columns={"a": "name", "b": "name"})
    with pytest.raises(InputError):
        queued("a", match=["shoe"])
    with pytest.raises(PermissionDeniedError):
        queued("a", login="eva")


def test_a_dry_run_keeps_nothing(company: Any, done: Callable[..., UUID]) -> None:
    job_id = done("name", "Μαρία", dry_run=True)
    assert shown(company, job_id)["result"]["created"] == 1
    with company.acting("maria", write=True) as uow:
        assert uow.scalar(select(func.count()).select_from(Customer)) == 0
        with pytest.raises(RuleViolationError):
            ask_undo(uow, job_id)


def test_one_that_cannot_be_done_says_why(
    company: Any, folder: Path, queued: Callable[..., UUID]
) -> None:
    job_id = queued("colour", "red")
    assert claim_import(company.database)
    with pytest.raises(InputError):
        run_import(company.database, folder, job_id)
    found = shown(company, job_id)
    assert found["state"] == "failed"
    assert "colour" in found["message"]
    job_id = queued("name", "Zoë", login="maria")
    with company.writing("anna") as uow:
        disable_user(uow, "maria")
    assert claim_import(company.database)
    with pytest.raises(PermissionDeniedError):
        run_import(company.database, folder, job_id)
    assert shown(company, job_id, "anna")["state"] == "failed"


def test_it_can_be_stopped_before_and_between_batches(
    company: Any, folder: Path, queued: Callable[..., UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    early = queued("name", "Μαρία")
    with company.writing("maria") as uow:
        stop_import(uow, early)
    assert claim_import(company.database) is None
    monkeypatch.setattr(import_worker, "NOTED_SECONDS", 0.0)
    late = queued("name,reference", *(f"Nina {n},R{n}" for n in range(2_500)))
    assert claim_import(company.database)
    calls: list[int] = []

    def stops_after_the_first_batch() -> bool:
        calls.append(1)
        return len(calls) > 3

    state = run_import(company.database, folder, late, is_stopped=stops_after_the_first_batch)
    found = shown(company, late)
    assert (state, found["state"]) == ("stopped", "stopped")
    assert (found["progress"]["stage"], found["result"]["created"]) == ("check", 2_000)
    with company.acting("maria", write=True) as uow:
        assert uow.scalar(select(func.count()).select_from(Customer)) == 2_000
        with pytest.raises(RuleViolationError):
            stop_import(uow, late)
    assert undo_import(company.database, company.actor("maria"), late).removed == 2_000


def test_one_that_was_left_by_its_worker_is_taken_up_again(
    company: Any, folder: Path, queued: Callable[..., UUID]
) -> None:
    job_id = queued("name", "Μαρία")
    assert claim_import(company.database)
    assert claim_import(company.database) is None
    with company.writing() as uow:
        job = uow.get(ImportJob, job_id)
        job.seen_at = uow.now - 2 * import_worker.GIVEN_UP
    again = claim_import(company.database)
    assert again is not None
    assert run_import(company.database, folder, again.job_id) == "done"


def test_imports_are_seen_by_those_whom_they_concern(
    company: Any, queued: Callable[..., UUID]
) -> None:
    job_id = queued("name", "Μαρία")
    eva = company.actor("eva")
    object.__setattr__(eva, "rights", {**eva.rights, "core.customer.import": Reach.OWN})
    with unit_of_work(company.database, actor=eva, write=True) as uow:
        assert list_imports(uow).items == []
        for act in (show_import, stop_import, ask_undo):
            with pytest.raises(NotFoundError):
                act(uow, job_id)


@pytest.fixture
def before(company: Any) -> Any:
    """Two customers who are there already."""
    with company.writing("anna") as uow:
        define_attribute(uow, "mood", title="Mood", type="text")
    old = company.customer(
        "Παλιά",
        kind="company",
        reference="R1",
        owner="eva",
        tags=["old"],
        contact_points=[{"kind": "email", "value": "old@example.com"}],
        addresses=[{"city": "Wien", "country_code": "AT"}],
        profile={"mood": "calm"},
    )
    bare = company.customer("Bare", kind="person", reference="R2")
    return company, old, bare


LINES = (
    "reference,name,stage,email,city,tags,owner,profile:mood,company",
    "R1,Νέα,loyal,new@example.com,Graz,new,tom,loud,",
    "R2,Bare Bones,active,bare@example.com,Linz,x,olga,wild,R1",
    "R3,Made,active,made@example.com,Enns,x,tom,new,R1",
    "R4,Also made,prospect,,,,,,",
)


def test_undoing_puts_back_what_was_and_removes_what_was_not(
    before: Any, done: Callable[..., UUID]
) -> None:
    company, _, _ = before
    was = listed(company)
    job_id = done(*LINES)
    assert shown(company, job_id)["result"]["updated"] == 2
    assert listed(company) != was
    undone = undo_import(company.database, company.actor("maria"), job_id)
    assert (undone.removed, undone.restored, undone.left) == (2, 2, [])
    assert listed(company) == was
    with company.acting("maria", write=True) as uow:
        assert uow.scalar(select(func.count()).select_from(Relationship)) == 0
        assert uow.scalar(select(func.count()).select_from(Customer)) == 2
        with pytest.raises(RuleViolationError):
            ask_undo(uow, job_id)
    found = shown(company, job_id)
    assert (found["state"], found["undo"]["removed"], found["undo"]["by"]) == ("undone", 2, "maria")


def test_an_archived_address_is_left_alone_by_an_import_and_by_undoing_it(
    before: Any, done: Callable[..., UUID]
) -> None:
    company, old, _ = before

    def addresses() -> list[tuple[str, bool]]:
        columns = select(Address.city, Address.archived_at).where(Address.customer_id == old)
        with company.acting("maria") as uow:
            return [(row.city, row[1] is None) for row in uow.execute(columns.order_by(Address.id))]

    with company.writing("maria") as uow:
        main = main_address(uow, old)
        assert main is not None
        remove_address(uow, main)
    job_id = done("reference,city", "R1,Graz")
    assert addresses() == [("Wien", False), ("Graz", True)]
    undone = undo_import(company.database, company.actor("maria"), job_id)
    assert (undone.restored, undone.left) == (1, [])
    assert addresses() == [("Wien", False)]


def test_what_was_touched_since_stays_and_is_named(before: Any, done: Callable[..., UUID]) -> None:
    company, old, bare = before
    job_id = done(*LINES)
    with company.acting("maria") as uow:
        made = uow.scalar(select(Customer.id).where(Customer.reference == "R3"))
    with company.writing("maria") as uow:
        edit_customer(uow, old, {"stage": "lapsed"})
        log_interaction(uow, made, channel="phone", direction="inbound", subject="Hi")
    undone = undo_import(company.database, company.actor("maria"), job_id)
    assert (undone.removed, undone.restored, undone.kept) == (1, 2, 2)
    assert {(each["name"], tuple(each["fields"])) for each in undone.left} == {
        ("Νέα", ("stage",)),
        ("Made", ()),
    }
    first = listed(company)[0]
    assert (first["name"], first["stage"], first["tags"]) == ("Παλιά", "lapsed", ["old"])
    with company.acting("maria") as uow:
        assert uow.get(Customer, made).name == "Made"
        assert uow.get(Customer, bare).name == "Bare"


def test_undoing_is_asked_of_the_worker_and_may_be_cut_short(
    before: Any, done: Callable[..., UUID]
) -> None:
    company, _, _ = before
    was = listed(company)
    job_id = done(*LINES)
    with company.writing("anna") as uow:
        ask_undo(uow, job_id)
    claimed = claim_import(company.database)
    assert claimed is not None
    assert (claimed.is_undo, claimed.login) == (True, "anna")

    class KilledError(Exception):
        pass

    def killed(_done: int) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        undo_import(company.database, company.actor("anna"), job_id, on_progress=killed)
    undone = undo_import(company.database, company.actor("anna"), job_id)
    assert (undone.removed, undone.kept) == (2, 0)
    assert listed(company) == was


@pytest.mark.parametrize("is_from", [True, False])
def test_who_was_tied_by_hand_since_stays(
    before: Any, done: Callable[..., UUID], is_from: bool
) -> None:
    company, _, bare = before
    job_id = done(*LINES)
    with company.writing("maria") as uow:
        made = uow.scalar(select(Customer.id).where(Customer.reference == "R3"))
        first, second = (made, bare) if is_from else (bare, made)
        relate_customers(uow, first, "partner of", second, note="said on the phone")
    undone = undo_import(company.database, company.actor("maria"), job_id)
    assert (undone.removed, [each["name"] for each in undone.left]) == (1, ["Made"])
    with company.acting("maria") as uow:
        assert uow.scalar(select(Relationship.note)) == "said on the phone"


def test_who_is_at_either_end_of_an_imported_tie_that_was_changed_stays(
    before: Any, done: Callable[..., UUID]
) -> None:
    company, _, _ = before
    job_id = done("reference,name,kind,company", "C1,Acme,company,", "P1,Anna,person,C1")
    with company.writing("maria") as uow:
        end_relationship(uow, uow.scalar(select(Relationship.id)), uow.now.date())
    undone = undo_import(company.database, company.actor("maria"), job_id)
    assert (undone.removed, {each["name"] for each in undone.left}) == (0, {"Acme", "Anna"})


def test_who_was_touched_is_read_once_nobody_can_touch_them_any_more(
    before: Any, done: Callable[..., UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    company, _, _ = before
    job_id = done(*LINES)
    asked: list[str] = []

    def seen(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    def read(uow: Any, *about: Any) -> set[UUID]:
        asked.append("touched")
        return touched_since(uow, *about)

    monkeypatch.setattr(import_undo, "touched_since", read)
    event.listen(company.database.engine, "before_cursor_execute", seen)
    undo_import(company.database, company.actor("maria"), job_id)
    event.remove(company.database.engine, "before_cursor_execute", seen)
    before_it = asked[: asked.index("touched")]
    assert "core_customer.owner_id" in before_it[-1]


def test_an_undoing_is_asked_for_once(before: Any, done: Callable[..., UUID]) -> None:
    company, _, _ = before
    job_id = done(*LINES)
    with company.writing("anna") as uow:
        ask_undo(uow, job_id)
    for _ in range(2):
        with company.writing("maria") as uow, pytest.raises(RuleViolationError):
            ask_undo(uow, job_id)
        claim_import(company.database)
    assert shown(company, job_id)["state"] == "undoing"


def test_an_undoing_gives_signs_and_is_not_taken_by_another(
    before: Any, done: Callable[..., UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    company, _, _ = before
    job_id = done(*LINES)
    monkeypatch.setattr(import_undo, "BATCH", 1)
    taken: list[Any] = []

    def long_after(_done: int) -> None:
        with company.acting("maria", write=True) as uow:
            job = uow.get(ImportJob, job_id)
            assert job.state == "undoing"
            assert uow.now - job.seen_at < import_worker.GIVEN_UP
            with pytest.raises(RuleViolationError):
                ask_undo(uow, job_id)
        taken.append(claim_import(company.database))
        with company.writing("maria") as uow:  # so long did this batch take
            uow.get(ImportJob, job_id).seen_at = uow.now - 2 * import_worker.GIVEN_UP

    undo_import(company.database, company.actor("maria"), job_id, on_progress=long_after)
    assert len(taken) > 2
    assert set(taken) == {None}
