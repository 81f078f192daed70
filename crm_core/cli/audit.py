"""``crm audit``: verify the record of who changed what."""

from __future__ import annotations

import click

from crm_core.cli.grammar import CrmGroup


@click.group(cls=CrmGroup)
def audit() -> None:
    """Verify the record of who changed what."""
