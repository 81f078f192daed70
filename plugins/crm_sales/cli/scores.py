"""``crm sales score``: what scores are made of, and how right they were."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.errors import InputError
from crm_core.messages import Message, n, t

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


@click.group(cls=CrmGroup)
def score() -> None:
    """How likely deals are to be won, and why."""


@score.command()
@pass_context
def train(context: Context) -> None:
    """Count all closed deals anew and score the open ones by them.

    Needed once, and after the bands of amounts changed; else deals are counted as they are closed
    and the open ones are scored again each night.
    """
    from crm_sales.services.probability import rescore_deals
    from crm_sales.services.scoring.training import train_scores

    with context.unit_of_work(write=True) as uow:
        told = train_scores(uow)
        uow.commit()
    scored, after = 0, None
    while True:  # some at a time: others write meanwhile
        with context.unit_of_work(write=True) as uow:
            count, after = rescore_deals(uow, after=after)
            uow.commit()
        scored += count
        if after is None:
            break
    out = context.output

    def draw() -> None:
        out.line(t("Counted {won} won and {lost} lost deals.", won=told["won"], lost=told["lost"]))
        if told["refusal"]:
            out.warn(told["refusal"])
        out.line(n("Scored {count} open deal.", "Scored {count} open deals.", scored))

    out.data("sales.score.train/1", {**told, "scored": scored}, draw)


@score.command()
@click.argument("deal")
@pass_context
def show(context: Context, deal: str) -> None:
    """Show what the score of a DEAL is made of."""
    from crm_sales.services.opportunity_access import resolve_opportunity_id
    from crm_sales.services.scoring.explaining import explain_score

    with context.unit_of_work() as uow:
        told = explain_score(uow, resolve_opportunity_id(uow, deal))
    context.output.data("sales.score.show/1", told, lambda: _draw(context, told))


@score.command()
@click.argument("deal")
@click.argument("percent", required=False)
@click.option("--why", help="Why; whoever sees the deal reads it.")
@click.option("--drop", is_flag=True, help="Let the score count again.")
@pass_context
def override(context: Context, deal: str, percent: str | None, why: str | None, drop: bool) -> None:
    """Say that a DEAL is won with PERCENT, whatever its score."""
    from crm_sales.services.opportunity_access import resolve_opportunity_id
    from crm_sales.services.scoring.explaining import explain_score
    from crm_sales.services.scoring.overrides import drop_override, override_probability

    if drop is (percent is not None):
        raise InputError(t("Give a PERCENT with --why, or --drop."), code="sales.score.percent")
    with context.unit_of_work(write=True) as uow:
        opportunity_id: UUID = resolve_opportunity_id(uow, deal)
        if percent is None:
            drop_override(uow, opportunity_id)
        else:
            override_probability(uow, opportunity_id, _percent(percent), why or "")
        uow.commit()
    with context.unit_of_work() as uow:
        told = explain_score(uow, opportunity_id)
    context.output.data("sales.score.override/1", told, lambda: _draw(context, told))


@score.command()
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Test deals closed from this day on; 90 days ago unless given.",
)
@pass_context
def calibration(context: Context, since: datetime | None) -> None:
    """Hold scores learnt before a day against the deals that were closed since."""
    from crm_sales.services.scoring.calibration import calibrate_scores

    with context.unit_of_work() as uow:
        told = calibrate_scores(uow, since.date() if since else None)
    context.output.data("sales.score.calibration/1", told, lambda: _draw_report(context, told))


def _percent(text: str) -> Decimal:
    try:
        return Decimal(text.removesuffix("%"))
    except InvalidOperation:
        raise InputError(
            t("{text!r} is no percentage.", text=text), code="sales.score.percent"
        ) from None


def _share(share: float | Decimal | None) -> Message | str:
    return "–" if share is None else t("{percent} %", percent=round(float(share) * 100, 2))


def _draw(context: Context, told: Mapping[str, Any]) -> None:
    out = context.output
    out.heading(told["name"])
    fields: list[tuple[str, Any]] = [(t("Probability"), _share(told["probability"]))]
    said = told["override"]
    if said:
        who = said["who"] or t("The system")
        fields += [(t("Set by"), who), (t("Since"), said["at"]), (t("Why"), said["reason"])]
    if told["score"] is not None:
        group = told["team"] or t("all teams")
        fields += [
            (t("Score"), _share(told["score"])),
            (t("Learnt from"), t("{won} won, {lost} lost", won=told["won"], lost=told["lost"])),
            (t("Deals of"), group),
        ]
    out.fields(fields)
    if told["refusal"]:
        out.note(told["refusal"])
    rows = [(part["title"], part["value"], part["words"]) for part in told["parts"]]
    if rows:
        out.table((t("What counts"), t("Value"), t("Why")), rows)


def _draw_report(context: Context, told: Mapping[str, Any]) -> None:
    out = context.output
    out.fields(
        [
            (t("Tested since"), told["since"]),
            (t("Deals tested"), told["tested"]),
            (
                t("Learnt from"),
                t("{won} won, {lost} lost", won=told["trained_won"], lost=told["trained_lost"]),
            ),
            (t("Brier score"), _rounded(told["brier"])),
            (t("Of the share of won deals"), _rounded(told["base_brier"])),
            (t("Better by"), _share(told["skill"])),
            (t("Surely between"), _between(told["skill_least"], told["skill_most"])),
        ]
    )
    if told["refusal"]:
        out.note(told["refusal"])
        return
    headings = (t("Score"), t("Deals"), t("On average"), t("Were won"), t("Surely between"))
    out.table(
        headings,
        [
            (
                t(
                    "{low} to {high} %",
                    low=round(each["low"] * 100),
                    high=round(each["high"] * 100),
                ),
                each["count"],
                _share(each["predicted"]),
                _share(each["observed"]),
                _between(each["least"], each["most"]),
            )
            for each in told["bins"]
            if each["count"]
        ],
    )


def _between(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "–"
    return t("{low} and {high}", low=_share(low), high=_share(high))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
