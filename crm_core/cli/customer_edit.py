"""The commands of ``crm customer`` that change one customer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand
from crm_core.errors import InputError
from crm_core.messages import t

if TYPE_CHECKING:
    from datetime import date

    from crm_core.entities.customer import Customer
    from crm_core.persistence.unit_of_work import UnitOfWork

F = TypeVar("F", bound=Callable[..., Any])
CONTACT_KINDS = ("email", "phone", "mobile", "fax", "messenger", "website")
ADDRESS_FIELDS = ("street", "street2", "postal_code", "city", "region", "country_code")
PLAIN = {
    "kind": t("person or company."),
    "stage": t("prospect, active, loyal or lapsed."),
    "reference": t("Our number for the customer."),
    "vat": t("VAT number."),
    "language": t("Such as el or el-GR."),
    "job_title": t("Of a person."),
    "preferred_channel": t("How they like to be reached."),
    "note": t("Anything worth knowing."),
}
ID = click.argument("id_", metavar="ID")
VERSION = click.option(
    "--expect-version", type=int, help="Refuse when the customer is no longer at this version."
)


def _described(command: F) -> F:
    """Add the options that describe a customer."""
    options = [
        *(
            click.option(f"--{name.replace('_', '-')}", name, help=text)
            for name, text in PLAIN.items()
        ),
        *(click.option(f"--{kind}", multiple=True) for kind in CONTACT_KINDS),
        *(
            click.option(f"--{name.replace('_', '-').removesuffix('-code')}", name)
            if name == "country_code"
            else click.option(f"--{name.replace('_', '-')}", name)
            for name in ADDRESS_FIELDS
        ),
        click.option("--tag", "tags", multiple=True, help="A label; may be given several times."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command(cls=CrmCommand)
@click.argument("name")
@_described
@click.option("--owner", metavar="USER", help="Who answers for the customer; you by default.")
@pass_context
def add(context: Context, /, **given: Any) -> None:
    """Add a customer."""
    from crm_core.services.customers import create_customer

    values = {name: given[name] for name in ("name", "owner", *PLAIN)}
    values["tags"] = list(given["tags"])
    values["contact_points"] = [
        {"kind": kind, "value": value} for kind in CONTACT_KINDS for value in given[kind]
    ]
    address = {name: given[name] for name in ADDRESS_FIELDS if given[name]}
    if address:
        values["addresses"] = [address]
    with context.unit_of_work(write=True) as uow:
        customer = create_customer(uow, {k: v for k, v in values.items() if v})
        uow.commit()
        _tell(
            context,
            "customer.add/1",
            customer,
            t("Added {customer}: {customer_id}", customer=customer.name, customer_id=customer.id),
        )


@click.command(cls=CrmCommand)
@ID
@click.option("--name")
@_described
@click.option("--untag", multiple=True, help="Take a tag off.")
@VERSION
@pass_context
def edit(context: Context, /, id_: str, expect_version: int | None, **given: Any) -> None:
    """Change a customer; an empty text clears a field.

    --email and the like change the first of their kind, or add one; an empty text removes it. The
    parts of an address are those of the main one.
    """
    from crm_core.services.customers import edit_customer
    from crm_core.services.lookup import resolve_unmerged_id
    from crm_core.services.tags import tag_customer, untag_customer

    plain = {name: given[name] for name in ("name", *PLAIN) if given[name] is not None}
    address = {name: given[name] for name in ADDRESS_FIELDS if given[name] is not None}
    points = {kind: given[kind] for kind in CONTACT_KINDS if given[kind]}
    if not (plain or address or points or given["tags"] or given["untag"]):
        raise InputError(
            t("Nothing to change was given: see crm customer edit --help."),
            code="core.cli.no_change",
        )
    with context.unit_of_work(write=True) as uow:
        customer_id = resolve_unmerged_id(uow, id_)
        customer = edit_customer(uow, customer_id, plain, expected_version=expect_version)
        for kind, values in points.items():
            _set_points(uow, customer_id, kind, values)
        if address:
            _set_address(uow, customer_id, address)
        if given["tags"]:
            tag_customer(uow, customer_id, given["tags"])
        if given["untag"]:
            untag_customer(uow, customer_id, given["untag"])
        uow.commit()
        _tell(
            context, "customer.edit/1", customer, t("Changed {customer}.", customer=customer.name)
        )


def _set_points(uow: UnitOfWork, customer_id: UUID, kind: str, values: tuple[str, ...]) -> None:
    from crm_core.services.contact_details import (
        add_contact_point,
        first_contact_point,
        remove_contact_point,
        set_contact_point,
    )

    first = values[0].strip()
    if first:
        set_contact_point(uow, customer_id, kind, first)
    elif (found := first_contact_point(uow, customer_id, kind)) is not None:
        remove_contact_point(uow, found)
    for value in values[1:]:
        add_contact_point(uow, customer_id, kind, value)


def _set_address(uow: UnitOfWork, customer_id: UUID, address: dict[str, str]) -> None:
    from crm_core.services.contact_details import add_address, change_address, main_address

    found = main_address(uow, customer_id)
    if found is None:
        add_address(uow, customer_id, address)
    else:
        change_address(uow, found, address)


@click.command(cls=CrmCommand)
@ID
@VERSION
@pass_context
def archive(context: Context, id_: str, expect_version: int | None) -> None:
    """Take a customer out of daily lists; nothing is deleted."""
    from crm_core.services.customers import archive_customer
    from crm_core.services.lookup import resolve_unmerged_id

    with context.unit_of_work(write=True) as uow:
        customer = archive_customer(
            uow, resolve_unmerged_id(uow, id_), expected_version=expect_version
        )
        uow.commit()
        _tell(
            context,
            "customer.archive/1",
            customer,
            t("Archived {customer}.", customer=customer.name),
        )


@click.command(cls=CrmCommand)
@ID
@pass_context
def restore(context: Context, id_: str) -> None:
    """Bring an archived customer back into daily lists."""
    from crm_core.services.customers import restore_customer
    from crm_core.services.lookup import resolve_unmerged_id

    with context.unit_of_work(write=True) as uow:
        customer = restore_customer(uow, resolve_unmerged_id(uow, id_))
        uow.commit()
        _tell(
            context,
            "customer.restore/1",
            customer,
            t("Restored {customer}.", customer=customer.name),
        )


@click.command(cls=CrmCommand)
@ID
@click.argument("login", metavar="USER")
@VERSION
@pass_context
def assign(context: Context, id_: str, login: str, expect_version: int | None) -> None:
    """Make USER answer for a customer; - makes nobody."""
    from crm_core.services.lookup import resolve_unmerged_id
    from crm_core.services.ownership import assign_owner
    from crm_core.services.users import user_named

    with context.unit_of_work(write=True) as uow:
        owner = None if login == "-" else user_named(uow, login)
        customer = assign_owner(
            uow,
            resolve_unmerged_id(uow, id_),
            None if owner is None else owner.id,
            expected_version=expect_version,
        )
        uow.commit()
        name = owner.name if owner else t("Nobody")
        _tell(
            context,
            "customer.assign/1",
            customer,
            t("{name} answers for {customer}.", name=name, customer=customer.name),
        )


@click.command(cls=CrmCommand)
@ID
@click.argument("type_", metavar="TYPE")
@click.argument("other", metavar="ID")
@click.option("--since", metavar="DAY", help="Since when: 2026-03-31.")
@click.option("--note", help="Anything worth knowing.")
@pass_context
def relate(
    context: Context, id_: str, type_: str, other: str, since: str | None, note: str | None
) -> None:
    """Tie two customers: the first is TYPE of the second.

    TYPE is contact_of, subsidiary_of, partner_of and so on, or an inverse such as "has contact".
    """
    from crm_core.services.lookup import resolve_unmerged_id
    from crm_core.services.relationships import relate_customers

    started_on = _day(since)
    with context.unit_of_work(write=True) as uow:
        tie = relate_customers(
            uow,
            resolve_unmerged_id(uow, id_),
            type_,
            resolve_unmerged_id(uow, other),
            started_on=started_on,
            note=note,
        )
        uow.commit()
    out = context.output
    data = {
        "id": tie.id,
        "from_customer_id": tie.from_customer_id,
        "to_customer_id": tie.to_customer_id,
    }
    out.data("customer.relate/1", data, lambda: out.line(t("Related: {tie_id}", tie_id=tie.id)))


@click.command(cls=CrmCommand)
@click.argument("relationship", type=click.UUID)
@click.option("--ended-on", metavar="DAY", help="It was true until then; without, it is removed.")
@pass_context
def unrelate(context: Context, relationship: UUID, ended_on: str | None) -> None:
    """End a relationship, by the id that relate and show --json told."""
    from crm_core.services.relationships import end_relationship, unrelate_customers

    day = _day(ended_on)
    with context.unit_of_work(write=True) as uow:
        if day is None:
            unrelate_customers(uow, relationship)
        else:
            end_relationship(uow, relationship, day)
        uow.commit()
    out = context.output
    out.data("customer.unrelate/1", {"id": relationship}, lambda: out.line(t("Done.")))


@click.command(cls=CrmCommand)
@ID
@click.argument("subject")
@click.option("--channel", default="phone", show_default=True, help="email, visit, web …")
@click.option("--direction", default="inbound", show_default=True, help="outbound, internal.")
@click.option("--body", help="The rest of what was said.")
@click.option("--at", metavar="T", help="When: 2026-03-31 14:30; now by default.")
@pass_context
def log(context: Context, /, id_: str, subject: str, at: str | None, **given: Any) -> None:
    """Log something that happened with a customer; it can't be changed afterwards."""
    from crm_core.services.interactions import log_interaction
    from crm_core.services.lookup import resolve_unmerged_id
    from crm_core.services.places import place_of
    from crm_core.services.settings import load_settings

    with context.unit_of_work(write=True) as uow:
        place = place_of(uow, load_settings(uow))
        logged = log_interaction(
            uow,
            resolve_unmerged_id(uow, id_),
            subject=subject,
            at=place.typed_moment(at, uow.now) if at is not None else None,
            **given,
        )
        uow.commit()
    out = context.output
    data = {"id": logged.id, "customer_id": logged.customer_id, "at": logged.at}
    out.data(
        "customer.log/1", data, lambda: out.line(t("Logged: {logged_id}", logged_id=logged.id))
    )


