"""Undoing an import: what it made goes, what it changed goes back, and what cannot is named.

A customer that it made is removed when nobody has done anything with it since; else it stays as it
is. Of one that it changed, each value goes back that still is as the import left it. Run again
after it was cut short, it does the rest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.access import Actor
from crm_core.entities.consent import ProfileValue
from crm_core.entities.customer import Address, ContactPoint, Customer, CustomerTag
from crm_core.entities.import_job import IMPORT, ImportJob, ImportState
from crm_core.entities.relationship import Relationship
from crm_core.errors import RuleViolationError
from crm_core.messages import t
from crm_core.normalize import normalize_contact
from crm_core.persistence.bulk import among, chunked
from crm_core.persistence.database import Database
from crm_core.persistence.import_ledger import (
    BATCH,
    Imported,
    remove_rows,
    touched_since,
    written_by,
)
from crm_core.persistence.session import plain_value
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.services.customer_bulk import CustomerDraft, save_customers
from crm_core.services.customer_bulk_rows import told_address, told_point
from crm_core.services.import_worker import origin_of
from crm_core.services.profile_bulk import save_profile_values
from crm_core.services.settings import load_settings

EDIT = "core.customer.edit"
MOST_LEFT = 1_000
"""Things named that could not be undone; all are counted."""
LISTS = ("contact_points", "addresses", "tags")
ENDED = (ImportState.DONE, ImportState.STOPPED, ImportState.FAILED)
ASKED = (ImportState.TO_UNDO, ImportState.UNDOING)

Progress = Callable[[int], None]
Change = dict[str, list[Any]]


@dataclass(slots=True)
class Undone:
    """What undoing an import came to.

    Attributes:
        removed: Customers that it had made.
        restored: Customers that have values back which it had changed.
        kept: How many things could not be undone.
        left: The first 1,000 of them: ``entity, id, name, fields, reason``.
    """

    removed: int = 0
    restored: int = 0
    kept: int = 0
    left: list[dict[str, Any]] = field(default_factory=list)

    def leave(
        self, entity: str, key: object, name: str | None, reason: str, fields: Sequence[str] = ()
    ) -> None:
        """Name something that could not be undone."""
        self.kept += 1
        if len(self.left) < MOST_LEFT:
            told = {"entity": entity, "id": str(key), "name": name}
            self.left.append({**told, "fields": list(fields), "reason": reason})


def ask_undo(uow: UnitOfWork, job_id: UUID) -> ImportJob:
    """Ask the worker to undo an import.

    Raises:
        NotFoundError: There is no such import that the actor may see.
        RuleViolationError: It has not ended, was a dry run, or its undoing was asked for before.
    """
    job = _undoable(uow, job_id, ENDED)
    job.state, job.undo = ImportState.TO_UNDO.value, {"by": uow.actor.login}
    job.updated_at = uow.now
    uow.flush()
    return job


def undo_import(
    database: Database, actor: Actor, job_id: UUID, *, on_progress: Progress = lambda done: None
) -> Undone:
    """Undo an import, some hundreds of customers in a transaction each.

    Each gives a sign, so that no worker takes it for given up and undoes it beside this one.

    Raises:
        NotFoundError: There is no such import that the actor may see.
        RuleViolationError: It has not ended, was a dry run, or was undone before.
    """
    with unit_of_work(database, actor=actor, write=True) as uow:
        job = _undoable(uow, job_id, (*ENDED, *ASKED))
        job.state, job.undo = ImportState.UNDOING.value, {"by": actor.login}
        job.seen_at = job.updated_at = uow.now
        uow.commit()
    undoing = _Undoing(database, actor, job, on_progress)
    undoing.run()
    with unit_of_work(database, actor=actor, write=True) as uow:
        job = uow.get(ImportJob, job_id)
        job.state, job.ended_at = ImportState.UNDONE.value, uow.now
        job.updated_at = uow.now
        job.undo = {**asdict(undoing.result), "by": actor.login, "at": uow.now.isoformat()}
        uow.commit()
    return undoing.result


def _undoable(uow: UnitOfWork, job_id: UUID, states: Sequence[ImportState]) -> ImportJob:
    uow.actor.require(IMPORT)
    job = uow.get(ImportJob, job_id)
    if job.is_dry_run or job.state not in states:
        raise RuleViolationError(
            t(
                "The import of {file} cannot be undone: it is {state}.",
                file=job.file_name,
                state=t("a dry run") if job.is_dry_run else job.state,
            ),
            code="core.import.not_undoable",
            details={"id": str(job_id), "state": job.state},
        )
    return job


class _Undoing:
    """One import being undone."""

    def __init__(
        self, database: Database, actor: Actor, job: ImportJob, on_progress: Progress
    ) -> None:
        self.database, self.job, self.on_progress = database, job, on_progress
        self.actor = replace(actor, origin=f"undo:{job.id}")
        self.origins = (origin_of(job.id), self.actor.origin)
        self.result = Undone()
        self.done = 0
        self.seen: set[UUID] = set()

    def run(self) -> None:
        """Put back what it changed, then remove what it made."""
        created: set[UUID] = set()
        for batch in self._batches():
            created.update(
                each.customer_id
                for each in batch
                if (each.entity_type, each.action) == (Customer.__entity__, "create")
            )
        changed: dict[UUID, list[Imported]] = defaultdict(list)
        for batch in self._batches():
            for each in batch:
                if each.customer_id not in created:
                    changed[each.customer_id].append(each)
            if len(changed) >= BATCH:
                self._put_back(changed)
        self._put_back(changed)
        for some in chunked(sorted(created), BATCH):
            self._remove(some)

    def _batches(self) -> Iterator[list[Imported]]:
        first, last = self.job.first_audit_id or 0, self.job.last_audit_id or 0
        below = last
        while True:
            with unit_of_work(self.database, actor=self.actor) as uow:
                batch = next(written_by(uow, self.origins[0], first, below), None)
            if not batch:
                return
            yield batch
            below = batch[-1].audit_id - 1

    def _remove(self, ids: Sequence[UUID]) -> None:
        with unit_of_work(self.database, actor=self.actor, write=True) as uow:
            rows = uow.execute(
                select(Customer.id, Customer.name, Customer.owner_id)
                .where(among(Customer.id, ids))
                .with_for_update()
            ).all()
            touched = touched_since(uow, ids, self.origins)
            doomed = []
            for row in rows:
                if row.id in touched:
                    reason = t("It was used or changed since it was imported, and stays.")
                elif not self.actor.may_for_owner(EDIT, row.owner_id):
                    reason = t("You may not change it.")
                else:
                    doomed.append({"id": row.id, "customer_id": row.id, "name": row.name})
                    continue
                self.result.leave(Customer.__entity__, row.id, row.name, reason)
            remove_rows(uow, Customer, doomed)
            self._sign(uow)
            uow.commit()
        self.result.removed += len(doomed)
        self._tell(len(ids))

    def _put_back(self, changed: dict[UUID, list[Imported]]) -> None:
        """Put back the values of some customers, and forget these."""
        with unit_of_work(self.database, actor=self.actor, write=True) as uow:
            batch = _Batch(uow, self.result, changed)
            batch.run()
            self._sign(uow)
            uow.commit()
        self.seen |= batch.restored
        self.result.restored = len(self.seen)
        self._tell(len(changed))
        changed.clear()

    def _sign(self, uow: UnitOfWork) -> None:
        job = uow.get(ImportJob, self.job.id)
        job.seen_at = job.updated_at = uow.now

    def _tell(self, count: int) -> None:
        self.done += count
        self.on_progress(self.done)


class _Batch:
    """Some customers that an import changed, whose values go back in one transaction."""

    def __init__(
        self, uow: UnitOfWork, result: Undone, changed: Mapping[UUID, list[Imported]]
    ) -> None:
        self.uow, self.result = uow, result
        self.changed = changed
        self.region = load_settings(uow).phone_region
        self.restored: set[UUID] = set()
        statement = select(*Customer.__mapper__.columns).where(among(Customer.id, changed))
        self.customers = {row.id: row for row in uow.execute(statement.with_for_update())}

    def run(self) -> None:
        """Put back what is as the import left it."""
        permitted: dict[UUID, list[Imported]] = {}
        for customer_id, entries in self.changed.items():
            customer = self.customers.get(customer_id)
            if customer is None:
                reason = t("It was removed since, or you may not see it.")
            elif not self.uow.actor.may_for_owner(EDIT, customer.owner_id):
                reason = t("You may not change it.")
            elif any(entry.changes is None for entry in entries):
                reason = t("What the audit knew of it was erased.")
            else:
                permitted[customer_id] = entries
                continue
            name = customer and customer.name
            self.result.leave(Customer.__entity__, customer_id, name, reason)
        self._customers(permitted)
        self._profile(permitted)
        self._ties(permitted)

    def _customers(self, changed: Mapping[UUID, list[Imported]]) -> None:
        now = self._lists(changed)
        drafts: dict[frozenset[str], list[CustomerDraft]] = defaultdict(list)
        for customer_id, entries in changed.items():
            own = [each for each in entries if each.entity_type == Customer.__entity__]
            composed = _composed(own)
            back = self._back(customer_id, composed, now[customer_id])
            if back:
                uses, draft = self._draft(customer_id, composed, back)
                drafts[uses].append(draft)
                self.restored.add(customer_id)
        for uses, some in drafts.items():
            save_customers(self.uow, some, address_uses=uses)

    def _back(self, customer_id: UUID, composed: Change, lists: Mapping[str, Any]) -> Change:
        """Return the changes that can go back; name those that cannot."""
        customer = self.customers[customer_id]
        back, edited = {}, []
        for name, change in composed.items():
            if name in LISTS:
                present = _of_uses(lists[name], *change) if name == "addresses" else lists[name]
                old, new, now = (_sorted(each) for each in (*change, present))
            else:
                old, new = change
                now = plain_value(getattr(customer, name))
            if now == new:
                back[name] = change
            elif now != old:
                edited.append(name)
        if edited:
            reason = t("It was changed since it was imported, and stays.")
            self.result.leave(Customer.__entity__, customer_id, customer.name, reason, edited)
        return back

    def _draft(
        self, customer_id: UUID, composed: Change, back: Change
    ) -> tuple[frozenset[str], CustomerDraft]:
        draft = CustomerDraft({}, customer_id=customer_id)
        uses: set[str] = set()
        for name, (old, _) in back.items():
            if name == "contact_points":
                draft.contact_points = [
                    {
                        **each,
                        "normalized": normalize_contact(each["kind"], each["value"], self.region),
                    }
                    for each in old or ()
                ]
            elif name == "addresses":
                uses = {each["use"] for part in composed[name] for each in part or ()}
                draft.addresses = [_typed(each) for each in old or ()]
            elif name == "tags":
                draft.tag_ids = [UUID(each) for each in old or ()]
            else:
                draft.values.update(_typed({name: old}))
        return frozenset(uses), draft

    def _lists(self, ids: Mapping[UUID, Any]) -> dict[UUID, dict[str, list[Any]]]:
        found: dict[UUID, dict[str, list[Any]]] = {key: {name: [] for name in LISTS} for key in ids}
        point = ContactPoint
        points = select(point.customer_id, point.kind, point.value, point.label)
        points = points.where(among(point.customer_id, ids))
        for row in self.uow.execute(points.order_by(point.position, point.id)):
            found[row.customer_id]["contact_points"].append(told_point(dict(row._mapping)))
        addresses = select(*Address.__mapper__.columns).where(
            among(Address.customer_id, ids), Address.archived_at.is_(None)
        )
        for row in self.uow.execute(addresses.order_by(Address.id)):
            found[row.customer_id]["addresses"].append(told_address(dict(row._mapping)))
        tags = select(CustomerTag.customer_id, CustomerTag.tag_id)
        for row in self.uow.execute(tags.where(among(CustomerTag.customer_id, ids))):
            found[row.customer_id]["tags"].append(str(row.tag_id))
        return found

    def _profile(self, changed: Mapping[UUID, list[Imported]]) -> None:
        composed = _by_record(changed, ProfileValue.__entity__)
        kept = ProfileValue
        columns = (kept.id, kept.customer_id, kept.attribute_id, kept.value)
        rows = self.uow.execute(select(*columns).where(among(kept.id, composed))).all()
        values, doomed = [], []
        for row in rows:
            old, new = composed[row.id]["value"]
            if row.value not in (old, new):
                name = self.customers[row.customer_id].name
                reason = t("It was changed since it was imported, and stays.")
                self.result.leave(kept.__entity__, row.id, name, reason, ["value"])
            elif row.value == new and old is None:
                doomed.append({"id": row.id, "customer_id": row.customer_id, "value": row.value})
            elif row.value == new:
                values.append((row.customer_id, row.attribute_id, old))
        self.restored |= save_profile_values(self.uow, values)
        remove_rows(self.uow, kept, doomed)
        self.restored.update(row["customer_id"] for row in doomed)

    def _ties(self, changed: Mapping[UUID, list[Imported]]) -> None:
        composed = _by_record(changed, Relationship.__entity__)
        tie = Relationship
        rows = self.uow.execute(
            select(*tie.__mapper__.columns).where(among(tie.id, composed))
        ).all()
        doomed = []
        for row in rows:
            told = {name: plain_value(getattr(row, name)) for name in composed[row.id]}
            made = {name: new for name, (_, new) in composed[row.id].items()}
            if told != made or row.started_on or row.ended_on or row.note:
                name = self.customers[row.from_customer_id].name
                reason = t("It was changed since it was imported, and stays.")
                self.result.leave(tie.__entity__, row.id, name, reason)
            else:
                doomed.append({"id": row.id, "customer_id": row.from_customer_id, **told})
        remove_rows(self.uow, tie, doomed)
        self.restored.update(row["customer_id"] for row in doomed)


def _composed(entries: Sequence[Imported]) -> Change:
    """Return the changes of several entries, the latest first, as one."""
    found: Change = {}
    for entry in entries:
        for name, (old, new) in (entry.changes or {}).items():
            found[name] = [old, found[name][1] if name in found else new]
    return found


def _by_record(changed: Mapping[UUID, list[Imported]], entity: str) -> dict[UUID, Change]:
    found: dict[str, list[Imported]] = defaultdict(list)
    for entries in changed.values():
        for entry in entries:
            if entry.entity_type == entity:
                found[entry.entity_id].append(entry)
    return {UUID(key): _composed(entries) for key, entries in found.items()}


def _of_uses(addresses: Sequence[Any], old: Any, new: Any) -> list[Any]:
    uses = {each["use"] for part in (old, new) for each in part or ()}
    return [each for each in addresses if each["use"] in uses]


def _sorted(items: Any) -> list[str]:
    return sorted(
        repr(sorted(each.items())) if isinstance(each, dict) else str(each) for each in items or ()
    )


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return columns as they were before the audit made text of them."""
    found = dict(values)
    for name, value in values.items():
        if value is not None and name.endswith("_id"):
            found[name] = UUID(value)
        elif value is not None and name.endswith("_at"):
            found[name] = datetime.fromisoformat(value)
    return found
