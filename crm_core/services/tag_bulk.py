"""Tags by name, many at once."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.customer import Tag
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.persistence.unit_of_work import UnitOfWork


def ensure_tags(uow: UnitOfWork, names: Iterable[str]) -> dict[str, UUID]:
    """Return the id of each tag named, making those that do not exist."""
    wanted = sorted(set(names))
    found: dict[str, UUID] = {}
    for some in chunked(wanted, PARAMETERS):
        statement = select(Tag.name, Tag.id).where(Tag.name.in_(some))
        found.update((row.name, row.id) for row in uow.execute(statement))
    missing = [uow.add(Tag(name=name)) for name in wanted if name not in found]
    if missing:
        uow.flush()
        found.update((tag.name, tag.id) for tag in missing)
    return found
