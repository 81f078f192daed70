"""Pytest plugin: which tests of a parallel run share a worker.

All tests on the Odoo server go to one worker, for some of them stop it, and all in the browser to
one, for they share what is served; else each file goes to one, so that what a module prepares is
prepared once. Those begin first that take longest, or one worker would be left alone with them.

(Marks for ``--dist loadgroup`` are lost with pytest 9.2, which does not take the
names that xdist gives to marked tests.)
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/odoo/", "tests/browser/")
SLOW = 20
"""So many tests take as long as one that is marked ``slow``."""


def _group(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


class ByFile(LoadScopeScheduling):
    """Sends each file's tests to one worker, and those that belong together to the same."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Take ours, whatever ``--dist`` says, and groups in the order of their tests."""
    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put groups that take long first; those that cannot be split, before all others."""
    if not hasattr(config, "workerinput"):
        return
    weights: Counter[str] = Counter()
    for item in items:
        weights[_group(item.nodeid)] += SLOW if item.get_closest_marker("slow") else 1
    items.sort(
        key=lambda item: (
            (group := _group(item.nodeid)) not in TOGETHER,
            -weights[group],
            group,
        )
    )
