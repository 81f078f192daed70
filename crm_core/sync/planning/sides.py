"""The customers of both sides that are not in step yet, ready to be compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.customer import Customer
from crm_core.entities.sync import Binding
from crm_core.matching import Features, features_of
from crm_core.matching.names import name_words
from crm_core.messages import t
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.sync.context import SyncContext
from crm_core.sync.planning.plan import state_of
from crm_core.sync.protocol import Probe, RemotePage, WritableBackend
from crm_core.sync.records import UNTOLD_CUSTOMER
from crm_core.sync.tell import tell
from crm_core.sync.twins import twins_within

READ_SIZE = 500
PROBES = 5_000
"""External ids looked for at a time: a remote may read all it has for each call."""
CUSTOMER = "customer"


@dataclass(slots=True)
class Party:
    """One side's customers that are not in step, with what each says as a digest.

    Attributes:
        records: Ready to be compared; keys are local ids or remote ids.
        states: Digest of each, by key.
        twins: Why a record had better not be made there: another of this side is the same.
        faults: Names of records that could not be read.
        bound: How many are in step already.
    """

    records: list[Features] = field(default_factory=list)
    states: dict[UUID | str, str] = field(default_factory=dict)
    twins: dict[UUID | str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    bound: int = 0


def our_side(context: SyncContext, external_ids: dict[UUID, str]) -> Party:
    """Return the customers in use here that the backend does not know.

    Args:
        context: The run, which only reads.
        external_ids: By which name the remote has which of them already.
    """
    party = Party()
    ids = unbound_customers(context)
    with context.reading() as uow:
        statement = select(Customer.id, Customer.name).where(Customer.kind == "company")
        rows = uow.execute(statement.execution_options(yield_per=10_000))
        companies = {row.id: row.name for row in rows}
    for chunk in chunked(ids, READ_SIZE):
        with context.reading() as uow:
            told = tell(context, uow, CUSTOMER, chunk)
        for key, record in told.items():
            party.records.append(
                features_of(
                    key,
                    record.values,
                    external_id=external_ids.get(key),
                    parent=companies.get(record.waits_for) if record.waits_for else None,
                    region=context.phone_region,
                )
            )
            party.states[key] = state_of(record.values)
        context.progress(t("reading here"), len(party.records), len(ids))
    names = {record.key: record.name for record in party.records}
    for key, (other, by) in _twins(party.records).items():
        party.twins[key] = t(
            "same {by} as {names} here: merge the two first", by=by, names=names[other]
        )
    return party


def _twins(records: Sequence[Features]) -> dict[UUID, tuple[UUID, str]]:
    told = {
        record.key: {
            "kind": record.kind,
            "vat": record.vat,
            "reference": record.reference,
            "contact_points": [{"kind": "email", "value": each} for each in record.emails[:1]],
        }
        for record in records
        if isinstance(record.key, UUID)
    }
    return twins_within(told)


def unbound_customers(context: SyncContext) -> list[UUID]:
    """Return the customers in use here that are not bound to the backend, the oldest first."""
    with context.reading() as uow:
        bound = select(Binding.local_id).where(
            Binding.backend_id == context.backend_id, Binding.entity == CUSTOMER
        )
        statement = select(Customer.id).where(
            Customer.archived_at.is_(None), Customer.id.not_in(bound)
        )
        return list(uow.scalars(statement.order_by(Customer.id)))


def their_side(context: SyncContext, external_ids: dict[str, str]) -> Party:
    """Return the remote's customers that are not bound here, archived ones included.

    Args:
        context: The run, which only reads.
        external_ids: Which of them bears a name of ours, by remote id.
    """
    with context.reading() as uow:
        bound = set(
            uow.scalars(
                select(Binding.remote_id).where(
                    Binding.backend_id == context.backend_id, Binding.entity == CUSTOMER
                )
            )
        )
    party = Party()
    companies: dict[str, str] = {}
    parents: dict[int, str] = {}
    done = 0
    offered = {entity.name for entity in context.remote.entities()}
    pages: Iterable[RemotePage] = ()
    if CUSTOMER in offered:
        pages = context.remote.pages(CUSTOMER, since=None, after=None, size=READ_SIZE)
    for page in pages:
        for record in page.records:
            if record.values.get("kind") == "company":
                companies[record.remote_id] = str(record.values.get("name") or "")
            if record.remote_id in bound:
                party.bound += 1
                continue
            if parent := record.values.get("parent_ref"):
                parents[len(party.records)] = parent
            external_id = external_ids.get(record.remote_id)
            party.records.append(
                features_of(
                    record.remote_id,
                    record.values,
                    external_id=external_id,
                    region=context.phone_region,
                )
            )
            party.states[record.remote_id] = state_of(record.values)
        party.faults += [fault.label for fault in page.faults]
        done += len(page.records)
        context.progress(t("reading there"), done, page.total)
    for number, parent in parents.items():
        if name := companies.get(parent):
            words = name_words(name, "company")
            party.records[number] = replace(party.records[number], parent=words)
    return party


def known_there(context: SyncContext, local_ids: Iterable[UUID]) -> dict[UUID, tuple[str, str]]:
    """Return which local customers the remote has under their external id, with its id for them.

    They were made by an earlier run that could not note it, or before a backup was restored.
    """
    remote = context.remote
    if not (isinstance(remote, WritableBackend) and remote.writable(CUSTOMER)):
        return {}
    found: dict[UUID, tuple[str, str]] = {}
    for chunk in chunked(local_ids, PROBES):
        names = {str(key): (key, f"{context.prefix}{CUSTOMER}_{key.hex}") for key in chunk}
        probes = [Probe(text, name, UNTOLD_CUSTOMER) for text, (_, name) in names.items()]
        for text, matches in remote.find(CUSTOMER, probes).items():
            key, name = names[text]
            if matches and matches[0].by == "external_id":
                found[key] = (name, matches[0].remote_id)
    return found


def bound_pairs(
    context: SyncContext, local_ids: Iterable[UUID], remote_ids: Iterable[str]
) -> tuple[dict[UUID, str], dict[str, UUID]]:
    """Return what these records are bound to by now: remote id by local id, and back."""
    ours: dict[UUID, str] = {}
    theirs: dict[str, UUID] = {}
    with context.reading() as uow:
        for column, keys in ((Binding.local_id, local_ids), (Binding.remote_id, remote_ids)):
            for chunk in chunked(keys, PARAMETERS):
                rows = uow.execute(
                    select(Binding.local_id, Binding.remote_id).where(
                        Binding.backend_id == context.backend_id,
                        Binding.entity == CUSTOMER,
                        column.in_(chunk),
                    )
                )
                for row in rows:
                    ours[row.local_id] = row.remote_id
                    theirs[row.remote_id] = row.local_id
    return ours, theirs
