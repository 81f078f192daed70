"""Pytest plugin: what tests write lies in memory, where there is enough, and goes when they pass.

Each commit of SQLite waits for the disk, and no test is about what a power cut leaves.
"""

from __future__ import annotations

import os

import pytest

from service_cache import memory_folder

ENOUGH = 2 * 2**30


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Say where the folders of tests are made, unless somebody said it."""
    folder = memory_folder(ENOUGH)
    if folder is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder))
