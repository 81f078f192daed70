"""Differing records shared among connections: all once, families whole, by the faster way."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_odoo.writing import shares as subject
from crm_odoo.writing.shares import TRIAL_LOAD, TRIAL_WRITES, Shares


def worked_off(families, lanes, write, seconds=None, failed=lambda: None):
    shares = Shares(families, lanes, {} if seconds is None else seconds)
    with ThreadPoolExecutor(lanes) as pool:
        under_way = [pool.submit(shares.work_off, write) for _ in range(lanes)]
        for each in as_completed(under_way):
            if each.exception() is not None:
                failed()
    for each in under_way:
        each.result()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=60), st.integers(1, 4))
def test_each_is_written_once_and_a_family_by_one_connection(sizes, lanes):
    families, number = [], 0
    for size in sizes:
        families.append(list(range(number, number + size)))
        number += size
    batches = []
    worked_off(families, lanes, lambda _, ids: batches.append(list(ids)))
    assert sorted(key for batch in batches for key in batch) == list(range(number))
    for family in families:
        assert sum(not set(batch).isdisjoint(family) for batch in batches) == 1


@pytest.mark.parametrize("faster", ["write", "load"])
def test_what_proves_faster_goes_on_and_is_remembered(faster, monkeypatch):
    taken, seconds, clock = [], {}, SimpleNamespace(now=0.0)
    monkeypatch.setattr(subject, "time", SimpleNamespace(monotonic=lambda: clock.now))

    def write(way, ids):
        taken.append((way, len(ids)))
        clock.now += len(ids) * (0.0001 if way == faster else 0.001)

    worked_off([[n] for n in range(200)], 1, write, seconds)
    rest = 200 - TRIAL_WRITES - TRIAL_LOAD
    assert taken == [("write", TRIAL_WRITES), ("load", TRIAL_LOAD), (faster, rest)]
    taken.clear()
    worked_off([[n] for n in range(200)], 1, write, seconds)
    assert taken == [(faster, 200)]


def test_a_few_are_written_one_by_one():
    taken = []
    worked_off([[1], [2]], 1, lambda way, ids: taken.append((way, ids)), {"load": 0.1})
    assert [(way, sorted(ids)) for way, ids in taken] == [("write", [1, 2])]


def test_an_error_ends_all_of_them_and_what_was_not_tried_is_tried_again():
    seconds, done = {}, []
    both, has_failed = threading.Barrier(2, timeout=60), threading.Event()

    def write(way, ids):
        both.wait()  # each connection has taken something
        if way == "write":
            raise ConnectionError("away")
        assert has_failed.wait(60)
        done.extend(ids)

    with pytest.raises(ConnectionError):
        worked_off([[n] for n in range(500)], 2, write, seconds, has_failed.set)
    assert len(done) == TRIAL_LOAD
    assert "write" not in seconds
    ways = []
    worked_off([[n] for n in range(100)], 1, lambda way, _: ways.append(way), seconds)
    assert ways[0] == "write"
