"""The shape of a mapping: what of Odoo becomes which field of a neutral record.

Mappings are data. A remote field is written by name, with three additions: ``memo|ref`` takes the
first of these that the server has (fields move between versions), ``country_id.code`` takes a field
of the referred record instead of its id, and a trailing ``?`` says that a server without it is
nothing to warn about (``locked?`` came with Odoo 17).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as attribute
from enum import Enum, auto
from typing import Any, Protocol
from zoneinfo import ZoneInfo

Row = Mapping[str, Any]
"""A row of ``read``: many-to-one fields as plain ids, absent values as False."""
Domain = tuple[Any, ...]
"""An Odoo domain: ``(field, operator, value)`` triples and ``"&"``, ``"|"``, ``"!"``."""
Converter = Callable[..., Any]
"""Takes the values of a mapping's remote fields, in their order, and returns the neutral value."""

Record = Mapping[str, Any]
"""A neutral record."""


class Unheld(Enum):
    """Why Odoo does not hold a field of a record as its own, so that it is not written."""

    TOLD_AS_NONE = auto()
    """Odoo has no such value of the record's own; ``read`` tells None."""
    LEFT_OUT = auto()
    """Nothing can be said about it."""


class IfMissing(Enum):
    """What becomes of a value that is not in the table it is looked up in."""

    BLANK = auto()
    LEFT_OUT = auto()
    REFUSED = auto()
    MADE = auto()


@dataclass(frozen=True, slots=True)
class Lookup:
    """How a value is found in a small table of Odoo's: a country by its code.

    Attributes:
        model: The table.
        field: What names its records.
        key: Evens out spellings, on both sides.
        gives: What is written of the record that was found.
        within: The table's many-to-one field that has to equal what is written to the record's
            field of the same name: a state's country. Without a country the name has to be unique.
        if_missing: What becomes of a value that is not there.
    """

    model: str
    field: str
    key: Callable[[Any], Any]
    gives: str = "id"
    within: str = ""
    if_missing: IfMissing = IfMissing.BLANK


@dataclass(frozen=True, slots=True)
class Write:
    """How a neutral field is written.

    Attributes:
        values: Takes the neutral value and the whole neutral record, and returns what ``read``
            would find under the converter's remote names, with None for absent.
        into: Which of these are written; the others only complete what is told.
        lookups: How values under some of these names are found.
        beside: Other neutral fields that ``values`` looks at.
        currency: The remote name under which ``values`` gives a currency that has to be the
            company's, or nothing can be said of the field.
    """

    values: Callable[[Any, Record], Mapping[str, Any] | Unheld]
    into: tuple[str, ...]
    lookups: Mapping[str, Lookup] = attribute(default_factory=dict)
    beside: tuple[str, ...] = ()
    currency: str = ""


@dataclass(frozen=True, slots=True)
class LinesOut:
    """How the lines of a record are written, together with it and under names of their own.

    Attributes:
        field: The neutral field; its lines each have a ``key``.
        through: The one-to-many field they go into.
        columns: Odoo's field of a line, as ``load`` names it, to what it is made of.
    """

    field: str
    through: str
    columns: Mapping[str, Callable[[Record], Any]]


@dataclass(frozen=True, slots=True)
class Deed:
    """A change that is made by calling a method, before the other fields are written.

    Attributes:
        field: The neutral field of an edit.
        value: The value of it that takes the method.
        left: Domain of the records with which it is not done yet.
        method: What is called with their ids.
    """

    field: str
    value: Any
    left: Domain
    method: str


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """One neutral field, where it comes from and how it is written.

    Attributes:
        field: Name in the neutral record.
        remote: Odoo's field, or several that the converter takes together.
        converter: Turns Odoo's values into the neutral one.
        write: How it is written; None when it is only read.
    """

    field: str
    remote: str | tuple[str, ...]
    converter: Converter
    write: Write | None = attribute(default=None, repr=False)

    @property
    def remotes(self) -> tuple[str, ...]:
        """Odoo's fields, always as a tuple."""
        return (self.remote,) if isinstance(self.remote, str) else self.remote


@dataclass(frozen=True, slots=True)
class Related:
    """Records under a record, such as an order's lines, read in one call a page.

    Attributes:
        model: Their model.
        through: The one-to-many field that names them.
        shown: The one that names those among them which become lines, where that differs.
        remotes: Fields read besides those that ``fields`` names.
        fields: How one becomes a neutral line.
    """

    model: str
    through: str
    shown: str = ""
    remotes: tuple[str, ...] = ()
    fields: tuple[FieldMapping, ...] = ()


@dataclass(frozen=True, slots=True)
class Company:
    """The company of the user we log in as, its currency, and where it is that user's day."""

    id: int
    currency_id: int
    currency_code: str
    zone: ZoneInfo


class Surroundings(Protocol):
    """What a derived field may ask for; answers come in one call a page."""

    @property
    def company(self) -> Company:
        """The company of the user we log in as."""
        ...

    def related(self, row: Row) -> Sequence[Row]:
        """Return the rows under this one, under the names that the mapping gives their fields."""
        ...

    def lines(self, row: Row) -> list[dict[str, Any]]:
        """Return the rows under this one as neutral lines."""
        ...

    def read(self, model: str, ids: Sequence[int], fields: Sequence[str]) -> list[dict[str, Any]]:
        """Read records by id; many-to-one fields come as plain ids."""
        ...


@dataclass(frozen=True, slots=True)
class Derived:
    """A neutral field that is made of more than the record's own row.

    Attributes:
        field: Name in the neutral record.
        remotes: Fields of the record itself that it needs.
        build: Called once a page with its rows; gives values by row id, None where one is absent.
    """

    field: str
    remotes: tuple[str, ...]
    build: Callable[[Sequence[Row], Surroundings], Mapping[int, Any]]


@dataclass(frozen=True, slots=True)
class Need:
    """A model that has to be readable, what for, and the group that usually grants it."""

    model: str
    purpose: str
    group: str


@dataclass(frozen=True, slots=True)
class EntityMapping:
    """How one entity is read and written.

    Attributes:
        name: The entity's name.
        model: Odoo's model.
        module: The Odoo app that brings the model; empty for those that are always there.
        domain: Which of its records belong to the entity; see ``domains``.
        cursors: Paths to ``write_date`` fields; a later one anywhere touches the record.
        label: Neutral fields of which the first that is filled names a record to people.
        needs: What a user must be allowed to read.
        fields: The fields.
        related: Records read along with each page.
        derived: Fields made of several records.
        requires: Neutral fields without which a record cannot be taken.
        lines: How its lines are written, where they are.
        deeds: What is done by methods.
        grants_writing: The group that usually lets a user write it.
    """

    name: str
    model: str
    module: str
    domain: Domain
    cursors: tuple[str, ...]
    label: tuple[str, ...]
    needs: tuple[Need, ...]
    fields: tuple[FieldMapping, ...]
    related: Related | None = None
    derived: tuple[Derived, ...] = ()
    requires: tuple[str, ...] = ()
    lines: LinesOut | None = attribute(default=None, repr=False)
    deeds: tuple[Deed, ...] = attribute(default=(), repr=False)
    grants_writing: str = attribute(
        default="Contact Creation (base.group_partner_manager)", repr=False
    )

    @property
    def tells_edits(self) -> bool:
        """Whether to tell who changed a record and when: where both sides may change it."""
        return any(field.write is not None for field in self.fields)
