"""``crm sales handover``: giving a leaver's work to others, and taking it back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.messages import n, t

if TYPE_CHECKING:
    from crm_core.locale_format import Place
    from crm_core.persistence.unit_of_work import UnitOfWork


class _Handover(CrmGroup):
    """A group whose first word may be a login: ``crm sales handover LEAVER`` means ``give``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands:
            args = ["give", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_Handover)
def handover() -> None:
    """Hand a leaver's work over: crm sales handover LEAVER --to USER."""


@handover.command()
@click.argument("leaver")
@click.option("--to", metavar="USER", multiple=True, help="Who gets it; several take turns.")
@click.option("--team", metavar="NAME", help="Its members take turns.")
@click.option(
    "--rule",
    "rules",
    metavar="FIELD=VALUE:USER",
    multiple=True,
    help="Tried first: country=GR:eleni. FIELD is country, language, stage, pipeline, kind or "
    "customer.",
)
@click.option("--note", help="Why.")
@click.option("--dry-run", is_flag=True, help="Only say what would go to whom.")
@pass_context
def give(context: Context, /, *, leaver: str, dry_run: bool, note: str | None, **by: Any) -> None:
    """Give all that is a LEAVER's to others, in one act that can be undone for 30 days."""
    from crm_sales.services.handover.handing import hand_over, plan_handover

    with context.unit_of_work(write=not dry_run) as uow:
        plan = plan_handover(uow, leaver, **by)
        counts = plan.counts()
        made = None if dry_run else hand_over(uow, leaver, note=note, **by).id
        if made is not None:
            uow.commit()
    out = context.output

    def draw() -> None:
        rows = [
            [each["title"], name, count]
            for each in counts
            for name, count in each["people"].items()
        ]
        out.table([t("What"), t("To"), t("Records")], rows)
        if made is None:
            out.line(t("Nothing was changed."))
        else:
            out.line(t("Handed over. To undo it: crm sales handover undo {id}", id=made))

    out.data("sales.handover.give/1", {"id": made, "counts": counts}, draw)


@handover.command()
@click.argument("id_", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_context
def undo(context: Context, id_: str, yes: bool) -> None:
    """Give back what a handover took, but for what went on since."""
    from crm_sales.services.handover.reading import resolve_handover_id, show_handover
    from crm_sales.services.handover.undoing import undo_handover

    with context.unit_of_work() as uow:
        handover_id = resolve_handover_id(uow, id_)
        name = show_handover(uow, handover_id)["leaver_name"]
    context.confirm(t("Give everything back to {name}?", name=name), yes=yes)
    with context.unit_of_work(write=True) as uow:
        report = undo_handover(uow, handover_id)
        uow.commit()
    out = context.output

    def draw() -> None:
        count = sum(report.back.values())
        text = n(
            "{count} record went back to {name}.",
            "{count} records went back to {name}.",
            count,
            name=name,
        )
        out.line(text)
        if report.left:
            out.line(t("Left where they are, for they went on, were closed or deleted since:"))
            out.table([t("What"), t("Which")], [[e["kind"], e["title"]] for e in report.left])

    data = {"id": report.handover_id, "back": report.back, "left": report.left}
    out.data("sales.handover.undo/1", data, draw)
    if report.left:
        context.exit(3)


@handover.command(name="list")
@click.option("--limit", default=50, show_default=True, help="Items a page, up to 1000.")
@click.option("--cursor", help="Continue a list: what the page before told.")
@pass_context
def list_(context: Context, /, **paging: Any) -> None:
    """List handovers, the latest first."""
    from crm_sales.services.handover.reading import list_handovers

    with context.unit_of_work() as uow:
        page = list_handovers(uow, **paging)
        place = _place(uow)
    items = page.items if context.output.as_json else [_shown(place, each) for each in page.items]
    columns = {
        "created_at": t("When"),
        "leaver_name": t("From"),
        "made_by": t("By"),
        "records": t("Records"),
        "undone_at": t("Undone"),
        "id": "ID",
    }
    context.output.page("sales.handover.list/1", items, page.next_cursor, columns)


@handover.command()
@click.argument("id_", metavar="ID")
@click.option("--kind", help="Only such records: customer, activity, sales_opportunity, ...")
@click.option("--state", type=click.Choice(["given", "back", "left"]), help="Only these.")
@click.option("--limit", default=50, show_default=True, help="Items a page, up to 1000.")
@click.option("--cursor", help="Continue a list: what the page before told.")
@pass_context
def show(context: Context, /, *, id_: str, **asked: Any) -> None:
    """Show what went to whom."""
    from crm_sales.services.handover.reading import handed_items, resolve_handover_id

    with context.unit_of_work() as uow:
        page = handed_items(uow, resolve_handover_id(uow, id_), **asked)
    columns = {
        "kind": t("What"),
        "title": t("Which"),
        "to_name": t("To"),
        "state": t("State"),
        "record_id": "ID",
    }
    context.output.page("sales.handover.show/1", page.items, page.next_cursor, columns)


@handover.command()
@click.argument("id_", metavar="ID")
@click.argument("out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@pass_context
def packs(context: Context, id_: str, out: Path) -> None:
    """Write what to know of each customer handed over to a FILE: .xlsx or .csv."""
    from crm_sales.services.handover.packs import export_packs
    from crm_sales.services.handover.reading import resolve_handover_id

    with context.unit_of_work() as uow:
        handover_id = resolve_handover_id(uow, id_)
    lines = export_packs(context.application.database, context.actor, handover_id, out)
    data = {"id": handover_id, "file": str(out), "lines": lines}
    text = n("{count} line is in {file}.", "{count} lines are in {file}.", lines, file=out)
    context.output.data("sales.handover.packs/1", data, lambda: context.output.line(text))


def _shown(place: Place, item: dict[str, Any]) -> dict[str, Any]:
    return {
        **item,
        "records": sum(item["counts"].values()),
        "created_at": place.moment(item["created_at"]),
        "undone_at": place.moment(item["undone_at"]),
    }


def _place(uow: UnitOfWork) -> Place:
    from crm_core.services.places import place_of
    from crm_core.services.settings import load_settings

    return place_of(uow, load_settings(uow))
