"""``crm sales deal``: deals with customers, from first talk to won or lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.messages import t

if TYPE_CHECKING:
    from crm_core.locale_format import Place
    from crm_core.persistence.unit_of_work import UnitOfWork
    from crm_sales.models import Opportunity

F = TypeVar("F", bound=Callable[..., Any])
FIELDS = (
    ("--amount", "expected_amount", "AMOUNT", "What it may bring: 1200.50"),
    ("--currency", "currency_code", "CODE", "Of the amount: EUR; the company's own by default."),
    ("--close", "expected_close_on", "DAY", "When it may be decided: 2027-01-31"),
    ("--contact", "contact_id", "CUSTOMER", "The person one talks with."),
    ("--product", "product_id", "ID", "What it is about."),
    ("--source", "source", "TEXT", "Where the interest came from."),
    ("--campaign", "campaign", "TEXT", "What made it."),
    ("--note", "note", "TEXT", "The rest."),
)


def _deal_fields(command: F) -> F:
    for flag, name, metavar, text in reversed(FIELDS):
        command = click.option(flag, name, metavar=metavar, help=text)(command)
    return command


@click.group(cls=CrmGroup)
def deal() -> None:
    """Add deals, move them through their pipeline, and close them."""


@deal.command()
@click.argument("customer")
@click.argument("name")
@click.option("--pipeline", metavar="CODE", help="Its pipeline; the default one by default.")
@click.option("--stage", metavar="CODE", help="Its stage; the first one by default.")
@click.option("--owner", metavar="USER", help="Who works on it; you by default.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="A tag; may be repeated.")
@_deal_fields
@pass_context
def add(
    context: Context,
    /,
    *,
    customer: str,
    name: str,
    pipeline: str | None,
    stage: str | None,
    owner: str | None,
    tags: tuple[str, ...],
    **given: Any,
) -> None:
    """Add a deal called NAME with a CUSTOMER."""
    from crm_core.services.lookup import resolve_unmerged_id
    from crm_sales.services.opportunities import add_opportunity

    with context.unit_of_work(write=True) as uow:
        fields: Any = _fields(uow, given)
        made = add_opportunity(
            uow,
            resolve_unmerged_id(uow, customer),
            name,
            pipeline_code=pipeline,
            stage_code=stage,
            owner_id=_user_id(uow, owner),
            tags=tags,
            **fields,
        )
        uow.commit()
    _told(context, "sales.deal.add/1", made, t("Added: {deal} ({id})", deal=made.name, id=made.id))


@deal.command(name="list")
@click.option("--customer", metavar="ID", help="Only with this customer.")
@click.option("--mine", is_flag=True, help="Only those you work on.")
@click.option("--owner", metavar="USER", help="Only those this user works on.")
@click.option("--pipeline", metavar="CODE", help="Only in this pipeline.")
@click.option("--stage", metavar="CODE", help="Only in this stage of it.")
@click.option(
    "--state",
    type=click.Choice(["open", "won", "lost", "all"]),
    default="open",
    show_default=True,
    help="How they stand.",
)
@click.option("--text", help="Only whose name holds this.")
@click.option(
    "--sort", type=click.Choice(["close", "newest"]), default="close", help="What comes first."
)
@click.option("--limit", default=50, show_default=True, help="Items a page, up to 1000.")
@click.option("--cursor", help="Continue a list: what the page before told.")
@pass_context
def list_(
    context: Context, /, *, sort: str, limit: int, cursor: str | None, **filters: Any
) -> None:
    """List deals, those that close soonest first."""
    from crm_sales.services.opportunity_list import list_opportunities

    with context.unit_of_work() as uow:
        wanted = _filter(uow, filters)
        page = list_opportunities(uow, wanted, sort=sort, limit=limit, cursor=cursor)
        place = _place(uow)
    columns = {
        "name": t("Deal"),
        "customer_name": t("Customer"),
        "stage_name": t("Stage"),
        "expected_amount": t("Amount"),
        "expected_close_on": t("Closes"),
        "probability": t("Probability"),
        "owner_name": t("Who"),
        "id": "ID",
    }
    items = page.items if context.output.as_json else [_shown(place, item) for item in page.items]
    context.output.page("sales.deal.list/1", items, page.next_cursor, columns)


@deal.command()
@click.argument("id_", metavar="ID")
@pass_context
def show(context: Context, id_: str) -> None:
    """Show a deal, the way it went, and where it may go."""
    from crm_sales.models import Opportunity
    from crm_sales.services.moves import list_moves, next_stages
    from crm_sales.services.opportunities import resolve_opportunity_id
    from crm_sales.services.opportunity_list import show_opportunity

    with context.unit_of_work() as uow:
        deal_id = resolve_opportunity_id(uow, id_)
        found = show_opportunity(uow, deal_id)
        moves = list_moves(uow, deal_id)
        record = uow.get(Opportunity, deal_id)
        ways = next_stages(uow, record) if found["state"] == "open" else []
        allowed = [stage.code for stage in ways]
        place = _place(uow)
    data = {**found, "moves": moves, "allowed": allowed}
    context.output.data("sales.deal.show/1", data, lambda: _draw(context, place, data))


@deal.command()
@click.argument("id_", metavar="ID")
@click.option("--name", help="What it is about.")
@_deal_fields
@click.option("--committed/--not-committed", "is_committed", default=None, help="Stand for it.")
@click.option("--tags", metavar="A,B", help="All tags that it shall carry, with commas between.")
@pass_context
def edit(
    context: Context, /, *, id_: str, tags: str | None, is_committed: bool | None, **given: Any
) -> None:
    """Change fields of a deal; an empty text clears one."""
    from crm_sales.services.opportunities import edit_opportunity, resolve_opportunity_id

    with context.unit_of_work(write=True) as uow:
        changes = _fields(uow, given)
        if is_committed is not None:
            changes["is_committed"] = is_committed
        if tags is not None:
            changes["tags"] = [tag.strip() for tag in tags.split(",") if tag.strip()]
        changed = edit_opportunity(uow, resolve_opportunity_id(uow, id_), changes)
        uow.commit()
    _told(context, "sales.deal.edit/1", changed, t("Saved: {deal}", deal=changed.name))


@deal.command()
@click.argument("id_", metavar="ID")
@click.argument("stage")
@pass_context
def move(context: Context, id_: str, stage: str) -> None:
    """Bring a deal to a STAGE of its pipeline, named by its code."""
    from crm_sales.models import Opportunity
    from crm_sales.services.opportunities import move_opportunity, resolve_opportunity_id
    from crm_sales.services.pipelines import stage_named

    with context.unit_of_work(write=True) as uow:
        deal_id = resolve_opportunity_id(uow, id_)
        target = stage_named(uow, uow.get(Opportunity, deal_id).pipeline_id, stage)
        moved = move_opportunity(uow, deal_id, target.id)
        name = target.name
        uow.commit()
    text = t("{deal} stands in {stage} now.", deal=moved.name, stage=name)
    _told(context, "sales.deal.move/1", moved, text)


@deal.command()
@click.argument("id_", metavar="ID")
@click.option("--note", help="What is to be learned from it.")
@pass_context
def win(context: Context, id_: str, note: str | None) -> None:
    """Close a deal as won."""
    from crm_sales.services.opportunities import resolve_opportunity_id, win_opportunity

    with context.unit_of_work(write=True) as uow:
        won = win_opportunity(uow, resolve_opportunity_id(uow, id_), note=note)
        uow.commit()
    _told(context, "sales.deal.win/1", won, t("Won: {deal}", deal=won.name))


@deal.command()
@click.argument("id_", metavar="ID")
@click.option("--reason", metavar="CODE", required=True, help="Why: the code of a loss reason.")
@click.option("--competitor", metavar="NAME", help="Who got it.")
@click.option("--note", help="What is to be learned from it.")
@pass_context
def lose(context: Context, id_: str, reason: str, competitor: str | None, note: str | None) -> None:
    """Close a deal as lost."""
    from crm_sales.services.opportunities import lose_opportunity, resolve_opportunity_id

    with context.unit_of_work(write=True) as uow:
        deal_id = resolve_opportunity_id(uow, id_)
        lost = lose_opportunity(uow, deal_id, reason_code=reason, competitor=competitor, note=note)
        uow.commit()
    _told(context, "sales.deal.lose/1", lost, t("Lost: {deal}", deal=lost.name))


@deal.command()
@click.argument("id_", metavar="ID")
@pass_context
def reopen(context: Context, id_: str) -> None:
    """Open a closed deal again, where it stood."""
    from crm_sales.services.opportunities import reopen_opportunity, resolve_opportunity_id

    with context.unit_of_work(write=True) as uow:
        again = reopen_opportunity(uow, resolve_opportunity_id(uow, id_))
        uow.commit()
    _told(context, "sales.deal.reopen/1", again, t("Open again: {deal}", deal=again.name))


@deal.command()
@click.argument("id_", metavar="ID")
@click.argument("login", metavar="USER")
@pass_context
def assign(context: Context, id_: str, login: str) -> None:
    """Have a USER work on a deal."""
    from crm_sales.services.opportunities import assign_opportunity, resolve_opportunity_id

    with context.unit_of_work(write=True) as uow:
        given = assign_opportunity(uow, resolve_opportunity_id(uow, id_), _user_id(uow, login))
        uow.commit()
    text = t("{user} works on {deal} now.", user=login, deal=given.name)
    _told(context, "sales.deal.assign/1", given, text)


def _told(context: Context, schema: str, deal: Opportunity, text: str) -> None:
    names = ("id", "customer_id", "name", "stage_id", "state", "owner_id", "probability", "version")
    data = {name: getattr(deal, name) for name in names}
    context.output.data(schema, data, lambda: context.output.line(text))


def _fields(uow: UnitOfWork, given: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that were given, records that people name found."""
    from crm_core.services.lookup import resolve_customer_id

    fields = {name: value for name, value in given.items() if value is not None}
    if fields.get("contact_id"):
        fields["contact_id"] = resolve_customer_id(uow, fields["contact_id"])
    return fields


