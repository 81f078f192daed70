"""The audit's hash chain: sealing committed rows, and finding where a sealed one was altered.

A sealed row holds its position (1, 2, 3 … without gaps), a random salt, ``values_hash``: SHA-256 of
salt and changes, and ``chain_hash``: SHA-256 of the previous row's ``chain_hash`` and all of this
row but its changes and salt. So those two can be erased and the chain stays whole. Rows are chained
in the order they are sealed in, which is not quite that of their ids: a lower id can commit later.

Writers leave all four columns empty and never wait for the chain.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, Row, bindparam, func, select, update

from crm_core.entities.system import AuditEntry
from crm_core.messages import t
from crm_core.persistence.bulk import table_of
from crm_core.persistence.database import Database

SEAL_BATCH = 250
"""Rows sealed in one transaction: some 15 ms, for which SQLite's other writers wait."""
VERIFY_PAGE = 2_000
SALT_BYTES = 16
ADVISORY_LOCK = 0x63726D_617564
"""Held on PostgreSQL by whoever extends the chain or erases from it."""
Progress = Callable[[int, int], None]
_audit = table_of(AuditEntry)
# Not orjson: changes may hold whole numbers of any size.
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_seal = (
    update(_audit)
    .where(_audit.c.id == bindparam("b_id"))
    .values({name: bindparam(name) for name in ("position", "salt", "values_hash", "chain_hash")})
)


@dataclass(frozen=True, slots=True)
class AuditBreak:
    """The first place where the chain does not hold.

    Attributes:
        position: Where in the chain.
        audit_id: The row there; None where rows are missing.
        reason: What is wrong, for people.
    """

    position: int
    audit_id: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What verifying found.

    Attributes:
        sealed: Rows in the chain.
        unsealed: Rows that wait to be sealed.
        erased: Sealed rows whose values were erased on purpose.
        head_hash: ``chain_hash`` of the last row, in hexadecimal; None for an empty chain. Noted
            down elsewhere, it proves later that no row was cut off the end.
        first_break: Where the chain stops holding; None when it is whole.
    """

    sealed: int
    unsealed: int
    erased: int
    head_hash: str | None
    first_break: AuditBreak | None


def seal(database: Database) -> int:
    """Seal every committed row that is not sealed yet, in short transactions; return how many."""
    sealed = last_id = 0
    while True:
        with database.write_engine.begin() as connection:
            lock_chain(connection)
            waiting = (
                select(_audit)
                .where(_audit.c.position.is_(None), _audit.c.id > last_id)
                .order_by(_audit.c.id)
                .limit(SEAL_BATCH)
            )
            rows = connection.execute(waiting).all()
            if not rows:
                return sealed
            connection.execute(_seal, list(_links(rows, *_head(connection))))
        sealed += len(rows)
        last_id = rows[-1].id


def verify(database: Database, on_progress: Progress | None = None) -> AuditReport:
    """Check the chain from its first row to its last, or to the first that does not hold.

    Args:
        database: Where.
        on_progress: Called now and then with the rows checked and the rows there are.
    """
    count = select(func.count(_audit.c.position), func.count())
    with database.engine.connect() as connection:
        sealed, total = connection.execute(count).one()
    position, previous, erased, broken = 0, b"", 0, None
    for row in _sealed_rows(database):
        broken = _break_at(row, position + 1, previous)
        if broken is not None:
            break
        position, previous = row.position, row.chain_hash
        erased += row.salt is None
        if on_progress is not None and position % VERIFY_PAGE == 0:
            on_progress(position, sealed)
    head = previous.hex() if previous and broken is None else None
    return AuditReport(sealed, total - sealed, erased, head, broken)


def blank_values(connection: Connection, customer_id: UUID) -> int:
    """Erase changes and salt of all rows on a customer; the chain stays whole. Return how many."""
    lock_chain(connection)
    mine = _audit.c.customer_id == customer_id
    blank = update(_audit).where(mine).values(changes=None, salt=None)
    return connection.execute(blank).rowcount


def lock_chain(connection: Connection) -> None:
    """Let nobody else change the chain until this transaction ends."""
    # On SQLite a writing transaction is alone anyway.
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))


def _head(connection: Connection) -> tuple[int, bytes]:
    """Return position and hash of the last row in the chain."""
    newest = (
        select(_audit.c.position, _audit.c.chain_hash)
        .where(_audit.c.position.is_not(None))
        .order_by(_audit.c.position.desc())
        .limit(1)
    )
    row = connection.execute(newest).first()
    return (0, b"") if row is None else (row.position, row.chain_hash)


def _links(rows: Sequence[Row[Any]], position: int, previous: bytes) -> Iterator[dict[str, Any]]:
    salts = os.urandom(SALT_BYTES * len(rows))
    for number, row in enumerate(rows):
        salt = salts[number * SALT_BYTES : (number + 1) * SALT_BYTES]
        position += 1
        values_hash = _values_hash(salt, row.changes)
        previous = _chain_hash(previous, position, values_hash, row)
        yield {
            "b_id": row.id,
            "position": position,
            "salt": salt,
            "values_hash": values_hash,
            "chain_hash": previous,
        }


def _sealed_rows(database: Database) -> Iterator[Row[Any]]:
    position = 0
    while True:
        page = (
            select(_audit)
            .where(_audit.c.position.is_not(None), _audit.c.position > position)
            .order_by(_audit.c.position)
            .limit(VERIFY_PAGE)
        )
        # A transaction a page: a long one would keep SQLite's writers waiting.
        with database.engine.connect() as connection:
            rows = connection.execute(page).all()
        yield from rows
        if len(rows) < VERIFY_PAGE:
            return
        position = rows[-1].position


def _break_at(row: Row[Any], position: int, previous: bytes) -> AuditBreak | None:
    if row.position != position:
        return AuditBreak(
            position,
            None,
            t(
                "Positions {position} to {row_position} of the audit are missing: deleted rows.",
                position=position,
                row_position=row.position - 1,
            ),
        )
    if row.salt is None:
        kept = row.changes is None
    else:
        kept = row.values_hash == _values_hash(row.salt, row.changes)
    if not kept:
        return AuditBreak(
            position, row.id, t("The values of audit row {row_id} were altered.", row_id=row.id)
        )
    if row.chain_hash != _chain_hash(previous, position, row.values_hash, row):
        return AuditBreak(
            position,
            row.id,
            t(
                "Audit row {row_id} was altered, or rows before it were removed or put in another "
                "order.",
                row_id=row.id,
            ),
        )
    return None


def _values_hash(salt: bytes, changes: Any) -> bytes:
    return sha256(salt + _canonical(changes).encode()).digest()


def _chain_hash(previous: bytes, position: int, values_hash: bytes | None, row: Row[Any]) -> bytes:
    covered = [
        position,
        row.id,
        row.at.isoformat(),
        row.actor_id and row.actor_id.hex,
        row.actor_login,
        row.origin,
        row.action,
        row.entity_type,
        row.entity_id,
        row.customer_id and row.customer_id.hex,
        (values_hash or b"").hex(),
    ]
    return sha256(previous + orjson.dumps(covered)).digest()
