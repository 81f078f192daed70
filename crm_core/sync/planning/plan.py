"""What a plan holds, and what its decisions come to."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from crm_core.entities.hold import HoldSide
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.sync.records import digest


class Decision(StrEnum):
    """What a person may say of a row; one left for a person is empty."""

    LINK = "link"
    CREATE = "create"
    IGNORE = "ignore"
    OPEN = ""


class Side(StrEnum):
    """Where the records of a row stand."""

    BOTH = "both"
    HERE = "here"
    THERE = "there"


@dataclass(slots=True)
class PlanRow:
    """One record that stands on one side only, or two that may be the same.

    ``link`` ties the two, ``create`` makes each on the other side, ``ignore`` leaves them alone
    for good. The states are digests of what was decided on.
    """

    entity: str
    side: Side
    decision: Decision
    local_id: UUID | None = None
    local_name: str = ""
    remote_id: str | None = None
    remote_name: str = ""
    score: int | None = None
    reason: str = ""
    local_state: str = ""
    remote_state: str = ""

    @property
    def keys(self) -> list[tuple[HoldSide, str]]:
        """The records of the row."""
        found = []
        if self.local_id is not None:
            found.append((HoldSide.LOCAL, str(self.local_id)))
        if self.remote_id is not None:
            found.append((HoldSide.REMOTE, self.remote_id))
        return found


@dataclass(frozen=True, slots=True)
class PlanHead:
    """Which backend and database a plan was made for, when, and how many rows it has.

    ``database`` tells it from every other, copies of it included.
    """

    backend: str
    backend_id: str
    database: str
    made_at: str
    rows: int

    @property
    def mark(self) -> str:
        """Stands in every row of a file, so that rows of two plans are not mixed up."""
        return f"{self.backend} {self.made_at} {self.rows} {self.backend_id} {self.database}"


@dataclass(slots=True)
class Plan:
    """A plan; see :mod:`crm_core.sync.planning.make`.

    Attributes:
        head: For what it was made.
        rows: What is not in step yet.
        in_step: Customers bound already.
        only_here: Customers here that are not told to a remote that can only be read.
        set_aside: Names of remote records that cannot be read.
        left_out: What was not compared since too many records share it, in words.
    """

    head: PlanHead
    rows: list[PlanRow]
    in_step: int = 0
    only_here: int = 0
    set_aside: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def state_of(values: Mapping[str, Any]) -> str:
    """Return a digest of a neutral record's own fields.

    References are left out: ours change by themselves when what they name becomes known there.
    """
    own = {name: value for name, value in values.items() if not name.endswith(("_ref", "_refs"))}
    return digest(own).hex()


def check_of(head: PlanHead, row: PlanRow) -> str:
    """Return what tells that nothing but a row's decision was changed."""
    local = row.local_id.hex if row.local_id else ""
    parts = (head.mark, row.entity, row.side, local, row.remote_id or "")
    told = "\n".join((*parts, row.local_state, row.remote_state))
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()


@dataclass(slots=True)
class Settled:
    """What a plan's decisions come to, each record in one place.

    Attributes:
        links: Rows whose records are one.
        takes: Rows whose remote record is made here.
        makes: Rows whose local record is made there.
        ignored: Records to be left alone for good.
        undecided: Records nobody has decided on.
    """

    links: list[PlanRow] = field(default_factory=list)
    takes: list[PlanRow] = field(default_factory=list)
    makes: list[PlanRow] = field(default_factory=list)
    ignored: set[tuple[HoldSide, str]] = field(default_factory=set)
    undecided: set[tuple[HoldSide, str]] = field(default_factory=set)


def settle(rows: Sequence[PlanRow], line_of: Mapping[int, int] | None = None) -> Settled:
    """Work out what becomes of each record of these rows.

    A record may stand in several rows that are left for a person. One link settles it; else an
    empty row leaves it undecided, and ``ignore`` counts before ``create``.

    Args:
        rows: The plan's.
        line_of: Line in the file by place in ``rows``, for what is said of them.

    Raises:
        InputError: Two links name the same record, or a row with one record says ``link``.
    """
    said: dict[tuple[HoldSide, str], list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        for key in row.keys:
            said[key].append(number)
    found = Settled()
    linked: dict[tuple[HoldSide, str], int] = {}
    for number, row in enumerate(rows):
        if row.decision == Decision.LINK:
            _link(rows, number, linked, line_of or {})
            found.links.append(row)
    for key, numbers in said.items():
        if key in linked:
            continue
        decisions = {rows[number].decision for number in numbers}
        if Decision.OPEN in decisions:
            found.undecided.add(key)
        elif Decision.IGNORE in decisions:
            found.ignored.add(key)
        elif key[0] == HoldSide.LOCAL:
            found.makes.append(rows[numbers[0]])
        else:
            found.takes.append(rows[numbers[0]])
    return found


def _link(
    rows: Sequence[PlanRow],
    number: int,
    linked: dict[tuple[HoldSide, str], int],
    line_of: Mapping[int, int],
) -> None:
    row, line = rows[number], line_of.get(number, number + 1)
    if row.side != Side.BOTH:
        raise refused(
            line, "decision", t("link needs a record on both sides; write create or ignore")
        )
    for key in row.keys:
        if key in linked:
            other = line_of.get(linked[key], linked[key] + 1)
            raise refused(
                line,
                "decision",
                t(
                    "{local_name} is linked in line {other} already; one record has one partner",
                    local_name=row.local_name or row.remote_name,
                    other=other,
                ),
            )
        linked[key] = number


def refused(line: int, column: str, what: str) -> InputError:
    """Return the error for a plan that cannot be applied as it stands."""
    return InputError(
        t(
            "The plan cannot be applied: line {line}, column {column}: {what}. Nothing was "
            "written.",
            line=line,
            column=column,
            what=what,
        ),
        code="core.sync.plan_file",
        details={"line": line, "column": column},
    )


def keys_of(rows: Iterable[PlanRow]) -> set[tuple[HoldSide, str]]:
    """Return all records of these rows."""
    return {key for row in rows for key in row.keys}
