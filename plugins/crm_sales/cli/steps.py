"""``crm sales step``, ``sequence`` and ``calendar``: what comes next, and where to read it."""

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

DUE = "When: 2026-03-31 14:30, tomorrow, +2d; in your zone."


@click.group(cls=CrmGroup)
def step() -> None:
    """Plan what comes next for a deal, and see what is due or missing."""


@step.command(name="list")
@click.option(
    "--when",
    type=click.Choice(["overdue", "today", "week", "all"]),
    default="all",
    show_default=True,
    help="By when they are due.",
)
@click.option("--mine", is_flag=True, help="Only what you have to do.")
@click.option("--owner", metavar="USER", help="Only what this user has to do.")
@click.option("--limit", default=50, show_default=True, help="Items a page, up to 1000.")
@click.option("--cursor", help="Continue a list: what the page before told.")
@pass_context
def list_(context: Context, /, *, when: str, mine: bool, owner: str | None, **paging: Any) -> None:
    """List open steps of deals, soonest due first."""
    from crm_sales.services.next_steps import list_steps

    with context.unit_of_work() as uow:
        page = list_steps(uow, when=when, owner_id=_whose(uow, owner, mine=mine), **paging)
        place = _place(uow)
    items = [
        {
            **item,
            "due_at": item["due_at"] if context.output.as_json else place.moment(item["due_at"]),
        }
        for item in page.items
    ]
    columns = {
        "due_at": t("Due"),
        "type": t("Type"),
        "summary": t("Summary"),
        "opportunity_name": t("Deal"),
        "customer_name": t("Customer"),
        "owner_name": t("Who"),
        "id": "ID",
    }
    context.output.page("sales.step.list/1", items, page.next_cursor, columns)


@step.command()
@click.option("--mine", is_flag=True, help="Only deals you work on.")
@click.option("--owner", metavar="USER", help="Only deals this user works on.")
@click.option("--limit", default=50, show_default=True, help="Items a page, up to 1000.")
@click.option("--cursor", help="Continue a list: what the page before told.")
@pass_context
def missing(context: Context, /, *, mine: bool, owner: str | None, **paging: Any) -> None:
    """List open deals for which nothing is planned, those that wait longest first."""
    from crm_sales.services.next_steps import without_next_step

    with context.unit_of_work() as uow:
        page = without_next_step(uow, owner_id=_whose(uow, owner, mine=mine), **paging)
    columns = {
        "name": t("Deal"),
        "customer_name": t("Customer"),
        "stage_name": t("Stage"),
        "owner_name": t("Who"),
        "id": "ID",
    }
    context.output.page("sales.step.missing/1", page.items, page.next_cursor, columns)


@step.command()
@click.argument("deal")
@click.argument("type_", metavar="TYPE")
@click.option("--due", metavar="T", required=True, help=DUE)
@click.option("--summary", help="One line; TYPE by default.")
@click.option("--note", help="The rest.")
@click.option("--owner", metavar="USER", help="Who does it; whoever works on the deal by default.")
@pass_context
def plan(
    context: Context, /, *, deal: str, type_: str, due: str, owner: str | None, **given: Any
) -> None:
    """Plan what comes next for a DEAL; TYPE is call, email, meeting, visit, task and so on."""
    from crm_sales.services.next_steps import plan_step
    from crm_sales.services.opportunity_access import resolve_opportunity_id

    with context.unit_of_work(write=True) as uow:
        place = _place(uow)
        planned = plan_step(
            uow,
            resolve_opportunity_id(uow, deal),
            type=type_,
            due_at=place.typed_moment(due, uow.now),
            owner_id=_whose(uow, owner, mine=False),
            **given,
        )
        uow.commit()
    out = context.output
    data = {"id": planned.id, "customer_id": planned.customer_id, "due_at": planned.due_at}
    due_at = place.moment(planned.due_at)
    text = t("By {due_at}: {step} ({id})", due_at=due_at, step=planned.summary, id=planned.id)
    out.data("sales.step.plan/1", data, lambda: out.line(text))


@step.command()
@click.argument("id_", metavar="ID")
@pass_context
def done(context: Context, id_: str) -> None:
    """Say that a step is done."""
    from crm_core.services.activities import resolve_activity_id
    from crm_sales.services.next_steps import complete_step, open_steps

    with context.unit_of_work(write=True) as uow:
        activity_id = resolve_activity_id(uow, id_)
        deal_id = complete_step(uow, activity_id)
        left = len(open_steps(uow, [deal_id]).get(deal_id, []))
        uow.commit()
    out = context.output
    data = {"id": activity_id, "opportunity_id": deal_id, "planned": left}
    out.data("sales.step.done/1", data, lambda: out.line(t("Done.")))
    if not left:
        out.note(t("Nothing else is planned for the deal: crm sales step plan {id}", id=deal_id))


