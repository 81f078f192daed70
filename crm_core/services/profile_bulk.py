"""Profile values of many customers at once."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.consent import ProfileValue
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.persistence.unit_of_work import UnitOfWork


def save_profile_values(
    uow: UnitOfWork, values: Sequence[tuple[UUID, UUID, str]]
) -> set[UUID]:
    """Set (customer, attribute, canonical value) and return the customers that this changed.

    Rights and values were checked before. What is there already stays untouched; the session
    writes the audit.
    """
    existing: dict[tuple[UUID, UUID], ProfileValue] = {}
    for some in chunked(sorted({customer_id for customer_id, _, _ in values}), PARAMETERS):
        statement = select(ProfileValue).where(ProfileValue.customer_id.in_(some))
        for found in uow.scalars(statement):
            existing[found.customer_id, found.attribute_id] = found
    changed, now = set(), uow.now
    for customer_id, attribute_id, value in values:
        kept = existing.get((customer_id, attribute_id))
        if kept is not None and kept.value == value:
            continue
        if kept is None:
            uow.add(
                ProfileValue(
                    customer_id=customer_id, attribute_id=attribute_id, value=value, updated_at=now
                )
            )
        else:
            kept.value, kept.updated_at = value, now
        changed.add(customer_id)
    uow.flush()
    return changed
