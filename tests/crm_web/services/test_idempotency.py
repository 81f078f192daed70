"""Requests that are sent twice and done once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from crm_core.errors import ConflictError, InputError
from crm_core.persistence.unit_of_work import unit_of_work
from crm_web.services.idempotency import claim_reply, keep_reply, release_reply

REQUEST = b"POST /api/v1/customers\n{}"


@pytest.fixture
def eleni(acting):
    return acting("eleni")


def _claim(database, actor, key="k-1", request=REQUEST):
    with unit_of_work(database, actor=actor, write=True) as uow:
        reply = claim_reply(uow, key, request)
        uow.commit()
    return reply


def _keep(database, actor, key="k-1", body=b'{"id": 1}'):
    with unit_of_work(database, actor=actor, write=True) as uow:
        keep_reply(uow, key, 201, {"Location": "/1"}, body)
        uow.commit()


def test_the_same_request_is_answered_the_same(office, eleni, acting):
    assert _claim(office, eleni) is None
    _keep(office, eleni)
    again = _claim(office, eleni)
    assert (again.status, again.headers, again.body) == (201, {"Location": "/1"}, b'{"id": 1}')
    assert _claim(office, eleni, key="k-2") is None
    assert _claim(office, acting("anna")) is None


def test_a_key_is_for_one_request(office, eleni):
    _claim(office, eleni)
    for _ in range(2):
        with pytest.raises(InputError) as refused:
            _claim(office, eleni, request=REQUEST + b" ")
        assert refused.value.code == "web.idempotency.other_request"
        _keep(office, eleni)


def test_what_is_under_way_is_not_done_twice(office, eleni):
    _claim(office, eleni)
    with pytest.raises(ConflictError):
        _claim(office, eleni)


def test_what_failed_may_be_tried_again(office, eleni):
    _claim(office, eleni)
    with unit_of_work(office, actor=eleni, write=True) as uow:
        keep_reply(uow, "k-1", 201, {}, b"")  # rolled back with the work
    with unit_of_work(office, actor=eleni, write=True) as uow:
        release_reply(uow, "k-1")
        uow.commit()
    assert _claim(office, eleni) is None


def test_a_kept_reply_is_not_released(office, eleni):
    _claim(office, eleni)
    _keep(office, eleni)
    with unit_of_work(office, actor=eleni, write=True) as uow:
        release_reply(uow, "k-1")
        uow.commit()
    assert _claim(office, eleni).status == 201


def test_of_many_at_once_one_does_the_work(office, eleni):
    outcomes, start = [], threading.Barrier(8)

    def send():
        start.wait()
        try:
            outcomes.append(_claim(office, eleni))
        except ConflictError:
            outcomes.append("busy")

    threads = [threading.Thread(target=send) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(map(str, outcomes)) == ["None"] + ["busy"] * 7


def test_replies_are_kept_for_a_day_and_the_abandoned_for_minutes(office, eleni):
    with time_machine.travel(datetime(2026, 3, 2, 9, tzinfo=UTC)) as clock:
        _claim(office, eleni)
        clock.shift(timedelta(minutes=16))
        assert _claim(office, eleni) is None
        _keep(office, eleni)
        clock.shift(timedelta(hours=23))
        assert _claim(office, eleni).status == 201
        clock.shift(timedelta(hours=2))
        assert _claim(office, eleni, request=b"another") is None


@pytest.mark.parametrize("key", ["", "x" * 256, "κλειδί", "a b", "\x00", "a\n"])
def test_a_key_is_visible_ascii(office, eleni, key):
    with pytest.raises(InputError):
        _claim(office, eleni, key=key)
