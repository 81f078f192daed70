"""The commands of ``crm customer`` about customers that stand here twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand
from crm_core.errors import InputError
from crm_core.messages import n, t

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from crm_core.entities.merge import CustomerMerge
    from crm_core.persistence.unit_of_work import UnitOfWork
    from crm_core.services.customer_merge_report import FieldComparison

PARTLY = 3


@click.command(cls=CrmCommand)
@click.argument("id_", metavar="[ID]", required=False)
@click.option(
    "--min-score", default=75, show_default=True, help="From 55 (a guess) to 100 (certain)."
)
@click.option("--limit", default=50, show_default=True, help="How many pairs, at most.")
@pass_context
def duplicates(context: Context, id_: str | None, min_score: int, limit: int) -> None:
    """Suggest customers that stand here twice, with reasons; with ID those like one customer."""
    from dataclasses import asdict

    from crm_core.services.customer_duplicates import duplicates_of, find_duplicates
    from crm_core.services.lookup import resolve_customer_id

    out, wanted = context.output, {"min_score": min_score, "limit": limit}
    if id_:
        with context.unit_of_work() as uow:
            found = duplicates_of(uow, resolve_customer_id(uow, id_), **wanted)
    else:
        database = context.application.database
        with out.progress(t("Comparing")) as advance:
            all_found = find_duplicates(
                database, context.actor, **wanted, told=lambda done: advance(done, None)
            )
        found = all_found.suggestions
        if all_found.crowded:
            out.note(
                n(
                    "{count} value, such as a number that very many share, was not compared by.",
                    "{count} values, such as a number that very many share, were not compared by.",
                    all_found.crowded,
                )
            )
    columns = {
        "score": t("Score"),
        "name": t("Customer"),
        "customer_id": "ID",
        "other_name": t("Other"),
        "other_id": "ID",
        "reasons": t("Why"),
    }
    items = [{"id": f"{each.customer_id}:{each.other_id}", **asdict(each)} for each in found]
    out.page("customer.duplicates/1", items, None, columns)


@click.command(cls=CrmCommand)
@click.argument("one", metavar="ID")
@click.argument("other", metavar="ID")
@click.option("--undo", is_flag=True, help="Take it back.")
@pass_context
def distinct(context: Context, one: str, other: str, *, undo: bool) -> None:
    """Say that two customers are not the same: they are not suggested again."""
    from crm_core.services.customer_duplicates import say_distinct, unsay_distinct

    with context.unit_of_work(write=True) as uow:
        ids = _two(uow, one, other)
        (unsay_distinct if undo else say_distinct)(uow, *ids)
        uow.commit()
    out = context.output
    data = {"id": f"{ids[0]}:{ids[1]}", "distinct": not undo}
    out.data("customer.distinct/1", data, lambda: out.line(t("Noted.")))


def _two(uow: UnitOfWork, one: str, other: str) -> tuple[UUID, UUID]:
    """Return whom two texts name, unless they went into one already."""
    from crm_core.entities.customer import Customer
    from crm_core.services.lookup import resolve_customer, resolve_unmerged_id

    first, second = (resolve_customer(uow, text) for text in (one, other))
    if first.customer_id == second.customer_id and (first.is_merged or second.is_merged):
        name = uow.get(Customer, first.customer_id).name
        raise InputError(
            t(
                "{one} and {other} are one already: {name} ({customer_id}). If they are two, undo "
                "the merge (crm customer merges).",
                one=one,
                other=other,
                name=name,
                customer_id=first.customer_id,
            ),
            code="core.customer.one_already",
            details={"id": str(first.customer_id)},
        )
    return resolve_unmerged_id(uow, one), resolve_unmerged_id(uow, other)


@click.command(cls=CrmCommand)
@click.argument("keep", metavar="KEEP")
@click.argument("drop", metavar="DROP")
@click.option(
    "--take",
    "takes",
    metavar="FIELD=drop",
    multiple=True,
    help="Let DROP's value of a field survive; FIELD=keep keeps KEEP's, even where it has none.",
)
@click.option("--reason", help="Why the two are one.")
@click.option("--there", is_flag=True, help="Have back offices that hold both merge them too.")
@click.option("--dry-run", is_flag=True, help="Show side by side what would survive, and stop.")
@click.option("--expect-version", type=int, help="Refuse when KEEP is no longer at this version.")
@pass_context
def merge(
    context: Context,
    /,
    keep: str,
    drop: str,
    takes: Sequence[str],
    reason: str | None,
    *,
    there: bool,
    dry_run: bool,
    expect_version: int | None,
) -> None:
    """Let customer DROP go into customer KEEP; crm customer unmerge undoes it.

    KEEP's value of a field survives, or DROP's where KEEP has none. All else is put together. The
    back office is not told that the two are one, unless --there asks for it: its next run then
    merges both records there, which cannot be undone from here.
    """
    from crm_core.services.customer_merge import merge_customers
    from crm_core.services.customer_merge_report import compare_customers
    from crm_core.services.lookup import resolve_unmerged_id

    choices = dict(map(_choice, takes))
    with context.unit_of_work(write=True) as uow:
        ids = resolve_unmerged_id(uow, keep), resolve_unmerged_id(uow, drop)
        fields = compare_customers(uow, *ids, choices=choices)
        done = merge_customers(
            uow,
            *ids,
            choices=choices,
            reason=reason,
            expected_version=expect_version,
            there=there,
        )
        if not dry_run:  # else the same is done and taken back, so that nothing can differ
            uow.commit()
        _tell_merge(context, done, fields, dry_run=dry_run)


def _choice(text: str) -> tuple[str, str]:
    field, equals, side = text.partition("=")
    if not equals:
        raise InputError(
            t("--take {text}: write FIELD=drop or FIELD=keep.", text=text),
            code="core.customer.merge_choice",
        )
    return field.strip(), side.strip()


def _tell_merge(
    context: Context, done: CustomerMerge, fields: Sequence[FieldComparison], *, dry_run: bool
) -> None:
    out = context.output
    data = {
        "id": None if dry_run else done.id,
        "dry_run": dry_run,
        "keep_id": done.keep_id,
        "drop_id": done.drop_id,
        "fields": [{name: getattr(each, name) for name in _COLUMNS} for each in fields],
        "summary": done.summary,
        "left": done.left or [],
    }

    def draw() -> None:
        if dry_run:
            rows = [[getattr(each, name) for name in _COLUMNS] for each in fields]
            out.table(list(_COLUMNS.values()), rows)
            out.note(t("Nothing was changed (--dry-run)."))
        else:
            out.line(t("Merged. Undo it with crm customer unmerge {done_id}", done_id=done.id))
        out.fields([(t("Changed"), _counts(done.summary))])
        for line in done.left or ():
            out.warn(line)

    out.data("customer.merge/1", data, draw)


_COLUMNS = {"field": t("Field"), "keep": "KEEP", "drop": "DROP", "survives": t("Survives")}


def _counts(summary: dict[str, int]) -> str:
    return ", ".join(f"{many} {name.replace('_', ' ')}" for name, many in summary.items())


@click.command(cls=CrmCommand)
@click.argument("merge_", metavar="MERGE")
@pass_context
def unmerge(context: Context, merge_: str) -> None:
    """Undo a merge, by the id that merge and merges told.

    What was changed since stays as it is and is named; the command then ends with 3.
    """
    from crm_core.services.customer_unmerge import resolve_merge_id, unmerge_customers

    with context.unit_of_work(write=True) as uow:
        done = unmerge_customers(uow, resolve_merge_id(uow, merge_))
        uow.commit()
        data = {
            "id": done.merge.id,
            "keep_id": done.merge.keep_id,
            "drop_id": done.merge.drop_id,
            "left": [
                {"table": each.table, "id": each.key, "fields": each.columns, "why": each.reason}
                for each in done.left
            ],
        }
    out = context.output

    def draw() -> None:
        out.line(t("They are two customers again."))
        for each in done.left:
            out.warn(t("Not put back: {each}", each=each.told))

    out.data("customer.unmerge/1", data, draw)
    if done.left:
        context.exit(PARTLY)


@click.command(cls=CrmCommand)
@click.argument("id_", metavar="[ID]", required=False)
@click.option("--limit", default=50, show_default=True, help="Items a page, up to 1000.")
@click.option("--cursor", help="Continue a list: what the page before told.")
@pass_context
def merges(context: Context, id_: str | None, limit: int, cursor: str | None) -> None:
    """List merges, the latest first; with ID those that a customer took part in."""
    from crm_core.services.customer_merge_report import list_merges
    from crm_core.services.lookup import resolve_customer_id

    with context.unit_of_work() as uow:
        customer_id = resolve_customer_id(uow, id_) if id_ else None
        page = list_merges(uow, customer_id, limit=limit, cursor=cursor)
    columns: dict[str, Any] = {
        "id": t("Merge"),
        "merged_at": t("When"),
        "merged_by": t("By"),
        "keep_name": t("Kept"),
        "keep_id": "ID",
        "drop_name": t("Dropped"),
        "drop_id": "ID",
        "reason": t("Reason"),
        "undone_at": t("Undone"),
    }
    context.output.page("customer.merges/1", page.items, page.next_cursor, columns)
