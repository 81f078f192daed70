"""``crm sales lead``: interest that is not yet a deal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.messages import n, t

if TYPE_CHECKING:
    from uuid import UUID

    from crm_core.locale_format import Place
    from crm_core.persistence.unit_of_work import UnitOfWork
    from crm_sales.models import Lead

F = TypeVar("F", bound=Callable[..., Any])
FIELDS = (
    ("--company", "company", "NAME", "The company that asks."),
    ("--position", "job_title", "TEXT", "What the person is there."),
    ("--email", "email", "ADDRESS", "E-mail address."),
    ("--phone", "phone", "NUMBER", "Phone number."),
    ("--website", "website", "ADDRESS", "Web address."),
    ("--street", "street", "TEXT", "Street and house number."),
    ("--postal-code", "postal_code", "CODE", "Postal code."),
    ("--city", "city", "NAME", "City."),
    ("--country", "country_code", "CODE", "Country: GR, or its English name."),
    ("--in", "language", "CODE", "Language they speak: el."),
    ("--product", "product", "REFERENCE", "What it is about."),
    ("--amount", "expected_amount", "AMOUNT", "What it may bring: 1200.50"),
    ("--currency", "currency_code", "CODE", "Of the amount; the company's own by default."),
    ("--source", "source", "TEXT", "Where it came from."),
    ("--campaign", "campaign", "TEXT", "What made it."),
    ("--channel", "channel", "CHANNEL", "How it came: web, email, phone."),
    ("--request", "request", "TEXT", "What they asked for."),
)


def _lead_fields(command: F) -> F:
    for flag, name, metavar, text in reversed(FIELDS):
        command = click.option(flag, name, metavar=metavar, help=text)(command)
    return command


@click.group(cls=CrmGroup)
def lead() -> None:
    """Take leads in, give them to people, and say what becomes of them."""


@lead.command()
@click.argument("name")
@click.option("--owner", metavar="USER", help="Who gets it; by default whom the rules name.")
@click.option("--mine", is_flag=True, help="You get it.")
@click.option("--key", metavar="TEXT", help="Names where it came from: told twice, it is one lead.")
@_lead_fields
@pass_context
def add(
    context: Context, /, *, name: str, owner: str | None, mine: bool, key: str | None, **given: Any
) -> None:
    """Take in a lead from somebody called NAME."""
    from crm_sales.services.leads.arriving import add_lead

    with context.unit_of_work(write=True) as uow:
        owner_id = uow.actor.user_id if mine else _user_id(uow, owner)
        values = {"name": name, **_given(given)}
        made = add_lead(uow, values, owner_id=owner_id, arrival_key=key)
        uow.commit()
    _told(context, "sales.lead.add/1", made, t("Taken in: {lead} ({id})", lead=name, id=made.id))


@lead.command()
@click.argument("id_", metavar="LEAD")
@click.option("--name", metavar="NAME", help="Of the person, or what it is about.")
@_lead_fields
@pass_context
def edit(context: Context, /, *, id_: str, **given: Any) -> None:
    """Change what is known of a LEAD; an empty value clears it."""
    from crm_sales.services.leads.arriving import edit_lead
    from crm_sales.services.leads.reading import resolve_lead_id

    with context.unit_of_work(write=True) as uow:
        changed = edit_lead(uow, resolve_lead_id(uow, id_), _given(given))
        uow.commit()
    _told(context, "sales.lead.edit/1", changed, t("Changed: {lead}", lead=changed.name))


@lead.command(name="list")
@click.option("--mine", is_flag=True, help="Only yours.")
@click.option("--owner", metavar="USER", help="Only this user's.")
@click.option("--waiting", is_flag=True, help="Only those that nobody answers for.")
@click.option(
    "--state", default="new", show_default=True, help="new, qualified, disqualified, merged, all."
)
@click.option("--source", metavar="TEXT", help="Only those that came from there.")
@click.option("--text", metavar="TEXT", help="Only those whose name, company or e-mail holds it.")
@click.option("--limit", default=50, show_default=True, help="Leads a page, up to 1000.")
@click.option("--cursor", help="Where the page before ended.")
@pass_context
def list_(context: Context, /, *, mine: bool, owner: str | None, state: str, **given: Any) -> None:
    """List leads, the latest first."""
    from crm_sales.services.assignment.explaining import told_briefly
    from crm_sales.services.leads.reading import list_leads

    with context.unit_of_work() as uow:
        owner_id = uow.actor.user_id if mine else _user_id(uow, owner)
        state_ = None if state == "all" else state
        page = list_leads(uow, owner_id=owner_id, state=state_, **given)
        items = told_briefly(uow, page.items)
        place = _place(uow)
    if not context.output.as_json:
        items = [{**each, "created_at": place.moment(each["created_at"])} for each in items]
    columns = {
        "name": t("Name"),
        "company": t("Company"),
        "source": t("Source"),
        "owner_name": t("Has it"),
        "why": t("Why"),
        "created_at": t("Came in"),
        "id": "ID",
    }
    context.output.page("sales.lead.list/1", items, page.next_cursor, columns)


@lead.command()
@click.argument("id_", metavar="LEAD")
@pass_context
def show(context: Context, id_: str) -> None:
    """Show all of a LEAD, and why it is with whom it is."""
    from crm_sales.services.assignment.explaining import list_decisions
    from crm_sales.services.leads.reading import resolve_lead_id, show_lead

    with context.unit_of_work() as uow:
        shown = show_lead(uow, resolve_lead_id(uow, id_))
        decisions = list_decisions(uow, shown["id"])
        place = _place(uow)
    data = {**shown, "decisions": decisions}
    context.output.data("sales.lead.show/1", data, lambda: _draw(context, place, data))


@lead.command()
@click.argument("id_", metavar="LEAD")
@click.option("--min-score", default=55, show_default=True, help="How alike at least, 55 to 100.")
@pass_context
def duplicates(context: Context, id_: str, min_score: int) -> None:
    """Show the customers and leads that a LEAD may mean, with reasons."""
    from dataclasses import asdict

    from crm_core.messages import joined
    from crm_sales.services.leads.matching import lead_duplicates
    from crm_sales.services.leads.reading import resolve_lead_id

    with context.unit_of_work() as uow:
        found = lead_duplicates(uow, resolve_lead_id(uow, id_), min_score=min_score)
    items = [{**asdict(each), "reasons": joined(each.reasons, ", ")} for each in found]
    columns = {
        "kind": t("What"),
        "id": t("Id"),
        "name": t("Name"),
        "score": t("Score"),
        "verdict": t("Verdict"),
        "reasons": t("Reasons"),
    }
    context.output.page("sales.lead.duplicates/1", items, None, columns)


@lead.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--column", multiple=True, metavar="HEADING=FIELD", help="What a heading means.")
@click.option("--dry-run", is_flag=True, help="Check everything, keep nothing.")
@click.option("--errors", type=click.Path(path_type=Path), help="Write all faults to this CSV.")
@click.option("--encoding", help="Of a CSV file, when it is not found out.")
@click.option("--delimiter", help="Of a CSV file, when it is not found out.")
@pass_context
def import_(
    context: Context, /, *, file: Path, column: tuple[str, ...], errors: Path | None, **given: Any
) -> None:
    """Import leads from a CSV or Excel FILE; the same file twice makes them once.

    Rows that cannot be taken are set aside with line, column and reason; all others go on, and the
    exit code is 3.
    """
    from crm_core.cli.customer_files import tell_faults
    from crm_sales.services.leads.importing import import_leads

    columns = dict(each.rpartition("=")[::2] for each in column)
    with context.output.progress(t("Importing")) as advance:
        report = import_leads(
            context.application.database,
            context.actor,
            file,
            columns=columns,
            errors_path=errors,
            told=lambda done: advance(done, None),
            **given,
        )
    data = {
        "rows": report.rows,
        "created": report.created,
        "known": report.unchanged,
        "set_aside": report.faulty_rows,
        "is_dry_run": report.is_dry_run,
        "faults": [fault._asdict() for fault in report.faults],
    }
    text = t(
        "{rows} rows: {created} taken in, {known} known already, {aside} set aside.",
        rows=report.rows,
        created=report.created,
        known=report.unchanged,
        aside=report.faulty_rows,
    )
    context.output.data("sales.lead.import/1", data, lambda: context.output.line(text))
    tell_faults(context, report, errors)


@lead.command()
@click.argument("id_", metavar="LEAD", required=False)
@click.option("--to", "login", metavar="USER", help="Give it to this user, whatever the rules say.")
@pass_context
def assign(context: Context, id_: str | None, login: str | None) -> None:
    """Give a LEAD to somebody, or try the rules on it; without LEAD, on all that wait."""
    from crm_sales.services.assignment.assigning import ask_assignment, assign_lead
    from crm_sales.services.leads.reading import resolve_lead_id

    out = context.output
    if login and not id_:
        raise click.UsageError(t("--to needs a LEAD."))
    with context.unit_of_work(write=True) as uow:
        lead_id = resolve_lead_id(uow, id_) if id_ else None
        if login and lead_id:
            given = assign_lead(uow, lead_id, _known_user(uow, login))
            uow.commit()
            _told(context, "sales.lead.assign/1", given, t("{user} has it now.", user=login))
            return
        asked = ask_assignment(uow, None if lead_id is None else [lead_id])
        uow.commit()
    text = n("The rules are tried on {count} lead.", "The rules are tried on {count} leads.", asked)
    out.data("sales.lead.assign/1", {"tried": asked}, lambda: out.line(text))


@lead.command()
@click.argument("id_", metavar="LEAD")
@pass_context
def release(context: Context, id_: str) -> None:
    """Put a LEAD back into the queue; the rules pass over who had it."""
    from crm_sales.services.assignment.assigning import release_lead
    from crm_sales.services.leads.reading import resolve_lead_id

    with context.unit_of_work(write=True) as uow:
        released = release_lead(uow, resolve_lead_id(uow, id_))
        uow.commit()
    _told(context, "sales.lead.release/1", released, t("Back in the queue."))


@lead.command()
@click.argument("id_", metavar="LEAD")
@click.option("--customer", metavar="CUSTOMER", help="Whom it is from, where that is known.")
@click.option("--new", "is_new", is_flag=True, help="Add a customer though one like it is known.")
@click.option("--deal", metavar="NAME", help="What the deal is called; the customer's name else.")
@click.option("--no-deal", is_flag=True, help="Make no deal.")
@click.option("--pipeline", "pipeline_code", metavar="CODE", help="Of the deal.")
@pass_context
def qualify(
    context: Context,
    /,
    *,
    id_: str,
    customer: str | None,
    is_new: bool,
    deal: str | None,
    no_deal: bool,
    pipeline_code: str | None,
) -> None:
    """Make a customer, its people and a deal of a LEAD."""
    from dataclasses import asdict

    from crm_core.services.lookup import resolve_unmerged_id
    from crm_sales.services.leads.closing import qualify_lead
    from crm_sales.services.leads.reading import resolve_lead_id

    with context.unit_of_work(write=True) as uow:
        made = qualify_lead(
            uow,
            resolve_lead_id(uow, id_),
            customer_id=resolve_unmerged_id(uow, customer) if customer else None,
            is_new=is_new,
            deal=None if no_deal else {"name": deal, "pipeline_code": pipeline_code},
        )
        uow.commit()
    out = context.output
    text = t("Qualified: customer {customer}", customer=made.customer_id)
    if made.opportunity_id:
        text = t(
            "Qualified: customer {customer}, deal {deal}",
            customer=made.customer_id,
            deal=made.opportunity_id,
        )
    out.data("sales.lead.qualify/1", asdict(made), lambda: out.line(text))


@lead.command()
@click.argument("id_", metavar="LEAD")
@click.option("--reason", required=True, help="Why nothing will come of it.")
@pass_context
def disqualify(context: Context, id_: str, reason: str) -> None:
    """Say that nothing will come of a LEAD."""
    from crm_sales.services.leads.closing import disqualify_lead
    from crm_sales.services.leads.reading import resolve_lead_id

    with context.unit_of_work(write=True) as uow:
        closed = disqualify_lead(uow, resolve_lead_id(uow, id_), reason=reason)
        uow.commit()
    _told(context, "sales.lead.disqualify/1", closed, t("Disqualified: {lead}", lead=closed.name))


@lead.command()
@click.argument("id_", metavar="LEAD")
@pass_context
def reopen(context: Context, id_: str) -> None:
    """Take back that a LEAD was disqualified."""
    from crm_sales.services.leads.closing import reopen_lead
    from crm_sales.services.leads.reading import resolve_lead_id

    with context.unit_of_work(write=True) as uow:
        opened = reopen_lead(uow, resolve_lead_id(uow, id_))
        uow.commit()
    _told(context, "sales.lead.reopen/1", opened, t("Open again: {lead}", lead=opened.name))


@lead.command()
@click.argument("keep")
@click.argument("drop")
@pass_context
def merge(context: Context, keep: str, drop: str) -> None:
    """Put the lead DROP into the lead KEEP."""
    from crm_sales.services.leads.closing import merge_leads
    from crm_sales.services.leads.reading import resolve_lead_id

    with context.unit_of_work(write=True) as uow:
        kept = merge_leads(uow, resolve_lead_id(uow, keep), resolve_lead_id(uow, drop))
        uow.commit()
    _told(context, "sales.lead.merge/1", kept, t("One lead now: {lead}", lead=kept.name))


def _place(uow: UnitOfWork) -> Place:
    from crm_core.services.places import place_of
    from crm_core.services.settings import load_settings

    return place_of(uow, load_settings(uow))


def _draw(context: Context, place: Place, data: dict[str, Any]) -> None:
    out = context.output
    out.heading(data["name"])
    amount = data["expected_amount"]
    told = {
        **data,
        "expected_amount": amount and place.money(amount, data["currency_code"]),
        "created_at": place.moment(data["created_at"]),
    }
    pairs = (
        (t("Company"), "company"),
        (t("State"), "state"),
        (t("Has it"), "owner_name"),
        (t("Came in"), "created_at"),
        (t("E-mail"), "email"),
        (t("Phone"), "phone"),
        (t("Website"), "website"),
        (t("City"), "city"),
        (t("Country"), "country_code"),
        (t("Language"), "language"),
        (t("Product"), "product_name"),
        (t("Expected amount"), "expected_amount"),
        (t("Source"), "source"),
        (t("Campaign"), "campaign"),
        (t("Channel"), "channel"),
        (t("Request"), "request"),
        (t("Customer"), "customer_name"),
        (t("Reason"), "closing_reason"),
        ("ID", "id"),
    )
    out.fields([(label, told[name]) for label, name in pairs])
    for each in data["decisions"]:
        out.heading(t("{at}: {summary}", at=place.moment(each["at"]), summary=each["summary"]))
        for line in each["lines"]:
            out.line(line)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _user_id(uow: UnitOfWork, login: str | None) -> UUID | None:
    return None if login is None else _known_user(uow, login)


def _known_user(uow: UnitOfWork, login: str) -> UUID:
    from crm_core.services.users import user_named

    return user_named(uow, login).id


def _told(context: Context, schema: str, lead: Lead, text: str) -> None:
    data = {
        "id": lead.id,
        "state": lead.state,
        "owner_id": lead.owner_id,
        "version": lead.version,
    }
    context.output.data(schema, data, lambda: context.output.line(text))
