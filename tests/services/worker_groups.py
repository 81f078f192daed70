"""Pytest plugin: which tests of a parallel run share a worker.

All tests on the Odoo server are one group, for some of them stop it; else each file is one, so
that what a module prepares is prepared once.
"""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test its group, for ``--dist loadgroup``."""
    for item in items:
        on_odoo = "odoo_server" in getattr(item, "fixturenames", ())
        group = "odoo" if on_odoo else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))