def _user_id(uow: UnitOfWork, login: str | None) -> Any:
    from crm_core.services.users import user_named

    return user_named(uow, login).id if login else None


def _filter(uow: UnitOfWork, asked: dict[str, Any]) -> Any:
    from crm_core.services.lookup import resolve_customer_id
    from crm_sales.services.opportunity_list import DealFilter
    from crm_sales.services.pipelines import pipeline_named, stage_named

    customer, stage = asked["customer"], asked["stage"]
    pipeline = pipeline_named(uow, asked["pipeline"]) if asked["pipeline"] or stage else None
    return DealFilter(
        customer_id=resolve_customer_id(uow, customer) if customer else None,
        owner_id=uow.actor.user_id if asked["mine"] else _user_id(uow, asked["owner"]),
        pipeline_id=pipeline.id if pipeline else None,
        stage_id=stage_named(uow, pipeline.id, stage).id if pipeline and stage else None,
        state=None if asked["state"] == "all" else asked["state"],
        text=asked["text"],
    )


def _place(uow: UnitOfWork) -> Place:
    from crm_core.services.places import place_of
    from crm_core.services.settings import load_settings

    return place_of(uow, load_settings(uow))


def _shown(place: Place, item: dict[str, Any]) -> dict[str, Any]:
    probability = item["probability"]
    return {
        **item,
        "expected_amount": place.money(item["expected_amount"], item["currency_code"]),
        "expected_close_on": place.day(item["expected_close_on"]),
        "probability": None if probability is None else place.percent(probability),
    }