@click.command(name="set", cls=CrmCommand)
@ID
@click.argument("assignments", metavar="ATTRIBUTE=VALUE...", nargs=-1, required=True)
@pass_context
def set_(context: Context, id_: str, assignments: tuple[str, ...]) -> None:
    """Set attributes of a customer's profile; ATTRIBUTE= clears one."""
    from crm_core.services.lookup import resolve_unmerged_id
    from crm_core.services.profile import clear_profile_value, set_profile_value

    kept: dict[str, str | None] = {}
    with context.unit_of_work(write=True) as uow:
        customer_id = resolve_unmerged_id(uow, id_)
        for assignment in assignments:
            code, sign, text = assignment.partition("=")
            if not sign:
                raise InputError(
                    t("{assignment!r} has no value: write ATTRIBUTE=VALUE.", assignment=assignment),
                    code="core.cli.no_value",
                )
            if text.strip():
                kept[code] = set_profile_value(uow, customer_id, code, text)
            else:
                clear_profile_value(uow, customer_id, code)
                kept[code] = None
        uow.commit()
    out = context.output
    data = {"id": customer_id, "values": kept}
    out.data("customer.set/1", data, lambda: out.fields([(k, v or "-") for k, v in kept.items()]))


@click.command(cls=CrmCommand)
@click.argument("code")
@click.option("--type", "type_", default="text", help="text, number, money, date, boolean, choice.")
@click.option("--title", help="What people read; CODE by default.")
@click.option("--choice", "choices", multiple=True, help="One of several for the type choice.")
@click.option("--personal", is_flag=True, help="It is personal data in the law's sense.")
@pass_context
def define(
    context: Context,
    code: str,
    type_: str,
    title: str | None,
    choices: tuple[str, ...],
    personal: bool,
) -> None:
    """Define an attribute that customers' profiles can have, for set."""
    from crm_core.services.profile import define_attribute

    with context.unit_of_work(write=True) as uow:
        attribute = define_attribute(
            uow, code, title=title or code, type=type_, choices=choices, is_personal=personal
        )
        uow.commit()
    out = context.output
    data = {"id": attribute.id, "code": attribute.code, "type": attribute.type}
    out.data(
        "customer.define/1",
        data,
        lambda: out.line(t("Defined {attribute}.", attribute=attribute.code)),
    )


