"""``crm sales``: one group a part of the module."""

from __future__ import annotations

import click

from crm_core.cli.grammar import CrmGroup
from crm_sales.cli.assignment import absence, rule, seller
from crm_sales.cli.cross_sell import affinity, cross_sell
from crm_sales.cli.deals import deal
from crm_sales.cli.forecast import forecast
from crm_sales.cli.handover import handover
from crm_sales.cli.leads import lead
from crm_sales.cli.offers import PARTS as OFFERS
from crm_sales.cli.orders import PARTS as ORDERS
from crm_sales.cli.pipelines import pipeline
from crm_sales.cli.quote_lines import line
from crm_sales.cli.quote_settings import settings
from crm_sales.cli.quotes import quote
from crm_sales.cli.scores import score
from crm_sales.cli.steps import calendar, sequence, step

PARTS: tuple[click.Command, ...] = (
    lead,
    rule,
    seller,
    absence,
    score,
    deal,
    pipeline,
    quote,
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
for part in (line, settings, *OFFERS, *ORDERS):
    quote.add_command(part)
