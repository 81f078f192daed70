"""The conflict desk: what both sides changed, and what people decide about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, select

from crm_core.entities.conflict import MERGED, PENDING, Conflict, ConflictState
from crm_core.entities.customer import Address
from crm_core.entities.sync import SYNC_VIEW, Backend
from crm_core.errors import InputError, PermissionDeniedError
from crm_core.messages import t
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.scope import record_criterion
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.record_words import field_words
from crm_core.services.contact_details import add_address, change_address, main_address
from crm_core.services.customer_merge import merge_customers
from crm_core.services.customers import edit_customer
from crm_core.services.lookup import ids_by_digits, only_one, survivors
from crm_core.sync.apply.address import FIELDS as ADDRESS_FIELDS
from crm_core.sync.apply.customer import PLAIN_FIELDS
from crm_core.sync.conflicts import suggestion
from crm_core.sync.masters import CRM, ERP, WHEN_DELETED, known_fields
from crm_core.sync.push_queue import enqueue
from crm_core.sync.tell import MAIN_FIELDS

RESOLVE = "core.sync.resolve"
VALUE = "value"
TAKES = (ERP, CRM, VALUE)


class Chosen(NamedTuple):
    """Conflicts: of one backend, of one entity, of one field such as ``customer.name``, old ones.

    ``customer.address`` stands for all parts of the main address.

    Whether customers were merged is decided only where ``customer.merged`` is the field.
    """

    backend_id: UUID | None = None
    field: str | None = None
    entity: str | None = None
    opened_before: datetime | None = None

    @property
    def conditions(self) -> list[Any]:
        """What the rows have to meet."""
        entity, _, field = (self.field or "").partition(".")
        wanted = (
            (Conflict.backend_id, self.backend_id),
            (Conflict.entity, entity or self.entity),
            (Conflict.field, field or None),
        )
        found = [column == value for column, value in wanted if value is not None]
        if field == "address":  # conflicts are over parts of it
            found[-1] = Conflict.field.startswith("address.")
        if self.opened_before is not None:
            found.append(Conflict.opened_at < self.opened_before)
        return found


def list_conflicts(
    uow: UnitOfWork,
    chosen: UUID | Chosen,
    *,
    pending: bool = True,
    state: ConflictState | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return fields that both sides changed, the latest first, with what each had and who won.

    Args:
        uow: The unit of work.
        chosen: Of which backend, or which.
        pending: Only those that wait for a person or for the next run.
        state: Only those in this state.
        limit: Items a page.
        cursor: Where the page before ended.
    """
    uow.actor.require(SYNC_VIEW)
    columns = [getattr(Conflict, name) for name in _TOLD]
    conditions = (chosen if isinstance(chosen, Chosen) else Chosen(chosen)).conditions
    statement: Any = select(*columns, Backend.name.label("backend"))
    statement = statement.join(Backend, Backend.id == Conflict.backend_id)
    statement = statement.where(*conditions, Conflict.state != ConflictState.SUSPECTED.value)
    if state is not None:
        statement = statement.where(Conflict.state == state.value)
    elif pending:
        statement = statement.where(Conflict.state.in_(PENDING))
    keys = (Conflict.id,)
    return page_of(uow, statement, keys=keys, limit=limit, cursor=cursor, descending=True)


def show_conflict(uow: UnitOfWork, text: str) -> dict[str, Any]:
    """Return one conflict by its id or the first digits of it.

    Besides what a list tells: ``backend``, and where it is pending ``suggestion`` (``erp`` or
    ``crm``) and ``because``, else None.

    Raises:
        NotFoundError: There is none.
        InputError: Several begin like that.
    """
    uow.actor.require(SYNC_VIEW)
    conflict = _named(uow, text)
    take: str | None = None
    because: str | None = None
    if conflict.field == MERGED:
        take, because = ERP, t("its documents or contacts are the other's over there")
    elif conflict.state in PENDING:
        take, because = suggestion(conflict)
    told = {name: getattr(conflict, name) for name in _TOLD}
    backend = uow.scalar(select(Backend.name).where(Backend.id == conflict.backend_id))
    return {**told, "backend": backend, "suggestion": take, "because": because}


