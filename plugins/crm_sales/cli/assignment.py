"""``crm sales rule``, ``absence`` and ``seller``: who gets which leads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.messages import joined, t

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from crm_core.persistence.unit_of_work import UnitOfWork

LISTS = (
    ("--country", "countries", "CODE", "Of a country: GR."),
    ("--postal", "postal_prefixes", "DIGITS", "What postal codes begin with."),
    ("--product", "products", "REFERENCE", "Of a product."),
    ("--category", "categories", "PATH", "Of products, with all below: All / Boats."),
    ("--speaks", "languages", "CODE", "Of a language: el."),
    ("--source", "sources", "TEXT", "Where leads come from."),
)


@click.group(cls=CrmGroup)
def rule() -> None:
    """Say which leads go to whom."""


@rule.command(name="list")
@pass_context
def list_(context: Context) -> None:
    """List the rules in the order in which they are tried."""
    from crm_sales.services.assignment.explaining import conditions_of
    from crm_sales.services.assignment.rules import list_rules

    with context.unit_of_work() as uow:
        rules = list_rules(uow)
    items = [
        {
            **each,
            "fits": joined(conditions_of(each), "; ") or t("all leads"),
            "people": ", ".join(
                f"{target['user'] or target['team']} × {target['weight']}"
                for target in each["targets"]
            )
            or t("all who sell"),
        }
        for each in rules
    ]
    columns = {
        "position": t("Position"),
        "name": t("Rule"),
        "is_active": t("In use"),
        "fits": t("Fits"),
        "way": t("Way"),
        "people": t("People"),
    }
    context.output.page("sales.rule.list/1", items, None, columns)


def _conditions(command: Any) -> Any:
    for flag, name, metavar, text in reversed(LISTS):
        option = click.option(flag, name, metavar=metavar, multiple=True, help=f"{text} Repeat it.")
        command = option(command)
    return command


@rule.command(name="set")
@click.argument("name")
@click.option("--position", type=int, help="Lower ones are tried first; the last by default.")
@click.option("--on/--off", "is_active", default=None, help="Whether it is in use.")
@_conditions
@click.option("--least", "least_amount", metavar="AMOUNT", help="The least amount expected.")
@click.option("--most", "most_amount", metavar="AMOUNT", help="The most.")
@click.option("--currency", "currency_code", metavar="CODE", help="Of these amounts.")
@click.option("--way", help="round_robin, weighted or least_loaded.")
@click.option("--user", "users", metavar="USER[:WEIGHT]", multiple=True, help="Who; repeat it.")
@click.option("--team", "teams", metavar="TEAM[:WEIGHT]", multiple=True, help="Who; repeat it.")
@pass_context
def set_(
    context: Context, /, *, name: str, users: tuple[str, ...], teams: tuple[str, ...], **given: Any
) -> None:
    """Add the rule NAME, or change what is given of it.

    Without --user and --team a new rule leads to all who sell.
    """
    from crm_sales.services.assignment.rules import set_rule

    values = {key: value for key, value in given.items() if value not in (None, ())}
    values = {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
    targets = [_target("user", text) for text in users] + [_target("team", text) for text in teams]
    if targets:
        values["targets"] = targets
    with context.unit_of_work(write=True) as uow:
        made = set_rule(uow, {"name": name, **values})
        uow.commit()
    out = context.output
    data = {"id": made.id, "name": made.name, "position": made.position, "version": made.version}
    out.data("sales.rule.set/1", data, lambda: out.line(t("Set: {rule}", rule=made.name)))


@rule.command()
@click.argument("name")
@pass_context
def remove(context: Context, name: str) -> None:
    """Remove the rule NAME."""
    from crm_sales.services.assignment.rules import remove_rule, rule_named

    with context.unit_of_work(write=True) as uow:
        rule_id = rule_named(uow, name).id
        remove_rule(uow, rule_id)
        uow.commit()
    out = context.output
    out.data("sales.rule.remove/1", {"id": rule_id}, lambda: out.line(t("Removed.")))


@rule.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would change, keep nothing.")
@pass_context
def import_(context: Context, file: Path, dry_run: bool) -> None:
    """Make the rules what a TOML FILE says; those that it does not name are removed."""
    from dataclasses import asdict

    from crm_sales.schemas.assignment import read_rule_file
    from crm_sales.services.assignment.rules import import_rules

    values = read_rule_file(file)
    with context.unit_of_work(write=True) as uow:
        done = import_rules(uow, values)
        if not dry_run:
            uow.commit()
    out = context.output
    nothing = t("none")
    out.data(
        "sales.rule.import/1",
        {**asdict(done), "is_dry_run": dry_run},
        lambda: out.fields(
            [
                (t("Added"), ", ".join(done.added) or nothing),
                (t("Changed"), ", ".join(done.changed) or nothing),
                (t("Removed"), ", ".join(done.removed) or nothing),
            ]
        ),
    )


@click.group(cls=CrmGroup)
def seller() -> None:
    """Say what people take on."""


@seller.command(name="list")
@pass_context
def list_sellers_(context: Context) -> None:
    """List who may take leads, and how many a day."""
    from crm_sales.services.assignment.people import list_sellers

    with context.unit_of_work() as uow:
        people = list_sellers(uow)
    columns = {
        "login": t("Login"),
        "name": t("Name"),
        "takes_leads": t("Takes leads"),
        "daily_leads": t("A day, at most"),
    }
    items = [{**each, "id": each["user_id"]} for each in people]
    context.output.page("sales.seller.list/1", items, None, columns)


@seller.command(name="set")
@click.argument("login", metavar="[USER]", required=False)
@click.option("--leads/--no-leads", "takes_leads", default=True, help="Whether they take leads.")
@click.option("--daily", "daily_leads", type=int, help="How many a day; else as is set for all.")
@pass_context
def set_seller_(context: Context, /, login: str | None, **given: Any) -> None:
    """Say what a USER takes on; you by default."""
    from crm_sales.services.assignment.people import set_seller

    with context.unit_of_work(write=True) as uow:
        kept = set_seller(uow, _user(uow, login), **given)
        uow.commit()
    out = context.output
    data = {
        "id": kept.user_id,
        "takes_leads": kept.takes_leads,
        "daily_leads": kept.daily_leads,
    }
    out.data("sales.seller.set/1", data, lambda: out.line(t("Kept.")))


@click.group(cls=CrmGroup)
def absence() -> None:
    """Say when people are away: they get no leads then."""


@absence.command(name="list")
@pass_context
def list_absences_(context: Context) -> None:
    """List absences that are not over."""
    from crm_sales.services.assignment.people import list_absences

    with context.unit_of_work() as uow:
        found = list_absences(uow)
    columns = {
        "id": t("Absence"),
        "name": t("Name"),
        "from_on": t("From"),
        "until_on": t("Until"),
        "stand_in_name": t("Stands in"),
    }
    context.output.page("sales.absence.list/1", found, None, columns)


@absence.command()
@click.argument("from_on", metavar="FROM", type=click.DateTime(["%Y-%m-%d"]))
@click.argument("until_on", metavar="UNTIL", type=click.DateTime(["%Y-%m-%d"]))
@click.option("--user", "login", metavar="USER", help="Who is away; you by default.")
@click.option("--stand-in", metavar="USER", help="Who gets their leads meanwhile.")
@pass_context
def add(
    context: Context, /, *, from_on: Any, until_on: Any, login: str | None, stand_in: str | None
) -> None:
    """Be away from the day FROM until the day UNTIL, both included."""
    from crm_sales.services.assignment.people import add_absence

    first, last = _day(from_on), _day(until_on)
    with context.unit_of_work(write=True) as uow:
        stand_in_id = _user(uow, stand_in) if stand_in else None
        kept = add_absence(uow, _user(uow, login), first, last, stand_in_id=stand_in_id)
        uow.commit()
    out = context.output
    data = {"id": kept.id, "from_on": kept.from_on, "until_on": kept.until_on}
    out.data("sales.absence.add/1", data, lambda: out.line(t("Noted ({id}).", id=kept.id)))


@absence.command(name="remove")
@click.argument("absence_id", metavar="ABSENCE", type=click.UUID)
@pass_context
def remove_absence_(context: Context, absence_id: UUID) -> None:
    """Take an ABSENCE back."""
    from crm_sales.services.assignment.people import remove_absence

    with context.unit_of_work(write=True) as uow:
        remove_absence(uow, absence_id)
        uow.commit()
    out = context.output
    out.data("sales.absence.remove/1", {"id": absence_id}, lambda: out.line(t("Removed.")))


def _target(kind: str, text: str) -> dict[str, Any]:
    name, colon, weight = text.rpartition(":")
    if colon and weight.isascii() and weight.isdigit():
        return {kind: name, "weight": int(weight[:9])}
    return {kind: text}


def _day(moment: Any) -> date:
    day: date = moment.date()
    return day


def _user(uow: UnitOfWork, login: str | None) -> UUID:
    from crm_core.errors import InputError
    from crm_core.services.users import user_named

    if login is not None:
        return user_named(uow, login).id
    if uow.actor.user_id is None:
        raise InputError(t("The system is no user: name one."), code="sales.seller.nobody")
    return uow.actor.user_id
