"""``crm sync mapping`` and ``crm sync conflicts``: whose value counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand, CrmGroup
from crm_core.errors import InputError
from crm_core.messages import n, t
from crm_core.record_words import entity_words, field_words


@click.command(cls=CrmCommand)
@click.argument("name")
@click.option("--set", "chosen", multiple=True, metavar="FIELD=MASTER", help="customer.note=ask")
@pass_context
def mapping(context: Context, name: str, chosen: tuple[str, ...]) -> None:
    """Show or set who wins a field that both sides changed.

    The masters are erp, crm, newest (the later edit) and ask (a person decides).
    """
    from crm_core.sync.masters import masters_of, set_masters

    options: dict[str, Any] = {
        "fixed": context.application.fixed_masters(name),
        "plugins": tuple(context.application.plugins.entities.values()),
    }
    with context.unit_of_work(write=bool(chosen)) as uow:
        if chosen:
            set_masters(uow, name, chosen, **options)
            uow.commit()
        items = masters_of(uow, name, **options)
    columns = {
        "entity": t("Entity"),
        "field": t("Field"),
        "master": t("Master"),
        "source": t("Set by"),
    }
    context.output.page("sync.mapping/1", items, None, columns)


@click.group(cls=CrmGroup)
def conflicts() -> None:
    """See fields that both sides changed, and decide those that are left to a person."""


@conflicts.command(name="list")
@click.argument("name")
@click.option("--all", "everything", is_flag=True, help="Also those that are decided.")
@click.option("--limit", default=20, show_default=True, help="Items a page.")
@click.option("--cursor", help="Where the page before ended.")
@pass_context
def list_(context: Context, name: str, *, everything: bool, limit: int, cursor: str | None) -> None:
    """List the fields that wait for a person, the latest first, with what each side has."""
    from crm_core.services.backends import backend_named
    from crm_core.sync.resolve import list_conflicts

    with context.unit_of_work() as uow:
        backend_id = backend_named(uow, name).id
        page = list_conflicts(uow, backend_id, pending=not everything, limit=limit, cursor=cursor)
    declared = context.application.plugins.entities
    columns = {
        "id": t("Conflict"),
        "label": t("Record"),
        "field": t("Field"),
        "base": t("Before"),
        "ours": t("Here"),
        "theirs": t("There"),
        "state": t("State"),
        "winner": t("Which won"),
    }
    context.output.page(
        "sync.conflicts/1",
        page.items,
        page.next_cursor,
        columns,
        {"field": lambda item: field_words(item["field"], item["entity"], declared)},
    )


@conflicts.command()
@click.argument("conflict")
@pass_context
def show(context: Context, conflict: str) -> None:
    """Show one CONFLICT: what each side has, who changed it and when, and a suggestion.

    CONFLICT is its id or the first eight digits of it.
    """
    from crm_core.sync.resolve import show_conflict

    with context.unit_of_work() as uow:
        found = show_conflict(uow, conflict)
    context.output.data("sync.conflict/1", found, lambda: _draw(context, found))


def _draw(context: Context, found: Mapping[str, Any]) -> None:
    out, declared = context.output, context.application.plugins.entities
    out.heading(
        t(
            "{label}: {entity}, {field}",
            label=found["label"],
            entity=entity_words(found["entity"], declared),
            field=field_words(found["field"], found["entity"], declared),
        )
    )
    out.table(
        ["", t("Value"), t("Changed"), t("By")],
        [
            [t("Before"), found["base"], None, None],
            [t("Here (crm)"), found["ours"], found["ours_at"], found["ours_by"]],
            [t("There (erp)"), found["theirs"], found["theirs_at"], found["theirs_by"]],
        ],
    )
    rows = [
        (t("Conflict"), found["id"]),
        (t("Field"), f"{found['entity']}.{found['field']}"),
        (t("Back office"), found["backend"]),
        (t("State"), found["state"]),
    ]
    if found["winner"]:
        rows += [(t("Which won"), found["winner"]), (t("Decided by"), found["decided_by"])]
    if found["suggestion"]:
        told = t("{side}: {why}", side=found["suggestion"], why=found["because"])
        rows.append((t("Suggestion"), told))
    out.fields(rows)


@conflicts.command()
@click.argument("which", nargs=-1, metavar="[CONFLICT]...")
@click.option("--take", type=click.Choice(["erp", "crm", "value"]), required=True)
@click.option("--value", help="With --take value: what the field is to be on both sides.")
@click.option("--backend", "name", help="All open ones of this back office, instead of some.")
@click.option("--field", help="Of those only this field, such as customer.name.")
@click.option("--dry-run", is_flag=True, help="Only count them.")
@click.option("--yes", is_flag=True, help="Do not ask before deciding many.")
@pass_context
def resolve(context: Context, /, which: tuple[str, ...], **options: Any) -> None:
    """Decide conflicts; the next run carries it out.

    Name them by id, or choose all open ones of a back office with --backend. Where the side that
    loses has changed since, the next run opens the conflict again.
    """
    from crm_core.sync.resolve import count_open, resolve_conflicts

    name = options["name"]
    if bool(which) == bool(name):
        raise InputError(
            t("Name conflicts by their ids, or choose all of a back office: --backend.")
        )
    if options["field"] and not name:
        raise InputError(t("--field narrows --backend: give that too."))
    if name and not options["dry_run"]:
        with context.unit_of_work() as uow:
            found = count_open(uow, _chosen(uow, name, options["field"]))
        # Asked before anything is held: others go on meanwhile.
        if found:
            context.confirm(
                n(
                    "Decide {count} conflict of {name}?",
                    "Decide {count} conflicts of {name}?",
                    found,
                    name=name,
                ),
                yes=options["yes"],
            )
    with context.unit_of_work(write=True) as uow:
        chosen = _chosen(uow, name, options["field"]) if name else list(which)
        ids = resolve_conflicts(uow, chosen, options["take"], value=options["value"])
        if not options["dry_run"]:
            uow.commit()
    data = {"ids": ids, "take": options["take"], "dry_run": options["dry_run"]}
    context.output.data(
        "sync.conflicts.resolve/1",
        data,
        lambda: context.output.line(
            n("{count} would be decided", "{count} would be decided", len(ids))
            if options["dry_run"]
            else n(
                "{count} decided; the next run carries it out",
                "{count} decided; the next run carries it out",
                len(ids),
            )
        ),
    )


def _chosen(uow: Any, name: str, field: str | None) -> Any:
    from crm_core.services.backends import backend_named
    from crm_core.sync.resolve import Chosen

    return Chosen(backend_named(uow, name).id, field)
