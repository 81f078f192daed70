"""``crm db``: upgrade, back up and restore the database."""

from __future__ import annotations

import click

from crm_core.cli.grammar import CrmGroup


@click.group(cls=CrmGroup)
def db() -> None:
    """Upgrade, back up and restore the database."""
