"""Who may read which rows: the declarations that mapped classes carry.

The session turns a class's declaration into a criterion on every query that touches it
(``crm_core.persistence.session``), so lists, counts, searches and exports cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import ColumnElement, and_, false, or_, select

from crm_core.access import Actor, Reach

if TYPE_CHECKING:
    from crm_core.persistence.base import Base

CUSTOMER_VIEW = "core.customer.view"


class Scope(Protocol):
    """A rule that says which rows of a class an actor may read."""

    def criterion(self, cls: type[Base], actor: Actor) -> ColumnElement[bool] | None:
        """Return the condition on ``cls``'s rows; None when the actor may read them all."""
        ...


@dataclass(frozen=True, slots=True)
class Public:
    """Every actor may read every row: reference data such as currencies."""

    def criterion(self, cls: type[Base], actor: Actor) -> ColumnElement[bool] | None:
        """No restriction."""
        return None


@dataclass(frozen=True, slots=True)
class ByRight:
    """All rows for an actor who holds the right, none for others."""

    right: str

    def criterion(self, cls: type[Base], actor: Actor) -> ColumnElement[bool] | None:
        """None for a holder of the right, else a condition no row meets."""
        return None if actor.may(self.right) else false()


@dataclass(frozen=True, slots=True)
class ByRightOverAll(ByRight):
    """All rows for holders of the right who may read every customer: rows may name any of them."""

    def criterion(self, cls: type[Base], actor: Actor) -> ColumnElement[bool] | None:
        """None for those, else a condition no row meets."""
        reads_all = actor.reach(CUSTOMER_VIEW) is Reach.ALL
        return None if reads_all and actor.may(self.right) else false()


@dataclass(frozen=True, slots=True)
class ByRecord:
    """Rows that name a record by ``entity`` and ``local_id``: for holders of the right who read it.

    That is told of customers, their addresses and tags; what is said of other records is read by
    those who may read every customer.

    Args:
        right: Which.
        two: Field to value of rows that tell of a second customer too; they are treated likewise.
    """

    right: str
    two: tuple[str, str] | None = None

    def criterion(self, cls: type[Base], actor: Actor) -> ColumnElement[bool] | None:
        """Restrict to rows of readable records."""
        if not actor.may(self.right):
            return false()
        return record_criterion(cls, actor, actor.reach(CUSTOMER_VIEW), self.two)


@dataclass(frozen=True, slots=True)
class ByOwner:
    """Rows by the user in ``column``, as far as the right reaches: own, team or all."""

    right: str
    column: str = "owner_id"

    def criterion(self, cls: type[Base], actor: Actor) -> ColumnElement[bool] | None:
        """Restrict to the actor's own rows, to the team's, or not at all."""
        return owner_criterion(getattr(cls, self.column), actor, actor.reach(self.right))


@dataclass(frozen=True, slots=True)
class ThroughCustomer:
    """Rows that hang on a customer: readable when one of those customers is.

    Args:
        columns: Names of the columns that hold a customer's id.
        and_unattached: Whether a row that names no customer at all is readable by everyone.
    """

    columns: tuple[str, ...] = ("customer_id",)
    and_unattached: bool = False

    def criterion(self, cls: type[Base], actor: Actor) -> ColumnElement[bool] | None:
        """Restrict to rows of readable customers."""
        from crm_core.entities.customer import Customer

        condition = owner_criterion(
            Customer.__table__.c.owner_id, actor, actor.reach(CUSTOMER_VIEW)
        )
        if condition is None:
            return None
        readable = select(Customer.__table__.c.id).where(condition)
        columns: list[Any] = [getattr(cls, name) for name in self.columns]
        conditions = [column.in_(readable) for column in columns]
        if self.and_unattached:
            conditions.extend(column.is_(None) for column in columns)
        return or_(*conditions)


@dataclass(frozen=True, slots=True)
class Through:
    """Rows that hang on a row of another scoped class, such as the lines of a document.

    Args:
        parent: Name of the parent's mapped class; of several, the one of the same package.
        column: Name of the column here that holds the parent's id.
    """

    parent: str
    column: str

    def criterion(self, cls: type[Base], actor: Actor) -> ColumnElement[bool] | None:
        """Restrict to rows whose parent is readable."""
        named = [m.class_ for m in cls.registry.mappers if m.class_.__name__ == self.parent]
        parent = max(named, key=lambda each: _package(each) == _package(cls))
        condition = parent.__scope__.criterion(parent, actor)
        if condition is None:
            return None
        column: Any = getattr(cls, self.column)
        readable: ColumnElement[bool] = column.in_(select(parent.__table__.c.id).where(condition))
        return readable


def _package(cls: type[Base]) -> str:
    return cls.__module__.partition(".")[0]


def record_criterion(
    cls: type[Base], actor: Actor, reach: Reach, two: tuple[str, str] | None = None
) -> ColumnElement[bool] | None:
    """Return the condition that ``entity`` and ``local_id`` name a record within reach.

    Args:
        cls: Has these columns.
        actor: Who.
        reach: How far, as for customers.
        two: As of :class:`ByRecord`.
    """
    from crm_core.entities.customer import Address, Customer

    condition = owner_criterion(Customer.__table__.c.owner_id, actor, reach)
    if condition is None:
        return None
    customers = select(Customer.__table__.c.id).where(condition)
    places = Address.__table__.c
    addresses = select(places.id).where(places.customer_id.in_(customers))
    row: Any = cls
    found = or_(
        row.entity == "tag",
        and_(row.entity == "customer", row.local_id.in_(customers)),
        and_(row.entity == "address", row.local_id.in_(addresses)),
    )
    return found if two is None else and_(found, getattr(row, two[0]) != two[1])


def owner_criterion(column: Any, actor: Actor, reach: Reach) -> ColumnElement[bool] | None:
    """Return the condition that ``column`` names a user within the actor's reach."""
    if reach is Reach.ALL:
        return None
    if reach is Reach.TEAM:
        owners = {*actor.team_user_ids, actor.user_id}
        return column.in_(sorted(o for o in owners if o is not None))  # type: ignore[no-any-return]
    if reach is Reach.OWN and actor.user_id is not None:
        return column == actor.user_id  # type: ignore[no-any-return]
    return false()
