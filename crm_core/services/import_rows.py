"""Checking the rows of an import one by one, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select

from crm_core.access import Actor
from crm_core.entities.consent import ProfileAttribute
from crm_core.entities.user import User
from crm_core.errors import InputError
from crm_core.messages import n, t
from crm_core.normalize import shortened
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.schemas.customer import read_customer
from crm_core.services.customer_columns import (
    COMPANY,
    OWNER,
    TAGS,
    Column,
    column_at,
    column_named,
    known_columns,
    record_of,
    unguarded,
)
from crm_core.services.import_spool import ImportSpool
from crm_core.services.profile import canonical_value
from crm_core.services.settings import load_settings

PROFILE_EDIT = "core.profile.edit"


class ImportFault(NamedTuple):
    """Why one row was set aside: where, what stood there (cut where long), what to do."""

    line: int
    column: str
    value: str
    message: str


SetAside = Callable[[ImportFault], None]


@dataclass(frozen=True, slots=True)
class Known:
    """What rows are checked against, read once."""

    owners: dict[str, UUID]
    attributes: dict[str, ProfileAttribute]
    region: str | None


def checked_columns(header: Sequence[str]) -> list[Column]:
    """Return the columns a header names; raises InputError for unknown ones and for doubles."""
    columns, unknown = [], []
    for position, label in enumerate(header, 1):
        column = column_named(label)
        if column is None:
            unknown.append(
                repr(shortened(label))
                if label.strip()
                else t("no name (no. {position})", position=position)
            )
        else:
            columns.append(column)
    if unknown:
        raise InputError(
            t(
                "Unknown columns: {unknown}. Rename or remove them. Known are: {known_columns}. "
                "Nothing was written.",
                unknown=", ".join(unknown),
                known_columns=known_columns(),
            ),
            code="core.import.columns_unknown",
            details={"unknown": unknown},
        )
    names = [column.name for column in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            t(
                "Columns given twice: {twice}. Keep one of each. Nothing was written.",
                twice=", ".join(twice),
            ),
            code="core.import.columns_twice",
            details={"twice": twice},
        )
    return columns


def read_known(database: Database, actor: Actor, columns: Sequence[Column]) -> Known:
    """Read what rows with these columns are checked against.

    Raises:
        InputError: A column names a profile attribute that does not exist.
        PermissionDeniedError: There are such columns and the actor may not edit profiles.
    """
    with unit_of_work(database, actor=actor) as uow:
        owners: dict[str, UUID] = {}
        if any(column.group == OWNER for column in columns):
            owners = {row.login: row.id for row in uow.execute(select(User.login, User.id))}
        codes = {column.key for column in columns if column.group == "profile"}
        attributes: dict[str, ProfileAttribute] = {}
        if codes:
            actor.require(PROFILE_EDIT)
            attributes = {a.code: a for a in uow.scalars(select(ProfileAttribute))}
            if missing := sorted(codes - set(attributes)):
                raise InputError(
                    t(
                        "There are no profile attributes {missing}; known are: {attributes}. "
                        "Nothing was written.",
                        missing=", ".join(missing),
                        attributes=", ".join(sorted(attributes)) or t("none yet"),
                    ),
                    code="core.import.attributes_unknown",
                    details={"unknown": missing},
                )
        return Known(owners, attributes, load_settings(uow).phone_region)


class RowCheck:
    """Checks rows one by one and keeps the good ones."""

    def __init__(self, columns: list[Column], known: Known, *, is_guarded: bool) -> None:
        self.columns = columns
        self.known = known
        self.is_guarded = is_guarded
        self.company_at = next((i for i, c in enumerate(columns) if c.group == COMPANY), None)

    def row(self, line: int, cells: list[str], spool: ImportSpool, set_aside: SetAside) -> None:
        """Check one row."""
        if len(cells) < len(self.columns):
            message: str = n(
                "has {count} value where the header has {expected}. Fill the row up, or check "
                "whether the file was cut off.",
                "has {count} values where the header has {expected}. Fill the row up, or "
                "check whether the file was cut off.",
                len(cells),
                expected=len(self.columns),
            )
            set_aside(ImportFault(line, "", shortened(cells[-1]), message))
            return
        if self.is_guarded:
            cells = [unguarded(cell) if "'" in cell else cell for cell in cells]
        cells = [cell.strip() for cell in cells]
        values, faults = read_customer(
            record_of(self.columns, cells), partial=True, region=self.known.region, is_clean=True
        )
        found = [(*column_at(path, self.columns, cells), message) for path, message in faults]
        record = {} if faults else self._record(values, cells, found)
        if found:
            for name, cell, message in found:
                set_aside(ImportFault(line, name, shortened(cell), message))
        else:
            spool.add(line, record)

    def _record(
        self, values: dict[str, Any], cells: list[str], found: list[tuple[str, str, str]]
    ) -> dict[str, Any]:
        """Return the row as it is spooled: columns of the customer apart from what hangs on it."""
        points = values.pop("contact_points", [])
        if points:
            filled = [
                column.part
                for column, cell in zip(self.columns, cells, strict=False)
                if column.group == "contact" and cell
            ]
            for point, place in zip(points, filled, strict=True):
                point["place"] = place
        record: dict[str, Any] = {
            "points": points,
            "addresses": values.pop("addresses", []),
            "tags": values.pop(TAGS, None),
            "profile": self._profile(values.pop("profile", {}), found),
            "values": values,
        }
        login = values.pop(OWNER, None)
        if login is not None:
            owner_id = self.known.owners.get(login)
            if owner_id is None:
                found.append((OWNER, login, t("is not the login of a user. See crm user list.")))
            else:
                values["owner_id"] = str(owner_id)
        if self.company_at is not None and (company := cells[self.company_at]):
            record[COMPANY] = company
        return record

    def _profile(
        self, profile: dict[str, str], found: list[tuple[str, str, str]]
    ) -> dict[str, str]:
        values = {}
        for code, text in profile.items():
            attribute = self.known.attributes[code]
            try:
                values[str(attribute.id)] = canonical_value(attribute, text)
            except InputError as error:
                found.append((f"profile:{code}", text, error.message))
        return values
