"""Which existing customer a row of an import means: by identity, never by likeness.

Keys are tried from the strongest to the weakest: reference, VAT number, e-mail. A customer that a
weaker key finds is left aside where a stronger one says otherwise (another reference), or where it
is of another kind. Two customers that fit are a fault, and so is a row that means the same customer
as an earlier one. A row with none of these keys is the customer of the same kind, name and phone
numbers that has none of them either: so an import that is run again finds what it made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.customer import ContactPoint, Customer
from crm_core.errors import InputError
from crm_core.messages import n, t
from crm_core.normalize import PHONE_KINDS
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.import_spool import ImportSpool
from crm_core.services.lookup import survivors

MATCH_KEYS = ("reference", "vat", "email")
DEFAULT_KIND = "company"

Keys = dict[str, list[str]]


@dataclass(slots=True, eq=False)
class Candidate:
    """A customer that rows may mean: one in the database, or one that an earlier row will make.

    ``line`` is the row of this import that took it.
    """

    kind: str
    keys: Keys
    phones: set[str] = field(default_factory=set)
    customer_id: UUID | None = None
    owner_id: UUID | None = None
    line: int | None = None


class RowError(InputError):
    """One row cannot be taken; the others go on. ``column`` says where."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message, code="core.import.row", details={"column": column})
        self.column = column


def checked_match(match: Sequence[str]) -> tuple[str, ...]:
    """Return the keys in order of strength; raises InputError for an unknown one."""
    unknown = sorted(set(match) - set(MATCH_KEYS))
    if unknown:
        raise InputError(
            t(
                "Customers cannot be matched by {unknown}; choose among {match_keys}.",
                unknown=", ".join(unknown),
                match_keys=", ".join(MATCH_KEYS),
            ),
            code="core.import.match",
        )
    return tuple(key for key in MATCH_KEYS if key in match)