@click.command(cls=CrmCommand)
@ID
@click.argument("purpose")
@click.argument("channel")
@click.argument("status", type=click.Choice(["given", "withdrawn"]))
@click.option("--evidence", required=True, help="How we know: signed form, web form …")
@pass_context
def consent(context: Context, /, id_: str, **given: Any) -> None:
    """Record what a customer agreed to, or took back."""
    from crm_core.services.consents import record_consent
    from crm_core.services.lookup import resolve_unmerged_id

    with context.unit_of_work(write=True) as uow:
        said = record_consent(uow, resolve_unmerged_id(uow, id_), **given)
        uow.commit()
    out = context.output
    data = {"id": said.id, "customer_id": said.customer_id, "status": said.status}
    out.data(
        "customer.consent/1", data, lambda: out.line(t("Recorded: {status}.", status=said.status))
    )


def _day(text: str | None) -> date | None:
    from datetime import date

    if text is None:
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise InputError(
            t("{text!r} is no day; write it like 2026-03-31.", text=text), code="core.day_invalid"
        ) from None


def _tell(context: Context, schema: str, customer: Customer, text: str) -> None:
    out = context.output
    data = {"id": customer.id, "name": customer.name, "version": customer.version}
    out.data(schema, data, lambda: out.line(text))