def _draw(context: Context, place: Place, data: dict[str, Any]) -> None:
    out, shown = context.output, _shown(place, data)
    out.heading(data["name"])
    pairs = (
        (t("Customer"), "customer_name"),
        (t("Contact"), "contact_name"),
        (t("Pipeline"), "pipeline_name"),
        (t("Stage"), "stage_name"),
        (t("State"), "state"),
        (t("Expected amount"), "expected_amount"),
        (t("Expected to close on"), "expected_close_on"),
        (t("Probability"), "probability"),
        (t("Committed"), "is_committed"),
        (t("Who"), "owner_name"),
        (t("Product"), "product_name"),
        (t("Source"), "source"),
        (t("Campaign"), "campaign"),
        (t("Reason"), "loss_reason"),
        (t("Competitor"), "competitor"),
        (t("Note"), "note"),
    )
    out.fields([(label, shown[name]) for label, name in pairs])
    out.fields([(t("Tags"), ", ".join(data["tags"])), (t("May go to"), ", ".join(data["allowed"]))])
    headings = [t("When"), t("From"), t("To"), t("State"), t("Who")]
    rows = [
        [place.moment(m["at"]), m["from_stage"], m["to_stage"], m["to_state"], m["who"]]
        for m in data["moves"]
    ]
    out.table(headings, rows)
