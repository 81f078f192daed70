"""Merging two customers that are one: what survives, what follows, and the record of it.

The dropped customer stays as an archived row that points at the survivor, so that its id, its
reference and its ids in back offices go on leading somewhere. ``unmerge_customers`` undoes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.consent import ProfileAttribute
from crm_core.entities.customer import Customer, CustomerStage
from crm_core.entities.merge import CustomerMerge
from crm_core.errors import InputError, RuleViolationError
from crm_core.events import CustomersMerged
from crm_core.messages import joined, t
from crm_core.persistence.ledger import Ledger
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import expect_version, optional
from crm_core.services.customer_merge_rows import ADDRESS, PROFILE, Union, move_rows
from crm_core.services.customer_merge_sync import read_customer_again
from crm_core.services.customer_merge_there import ask_there, pairs_there
from crm_core.services.customers import PLAIN_FIELDS
from crm_core.services.lookup import permitted_customer

MERGE = "core.customer.merge"
KEEP, DROP = "keep", "drop"
OWNER = "owner"
COLUMNS: Mapping[str, str] = {**{name: name for name in PLAIN_FIELDS}, OWNER: "owner_id"}
"""Fields of which one value survives, with the columns they stand in."""
GIVING_WAY: Mapping[str, frozenset[Any]] = {
    # Whoever has bought is no prospect any more, whichever record says so.
    "stage": frozenset({None, CustomerStage.PROSPECT.value}),
}
"""Values that give way to the other customer's; where nothing is said, only none at all."""
NONE = frozenset({None})


def merge_customers(
    uow: UnitOfWork,
    keep_id: UUID,
    drop_id: UUID,
    *,
    choices: Mapping[str, str] | None = None,
    reason: str | None = None,
    expected_version: int | None = None,
    there: bool = False,
) -> CustomerMerge:
    """Let one customer go into another, with all that hangs on it.

    A field keeps the survivor's value, or gets the other's where the survivor has none. Contact
    points, addresses, tags, ties, consents, documents and everything else are put together.

    Args:
        uow: A writing unit of work.
        keep_id: The survivor.
        drop_id: Who goes into it.
        choices: Field to ``keep`` or ``drop``, against the rule: a plain field, ``owner``,
            ``address`` (the main one) or ``profile.CODE``.
        reason: Why they are one.
        expected_version: The survivor's version that was read; None to take it as it is.
        there: Whether back offices that hold both are to merge them too, at their next run.

    Returns:
        The merge; ``summary`` counts what was changed, ``left`` says how many rows of a table stay
        with the dropped one: a rule of the table keeps them, or it has no primary key.

    Raises:
        NotFoundError: One of them is not there, or the actor may not see it.
        PermissionDeniedError: The right is missing or does not reach one of them.
        InputError: They are the same, or a choice names no field.
        RuleViolationError: One was merged before, the survivor is archived, they are of different
            kinds, no back office holds both although they are to merge them, or a plugin objects.
        StaleVersionError: The survivor was changed since it was read.
    """
    keep, drop = locked_pair(uow, keep_id, drop_id)
    expect_version(keep, expected_version)
    chosen = checked_choices(uow, choices or {})
    _check(uow, keep, drop)
    pairs = pairs_there(uow, keep.id, drop.id) if there else []
    values = surviving(keep, drop, chosen)
    merge = uow.add(
        CustomerMerge(
            keep_id=keep.id,
            drop_id=drop.id,
            reason=optional(reason, "reason"),
            choices=chosen,
            merged_at=uow.now,
            merged_by=uow.actor.login,
        )
    )
    uow.flush()
    ledger = Ledger(uow, merge.id)
    takes = frozenset(field for field, side in chosen.items() if side == DROP)
    move_rows(Union(uow, ledger, keep.id, drop.id, takes, "owner_id" in values))
    customers = ledger.rows(Customer.__tablename__)
    [kept] = ledger.where(customers, id=keep.id)
    [dropped] = ledger.where(customers, id=drop.id)
    gone = {"archived_at": dropped["archived_at"] or uow.now, "merged_into_id": keep.id}
    ledger.update(customers, [(kept, values)])
    ledger.update(customers, [(dropped, gone)])
    named = ledger.entities
    merge.summary = {named.get(name, name): many for name, many in sorted(ledger.counts.items())}
    merge.left = [
        t(
            "{name}: {many} left with the dropped customer, since {why}",
            name=named.get(name, name),
            many=many,
            why=why,
        )
        for (name, why), many in ledger.stuck.items()
        if many
    ] or None
    ask_there(uow, merge, pairs)
    read_customer_again(uow, keep.id)
    settle(uow, merge)
    uow.record(CustomersMerged(keep_id, drop_id, merge.id))
    return merge


