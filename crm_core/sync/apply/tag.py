"""Tags, matched by name: two remote tags of one name are one tag here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.customer import CustomerTag, Tag
from crm_core.entities.sync import Binding
from crm_core.persistence.bulk import PARAMETERS, chunked, select_in
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.customer_bulk import CustomerDraft, save_customers
from crm_core.sync.apply.reference import Reference
from crm_core.sync.context import Applied, Change, SyncContext


class TagApplier(Reference):
    """Tags; a renamed one takes its customers along, whatever bears the new name already."""

    def apply(self, context: SyncContext, uow: UnitOfWork, changes: Sequence[Change]) -> Applied:
        """Create or rename tags."""
        applied = Applied()
        names = [change.record.values["name"] for change in changes]
        by_name = {
            tag.name: tag
            for chunk in chunked(names, PARAMETERS)
            for tag in uow.scalars(select(Tag).where(Tag.name.in_(chunk)))
        }
        bindings = uow.execute(
            select(Binding.remote_id, Binding.local_id).where(
                Binding.backend_id == context.backend_id, Binding.entity == "tag"
            )
        )
        told: dict[str, UUID] = {row.remote_id: row.local_id for row in bindings}
        for change in changes:
            name = change.record.values["name"]
            before = told.get(change.remote_id)
            tag = by_name.get(name)
            if tag is None and before and list(told.values()).count(before) == 1:
                tag = uow.find(Tag, before)
            if tag is None:
                tag = uow.add(Tag(name=name))
            if tag.name != name:
                by_name.pop(tag.name, None)
                tag.name = name
                uow.flush()  # the name it had may be another's next
            by_name[name] = tag
            told[change.remote_id] = applied.local_ids[change.remote_id] = tag.id
            if before and before != tag.id:
                _carry_over(context, uow, change.remote_id, before, told)
        return applied


def _carry_over(
    context: SyncContext, uow: UnitOfWork, remote_id: str, before: UUID, told: Mapping[str, UUID]
) -> None:
    """Give the customers that carry a remote tag the tag it is now, instead of ``before``."""
    uow.flush()
    rows = uow.execute(
        select(Binding.local_id, Binding.snapshot)
        .join(CustomerTag, CustomerTag.customer_id == Binding.local_id)
        .where(
            Binding.backend_id == context.backend_id,
            Binding.entity == "customer",
            CustomerTag.tag_id == before,
        )
    )
    refs = {row.local_id: (row.snapshot or {}).get("tag_refs") or () for row in rows}
    carriers = [customer_id for customer_id, told_here in refs.items() if remote_id in told_here]
    tags: dict[UUID, set[UUID]] = defaultdict(set)
    names = ("customer_id", "tag_id")
    for row in select_in(uow.connection(), CustomerTag, "customer_id", carriers, *names):
        tags[row.customer_id].add(row.tag_id)
    drafts = []
    for customer_id in carriers:
        now = {told[ref] for ref in refs[customer_id] if ref in told}
        kept = tags[customer_id] - ({before} - now)
        drafts.append(
            CustomerDraft({}, tag_ids=sorted(kept | {told[remote_id]}), customer_id=customer_id)
        )
    save_customers(uow, drafts)