def resolve_conflicts(
    uow: UnitOfWork,
    conflicts: Sequence[str] | Chosen,
    take: str,
    *,
    value: str | None = None,
) -> list[UUID]:
    """Decide conflicts; the next run carries it out.

    What is decided holds as long as the side that loses stays as it was shown: where it moved
    meanwhile, the next run opens the conflict again.

    Args:
        uow: A writing unit of work.
        conflicts: Ids, or the first digits of ids; or which of a backend's.
        take: ``erp`` or ``crm``: whose value counts; ``value``: another one.
        value: That other one; it is set here at once.

    Returns:
        The ids of those decided.

    Raises:
        NotFoundError: There is no such conflict.
        PermissionDeniedError: One is over a customer that the right does not reach.
        InputError: One was decided already, its field cannot be given as text, or what was chosen
            names no field.
    """
    uow.actor.require(RESOLVE)
    if (take == VALUE) != (value is not None):
        raise InputError(t("Give the value with --value, and only with --take value."))
    found = _chosen(uow, conflicts) if isinstance(conflicts, Chosen) else _each(uow, conflicts)
    for conflict in found:
        if conflict.field == MERGED:
            _merge(uow, conflict, take)
            continue
        if value is not None:
            _set(uow, conflict, value)
        conflict.state = ConflictState.RESOLVED.value
        conflict.winner = CRM if take == VALUE else take
        conflict.decided_at, conflict.decided_by = uow.now, uow.actor.login
        _have_replayed(uow, conflict)
    return [conflict.id for conflict in found]


def count_open(uow: UnitOfWork, chosen: Chosen) -> int:
    """Return how many conflicts would be decided."""
    uow.actor.require(RESOLVE)
    return len(_chosen(uow, chosen))


def open_fields(uow: UnitOfWork) -> list[dict[str, Any]]:
    """Return how many conflicts are open, by ``backend``, ``entity`` and ``field``."""
    uow.actor.require(SYNC_VIEW)
    columns = (Backend.name.label("backend"), Conflict.entity, Conflict.field)
    statement = select(*columns, func.count().label("open"))
    statement = statement.join(Backend, Backend.id == Conflict.backend_id)
    statement = statement.where(Conflict.state == ConflictState.OPEN.value).group_by(*columns)
    return [dict(row._mapping) for row in uow.execute(statement.order_by(*columns))]


def neighbours(uow: UnitOfWork, conflict_id: UUID) -> tuple[UUID | None, UUID | None]:
    """Return the open conflicts before and after one, in the order in which they are listed."""
    uow.actor.require(SYNC_VIEW)
    listed = select(Conflict.id).where(Conflict.state == ConflictState.OPEN.value).limit(1)
    newer = listed.where(Conflict.id > conflict_id).order_by(Conflict.id)
    older = listed.where(Conflict.id < conflict_id).order_by(Conflict.id.desc())
    return uow.scalar(newer), uow.scalar(older)


def _each(uow: UnitOfWork, texts: Sequence[str]) -> list[Conflict]:
    found = [_named(uow, text) for text in dict.fromkeys(texts)]
    for conflict in found:
        if conflict.state not in PENDING:
            raise InputError(
                t(
                    "The conflict {conflict_id} over {field} of {label} is {state} already; there "
                    "is nothing to decide.",
                    conflict_id=conflict.id,
                    field=field_words(conflict.field, conflict.entity, uow.hooks.entities),
                    label=conflict.label,
                    state=conflict.state,
                ),
                code="core.conflict.decided",
            )
    _require_reach(uow, found)
    return found


def _within_reach(uow: UnitOfWork) -> list[Any]:
    """Return the condition that the right to decide reaches a conflict's record; none for all."""
    condition = record_criterion(Conflict, uow.actor, uow.actor.reach(RESOLVE))
    return [] if condition is None else [condition]


def _require_reach(uow: UnitOfWork, conflicts: Sequence[Conflict]) -> None:
    ids = [conflict.id for conflict in conflicts]
    reached = set(uow.scalars(select(Conflict.id).where(Conflict.id.in_(ids), *_within_reach(uow))))
    for conflict in conflicts:
        if conflict.id not in reached:
            raise PermissionDeniedError(
                t(
                    "{label} is not among the customers whose conflicts {login} may decide: ask "
                    "somebody of their owner's team.",
                    label=conflict.label,
                    login=uow.actor.login,
                ),
                details={"right": RESOLVE},
            )


