"""``crm sync mapping`` and ``crm sync conflicts``: whose value counts."""

from __future__ import annotations

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand, CrmGroup


@click.command(cls=CrmCommand)
@click.argument("name")
@click.option("--set", "chosen", multiple=True, metavar="FIELD=MASTER", help="customer.note=erp")
@pass_context
def mapping(context: Context, name: str, chosen: tuple[str, ...]) -> None:
    """Show or set who wins a field that both sides changed: erp or crm."""
    from crm_core.sync.merge import masters_of, set_masters

    with context.unit_of_work(write=bool(chosen)) as uow:
        if chosen:
            set_masters(uow, name, chosen)
            uow.commit()
        items = masters_of(uow, name)
    columns = {"entity": "Entity", "field": "Field", "master": "Master", "is_default": "Default"}
    context.output.page("sync.mapping/1", items, None, columns)


@click.group(cls=CrmGroup)
def conflicts() -> None:
    """See fields that both sides changed, and who won."""


@conflicts.command(name="list")
@click.argument("name")
@click.option("--limit", default=20, show_default=True, help="Items a page.")
@click.option("--cursor", help="Where the page before ended.")
@pass_context
def list_conflicts(context: Context, name: str, limit: int, cursor: str | None) -> None:
    """List the fields that both sides changed, the latest first, with what each had."""
    from crm_core.services.backends import backend_named, list_conflicts

    with context.unit_of_work() as uow:
        page = list_conflicts(uow, backend_named(uow, name).id, limit=limit, cursor=cursor)
    columns = {
        "decided_at": "When",
        "label": "Record",
        "field": "Field",
        "base": "Before",
        "ours": "Here",
        "theirs": "There",
        "winner": "Won",
    }
    context.output.page("sync.conflicts/1", page.items, page.next_cursor, columns)
