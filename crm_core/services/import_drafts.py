"""From checked rows of an import to drafts of customers, laid over what is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.access import Reach
from crm_core.entities.customer import Address, ContactPoint
from crm_core.messages import t
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.customer_bulk import CustomerDraft
from crm_core.services.customer_bulk_rows import ADDRESS_COLUMNS
from crm_core.services.customer_matching import Candidate, RowError
from crm_core.services.tag_bulk import ensure_tags

CREATE, EDIT, ASSIGN = "core.customer.create", "core.customer.edit", "core.customer.assign"

Record = dict[str, Any]
Row = dict[str, Any]


class DraftMaker:
    """Makes drafts out of the rows of one chunk."""

    def __init__(self, uow: UnitOfWork, address_uses: frozenset[str]) -> None:
        self.uow = uow
        self.address_uses = address_uses
        # Whoever may not change everybody's customers owns what they import without naming an
        # owner; otherwise the same file could not be imported again.
        reaches_all = min(uow.actor.reach(CREATE), uow.actor.reach(EDIT)) is Reach.ALL
        self.default_owner = None if reaches_all else uow.actor.user_id
        self.may_all = reaches_all and uow.actor.reach(ASSIGN) is Reach.ALL

    def check_rights(self, candidate: Candidate, record: Record) -> None:
        """Raise RowError where the actor may not write this row; ids become UUIDs on the way."""
        actor, values = self.uow.actor, record["values"]
        if "owner_id" in values:
            values["owner_id"] = UUID(values["owner_id"])
        if candidate.customer_id is None and not values.get("name"):
            raise RowError("name", t("is missing; a new customer needs a name."))
        if self.may_all:
            return
        if candidate.customer_id is None:
            owner_id = values.setdefault("owner_id", self.default_owner)
            if not actor.may_for_owner(CREATE, owner_id):
                raise RowError("owner", _lacking(CREATE, t("create this customer")))
            if owner_id not in (None, actor.user_id) and not actor.may(ASSIGN):
                raise RowError("owner", _lacking(ASSIGN, t("give customers to others")))
            return
        if not actor.may_for_owner(EDIT, candidate.owner_id):
            raise RowError("", _lacking(EDIT, t("change this customer")))
        changes_owner = values.get("owner_id", candidate.owner_id) != candidate.owner_id
        if changes_owner and not actor.may_for_owner(ASSIGN, candidate.owner_id):
            raise RowError("owner", _lacking(ASSIGN, t("give this customer to another")))

    def drafts(self, rows: Sequence[tuple[Record, Candidate]]) -> list[CustomerDraft]:
        """Return one draft a row, in order."""
        tag_ids = ensure_tags(self.uow, {t for record, _ in rows for t in record["tags"] or ()})
        existing = [
            (candidate.customer_id, record)
            for record, candidate in rows
            if candidate.customer_id is not None
        ]
        points = self._existing(ContactPoint, [i for i, record in existing if record["points"]])
        addresses = self._existing(Address, [i for i, record in existing if record["addresses"]])
        drafts = []
        for record, candidate in rows:
            key = candidate.customer_id
            tags = record["tags"]
            drafts.append(
                CustomerDraft(
                    record["values"],
                    _points(points.get(key, ()), record["points"]) or None,
                    self._addresses(addresses.get(key, ()), record) or None,
                    None if tags is None else [tag_ids[name] for name in tags],
                    key,
                )
            )
        return drafts

    def _existing(self, model: Any, ids: list[UUID]) -> dict[UUID | None, list[Row]]:
        found: dict[UUID | None, list[Row]] = defaultdict(list)
        columns = list(model.__mapper__.columns)
        for some in chunked(ids, PARAMETERS):
            for row in self.uow.execute(select(*columns).where(model.customer_id.in_(some))):
                found[row.customer_id].append(dict(row._mapping))
        return found

    def _addresses(self, existing: Iterable[Row], record: Record) -> list[Row]:
        """Lay each address of the row over the first one in use for its use; others stay."""
        given = {address["use"]: address for address in record["addresses"]}
        merged = []
        for row in sorted(existing, key=lambda row: row["id"]):
            if row["use"] in self.address_uses and row["archived_at"] is None:
                kept = {name: row[name] for name in ADDRESS_COLUMNS}
                merged.append({**kept, **given.pop(row["use"], {})})
        return [*merged, *given.values()]


def _points(existing: Iterable[Row], given: Sequence[Row]) -> list[Row]:
    """Put each given contact point in its place among those of its kind; others stay."""
    merged = sorted(existing, key=lambda row: (row["position"], row["id"]))
    if not merged:
        return _distinct(given)
    for point in given:
        same_kind = [i for i, row in enumerate(merged) if row["kind"] == point["kind"]]
        if point["place"] < len(same_kind):
            at = same_kind[point["place"]]
            label = merged[at]["label"] if _same(merged[at], point) else None
            merged[at] = {**point, "label": label}
        else:
            merged.append(point)
    return _distinct(merged)


def _distinct(points: Iterable[Row]) -> list[Row]:
    kept: dict[tuple[str, str], Row] = {}
    for row in points:
        kept.setdefault((row["kind"], row["normalized"] or row["value"]), row)
    return list(kept.values())


def _same(row: Row, point: Row) -> bool:
    return bool(row["normalized"] == point["normalized"])


def _lacking(right: str, what: str) -> str:
    return t(
        "you may not {what}: the right {right} does not reach it. Ask an administrator.",
        what=what,
        right=right,
    )
