"""Events on the command line: handed over by the worker, and what to do when a plugin fails."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from crm_core.access import system_actor
from crm_core.bootstrap import Application
from crm_core.entities import Delivery, OutboxEvent
from crm_core.outbox.inline import relay_recorded
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.customers import create_customer
from crm_hooks.contributions import EventHandler

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
heard = []
trouble = []


def hear(_uow, message):
    if trouble:
        raise trouble[0]
    heard.append(message)


@pytest.fixture
def office(crm, monkeypatch):
    """A base with one handler that hears of new customers."""
    heard.clear()
    trouble.clear()
    monkeypatch.setitem(sys.modules, "paper_events", sys.modules[__name__])
    handler = EventHandler("paper.note", ("core.customer.created",), "paper_events:hear")
    monkeypatch.setattr(Application, "event_handlers", lambda _: [handler])
    return crm


def later(office, **values):
    with unit_of_work(office.database, actor=system_actor("test"), write=True) as uow:
        uow.execute(update(Delivery).where(Delivery.next_at.is_not(None)).values(**values))
        uow.commit()


def give_up(office):
    trouble.append(ZeroDivisionError("oh\x1b[2J"))
    office("customer", "add", "Anna")
    later(office, next_at=LONG_AGO, attempts=9)
    assert office("worker", "--once").exit_code == 3
    trouble.clear()


def events_of(office):
    items = office.json("doctor")["items"]
    return [
        (item["state"], item["message"], item["advice"]) for item in items if item["id"] == "events"
    ]


def test_what_a_command_recorded_is_handed_over_before_it_ends(office):
    assert office("customer", "add", "Anna").exit_code == 0
    (message,) = heard
    assert (message.name, message.origin) == ("core.customer.created", "cli")
    (item,) = office.json("delivery", "list")["items"]
    assert (item["state"], item["handler"], item["event"]) == ("done", "paper.note", message.name)
    assert item["entity_id"] == message.payload["customer_ids"][0]
    assert "paper.note" in office("delivery", "list").stdout


def test_a_failure_ends_once_with_3_and_is_told_without_a_traceback(office):
    trouble.append(ZeroDivisionError("oh"))
    assert office("customer", "add", "Anna").exit_code == 0
    later(office, next_at=LONG_AGO)
    result = office("worker", "--once")
    assert result.exit_code == 3
    assert "Traceback" not in result.stderr
    (item,) = office.json("delivery", "list", "--state", "pending")["items"]
    assert (item["attempts"], item["error"]) == (2, "ZeroDivisionError: oh")


def test_what_was_given_up_is_told_by_doctor_and_tried_again(office):
    give_up(office)
    ((state, message, advice),) = events_of(office)
    assert (state, message) == ("warn", "1 event was given up for paper.note.")
    assert "crm delivery retry --dead --handler paper.note" in advice
    assert "\x1b" not in office("delivery", "list", "--state", "dead").stdout
    (item,) = office.json("delivery", "list", "--state", "dead")["items"]
    assert item["attempts"] == 10
    assert office.json("delivery", "retry", "--dead", "--handler", "paper.other")["retried"] == 0
    assert office.json("delivery", "retry", "--dead")["retried"] == 1
    office("worker", "--once")
    assert len(heard) == 1
    assert events_of(office)[0][0] == "ok"
    error = office.error("delivery", "retry", str(item["id"]), code=1)
    assert error["code"] == "core.delivery.done"


def test_one_is_tried_again_or_dropped_by_its_id(office):
    give_up(office)
    (item,) = office.json("delivery", "list")["items"]
    assert office.json("delivery", "drop", str(item["id"]), "--yes")["dropped"] == 1
    (item,) = office.json("delivery", "list", "--state", "dropped")["items"]
    assert "Dropped by" in item["error"]
    office("worker", "--once")
    assert heard == []
    office("delivery", "retry", str(item["id"]))
    office("worker", "--once")
    assert len(heard) == 1


def test_what_waits_for_a_handler_that_is_gone_is_told_and_dropped(office, monkeypatch):
    office("worker", "--once")
    monkeypatch.setattr(Application, "event_handlers", lambda _: [])
    office("customer", "add", "Anna")
    office("worker", "--once")
    assert events_of(office)[0][0] == "ok"
    later(office, next_at=datetime.now(UTC) - timedelta(hours=2))
    ((state, message, advice),) = events_of(office)
    assert state == "warn"
    assert "1 event waits for paper.note, whose plugin is not in use here" in message
    assert "crm delivery drop --handler paper.note" in advice
    assert office.json("delivery", "drop", "--handler", "paper.note", "--yes")["dropped"] == 1
    assert events_of(office)[0][0] == "ok"
    office("customer", "add", "Eva")
    office("worker", "--once")
    assert len(office.json("delivery", "list")["items"]) == 1


def test_a_worker_that_does_not_run_is_noticed(office):
    office("customer", "add", "Anna")
    with unit_of_work(office.database, actor=system_actor("test"), write=True) as uow:
        ago = uow.now - timedelta(hours=2)
        uow.execute(update(OutboxEvent).values(at=ago, dispatched_at=None))
        uow.commit()
    ((state, message, advice),) = events_of(office)
    assert (state, message) == ("warn", "1 event waits, for an hour or longer.")
    assert "crm worker" in advice


@pytest.mark.parametrize(
    "words", [("retry",), ("retry", "1", "--dead"), ("retry", "1", "--handler", "x"), ("drop",)]
)
def test_one_thing_has_to_be_named(office, words):
    assert office.error("delivery", *words, code=2)["code"] == "core.cli.one_of"


def test_what_is_not_there_cannot_be_tried_again(office):
    assert office.error("delivery", "retry", "7", code=2)["code"] == "core.delivery.not_found"


def test_rights_are_asked_for(office):
    office("user", "add", "anna", "--role", "employee")
    for words in (("list",), ("retry", "--dead"), ("drop", "1", "--yes")):
        error = office.error("delivery", *words, "--as", "anna", code=1)
        assert error["code"] == "core.permission_denied"


def test_the_worker_hands_over_what_others_recorded(office):
    with unit_of_work(office.database, actor=system_actor("web"), write=True) as uow:
        create_customer(uow, {"name": "Anna"})
        uow.commit()
    result = office("worker", "--once")
    assert result.exit_code == 0, result.output
    assert [message.origin for message in heard] == ["web"]
    assert "events handed over" in result.stderr


def test_handing_over_never_fails_a_command(office):
    database = office.database
    with unit_of_work(database, actor=system_actor("test"), write=True) as uow:
        create_customer(uow, {"name": "Anna"})
        uow.commit()
    handlers = Application.event_handlers(None)
    relay_recorded(database, lambda: handlers)
    assert len(heard) == 1

    def broken():
        raise SystemExit(3)

    relay_recorded(database, broken)  # nothing was recorded since
    database.has_recorded = True
    relay_recorded(database, broken)
    assert not database.has_recorded
