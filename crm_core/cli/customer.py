"""``crm customer``: find, show, list and edit customers."""

from __future__ import annotations

from typing import Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.customer_edit import (
    add,
    archive,
    assign,
    consent,
    define,
    edit,
    log,
    relate,
    restore,
    set_,
    unrelate,
)
from crm_core.cli.customer_files import export, import_
from crm_core.cli.customer_imports import imports
from crm_core.cli.customer_merge import distinct, duplicates, merge, merges, unmerge
from crm_core.cli.grammar import CrmGroup
from crm_core.messages import t

LIMIT = click.option("--limit", default=50, show_default=True, help="Items a page, up to 1000.")
CURSOR = click.option("--cursor", help="Continue a list: what the page before told.")


@click.group(cls=CrmGroup)
def customer() -> None:
    """Find, show and edit customers.

    ID is a customer's id, eight or more of its first digits, its reference, or BACKEND:REMOTE_ID.
    """


@customer.command()
@click.argument("text", nargs=-1, required=True)
@click.option("--archived", is_flag=True, help="Find archived customers too.")
@LIMIT
@CURSOR
@pass_context
def search(
    context: Context, text: tuple[str, ...], archived: bool, limit: int, cursor: str | None
) -> None:
    """Find customers by name, e-mail, phone, VAT or reference, in any script."""
    from dataclasses import asdict

    from crm_core.services.search import search_customers

    with context.unit_of_work() as uow:
        page = search_customers(
            uow, " ".join(text), limit=limit, include_archived=archived, cursor=cursor
        )
    columns = {
        "id": "ID",
        "name": t("Name"),
        "kind": t("Kind"),
        "reference": t("Reference"),
        "city": t("City"),
        "email": "E-mail",
        "phone": t("Phone"),
    }
    items = [asdict(hit) for hit in page.items]
    context.output.page("customer.search/1", items, page.next_cursor, columns)


@customer.command(name="list")
@click.option("--kind", help="Only person or company.")
@click.option("--stage", help="Only prospect, active, loyal or lapsed.")
@click.option("--owner", metavar="USER", help="Only those this user answers for.")
@click.option("--mine", is_flag=True, help="Only those you answer for.")
@click.option("--tag", help="Only those that carry this tag.")
@click.option("--name", help="Only those whose name holds this text.")
@click.option("--archived", is_flag=True, help="Archived customers instead.")
@click.option("--sort", default="name", show_default=True, help="name or updated_at.")
@LIMIT
@CURSOR
@pass_context
def list_(
    context: Context,
    /,
    *,
    owner: str | None,
    mine: bool,
    **wanted: Any,
) -> None:
    """List customers."""
    from crm_core.services.customers import list_customers
    from crm_core.services.users import user_named

    with context.unit_of_work() as uow:
        owner_id = uow.actor.user_id if mine else user_named(uow, owner).id if owner else None
        page = list_customers(uow, owner_id=owner_id, **wanted)
    columns = {
        "id": "ID",
        "name": t("Name"),
        "kind": t("Kind"),
        "stage": t("Stage"),
        "reference": t("Reference"),
        "owner_name": t("Owner"),
    }
    context.output.page("customer.list/1", page.items, page.next_cursor, columns)


@customer.command()
@click.argument("id_", metavar="ID")
@click.option(
    "--timeline",
    type=click.IntRange(0, 1000),
    default=20,
    show_default=True,
    help="How much of the past to show.",
)
@pass_context
def show(context: Context, id_: str, timeline: int) -> None:
    """Show a customer whole: relations, timeline, documents, activities, consents, profile."""
    from crm_core.services.card import customer_card
    from crm_core.services.lookup import resolve_customer
    from crm_core.services.places import place_of
    from crm_core.services.settings import load_settings

    with context.unit_of_work() as uow:
        settings = load_settings(uow)
        found = resolve_customer(uow, id_)
        card = customer_card(uow, found.customer_id, settings, timeline_limit=timeline)
        place = place_of(uow, settings)
    out = context.output
    if found.is_merged:
        out.note(
            t(
                "{id} was merged into {name} ({customer_id}).",
                id=id_,
                name=card.customer["name"],
                customer_id=found.customer_id,
            )
        )

    def draw() -> None:
        from crm_core.cli.customer_page import draw_card

        draw_card(out, card, place)

    out.data("customer.show/1", {"id": card.customer["id"], **_fields(card)}, draw)


def _fields(card: Any) -> dict[str, Any]:
    return {name: getattr(card, name) for name in card.__dataclass_fields__}


for _command in (
    *(add, edit, archive, restore, assign, relate, unrelate, log, set_, define, consent),
    *(import_, imports, export),
    *(duplicates, distinct, merge, unmerge, merges),
):
    customer.add_command(_command)