def locked_pair(uow: UnitOfWork, keep_id: UUID, drop_id: UUID) -> tuple[Customer, Customer]:
    """Return two customers whom the actor may merge, held against all others until the end.

    Raises:
        As :func:`merge_customers`.
    """
    if keep_id == drop_id:
        raise InputError(
            t("The two are the same customer already: name two."), code="core.customer.merge_same"
        )
    uow.actor.require(MERGE)
    # Always in the same order, so that two who merge the same pair wait instead of clashing.
    statement = select(Customer).where(Customer.id.in_([keep_id, drop_id])).order_by(Customer.id)
    uow.scalars(statement.with_for_update().execution_options(populate_existing=True)).all()
    return permitted_customer(uow, keep_id, MERGE), permitted_customer(uow, drop_id, MERGE)


def checked_choices(uow: UnitOfWork, choices: Mapping[str, str]) -> dict[str, str]:
    """Return choices in which every field and side is known; raises InputError."""
    if not choices:
        return {}
    attributes = {PROFILE + code for code in uow.scalars(select(ProfileAttribute.code))}
    known = {*COLUMNS, ADDRESS, *attributes}
    for field, side in choices.items():
        if field not in known or side not in (KEEP, DROP):
            raise InputError(
                t(
                    "{field}={side} will not do: write FIELD=keep or FIELD=drop, where FIELD is "
                    "one of {known}.",
                    field=field,
                    side=side,
                    known=", ".join(sorted(known)),
                ),
                code="core.customer.merge_choice",
                details={"field": field, "fields": sorted(known)},
            )
    return dict(sorted(choices.items()))


def surviving(keep: Customer, drop: Customer, chosen: Mapping[str, str]) -> dict[str, Any]:
    """Return the columns that the survivor gets from the other, with their values."""
    values = {}
    for field, column in COLUMNS.items():
        ours, theirs = getattr(keep, column), getattr(drop, column)
        empty = GIVING_WAY.get(field, NONE)
        usual = DROP if ours in empty and theirs not in empty else KEEP
        if chosen.get(field, usual) == DROP and ours != theirs:
            values[column] = theirs
    return values


def settle(uow: UnitOfWork, merge: CustomerMerge) -> None:
    """Have both customers indexed and told of, and forget what was read of them before."""
    uow.flush()
    both = [merge.keep_id, merge.drop_id]
    uow.touch(both)
    uow.mark_changed(both)
    uow.session.expire_all()
    uow.session.refresh(merge)


def _check(uow: UnitOfWork, keep: Customer, drop: Customer) -> None:
    if keep.archived_at is not None:
        raise RuleViolationError(
            t(
                "{keep} is archived: bring it back first (crm customer restore {keep_id}), or let "
                "it go into the other.",
                keep=keep.name,
                keep_id=keep.id,
            ),
            code="core.customer.archived",
        )
    if keep.kind != drop.kind:
        raise RuleViolationError(
            t(
                "{keep} is a {kind} and {drop} a {drop_kind}: correct the kind of one first (crm "
                "customer edit ID --kind), if they are one.",
                keep=keep.name,
                kind=keep.kind,
                drop=drop.name,
                drop_kind=drop.kind,
            ),
            code="core.customer.merge_kinds",
        )
    objections = uow.hooks.check(
        "crm_check_customer_merge", uow=uow, keep_id=keep.id, drop_id=drop.id
    )
    if objections:
        raise RuleViolationError(
            t(
                "{drop} cannot go into {keep} now: {reasons}",
                drop=drop.name,
                keep=keep.name,
                reasons=joined(objection.message for objection in objections),
            ),
            code="core.customer.merge_refused",
            details={"objections": [asdict(objection) for objection in objections]},
        )
