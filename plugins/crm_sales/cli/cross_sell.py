"""``crm sales cross-sell`` and ``crm sales affinity``: what else customers might buy."""

from __future__ import annotations

from dataclasses import asdict

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand, CrmGroup
from crm_core.messages import n, t


@click.command(name="cross-sell", cls=CrmCommand)
@click.argument("customer")
@click.option("--limit", default=5, show_default=True, type=click.IntRange(1, 50), help="How many.")
@pass_context
def cross_sell(context: Context, customer: str, limit: int) -> None:
    """Suggest what a CUSTOMER might buy, and say why, and what speaks against offering it."""
    from crm_core.services.lookup import resolve_customer_id
    from crm_sales.services.cross_sell.suggesting import last_count, suggest_products

    with context.unit_of_work() as uow:
        told = suggest_products(uow, resolve_customer_id(uow, customer), limit=limit)
        is_counted = bool(told.items) or last_count(uow) is not None
    out = context.output
    if not is_counted:
        out.note(t("It was never counted who buys what: crm sales affinity count, or the worker."))

    def draw() -> None:
        for objection in told.objections:
            out.warn(objection.message)
        out.table([t("Product"), t("Why")], [[each.name, each.reason] for each in told.items])

    out.data("sales.cross_sell/1", asdict(told), draw)


@click.group(cls=CrmGroup)
def affinity() -> None:
    """Count which products the same customers buy."""


@affinity.command()
@pass_context
def count(context: Context) -> None:
    """Count anew, over all customers; the worker does so once a day."""
    from crm_sales.services.cross_sell.counting import count_affinities

    with context.unit_of_work(write=True) as uow:
        counted = count_affinities(uow)
        uow.commit()
    out = context.output
    said = n(
        "Of {customers} customers, {count} pair of products says something.",
        "Of {customers} customers, {count} pairs of products say something.",
        counted.pairs,
        customers=counted.customers,
    )
    data = {"customers": counted.customers, "pairs": counted.pairs}
    out.data("sales.affinity.count/1", data, lambda: out.line(said))


@affinity.command(name="list")
@click.option("--limit", default=50, show_default=True, help="Items a page, up to 1000.")
@click.option("--cursor", help="Continue a list: what the page before told.")
@pass_context
def list_(context: Context, limit: int, cursor: str | None) -> None:
    """List the pairs that say something, the strongest first."""
    from crm_sales.services.cross_sell.suggesting import list_affinities

    with context.unit_of_work() as uow:
        page = list_affinities(uow, limit=limit, cursor=cursor)
    columns = {"name": t("Who bought"), "other_name": t("also bought"), "reason": t("Why")}
    columns |= {"confidence": t("Confidence"), "lift": t("Lift")}
    context.output.page("sales.affinity.list/1", page.items, page.next_cursor, columns)
