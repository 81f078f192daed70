from __future__ import annotations

from types import SimpleNamespace

from worker_groups import pytest_collection_modifyitems

WORKER = SimpleNamespace(workerinput={})


class Item:
    def __init__(self, nodeid, *marks):
        self.nodeid, self.marks = nodeid, marks

    def get_closest_marker(self, name):
        return name if name in self.marks else None


def ordered(config, *items):
    kept = list(items)
    pytest_collection_modifyitems(config, kept)
    return [item.nodeid for item in kept]


def test_what_takes_longest_begins_first_and_files_stay_together():
    many = [Item(f"tests/many.py::test_{number}") for number in range(15)]
    slow = Item("tests/slow.py::test_long", "slow")
    apart = Item("tests/browser/test_b.py::test_page"), Item("tests/browser/test_a.py::test_page")
    assert ordered(WORKER, *many[:7], slow, *many[7:], *apart) == [
        "tests/browser/test_b.py::test_page",
        "tests/browser/test_a.py::test_page",
        "tests/slow.py::test_long",
        *(item.nodeid for item in many),
    ]


def test_without_workers_the_order_stays():
    items = [Item("tests/a.py::test"), Item("tests/b.py::test", "slow")]
    assert ordered(SimpleNamespace(), *items) == [item.nodeid for item in items]
