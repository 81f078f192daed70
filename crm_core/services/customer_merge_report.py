"""What a merge would come to, side by side, and the list of those that were done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import aliased

from crm_core.entities.consent import ProfileAttribute, ProfileValue
from crm_core.entities.customer import Address, AddressUse, ContactPoint, Customer, CustomerTag, Tag
from crm_core.entities.merge import CustomerMerge
from crm_core.entities.user import User
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.customer_merge import (
    COLUMNS,
    DROP,
    KEEP,
    MERGE,
    OWNER,
    checked_choices,
    locked_pair,
    surviving,
)
from crm_core.services.customer_merge_rows import ADDRESS, PROFILE
from crm_core.services.customer_merge_there import list_there

BOTH = "both"
PARTS = ("recipient", "street", "street2", "postal_code", "city", "country_code")


@dataclass(frozen=True, slots=True)
class FieldComparison:
    """One field of two customers, side by side.

    Attributes:
        survives: ``keep`` or ``drop``; ``both`` for what is put together.
    """

    field: str
    keep: str | None
    drop: str | None
    survives: str


def compare_customers(
    uow: UnitOfWork, keep_id: UUID, drop_id: UUID, *, choices: Mapping[str, str] | None = None
) -> list[FieldComparison]:
    """Return two customers side by side, with what of each would survive a merge.

    Raises:
        NotFoundError: One of them is not there, or the actor may not see it.
        PermissionDeniedError: The right is missing or does not reach one of them.
        InputError: A choice names no field.
    """
    keep, drop = locked_pair(uow, keep_id, drop_id)
    chosen = checked_choices(uow, choices or {})
    values = surviving(keep, drop, chosen)
    users = {row.id: row.name for row in uow.execute(select(User.id, User.name))}
    told = []
    for field, column in COLUMNS.items():
        one, other = (getattr(each, column) for each in (keep, drop))
        if field == OWNER:
            one, other = users.get(one), users.get(other)
        told.append(FieldComparison(field, one, other, DROP if column in values else KEEP))
    both = (keep.id, drop.id)
    ours, theirs = _single(uow, both)
    for field in sorted({*ours, *theirs}):
        usual = KEEP if field in ours else DROP
        sides = (ours.get(field), theirs.get(field))
        told.append(FieldComparison(field, *sides, chosen.get(field, usual)))
    ours, theirs = _several(uow, both)
    told += [FieldComparison(field, ours[field], theirs[field], BOTH) for field in ours]
    return [each for each in told if each.keep or each.drop]


def list_merges(
    uow: UnitOfWork,
    customer_id: UUID | None = None,
    *,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return merges, the latest first: all, or those a customer took part in.

    A dict holds ``id, keep_id, keep_name, drop_id, drop_name, reason, choices, summary, merged_at,
    merged_by, undone_at, undone_by, left, there`` (what back offices were asked to merge: see
    ``list_there``). Of a customer whom the actor may not see the name is
    None, and so are then the words about it, ``reason`` and ``left``.
    """
    uow.actor.require(MERGE)
    keep, drop = aliased(Customer), aliased(Customer)
    names = ("reason", "choices", "summary", "merged_at", "merged_by")
    undone = ("undone_at", "undone_by", "left")
    statement: Select[Any] = (
        select(
            CustomerMerge.id,
            CustomerMerge.keep_id,
            keep.name.label("keep_name"),
            CustomerMerge.drop_id,
            drop.name.label("drop_name"),
            *(getattr(CustomerMerge, name) for name in (*names, *undone)),
        )
        .outerjoin(keep, keep.id == CustomerMerge.keep_id)
        .outerjoin(drop, drop.id == CustomerMerge.drop_id)
    )
    if customer_id is not None:
        sides = (CustomerMerge.keep_id, CustomerMerge.drop_id)
        statement = statement.where(or_(*(side == customer_id for side in sides)))
    keys = [CustomerMerge.id]
    page = page_of(uow, statement, keys=keys, limit=limit, cursor=cursor, descending=True)
    untold = {"reason": None, "left": None}
    asked: dict[UUID, list[dict[str, Any]]] = {}
    for each in list_there(uow, [row["id"] for row in page.items]):
        asked.setdefault(each.pop("merge_id"), []).append(each)
    items = [
        {
            **row,
            **({} if row["drop_name"] is not None else untold),
            "there": asked.get(row["id"], []),
        }
        for row in page.items
    ]
    return replace(page, items=items)


def _single(uow: UnitOfWork, customer_ids: tuple[UUID, UUID]) -> list[dict[str, str]]:
    """Return the main address and profile values of each, of which one survives."""
    found: dict[UUID, dict[str, str]] = {key: {} for key in customer_ids}
    parts = [getattr(Address, name) for name in PARTS]
    main: Select[Any] = select(Address.customer_id, *parts).where(
        Address.customer_id.in_(customer_ids),
        Address.use == AddressUse.MAIN.value,
        Address.archived_at.is_(None),
    )
    rows: Any = uow.execute(main)
    for customer_id, *place in rows:
        found[customer_id][ADDRESS] = ", ".join(part for part in place if part)
    profile = (
        select(ProfileValue.customer_id, ProfileAttribute.code, ProfileValue.value)
        .join(ProfileAttribute, ProfileAttribute.id == ProfileValue.attribute_id)
        .where(ProfileValue.customer_id.in_(customer_ids))
    )
    for row in uow.execute(profile):
        found[row.customer_id][PROFILE + row.code] = row.value
    return list(found.values())


def _several(uow: UnitOfWork, customer_ids: tuple[UUID, UUID]) -> list[dict[str, str]]:
    """Return what of each is put together."""
    points: Select[*tuple[Any, ...]] = (
        select(ContactPoint.customer_id, ContactPoint.value)
        .where(ContactPoint.customer_id.in_(customer_ids))
        .order_by(ContactPoint.position, ContactPoint.id)
    )
    tags: Select[*tuple[Any, ...]] = (
        select(CustomerTag.customer_id, Tag.name)
        .join(Tag, Tag.id == CustomerTag.tag_id)
        .where(CustomerTag.customer_id.in_(customer_ids))
        .order_by(Tag.name)
    )
    found: dict[UUID, dict[str, list[str]]] = {
        key: {"contact points": [], "tags": []} for key in customer_ids
    }
    for name, statement in (("contact points", points), ("tags", tags)):
        rows: Any = uow.execute(statement)
        for customer_id, value in rows:
            found[customer_id][name].append(value)
    return [{name: ", ".join(each[name]) for name in each} for each in found.values()]
