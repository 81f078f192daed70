"""Pytest plugin: which tests of a parallel run share a worker.

All tests on the Odoo server go to one worker, for some of them stop it, and all in the browser to
one, for they share what is served; else each file goes to one, so that what a module prepares is
prepared once. (Marks for ``--dist loadgroup`` are lost with pytest 9.2, which does not take the
names that xdist gives to marked tests.)
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/odoo/", "tests/browser/")


class ByFile(LoadScopeScheduling):
    """Sends each file's tests to one worker, and those that belong together to the same."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in TOGETHER if file.startswith(folder)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Take ours, whatever ``--dist`` says."""
    return ByFile(config, log)
