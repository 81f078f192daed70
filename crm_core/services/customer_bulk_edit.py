"""Changing many customers at once: owner, stage, tags, archive, profile values.

Each record has an outcome of its own: one that may not be changed, or that somebody changed
meanwhile, holds up no other. Writing goes through ``save_customers``, so that a thousand cost a
constant number of statements; the audit tells each customer's change, and one event tells a batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select

from crm_core.access import Actor
from crm_core.entities.customer import Customer, CustomerStage, CustomerTag, Tag
from crm_core.entities.user import User
from crm_core.errors import (
    CrmError,
    InputError,
    NotFoundError,
    RuleViolationError,
    StaleVersionError,
)
from crm_core.messages import joined, t
from crm_core.persistence.bulk import PARAMETERS, among, chunked
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.services.checks import filled, one_of
from crm_core.services.customer_bulk import CustomerDraft, save_customers
from crm_core.services.customer_list import count_listed, listed_ids
from crm_core.services.customer_list_query import ListQuery
from crm_core.services.profile import attribute_named, canonical_value
from crm_core.services.profile_bulk import save_profile_values
from crm_core.services.tag_bulk import ensure_tags
from crm_core.services.users import require_enabled, user_named

EDIT, ASSIGN = "core.customer.edit", "core.customer.assign"
ARCHIVE, PROFILE = "core.customer.archive", "core.profile.edit"
MOST_AT_ONCE = 500
"""Customers in one transaction."""
MOST_LISTED = 10_000
"""Customers of a list that are changed with one request."""


@dataclass(frozen=True, slots=True)
class BulkChanges:
    """What to change on every customer; what is not given stays.

    Attributes:
        owner: Login of who shall answer for them; blank text for nobody.
        stage: A value of ``CustomerStage``.
        add_tags: Names; those that do not exist are made.
        remove_tags: Names; those a customer does not carry are passed over.
        archive: True to archive, False to bring back.
        profile: Attribute code to the value as a person writes it.
    """

    owner: str | None = None
    stage: str | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    archive: bool | None = None
    profile: Mapping[str, str] = field(default_factory=dict)


class Chosen(NamedTuple):
    """A customer to change, and the version that was read; None for whatever is there."""

    customer_id: UUID
    version: int | None = None


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """What came of one customer: ``done``, ``unchanged`` or ``refused`` with the reason."""

    customer_id: UUID
    name: str | None
    state: str
    code: str = ""
    message: str = ""


@dataclass(slots=True)
class BulkReport:
    """What came of a whole list: counts by state, and those refused."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: list[BulkOutcome] = field(default_factory=list)

    def add(self, outcomes: Sequence[BulkOutcome]) -> None:
        """Count some more."""
        self.counts.update(each.state for each in outcomes)
        self.refused += [each for each in outcomes if each.state == "refused"]


def edit_many(
    uow: UnitOfWork, chosen: Sequence[UUID | Chosen], changes: BulkChanges
) -> list[BulkOutcome]:
    """Change up to 500 customers in this transaction; return an outcome each, in their order.

    Args:
        uow: A writing unit of work.
        chosen: Ids, or ids with the versions that were read.
        changes: What to change.

    Raises:
        InputError: Nothing is to be changed, a value is wrong, or there are too many customers.
        NotFoundError: There is no such user or attribute.
        RuleViolationError: The new owner is disabled.
    """
    wanted = [each if isinstance(each, Chosen) else Chosen(each) for each in chosen]
    if len(wanted) > MOST_AT_ONCE:
        raise InputError(
            t(
                "At most {most} customers are changed at once, not {count}.",
                most=MOST_AT_ONCE,
                count=len(wanted),
            ),
            code="core.bulk.too_many",
        )
    edit = _Edit(uow, changes)
    return edit.run(list({each.customer_id: each for each in wanted}.values()))


