"""The Odoos that Debian packages: where each is found, and in what running one differs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from service_cache import ServiceError, cache_folder


@dataclass(frozen=True)
class Series:
    """One of them."""

    suite: str
    """The Debian suite that it runs in."""
    package: str
    package_suite: str
    """The suite that has the package: one whose Python is newer than it knows cannot run it."""
    folder: str
    """Where it is built, in the cache: each has a Debian, a PostgreSQL and ports of its own."""
    state: str
    """The name of its state and of its lock."""
    poll_key: str
    """What its configuration calls the port for long polling."""
    with_demo: tuple[str, ...]
    """What asks for its demo data when a database is made."""
    chart: tuple[str, ...]
    """The module that brings a plain chart of accounts, where its accounting has none."""


SERIES = {
    "14": Series(
        suite="bullseye",
        package="odoo-14",
        package_suite="bullseye",
        folder="",
        state="odoo",
        poll_key="longpolling_port",
        with_demo=(),
        chart=("l10n_generic_coa",),
    ),
    "19": Series(
        suite="trixie",
        package="odoo-19",
        package_suite="sid",
        folder="odoo-19",
        state="odoo-19",
        poll_key="gevent_port",
        with_demo=("--with-demo",),
        chart=(),
    ),
}
CHOSEN = os.environ.get("CRM_TEST_ODOO") or "14"


def series() -> Series:
    """The one that this process is about."""
    try:
        return SERIES[CHOSEN]
    except KeyError:
        raise ServiceError(f"CRM_TEST_ODOO is {CHOSEN}: it can be {' or '.join(SERIES)}") from None


def series_folder() -> Path:
    """Where all of it is kept for the next run."""
    return cache_folder() / series().folder