class Matcher:
    """Finds the customers that the rows of one chunk mean.

    Args:
        uow: Within its actor's scope; a customer out of sight is never matched.
        match: The keys to use, strongest first.
        spool: Knows which customers earlier chunks took.
        records: The rows of this chunk.
    """

    def __init__(
        self,
        uow: UnitOfWork,
        match: Sequence[str],
        spool: ImportSpool,
        records: Iterable[dict[str, Any]],
    ) -> None:
        self.uow = uow
        self.match = match
        self._known: dict[UUID, Candidate] = {}
        self._index: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
        self._load(list(records))
        for customer_id, line in spool.lines_of(self._known).items():
            self._known[customer_id].line = line

    def take(self, line: int, record: dict[str, Any]) -> Candidate:
        """Return the customer a row means: one with an id, or a new one without.

        Raises:
            RowError: More than one fits, or an earlier row took it.
        """
        keys = record.pop("keys")
        found, by = self._find(record, keys)
        if found is None:
            found = Candidate(record["values"].get("kind") or DEFAULT_KIND, keys, _phones(record))
            self._add(found, record["values"].get("name"))
        elif found.line is not None:
            raise RowError(
                by,
                t(
                    "is the same customer as line {line} (same {by}). Merge the two rows; if they "
                    "are two customers, give each a reference.",
                    line=found.line,
                    by=by,
                ),
            )
        found.line = line
        return found

    def _find(self, record: dict[str, Any], keys: Keys) -> tuple[Candidate | None, str]:
        for key in self.match:
            fitting = {
                id(each): each
                for value in keys[key]
                for each in self._index.get((key, value), ())
                if self._fits(record, keys, key, each)
            }
            if len(fitting) > 1:
                raise RowError(
                    key,
                    n(
                        "fits {count} customer. Give the reference of the one you mean.",
                        "fits {count} customers. Give the reference of the one you mean.",
                        len(fitting),
                    ),
                )
            if fitting:
                return next(iter(fitting.values())), key
        if any(keys.values()):
            return None, ""
        return self._twin(record), "name"

    def _fits(self, record: dict[str, Any], keys: Keys, key: str, found: Candidate) -> bool:
        if key == "reference":
            return True
        kind = record["values"].get("kind")
        if kind is not None and kind != found.kind:
            return False
        for stronger in self.match[: self.match.index(key)]:
            ours, theirs = keys[stronger], found.keys[stronger]
            if ours and theirs and ours != theirs:
                return False
        return True

    def _twin(self, record: dict[str, Any]) -> Candidate | None:
        kind = record["values"].get("kind") or DEFAULT_KIND
        phones = _phones(record)
        twins = [
            each
            for each in self._index.get(("name", record["values"].get("name") or ""), ())
            if each.kind == kind and each.phones == phones and not any(each.keys.values())
        ]
        if len(twins) > 1:
            raise RowError(
                t("name"),
                n(
                    "fits {count} customer. Give the reference of the one you mean.",
                    "fits {count} customers. Give the reference of the one you mean.",
                    len(twins),
                ),
            )
        return twins[0] if twins else None

    def _keys(self, record: dict[str, Any]) -> Keys:
        values = record["values"]
        found = {
            "reference": [values["reference"]] if values.get("reference") else [],
            "vat": [values["vat"]] if values.get("vat") else [],
            "email": [p["normalized"] for p in record["points"] if p["kind"] == "email"],
        }
        return {key: found[key] for key in self.match}

    def _add(self, candidate: Candidate, name: str | None) -> None:
        for key, values in candidate.keys.items():
            for value in values:
                self._index[key, value].append(candidate)
        if name:
            self._index["name", name].append(candidate)

    def _load(self, records: list[dict[str, Any]]) -> None:
        wanted: dict[str, set[str]] = defaultdict(set)
        for record in records:
            keys = record["keys"] = self._keys(record)
            for key, values in keys.items():
                wanted[key].update(values)
            if not any(keys.values()):
                wanted["name"].add(record["values"].get("name") or "")
        ids: set[UUID] = set()
        for key in ("reference", "vat", "name"):
            ids.update(self._ids(select(Customer.id), getattr(Customer, key), wanted[key]))
        emails = select(ContactPoint.customer_id).where(ContactPoint.kind == "email")
        ids.update(self._ids(emails, ContactPoint.normalized, wanted["email"]))
        into = survivors(self.uow, ids)
        self._load_candidates({into.get(key, key) for key in ids})
        self._load_former(into)

    def _ids(self, statement: Any, column: Any, values: set[str]) -> Iterator[UUID]:
        for some in chunked(sorted(values), PARAMETERS):
            yield from self.uow.scalars(statement.where(column.in_(some)))

    def _load_candidates(self, ids: set[UUID]) -> None:
        columns = (Customer.id, Customer.kind, Customer.name, Customer.reference, Customer.vat)
        for some in chunked(sorted(ids), PARAMETERS):
            points: dict[UUID, list[Any]] = defaultdict(list)
            statement = select(ContactPoint).where(ContactPoint.customer_id.in_(some))
            for point in self.uow.execute(statement.with_only_columns(*_POINT_COLUMNS)):
                points[point.customer_id].append(point)
            for row in self.uow.execute(
                select(*columns, Customer.owner_id).where(Customer.id.in_(some))
            ):
                self._known[row.id] = candidate = self._candidate(row, points[row.id])
                self._add(candidate, row.name)

    def _load_former(self, into: dict[UUID, UUID]) -> None:
        """Let what merged customers were known by mean the survivors."""
        columns = (Customer.id, Customer.name, Customer.reference, Customer.vat)
        for some in chunked(sorted(into), PARAMETERS):
            for row in self.uow.execute(select(*columns).where(Customer.id.in_(some))):
                survivor = self._known.get(into[row.id])
                for key in ("reference", "vat", "name"):
                    if survivor is not None and getattr(row, key):
                        self._index[key, getattr(row, key)].append(survivor)

    def _candidate(self, row: Any, points: Sequence[Any]) -> Candidate:
        emails = [p.normalized for p in points if p.kind == "email" and p.normalized]
        keys = {
            "reference": [row.reference] if row.reference else [],
            "vat": [row.vat] if row.vat else [],
            "email": emails,
        }
        return Candidate(
            row.kind,
            {key: keys[key] for key in self.match},
            {p.normalized for p in points if p.kind in PHONE_KINDS and p.normalized},
            row.id,
            row.owner_id,
        )


_POINT_COLUMNS = (ContactPoint.customer_id, ContactPoint.kind, ContactPoint.normalized)


def _phones(record: dict[str, Any]) -> set[str]:
    return {p["normalized"] for p in record["points"] if p["kind"] in PHONE_KINDS}
