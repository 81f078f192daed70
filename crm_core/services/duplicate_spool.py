"""Pairs of alike customers among many, found on disk so that memory stays flat.

Records are spooled with their keys into a temporary file; the database there joins those that share
one, and the pairs are judged one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import Any
from uuid import UUID

import orjson

from crm_core.kept_messages import kept_within, told_within
from crm_core.matching import Features, Pair, compare
from crm_core.matching.candidates import LARGEST_BLOCK, RULES
from crm_core.persistence.spool import Spool

REMEMBERED = 4_096
"""Records kept at hand while pairs are judged; those of one block follow each other."""
_TABLES = """
CREATE TABLE record (place INTEGER PRIMARY KEY, features BLOB NOT NULL);
CREATE TABLE shared (rule INTEGER NOT NULL, value TEXT NOT NULL, place INTEGER NOT NULL);
CREATE TABLE pair (one INTEGER, other INTEGER, PRIMARY KEY (one, other)) WITHOUT ROWID;
CREATE TABLE found (score INTEGER, one TEXT, other TEXT, reasons BLOB);
"""
_BLOCKS = "SELECT rule, value, count(*) AS many FROM shared GROUP BY rule, value HAVING many > 1"
_PAIR = f"""
INSERT OR IGNORE INTO pair
SELECT a.place, b.place FROM ({_BLOCKS} AND many * many <= ?) block
JOIN shared a USING (rule, value) JOIN shared b USING (rule, value) WHERE a.place < b.place
"""  # noqa: S608  parts of our own
_CROWDED = f"SELECT count(*) FROM ({_BLOCKS} AND many * many > ?)"  # noqa: S608  likewise
_NAMES = tuple(field.name for field in fields(Features))
_values = attrgetter(*_NAMES)


class DuplicateSpool(Spool):
    """Finds the pairs among the records put into it."""

    tables = _TABLES
    purpose = "comparison"
    code = "core.duplicates.temporary_file"

    def __init__(self) -> None:
        super().__init__()
        self.records = 0

    def add(self, records: Iterable[Features]) -> None:
        """Put records in, each with its customer's id as the key."""
        rows, shared = [], []
        for record in records:
            self.records += 1
            rows.append((self.records, orjson.dumps(_values(record))))
            for rule, keys in enumerate(RULES.values()):
                shared += [(rule, key, self.records) for key in dict.fromkeys(keys(record))]
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT INTO record VALUES (?, ?)", rows)
        self._connection.executemany("INSERT INTO shared VALUES (?, ?, ?)", shared)
        self._connection.execute("COMMIT")

    def judge(self, min_score: int) -> Iterator[int]:
        """Compare what shares a key; yield now and then how many pairs are done."""
        run = self._connection.execute
        run("CREATE INDEX by_key ON shared (rule, value, place)")
        run(_PAIR, (LARGEST_BLOCK,))
        recall = lru_cache(REMEMBERED)(self._recall)
        run("BEGIN")
        for done, (one, other) in enumerate(run("SELECT one, other FROM pair"), start=1):
            pair = compare(recall(one), recall(other))
            if pair is not None and pair.score >= min_score:
                reasons = orjson.dumps(kept_within(pair.reasons))
                told = (pair.score, str(pair.left), str(pair.right), reasons)
                run("INSERT INTO found VALUES (?, ?, ?, ?)", told)
            if done % REMEMBERED == 0:
                yield done
        run("COMMIT")

    def pairs(self) -> Iterator[Pair]:
        """Yield what was found, the most alike first."""
        found = "SELECT one, other, score, reasons FROM found ORDER BY score DESC, one, other"
        for one, other, score, reasons in self._connection.execute(found):
            yield Pair(UUID(one), UUID(other), score, tuple(told_within(orjson.loads(reasons))))

    @property
    def crowded(self) -> int:
        """How many keys are shared by so many that these were not compared for their sake."""
        return int(self._connection.execute(_CROWDED, (LARGEST_BLOCK,)).fetchone()[0])

    def _recall(self, place: int) -> Features:
        statement = "SELECT features FROM record WHERE place = ?"
        [(told,)] = self._connection.execute(statement, (place,)).fetchall()
        values: dict[str, Any] = dict(zip(_NAMES, orjson.loads(told), strict=True))
        listed = {name: tuple(each) for name, each in values.items() if isinstance(each, list)}
        return Features(**{**values, **listed})
