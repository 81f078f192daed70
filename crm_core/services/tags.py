"""Labels that customers carry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from crm_core.entities.customer import CustomerTag, Tag
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import filled
from crm_core.services.lookup import permitted_customer

EDIT = "core.customer.edit"


def tag_customer(uow: UnitOfWork, customer_id: UUID, names: Iterable[str]) -> None:
    """Put tags on a customer, making those that do not exist; those it carries stay."""
    customer = permitted_customer(uow, customer_id, EDIT)
    customer.updated_at = uow.now
    add_tags(uow, customer.id, names)


def untag_customer(uow: UnitOfWork, customer_id: UUID, names: Iterable[str]) -> None:
    """Take tags off a customer; those it does not carry are passed over."""
    customer = permitted_customer(uow, customer_id, EDIT)
    statement = (
        select(CustomerTag)
        .join(Tag, Tag.id == CustomerTag.tag_id)
        .where(CustomerTag.customer_id == customer.id, Tag.name.in_(list(names)))
    )
    for carried in uow.scalars(statement):
        uow.delete(carried)
        customer.updated_at = uow.now
    uow.flush()


def add_tags(uow: UnitOfWork, customer_id: UUID, names: Iterable[str]) -> None:
    """Put tags on a customer whom the caller has checked the actor may change."""
    tag_ids = ensure_tags(uow, names)
    carried = set(
        uow.scalars(select(CustomerTag.tag_id).where(CustomerTag.customer_id == customer_id))
    )
    for tag_id in tag_ids:
        if tag_id not in carried:
            uow.add(CustomerTag(customer_id=customer_id, tag_id=tag_id))
    uow.flush()


def list_tags(uow: UnitOfWork) -> list[dict[str, Any]]:
    """Return all tags by name: ``id, name, customers`` (how many the actor may see)."""
    statement = (
        select(Tag.id, Tag.name, func.count(CustomerTag.customer_id).label("customers"))
        .outerjoin(CustomerTag, CustomerTag.tag_id == Tag.id)
        .group_by(Tag.id, Tag.name)
        .order_by(Tag.name, Tag.id)
    )
    return [dict(row._mapping) for row in uow.execute(statement)]


def ensure_tags(uow: UnitOfWork, names: Iterable[str]) -> list[UUID]:
    """Return the ids of tags by name, making those that do not exist; the caller has checked."""
    wanted = list(dict.fromkeys(filled(name, "tag") for name in names))
    found = {
        row.name: row.id
        for row in uow.execute(select(Tag.id, Tag.name).where(Tag.name.in_(wanted)))
    }
    for name in wanted:
        if name not in found:
            tag = uow.add(Tag(name=name))
            uow.flush()
            found[name] = tag.id
    return [found[name] for name in wanted]