@step.command()
@click.argument("id_", metavar="ID")
@click.option("--due", metavar="T", required=True, help=DUE)
@pass_context
def postpone(context: Context, id_: str, due: str) -> None:
    """Have a step be due at another moment."""
    from crm_core.services.activities import resolve_activity_id
    from crm_sales.services.next_steps import postpone_step

    with context.unit_of_work(write=True) as uow:
        place = _place(uow)
        activity_id = resolve_activity_id(uow, id_)
        due_at = place.typed_moment(due, uow.now)
        deal_id = postpone_step(uow, activity_id, due_at)
        uow.commit()
    out = context.output
    data = {"id": activity_id, "opportunity_id": deal_id, "due_at": due_at}
    text = t("Due {due_at} now.", due_at=place.moment(due_at))
    out.data("sales.step.postpone/1", data, lambda: out.line(text))


@click.group(cls=CrmGroup)
def sequence() -> None:
    """Say what is planned by itself when a deal enters a stage."""


@sequence.command(name="list")
@pass_context
def list_sequences_(context: Context) -> None:
    """List sequences with their steps."""
    from crm_sales.services.sequences import list_sequences

    with context.unit_of_work() as uow:
        sequences = list_sequences(uow)
    out = context.output

    def draw() -> None:
        for each in sequences:
            out.heading(f"{each['code']}: {each['name']} ({each['pipeline']}/{each['stage']})")
            rows = [[one["days_after"], one["type"], one["summary"]] for one in each["steps"]]
            out.table([t("Days after"), t("Type"), t("Summary")], rows)

    out.data("sales.sequence.list/1", sequences, draw)


@sequence.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_context
def import_(context: Context, file: Path) -> None:
    """Make sequences be as a FILE says, in the form that export writes; others stay."""
    from crm_sales.schemas.follow_up import read_sequences
    from crm_sales.services.sequences import save_sequences

    with context.unit_of_work(write=True) as uow:
        codes = save_sequences(uow, read_sequences(file.read_bytes()))
        uow.commit()
    out = context.output
    text = n(
        "{count} sequence is as the file says.",
        "{count} sequences are as the file says.",
        len(codes),
    )
    out.data("sales.sequence.import/1", {"codes": codes}, lambda: out.line(text))


@sequence.command()
@pass_context
def export(context: Context) -> None:
    """Print all sequences as a file that import takes."""
    from crm_sales.schemas.follow_up import sequences_text
    from crm_sales.services.sequences import list_sequences

    with context.unit_of_work() as uow:
        sequences = list_sequences(uow)
    text = sequences_text(sequences)
    context.output.data("sales.sequence.export/1", sequences, lambda: click.echo(text, nl=False))


@sequence.command()
@click.argument("code")
@pass_context
def archive(context: Context, code: str) -> None:
    """Have a sequence plan nothing more."""
    from crm_sales.services.sequences import archive_sequence

    with context.unit_of_work(write=True) as uow:
        archived = archive_sequence(uow, code)
        uow.commit()
    out, data = context.output, {"code": archived.code, "archived_at": archived.archived_at}
    text = t("{name} plans nothing more.", name=archived.name)
    out.data("sales.sequence.archive/1", data, lambda: out.line(text))


@click.group(cls=CrmGroup)
def calendar() -> None:
    """Read what you have to do in a calendar program."""


@calendar.command()
@click.argument("title")
@pass_context
def add(context: Context, title: str) -> None:
    """Make an address for a calendar program; TITLE says which, such as Phone."""
    from crm_sales.services.calendar_feed import add_feed, feed_address

    with context.unit_of_work(write=True) as uow:
        token, feed = add_feed(uow, title)
        address = feed_address(uow, token)
        uow.commit()
    out = context.output
    data = {"id": feed.id, "title": feed.title, "address": address}
    out.data("sales.calendar.add/1", data, lambda: out.line(address))
    out.note(t("Whoever has this address reads your calendar. It is shown this once."))


@calendar.command(name="list")
@pass_context
def list_feeds_(context: Context) -> None:
    """List your addresses; their secret parts are not kept."""
    from crm_sales.services.calendar_feed import list_feeds

    with context.unit_of_work() as uow:
        feeds = list_feeds(uow)
    columns = {"title": t("Title"), "created_at": t("Made"), "id": "ID"}
    context.output.page("sales.calendar.list/1", feeds, None, columns)


@calendar.command()
@click.argument("id_", metavar="ID", type=click.UUID)
@pass_context
def revoke(context: Context, id_: Any) -> None:
    """Have an address lead nowhere from now on."""
    from crm_sales.services.calendar_feed import revoke_feed

    with context.unit_of_work(write=True) as uow:
        feed = revoke_feed(uow, id_)
        uow.commit()
    out, data = context.output, {"id": feed.id, "revoked_at": feed.revoked_at}
    text = t("The address {title} leads nowhere now.", title=feed.title)
    out.data("sales.calendar.revoke/1", data, lambda: out.line(text))


def _whose(uow: UnitOfWork, login: str | None, *, mine: bool) -> Any:
    from crm_core.services.users import user_named

    return uow.actor.user_id if mine else user_named(uow, login).id if login else None


def _place(uow: UnitOfWork) -> Place:
    from crm_core.services.places import place_of
    from crm_core.services.settings import load_settings

    return place_of(uow, load_settings(uow))
