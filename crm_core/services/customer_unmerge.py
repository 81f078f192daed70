"""Undoing a merge, also after later edits: what goes back, and what cannot."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.customer import Customer
from crm_core.entities.merge import CustomerMerge
from crm_core.entities.user import Ownership
from crm_core.errors import RuleViolationError
from crm_core.events import CustomersUnmerged
from crm_core.ids import new_id
from crm_core.messages import joined, t
from crm_core.persistence.ledger_undo import Left, Undoing
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.persistence.unscoped import later_merges
from crm_core.services.customer_merge import MERGE, settle
from crm_core.services.customer_merge_sync import settle_bindings
from crm_core.services.customer_merge_there import take_back
from crm_core.services.lookup import ids_by_digits, only_one


@dataclass(frozen=True, slots=True)
class Unmerged:
    """What undoing a merge came to.

    Attributes:
        merge: The merge, now undone.
        left: What could not be put back, because somebody changed it since, or because a back
            office was asked to merge its records too and has done so.
    """

    merge: CustomerMerge
    left: list[Left]


def unmerge_customers(uow: UnitOfWork, merge_id: UUID) -> Unmerged:
    """Put back what a merge changed; what was done since stays.

    Rows that the dropped customer brought go back to it, those added since stay with the survivor.
    A field goes back where nobody changed it since.

    Args:
        uow: A writing unit of work.
        merge_id: Which merge.

    Raises:
        NotFoundError: There is no such merge that the actor may see.
        PermissionDeniedError: The right is missing or does not reach one of the two.
        RuleViolationError: It was undone before, or a later merge has to be undone first.
    """
    uow.actor.require(MERGE)
    merge = uow.get(CustomerMerge, merge_id)
    both = [merge.keep_id, merge.drop_id]
    statement = select(Customer).where(Customer.id.in_(both)).order_by(Customer.id)
    statement = statement.with_for_update().execution_options(populate_existing=True)
    found = {customer.id: customer for customer in uow.scalars(statement)}
    keep, drop = (found.get(key) or uow.get(Customer, key) for key in both)
    for customer in (keep, drop):
        uow.actor.require_for_owner(
            MERGE, customer.owner_id, t("customer {customer}", customer=customer.name)
        )
    uow.session.refresh(merge)
    _require_latest(uow, merge, keep, drop)
    undoing = Undoing(uow, merge.id, merge.drop_id)
    undoing.run()
    settle_bindings(uow, undoing, merge)
    for customer_id in both:
        _settle_ownership(undoing, customer_id)
    merge.undone_at, merge.undone_by = uow.now, uow.actor.login
    left = [*undoing.left, *take_back(uow, merge)]
    merge.left = [each.told for each in left] or None
    settle(uow, merge)
    uow.record(CustomersUnmerged(merge.keep_id, merge.drop_id, merge.id))
    return Unmerged(merge, left)


def resolve_merge_id(uow: UnitOfWork, text: str) -> UUID:
    """Return the id of the merge that an id, or its first eight or more digits, names.

    Raises:
        NotFoundError: No such merge, or none that the actor may see.
        InputError: More than one fits.
    """
    return only_one(
        ids_by_digits(uow, CustomerMerge.id, text),
        text,
        code="core.customer_merge",
        several=t("{text!r} fits several merges; give more of the id.", text=text),
        missing=t(
            "There is no merge {text!r} that {login} may see. See crm customer merges.",
            text=text,
            login=uow.actor.login,
        ),
    )


def _require_latest(uow: UnitOfWork, merge: CustomerMerge, keep: Customer, drop: Customer) -> None:
    if merge.undone_at is not None:
        raise RuleViolationError(
            t(
                "The merge {merge_id} was undone by {undone_by} already.",
                merge_id=merge.id,
                undone_by=merge.undone_by,
            ),
            code="core.customer_merge.undone",
        )
    later = later_merges(uow, merge.id, keep.id)
    if later:
        seen = set(uow.scalars(select(CustomerMerge.id).where(CustomerMerge.id.in_(later))))
        hidden = [str(each) for each in later if each not in seen]
        steps = joined((f"crm customer unmerge {each}" for each in later), t(", then "))
        told = [
            t(
                "The survivor was merged again since. Undo the later merges first: {steps}.",
                steps=steps,
            )
        ]
        if hidden:
            told.append(
                t("{ids} takes somebody who may see both customers.", ids=", ".join(hidden))
            )
        raise RuleViolationError(
            joined(told),
            code="core.customer_merge.not_latest",
            details={"later": [str(each) for each in later], "hidden": hidden},
        )
    if keep.merged_into_id is not None or drop.merged_into_id != keep.id:
        raise RuleViolationError(
            t(
                "The merge {merge_id} cannot be undone: {drop} no longer points at {keep}, or "
                "that one was merged itself. See crm customer merges for what was done since.",
                merge_id=merge.id,
                drop=drop.name,
                keep=keep.name,
            ),
            code="core.customer_merge.not_latest",
            details={"later": [], "hidden": []},
        )


def _settle_ownership(undoing: Undoing, customer_id: UUID) -> None:
    """Let the history say of today what the customer says, whoever it was given to since."""
    uow, source = undoing.uow, undoing.rows(Ownership.__tablename__)
    [customer] = undoing.where(undoing.rows(Customer.__tablename__), id=customer_id)
    rows = undoing.where(source, customer_id=customer_id)
    present = [row for row in rows if row["until_at"] is None]
    right = [row for row in present if row["user_id"] == customer["owner_id"]]
    wrong = [row for row in present if row not in right[-1:]]
    if wrong:
        undoing.write_update(source, [(row, {"until_at": uow.now}) for row in wrong])
    if rows and not right:
        begun = {"user_id": customer["owner_id"], "from_at": uow.now, "until_at": None}
        key = {"id": new_id(), "customer_id": customer_id, "changed_by": uow.actor.login}
        undoing.write_insert(source, [{**key, **begun}])
