"""``crm sales quote settings``: limits, floors, bands, rules, bundles and price lists, by file."""

from __future__ import annotations

from pathlib import Path

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.messages import joined, t


@click.group(cls=CrmGroup)
def settings() -> None:
    """Say how offers are made: limits, floor prices, personal prices, bundles, what goes together.

    Days of validity, terms and tax are settings of the company: crm setting list.
    """


@settings.command()
@click.option("--out", "path", type=click.Path(path_type=Path), help="Write it to this file.")
@pass_context
def export(context: Context, path: Path | None) -> None:
    """Write the settings as a file that import takes."""
    from crm_sales.schemas.pipelines import design_text
    from crm_sales.services.pricing.offer_rules_export import export_offer_rules

    with context.unit_of_work() as uow:
        document = export_offer_rules(uow)
    out, text = context.output, design_text(document)
    if path is not None:
        path.write_text(text, encoding="utf-8")
        out.data("sales.quote.settings.export/1", {"path": str(path)}, lambda: None)
        out.note(t("Written to {path}.", path=path))
    else:
        out.data("sales.quote.settings.export/1", document, lambda: click.echo(text, nl=False))


@settings.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check it and say what would be set.")
@pass_context
def import_(context: Context, file: Path, dry_run: bool) -> None:
    """Set what a FILE says; each part that it names is replaced as a whole.

    The parts: [limits] of roles in percent, and [[floors]], [[bands]], [[rules]], [[bundles]],
    [[price_lists]], [[price_rules]] and [[payment_terms]]. Products are named by reference or id.
    """
    from crm_core.errors import InputError
    from crm_sales.schemas.quotes import read_offer_rules
    from crm_sales.services.pricing.offer_rules import change_offer_rules

    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(
            t("{file} cannot be read: {reason}.", file=file, reason=error.strerror),
            code="sales.quote.file",
        ) from None
    with context.unit_of_work(write=True) as uow:
        parts = change_offer_rules(uow, read_offer_rules(content))
        if not dry_run:
            uow.commit()
    out = context.output
    text = (
        t("It would set: {parts}", parts=joined(parts, ", "))
        if dry_run
        else t("Set: {parts}", parts=joined(parts, ", "))
    )
    out.data("sales.quote.settings.import/1", {"parts": parts}, lambda: out.line(text))


@settings.command(name="price-list")
@click.argument("customer")
@click.argument("price_list", metavar="LIST")
@click.option("--take-back", is_flag=True, help="The default list holds for them again.")
@pass_context
def price_list_(context: Context, customer: str, price_list: str, take_back: bool) -> None:
    """Give a CUSTOMER a price LIST of their own, from which discounts are counted."""
    from crm_core.services.lookup import resolve_unmerged_id
    from crm_sales.models import PriceList
    from crm_sales.services.pricing.customer_lists import give_price_list, take_price_list
    from crm_sales.services.quotes.reading import resolve_named

    with context.unit_of_work(write=True) as uow:
        customer_id = resolve_unmerged_id(uow, customer)
        chosen: PriceList = uow.get(PriceList, resolve_named(uow, PriceList, price_list))
        if take_back:
            take_price_list(uow, customer_id, chosen.currency_code)
        else:
            give_price_list(uow, customer_id, chosen.id)
        uow.commit()
        told = {
            "customer_id": customer_id,
            "price_list": None if take_back else chosen.name,
            "currency": chosen.currency_code,
        }
    out = context.output
    text = t("Taken back.") if take_back else t("{name} holds for them.", name=told["price_list"])
    out.data("sales.quote.settings.price_list/1", told, lambda: out.line(text))