def _chosen(uow: UnitOfWork, chosen: Chosen) -> list[Conflict]:
    statement = select(Conflict).where(
        *chosen.conditions, *_within_reach(uow), Conflict.state == ConflictState.OPEN.value
    )
    entity, _, field = (chosen.field or "").partition(".")
    if field != MERGED:
        statement = statement.where(Conflict.field != MERGED)
    found = list(uow.scalars(statement.order_by(Conflict.id)))
    # A plugin that is out of use may have left some, which are decided like any other.
    if chosen.field is not None and not (entity and field and found):
        _check_field(uow, chosen.field)
    return found


def _check_field(uow: UnitOfWork, text: str) -> None:
    """Refuse what is no field: that none of it is open would be believed."""
    known = [
        f"{entity}.{field}"
        for entity, fields in known_fields(uow.hooks.entities.values()).items()
        for field in fields
        if field != WHEN_DELETED
    ]
    known += [f"customer.address.{part}" for part in MAIN_FIELDS]
    known.append(f"customer.{MERGED}")
    if text not in known:
        raise InputError(
            t(
                "{text!r} will not do: write a field, one of {fields}.",
                text=text,
                fields=", ".join(known),
            ),
            code="core.conflict.field",
        )


def _named(uow: UnitOfWork, text: str) -> Conflict:
    conflict_id = only_one(
        ids_by_digits(uow, Conflict.id, text),
        text,
        code="core.conflict",
        several=t("{text!r} fits several conflicts: give more of the id.", text=text),
        missing=t("There is no conflict {text!r}: see crm sync conflicts list.", text=text),
    )
    return uow.get(Conflict, conflict_id)


def takes_text(entity: str, path: str) -> bool:
    """Return whether another value than either side's can be given for a field."""
    field, _, part = path.partition(".")
    if entity == "customer":
        return field in PLAIN_FIELDS or (field == "address" and bool(part))
    return entity == "address" and field in ADDRESS_FIELDS


def _set(uow: UnitOfWork, conflict: Conflict, value: str) -> None:
    """Set the field here, as whoever decides."""
    field, _, part = conflict.field.partition(".")
    if not takes_text(conflict.entity, conflict.field):
        raise InputError(
            t(
                "{field} cannot be given as text: take erp or crm.",
                field=field_words(conflict.field, conflict.entity, uow.hooks.entities),
            ),
            code="core.conflict.no_text",
        )
    if conflict.entity == "address":
        change_address(uow, conflict.local_id, {field: value})
        return
    if field in PLAIN_FIELDS:
        edit_customer(uow, conflict.local_id, {field: value})
        return
    address_id = main_address(uow, conflict.local_id)
    if address_id is None:
        add_address(uow, conflict.local_id, {part: value})
    else:
        change_address(uow, address_id, {part: value})


def _merge(uow: UnitOfWork, conflict: Conflict, take: str) -> None:
    """Merge two customers here that were merged over there, or leave them as they are."""
    if take == VALUE:
        raise InputError(
            t(
                "Whether {label} was merged is no text: take erp to merge it here too, or crm to "
                "leave both.",
                label=conflict.label,
            ),
            code="core.conflict.no_text",
        )
    keep_id = UUID(conflict.theirs["id"])
    merged = survivors(uow, [keep_id, conflict.local_id])
    keep_id, drop_id = merged.get(keep_id, keep_id), merged.get(conflict.local_id)
    if take == ERP and drop_id is None and keep_id != conflict.local_id:
        merge_customers(uow, keep_id, conflict.local_id, reason=t("merged over there"))
    conflict.state, conflict.winner = ConflictState.DONE.value, take
    conflict.decided_at, conflict.decided_by = uow.now, uow.actor.login


def _have_replayed(uow: UnitOfWork, conflict: Conflict) -> None:
    entity, local_id = conflict.entity, conflict.local_id
    if entity == "address":
        customer_id = uow.scalar(select(Address.customer_id).where(Address.id == local_id))
        if customer_id is None:
            return
        entity, local_id = "customer", customer_id
    enqueue(uow, conflict.backend_id, entity, [local_id])


_TOLD = (
    "id",
    "entity",
    "local_id",
    "remote_id",
    "label",
    "field",
    "base",
    "ours",
    "ours_at",
    "ours_by",
    "theirs",
    "theirs_at",
    "theirs_by",
    "state",
    "winner",
    "opened_at",
    "decided_at",
    "decided_by",
)
