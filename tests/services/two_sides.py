"""A front office and a back office that people change at random, and what must hold at rest.

Every record bears a token that begins its name, every edit writes a value of its own, and each edit
remembers what its author saw in its place. So whatever is there in the end, it can be told for each
value whether somebody knowingly replaced it, or a conflict names it; if neither, it was lost.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import AuditEntry, Binding, BindingState, Conflict, Customer
from crm_core.entities.customer import Address, ContactPoint, CustomerTag, Tag
from crm_core.entities.sync import PushItem
from crm_core.errors import FatalSyncError
from crm_core.persistence.database import Database
from crm_core.sync import failpoints
from crm_core.sync.cursors import CURSOR
from crm_core.sync.permit import confirm_backend
from crm_core.sync.push_reasons import AMBIGUOUS
from crm_core.testing.front_office import BACKEND, FrontOffice

PLAIN = ("name", "note", "job_title")
LINES = ("city", "street")
FIELDS = (*PLAIN, *(f"address.{line}" for line in LINES))
RUNS_TO_REST = 6
KEPT = {BindingState.ACTIVE.value, BindingState.ARCHIVED.value}


class KilledError(BaseException):
    """Stands for the process being gone."""


class TwoSides:
    """Both sides, and what was done on each.

    Args:
        front: A front office whose plan is accepted, empty.
        office: The other side's hands and records (``MemoryOffice``).
    """

    def __init__(self, front: FrontOffice, office: Any) -> None:
        self.front, self.office = front, office
        self.numbers = count(1)
        self.tokens: list[str] = []
        self.seen: dict[tuple[str, str], dict[Any, set[Any]]] = defaultdict(dict)
        """By token and field: each value written, and what its authors saw in its place."""
        self.told: dict[tuple[str, str], set[Any]] = defaultdict(set)
        """By token and field: values that a conflict names."""
        self.points: dict[str, set[str]] = defaultdict(set)
        self.tags: dict[str, set[str]] = defaultdict(set)
        self.ended: set[str] = set()
        """Tokens whose record somebody deleted or merged away."""
        self.copies: list[tuple[Path, Any]] = []

    def value(self) -> int:
        return next(self.numbers)

    # What stands where.

    def here(self, token: str) -> Any | None:
        """Return the customer of a token; an error when there are two in use.

        One that was archived here before it was ever written may stand beside theirs.
        """
        rows = self.front.all(
            select(Customer, Binding.id)
            .outerjoin(Binding, Binding.local_id == Customer.id)
            .where(Customer.name.startswith(f"{token} "))
        )
        in_use = {row[0].id for row in rows if row[0].archived_at is None}
        assert len(in_use) <= 1, f"{token} is here {len(in_use)} times"
        rows.sort(key=lambda row: (row[0].archived_at is not None, row[1] is None))
        return rows[0][0] if rows else None

    def there(self, token: str) -> str | None:
        """Return the remote id of a token."""
        rows = self.office.rows["customer"]
        found = [key for key, row in rows.items() if row.values["name"].startswith(f"{token} ")]
        assert len(found) <= 1, f"{token} is there {len(found)} times: {found}"
        return str(found[0]) if found else None

    def of(self, remote_id: str) -> dict[str, Any]:
        return self.office.rows["customer"][int(remote_id)].values

    def value_here(self, customer: Any, field: str) -> Any:
        if field in PLAIN:
            return getattr(customer, field)
        line = getattr(Address, field.partition(".")[2])
        rows = self.front.all(
            select(line).where(
                Address.customer_id == customer.id,
                Address.use == "main",
                Address.archived_at.is_(None),
            )
        )
        return rows[0][0] if rows else None

    def value_there(self, remote_id: str, field: str) -> Any:
        values = self.of(remote_id)
        if field in PLAIN:
            return values[field]
        return (values["address"] or {}).get(field.partition(".")[2])

    def tags_here(self, customer_id: UUID) -> set[str]:
        names = select(Tag.name).join(CustomerTag, CustomerTag.tag_id == Tag.id)
        rows = self.front.all(names.where(CustomerTag.customer_id == customer_id))
        return {row[0] for row in rows}

    def tags_there(self, remote_id: str) -> set[str]:
        tags = self.office.rows["tag"]
        return {tags[int(ref)].values["name"] for ref in self.of(remote_id)["tag_refs"]}

    def emails_here(self, customer_id: UUID) -> set[str]:
        rows = self.front.all(
            select(ContactPoint.value).where(ContactPoint.customer_id == customer_id)
        )
        return {row[0] for row in rows}

    def is_unlinked(self, token: str) -> bool:
        """Return whether it is unbound here: out of sight there, nobody could tell the match."""
        customer = self.here(token)
        return customer is not None and not self.front.count(
            Binding, Binding.local_id == customer.id
        )

    # The link.

    def run(self, **options: Any) -> Any:
        """Run once, from the start where marks are refused, and note what conflicts it tells of."""
        try:
            return self.front.run(**options)
        except FatalSyncError as error:
            if error.code != CURSOR:
                raise
            return self.front.run(**{**options, "full": True})
        finally:
            self.hear_conflicts()

    def run_killed(self, point: str, at: int, **options: Any) -> bool:
        """Run and die at the ``at``-th time that a point is reached; return whether it was."""
        left = at

        def die(name: str) -> None:
            nonlocal left
            left -= name == point
            if left == 0 and name == point:
                raise KilledError

        try:
            with failpoints.armed(die):
                self.run(**options)
        except KilledError:
            return True
        return False

    def hear_conflicts(self) -> None:
        """Note every value that a conflict names."""
        named = select(Conflict, Customer.name).join(Customer, Customer.id == Conflict.local_id)
        for conflict, name in self.front.all(named):
            token = name.partition(" ")[0]
            for value in (conflict.base, conflict.ours, conflict.theirs):
                if isinstance(value, dict):
                    for line, part in value.items():
                        self.told[token, f"{conflict.field}.{line}"].add(part)
                elif not isinstance(value, list):
                    self.told[token, conflict.field].add(value)

    def copy(self, path: Path) -> None:
        """Keep a copy of the front office as it stands."""
        assert self.front.database.path is not None
        self.front.database.dispose()
        shutil.copyfile(self.front.database.path, path)
        values = {key: set(found) for key, found in self.seen.items()}
        self.copies.append((path, values))

    def restore(self, path: Path) -> None:
        """Go on from the last copy; what was done here since and never sent is lost with it."""
        source, known = self.copies[-1]
        since = {key: set(found) - known.get(key, set()) for key, found in self.seen.items()}
        self.front.database.dispose()
        shutil.copyfile(source, path)
        self.front.database = Database(f"sqlite:///{path}")
        for (token, field), values in since.items():
            remote_id = self.there(token)
            there = self.value_there(remote_id, field) if remote_id else None
            reached = self.ancestors(token, field, {there})
            self.told[token, field] |= values - reached  # the copy's own loss, by the restore
        for token in self.tokens:
            remote_id, customer = self.there(token), self.here(token)
            if remote_id and self.is_unlinked(token):
                self._show(remote_id)
            kept = self.tags_there(remote_id) if remote_id else set()
            self.tags[token] &= kept | (self.tags_here(customer.id) if customer else set())
            points = self.of(remote_id)["contact_points"] if remote_id else ()
            kept = {each["value"] for each in points}
            self.points[token] &= kept | (self.emails_here(customer.id) if customer else set())
        before = self.office.writes
        self.run()
        assert self.office.writes == before, "a copy wrote before it was confirmed"
        self.front.change(lambda uow: confirm_backend(uow, BACKEND))

    def _show(self, remote_id: str) -> None:
        """Bring a record back into sight and into the domain."""
        row = self.office.rows["customer"][int(remote_id)]
        if row.is_hidden:
            self.office.hide("customer", remote_id, hidden=False)
        if row.is_outside:
            self.office.put_outside("customer", remote_id, outside=False)

    # At rest.

    def come_to_rest(self) -> None:
        """End all trouble, run until nothing moves, and check all that must hold then."""
        self.office.on_call = None
        for key in self.office.rows["customer"]:
            self._show(str(key))
        # The first ends a sweep that broke off; what changed behind that is for the next one.
        self.run(retry=True)
        for _ in range(RUNS_TO_REST):
            if self._is_quiet(self.run(retry=True)):
                break
        else:
            raise AssertionError(f"it never comes to rest: {self.run(retry=True)}")
        self.check()
        before, audited = self.office.content(), self.front.count(AuditEntry)
        report = self.run(full=True)
        assert self._is_quiet(report), f"a further run is not idle: {report}"
        assert self.office.content() == before
        assert self.front.count(AuditEntry) == audited, "a further run changed rows"

    def _is_quiet(self, report: Any) -> bool:
        pushed = {
            name: n
            for counts in report.pushed.values()
            for name, n in counts.items()
            if name in ("created", "updated", "linked") and n
        }
        pulled = [
            n
            for counts in report.counts.values()
            for name, n in counts.items()
            if name in ("created", "updated", "deleted") and n
        ]
        return not pushed and not pulled

    def check(self) -> None:
        """Nothing is doubled, nothing is lost without a word, and both sides agree."""
        self._check_bindings()
        for token in self.tokens:
            customer, remote_id = self.here(token), self.there(token)
            if token in self.ended:
                assert remote_id is None, f"{token} was deleted there and came back"
                continue
            if customer is None and remote_id is None:
                assert self.copies, f"{token} is on neither side"
                continue
            if remote_id is None:
                assert customer is not None
                is_left = customer.archived_at is not None or self._is_ambiguous(customer.id)
                assert is_left, f"{token} never arrived there"
                continue
            assert customer is not None, f"{token} never arrived here"
            self._check_pair(token, customer, remote_id)

    def _check_pair(self, token: str, customer: Any, remote_id: str) -> None:
        values = self.of(remote_id)
        for field in FIELDS:
            ours, theirs = self.value_here(customer, field), self.value_there(remote_id, field)
            undecided = self._is_undecided(customer.id, field)
            if not undecided and not (field not in PLAIN and values["parent_ref"]):
                assert ours == theirs, f"{token}.{field}: {ours!r} here, {theirs!r} there"
            known = self.ancestors(token, field, {ours, theirs, *self.told[token, field]})
            lost = self.seen[token, field].keys() - known
            assert not lost, f"{token}.{field}: {lost} lost, {ours!r} and {theirs!r} in the end"
        tags = self.tags_here(customer.id)
        assert tags == self.tags_there(remote_id), f"{token}: tags differ"
        assert self.tags[token] <= tags, f"{token}: tags {self.tags[token] - tags} lost"
        emails = self.emails_here(customer.id)
        assert {each["value"] for each in values["contact_points"]} <= emails
        assert self.points[token] <= emails, f"{token}: {self.points[token] - emails} lost"
        if not self._is_undecided(customer.id, "archived"):
            archived = customer.archived_at is not None
            assert archived == values["archived"], f"{token}: archived {archived} here"

    def _check_bindings(self) -> None:
        rows = self.front.all(
            select(Binding.remote_id, Binding.local_id, Binding.state).where(
                Binding.entity == "customer"
            )
        )
        held = [row.local_id for row in rows if row.state in KEPT]
        assert len(held) == len(set(held)), "a customer is bound to two records in use"
        there = self.office.rows["customer"]
        in_use = [row.remote_id for row in rows if row.state in KEPT]
        stale = [each for each in in_use if int(each) not in there]
        assert not stale, f"bound to records that are gone: {stale}"

    def _is_ambiguous(self, customer_id: UUID) -> bool:
        """Return whether a person was told that it may be another, into which its twin went."""
        return bool(
            self.front.count(PushItem, PushItem.local_id == customer_id, PushItem.code == AMBIGUOUS)
        )

    def _is_undecided(self, customer_id: UUID, field: str) -> bool:
        return bool(
            self.front.count(
                Conflict,
                Conflict.local_id == customer_id,
                Conflict.field == field,
                Conflict.state == "open",
            )
        )

    def ancestors(self, token: str, field: str, values: set[Any]) -> set[Any]:
        """Return these values with all that they knowingly replaced."""
        found, left = set(values), list(values)
        while left:
            for saw in self.seen[token, field].get(left.pop(), ()):
                if saw not in found:
                    found.add(saw)
                    left.append(saw)
        return found
