"""``crm sales forecast``: what will be won, targets, and what was thought of it before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.messages import n, t

if TYPE_CHECKING:
    from crm_core.locale_format import Place
    from crm_core.persistence.unit_of_work import UnitOfWork
    from crm_sales.services.forecast.show import ForecastRow


@click.group(cls=CrmGroup)
def forecast() -> None:
    """See what will be won, set targets, and hold forecasts against what came."""


@forecast.command()
@click.argument("period", default="")
@click.option("--by", default="person", show_default=True, help="person, team or none.")
@click.option("--user", metavar="LOGIN", help="Only deals of this person.")
@click.option("--team", metavar="NAME", help="Only deals of this team.")
@click.option("--pipeline", metavar="CODE", help="Only deals of this pipeline.")
@click.option("--periods", "count", default=1, show_default=True, help="So many in a row.")
@click.option("--in-base", is_flag=True, help="In the base currency only, at today's rates.")
@pass_context
def show(context: Context, /, *, in_base: bool, **given: Any) -> None:
    """Show the forecast of a PERIOD (2026-11, 2026-Q4, month, quarter), this month unless said."""
    from crm_sales.services.forecast.asking import forecast_question
    from crm_sales.services.forecast.show import show_forecast

    with context.unit_of_work() as uow:
        told = show_forecast(uow, forecast_question(uow, **given))
        _, place = _base_and_place(uow)
    out = context.output
    rows, totals = (told.in_base, told.base_totals) if in_base else (told.rows, told.totals)
    data = {
        "today": told.today,
        "base_currency": told.base_currency,
        "rows": [row.plain() for row in rows],
        "totals": [row.plain() for row in totals],
        "base_totals": [row.plain() for row in told.base_totals],
        "without_rate": told.without_rate,
    }

    def draw() -> None:
        _draw(context, [*rows, *totals], place)
        if told.without_rate:
            codes = ", ".join(told.without_rate)
            out.note(
                t("No rate leads to {base} from {codes}.", base=told.base_currency, codes=codes)
            )

    out.data("sales.forecast.show/1", data, draw)


def _draw(context: Context, rows: Sequence[ForecastRow], place: Place) -> None:
    from crm_sales.services.forecast.figures import FIGURES

    shown = [each for each in FIGURES if not each.code.startswith(("missing", "slipped_count"))]

    def cell(row: ForecastRow, code: str, unit: str) -> str:
        value = getattr(row.figures, code)
        if value is None:
            return "–"
        if unit == "money":
            return place.money(value, row.currency_code) or ""
        return place.percent(value) if unit == "share" else place.number(value)

    headings = [t("Period"), t("Whose"), *(each.title for each in shown)]
    cells = [
        [row.period.code, row.name or t("All"), *(cell(row, f.code, f.unit) for f in shown)]
        for row in rows
    ]
    context.output.table(headings, cells)


@forecast.command()
@click.argument("period", default="")
@click.option("--user", metavar="LOGIN", help="Only deals of this person.")
@click.option("--team", metavar="NAME", help="Only deals of this team.")
@click.option("--pipeline", metavar="CODE", help="Only deals of this pipeline.")
@pass_context
def stages(context: Context, /, **given: Any) -> None:
    """Show what stands in each stage, and how deals went on from it in a PERIOD."""
    from dataclasses import asdict

    from crm_sales.services.forecast.asking import forecast_question
    from crm_sales.services.forecast.show import stage_flow

    with context.unit_of_work() as uow:
        flow = stage_flow(uow, forecast_question(uow, by="none", **given))
        base, place = _base_and_place(uow)
    out = context.output
    items = [asdict(each) for each in flow]
    headings = [
        t("Stage"),
        t("Open deals"),
        t("In the stage"),
        t("Left"),
        t("Conversion"),
        t("Days"),
    ]
    rows = [
        [
            each.name,
            each.open_count,
            place.money(each.open_amount, base),
            each.left_count,
            None if each.further is None else place.percent(each.further),
            each.days,
        ]
        for each in flow
    ]
    out.data("sales.forecast.stages/1", items, lambda: out.table(headings, rows))


@forecast.command()
@click.argument("period", default="")
@click.option("--user", metavar="LOGIN", help="Only what was forecast of this person's deals.")
@click.option("--team", metavar="NAME", help="Only what was forecast of this team's deals.")
@click.option("--periods", default=6, show_default=True, help="So many until then.")
@pass_context
def outcome(context: Context, /, *, periods: int, **given: Any) -> None:
    """Hold what was forecast when each period began against what came, until PERIOD."""
    from crm_sales.services.forecast.asking import forecast_question
    from crm_sales.services.forecast.snapshots import forecast_outcomes

    with context.unit_of_work() as uow:
        asked = forecast_question(uow, by="none", **given)
        found = forecast_outcomes(uow, asked, count=periods)
        base, place = _base_and_place(uow)
    out = context.output
    items = [
        {
            "period": each.period.code,
            "told": each.told,
            "won_amount": each.won_amount,
            "is_over": each.is_over,
            "off_by": each.off_by,
        }
        for each in found
    ]
    headings = [t("Period"), t("Forecast on"), t("Committed"), t("Weighted"), t("Won"), t("Off by")]
    rows = [
        [
            each.period.code,
            each.told and place.day(each.told.taken_on),
            each.told and place.money(each.told.committed_amount, base),
            each.told and place.money(each.told.weighted_amount, base),
            place.money(each.won_amount, base),
            None if each.off_by is None else place.percent(each.off_by),
        ]
        for each in found
    ]
    out.data("sales.forecast.outcome/1", items, lambda: out.table(headings, rows))


def _base_and_place(uow: UnitOfWork) -> tuple[str, Place]:
    from crm_core.services.places import place_of
    from crm_core.services.settings import load_settings

    settings = load_settings(uow)
    return settings.base_currency, place_of(uow, settings)


@forecast.command()
@pass_context
def snapshot(context: Context) -> None:
    """Keep the forecast as it is today, unless the worker did so before."""
    from crm_sales.services.forecast.snapshots import take_snapshot

    with context.unit_of_work(write=True) as uow:
        kept = take_snapshot(uow)
        uow.commit()
    out = context.output
    if kept is None:
        said = t("Today's forecast was kept before; nothing was changed.")
    else:
        said = n("Kept {count} row of figures.", "Kept {count} rows of figures.", kept)
    out.data("sales.forecast.snapshot/1", {"kept": kept}, lambda: out.line(said))


@forecast.group(cls=CrmGroup)
def targets() -> None:
    """Set what people, teams and the company are to win."""


@targets.command(name="list")
@click.option("--period", metavar="P", help="Only of this one: 2026-11, 2026-Q4.")
@click.option("--limit", default=50, show_default=True, help="Items a page, up to 1000.")
@click.option("--cursor", help="Continue a list: what the page before told.")
@pass_context
def list_(context: Context, /, **given: Any) -> None:
    """List targets, those of the latest periods first."""
    from crm_sales.services.forecast.targets import list_targets

    with context.unit_of_work() as uow:
        page = list_targets(uow, **given)
    columns = {
        "period": t("Period"),
        "user": t("Who"),
        "team": t("Team"),
        "amount": t("Amount"),
        "currency_code": t("Currency"),
        "id": "ID",
    }
    context.output.page("sales.forecast.targets.list/1", page.items, page.next_cursor, columns)


@targets.command(name="set")
@click.argument("period")
@click.argument("amount")
@click.option("--user", metavar="LOGIN", help="Whose; without it and --team the company's.")
@click.option("--team", metavar="NAME", help="Which team's.")
@click.option("--currency", "currency_code", metavar="CODE", help="The base currency unless said.")
@pass_context
def set_(context: Context, /, *, amount: str, **given: Any) -> None:
    """Set the target of a PERIOD (2026-11, 2026-Q4) to an AMOUNT."""
    from crm_sales.services.forecast.targets import amount_from, set_target

    with context.unit_of_work(write=True) as uow:
        target = set_target(uow, amount=amount_from(amount), **given)
        uow.commit()
    out = context.output
    data = {"id": target.id, "period": target.period, "version": target.version}
    said = t(
        "The target of {period} is {amount} {currency}.",
        period=target.period,
        amount=target.amount,
        currency=target.currency_code,
    )
    out.data("sales.forecast.targets.set/1", data, lambda: out.line(said))


@targets.command()
@click.argument("id_", metavar="ID", type=click.UUID)
@pass_context
def remove(context: Context, id_: Any) -> None:
    """Take a target back."""
    from crm_sales.services.forecast.targets import remove_target

    with context.unit_of_work(write=True) as uow:
        remove_target(uow, id_)
        uow.commit()
    out = context.output
    out.data("sales.forecast.targets.remove/1", {"id": id_}, lambda: out.line(t("Taken back.")))


@targets.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@pass_context
def import_(context: Context, file: Path) -> None:
    """Set targets from a FILE with the columns period, amount, user, team and currency."""
    from crm_sales.services.forecast.targets import import_targets

    with context.unit_of_work(write=True) as uow:
        count = import_targets(uow, file)
        uow.commit()
    out = context.output
    said = n("Set {count} target.", "Set {count} targets.", count)
    out.data("sales.forecast.targets.import/1", {"set": count}, lambda: out.line(said))
