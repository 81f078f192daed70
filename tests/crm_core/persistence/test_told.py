"""Columns of texts that we tell people: messages come back as such, on both databases."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select, text, update

from crm_core.entities.sync import Backend, DeadLetter, SyncRun
from crm_core.entities.sync_request import RequestKind, SyncRequest
from crm_core.entities.system import AuditEntry
from crm_core.messages import Message, say, t
from crm_core.persistence.bulk import insert_rows, update_rows
from crm_core.persistence.database import Database
from crm_core.persistence.types import JsonTold, Told
from crm_core.persistence.unit_of_work import unit_of_work

PROBE = Table(
    "test_told",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("why", Told()),
    Column("data", JsonTold()),
)
NAME = t("Name")
FORGED = 'x\x1e[1,"Name",{},null,1,null,"crm_core"]'


@pytest.fixture
def probe(database: Database) -> Database:
    with database.write_engine.begin() as connection:
        PROBE.create(connection)
    return database


def test_both_columns_keep_messages_and_data(probe: Database) -> None:
    told = t("{field}: {words}", field=NAME, words=FORGED)
    values = [(told, {"w": [told, FORGED], "n": {"a": 1}}), (FORGED, [FORGED]), (None, None)]
    rows = [{"id": place, "why": why, "data": data} for place, (why, data) in enumerate(values)]
    with probe.write_engine.begin() as connection:
        connection.execute(insert(PROBE), rows)
        insert_rows(connection, PROBE, [{**row, "id": row["id"] + 10} for row in rows])
    with probe.engine.begin() as connection:
        found = connection.execute(select(PROBE).order_by(PROBE.c.id)).all()
    for row, (why, data) in zip(found, [*values, *values], strict=True):
        assert row.why == why
        assert row.data == data
        assert type(row.why) is type(why)
    assert say(found[0].why, "el") == f"Όνομα: {FORGED}"
    assert say(found[0].data["w"][0], "el") == f"Όνομα: {FORGED}"
    assert type(found[0].data["w"][1]) is str


def test_what_is_missing_is_null_and_what_was_there_before_is_read(probe: Database) -> None:
    with probe.write_engine.begin() as connection:
        connection.execute(text("INSERT INTO test_told VALUES (1, 'It was so.', NULL)"))
        connection.execute(insert(PROBE), [{"id": 2, "why": None, "data": None}])
    with probe.engine.begin() as connection:
        rows = connection.execute(select(PROBE).order_by(PROBE.c.id)).all()
        nothing = select(func.count()).where(PROBE.c.why.is_(None), PROBE.c.data.is_(None))
        assert connection.scalar(nothing) == 1
    assert [row.why for row in rows] == ["It was so.", None]


def test_they_are_searched_by_their_english_and_by_what_stands_at_a_path(probe: Database) -> None:
    rows = [
        {"id": 1, "why": t("The {what} is empty", what=NAME), "data": {"kind": "a", "told": NAME}},
        {"id": 2, "why": "nothing", "data": {"kind": "b", "told": "-"}},
    ]
    with probe.write_engine.begin() as connection:
        connection.execute(insert(PROBE), rows)
    with probe.engine.begin() as connection:
        like = select(PROBE.c.id).where(PROBE.c.why.like("The Name is empty%"))
        assert connection.scalars(like).all() == [1]
        at = select(PROBE.c.id).where(PROBE.c.data["kind"].as_string() == "b")
        assert connection.scalars(at).all() == [2]
        same = select(PROBE.c.id).where(PROBE.c.why == t("The {what} is empty", what=NAME))
        assert connection.scalars(same).all() == [1]


def test_rows_written_in_bulk_come_back_through_the_session(database: Database, system) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        backend = uow.add(
            Backend(name="erp", type="x", config={}, created_at=uow.now, updated_at=uow.now)
        )
        uow.flush()
        times = {"first_at": uow.now, "last_at": uow.now}
        row = {"id": uuid4(), "backend_id": backend.id, "entity": "order", "remote_id": "1"}
        record = {**row, "label": "SO1", "code": "x", "attempts": 1, **times}
        insert_rows(uow.connection(), DeadLetter, [{**record, "reason": t("{a}!", a=NAME)}])
        uow.commit()
    assert say(_reason(database, system, row["id"]), "el") == "Όνομα!"
    with unit_of_work(database, actor=system, write=True) as uow:
        again = {"id": row["id"], "reason": t("{a}?{b}", a=NAME, b="\0")}
        update_rows(uow.connection(), DeadLetter, [again])
        uow.commit()
    assert say(_reason(database, system, row["id"]), "fa") == "نام?"


def _reason(database: Database, system, key: UUID) -> str:
    with unit_of_work(database, actor=system) as uow:
        assert type(uow.get(DeadLetter, key).reason) is Message
        found: str = uow.scalar(select(DeadLetter.reason).where(DeadLetter.id == key))
    return found


def test_json_is_written_by_statements_and_by_the_session(database: Database, system) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        backend = uow.add(
            Backend(name="erp", type="x", config={}, created_at=uow.now, updated_at=uow.now)
        )
        uow.flush()
        request = uow.add(
            SyncRequest(
                backend_id=backend.id,
                kind=RequestKind.RUN.value,
                asked_at=uow.now,
                asked_by="maria",
                result={"warnings": [NAME]},
            )
        )
        run = uow.add(SyncRun(backend_id=backend.id, state="done", started_at=uow.now))
        uow.flush()
        counts = {"warnings": [t("{entity}: {why}", entity="order", why=NAME)]}
        uow.execute(update(SyncRun).where(SyncRun.id == run.id).values(counts=counts))
        uow.commit()
    with unit_of_work(database, actor=system) as uow:
        assert say(uow.get(SyncRequest, request.id).result["warnings"][0], "el") == "Όνομα"
        assert say(uow.get(SyncRun, run.id).counts["warnings"][0], "el") == "order: Όνομα"


def test_the_audit_keeps_the_english_words(database: Database, system) -> None:
    from crm_core.entities.plugin import Plugin, PluginState

    with unit_of_work(database, actor=system, write=True) as uow:
        values = {"version": "1", "state": PluginState.QUARANTINED.value, "changed_at": uow.now}
        uow.add(Plugin(name="slow", error=t("It hung: {error}.", error=NAME), **values))
        uow.commit()
    with unit_of_work(database, actor=system) as uow:
        changes = uow.scalar(select(AuditEntry.changes).where(AuditEntry.entity_id == "slow"))
    assert changes["error"] == [None, "It hung: Name."]
    assert type(changes["error"][1]) is str
