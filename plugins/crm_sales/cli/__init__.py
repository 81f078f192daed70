"""``crm sales``: one group a part of the module."""

from __future__ import annotations

import click

from crm_core.cli.grammar import CrmGroup

PARTS: tuple[click.Command, ...] = ()


@click.group(cls=CrmGroup)
def sales() -> None:
    """Leads, deals and offers, from first interest to money received."""


for part in PARTS:
    sales.add_command(part)