def edit_listed(
    database: Database,
    actor: Actor,
    query: ListQuery,
    changes: BulkChanges,
    *,
    on_progress: Callable[[int], None] = lambda done: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> BulkReport:
    """Change every customer that a query lists, 500 a transaction; at most 10,000.

    Who is in the list is settled before anything is changed.

    Raises:
        InputError: Nothing is to be changed, a value is wrong, or the list is longer.
    """
    report = BulkReport()
    with unit_of_work(database, actor=actor) as uow:
        if count_listed(uow, query, most=MOST_LISTED).is_more:
            raise InputError(
                t(
                    "At most {most} customers are changed with one request: filter the list.",
                    most=MOST_LISTED,
                ),
                code="core.bulk.too_many",
            )
        ids = listed_ids(uow, query, limit=MOST_LISTED)
    for some in chunked(ids, MOST_AT_ONCE):
        if is_stopped():
            break
        with unit_of_work(database, actor=actor, write=True) as uow:
            outcomes = edit_many(uow, some, changes)
            uow.commit()
        report.add(outcomes)
        on_progress(report.counts.total())
    return report


class _Edit:
    """One batch: the checked values, and what each customer is now."""

    def __init__(self, uow: UnitOfWork, changes: BulkChanges) -> None:
        self.uow, self.changes = uow, changes
        self.rights = list(_rights_for(changes))
        if not self.rights:
            raise InputError(
                t("Nothing is to be changed: name an owner, a stage, tags or a value."),
                code="core.bulk.nothing",
            )
        for right in self.rights:
            uow.actor.require(right)
        self.values: dict[str, Any] = {}
        if changes.owner is not None:
            self.values["owner_id"] = self._owner(changes.owner)
        if changes.stage is not None:
            self.values["stage"] = one_of(CustomerStage, changes.stage, "stage")
        self.profile = self._profile(changes.profile)
        self.added = [filled(name, "tag") for name in changes.add_tags]
        self.removed = {filled(name, "tag") for name in changes.remove_tags}

    def run(self, chosen: Sequence[Chosen]) -> list[BulkOutcome]:
        """Change those that may be."""
        rows = self._rows([each.customer_id for each in chosen])
        refused: dict[UUID, BulkOutcome] = {}
        for each in chosen:
            try:
                self._check(each, rows.get(each.customer_id))
            except CrmError as error:
                row = rows.get(each.customer_id)
                refused[each.customer_id] = BulkOutcome(
                    each.customer_id, row and row.name, "refused", error.code, error.message
                )
        good = [each.customer_id for each in chosen if each.customer_id not in refused]
        result = save_customers(self.uow, self._drafts(good, rows))
        changed = result.changed | save_profile_values(
            self.uow,
            [(key, attribute, value) for key in good for attribute, value in self.profile.items()],
        )
        return [
            refused.get(each.customer_id)
            or BulkOutcome(
                each.customer_id,
                rows[each.customer_id].name,
                "done" if each.customer_id in changed else "unchanged",
            )
            for each in chosen
        ]

    def _rows(self, ids: Sequence[UUID]) -> dict[UUID, Any]:
        columns = (
            Customer.id,
            Customer.name,
            Customer.version,
            Customer.owner_id,
            Customer.archived_at,
            Customer.merged_into_id,
        )
        statement = select(*columns).where(among(Customer.id, ids))
        return {row.id: row for row in self.uow.execute(statement)}

    def _check(self, chosen: Chosen, row: Any) -> None:
        """Raise the reason why this customer is not changed."""
        actor = self.uow.actor
        if row is None:
            raise NotFoundError(
                t(
                    "There is no customer {id} that {login} may see.",
                    id=chosen.customer_id,
                    login=actor.login,
                ),
                code="core.customer.not_found",
            )
        for right in self.rights:
            actor.require_for_owner(right, row.owner_id, t("customer {name}", name=row.name))
        if chosen.version is not None and row.version != chosen.version:
            raise StaleVersionError(
                t("{name} was changed by somebody else since you read it.", name=row.name)
            )
        if row.merged_into_id is not None:
            raise RuleViolationError(
                t("{name} was merged into another customer.", name=row.name),
                code="core.customer.merged",
            )
        if self.changes.archive and row.archived_at is None:
            objections = self.uow.hooks.check(
                "crm_check_customer_archive", uow=self.uow, customer_id=row.id
            )
            if objections:
                raise RuleViolationError(
                    joined(each.message for each in objections),
                    code="core.customer.archive_refused",
                )

    def _drafts(self, ids: Sequence[UUID], rows: Mapping[UUID, Any]) -> list[CustomerDraft]:
        tags = self._tags(ids)
        drafts = []
        for key in ids:
            values = dict(self.values)
            archived_at: datetime | None = rows[key].archived_at
            if self.changes.archive is not None and self.changes.archive != bool(archived_at):
                values["archived_at"] = self.uow.now if self.changes.archive else None
            drafts.append(CustomerDraft(values, tag_ids=tags.get(key), customer_id=key))
        return drafts

    def _tags(self, ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
        if not self.added and not self.removed:
            return {}
        added = set(ensure_tags(self.uow, self.added).values())
        statement = select(Tag.id).where(Tag.name.in_(self.removed - set(self.added)))
        removed = set(self.uow.scalars(statement))
        carried: dict[UUID, set[UUID]] = {key: set() for key in ids}
        for some in chunked(ids, PARAMETERS):
            found = select(CustomerTag.customer_id, CustomerTag.tag_id).where(
                among(CustomerTag.customer_id, some)
            )
            for row in self.uow.execute(found):
                carried[row.customer_id].add(row.tag_id)
        return {key: sorted((tags | added) - removed) for key, tags in carried.items()}

    def _owner(self, login: str) -> UUID | None:
        if not login.strip():
            return None
        owner: User = user_named(self.uow, login.strip())
        require_enabled(owner)
        return owner.id

    def _profile(self, wanted: Mapping[str, str]) -> dict[UUID, str]:
        found: dict[UUID, str] = {}
        for code, text in wanted.items():
            attribute = attribute_named(self.uow, code)
            found[attribute.id] = canonical_value(attribute, text)
        return found


def _rights_for(changes: BulkChanges) -> Sequence[str]:
    asked = (
        (EDIT, changes.stage is not None or changes.add_tags or changes.remove_tags),
        (ASSIGN, changes.owner is not None),
        (ARCHIVE, changes.archive is not None),
        (PROFILE, changes.profile),
    )
    return [right for right, is_asked in asked if is_asked]
