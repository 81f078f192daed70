"""``crm sales``: one group a part of the module."""

from __future__ import annotations

import click

from crm_core.cli.grammar import CrmGroup
from crm_sales.cli.cross_sell import affinity, cross_sell
from crm_sales.cli.deals import deal
from crm_sales.cli.forecast import forecast
from crm_sales.cli.handover import handover
from crm_sales.cli.pipelines import pipeline
from crm_sales.cli.scores import score
from crm_sales.cli.steps import calendar, sequence, step

PARTS: tuple[click.Command, ...] = (
    score,
    deal,
    pipeline,
    forecast,
    cross_sell,
    affinity,
    step,
    sequence,
    calendar,
    handover,
)


@click.group(cls=CrmGroup)
def sales() -> None:
    """Leads, deals and offers, from first interest to money received."""


for part in PARTS:
    sales.add_command(part)
