"""Pages on SQLite: what they call is tested on both; the walk of all routes opens each on both."""

from __future__ import annotations

import pytest


@pytest.fixture
def kind() -> str:
    """The kind of database."""
    return "sqlite"
