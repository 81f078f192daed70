"""The plugin is enabled wherever a test asks for a database."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def crm_plugins() -> tuple[str, ...]:
    """What is enabled, each after those it requires."""
    return ("web", "loyalty")
