"""Which trigrams to ask SQLite's full-text table for.

It intersects lists of places by stepping through them, and each row it lets through costs as much
as some hundred steps. So a query asks for rare trigrams, and for others only as far as they save
more rows than they cost steps; rows are then checked against the whole query.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import sqrt
from time import monotonic
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine

from crm_core.search.index import SAMPLE
from crm_core.search.query import INFIX_LENGTH, Group, Query

PROBED = 200
"""Occurrences of a trigram read to tell how common it is."""
MOST_TRIGRAMS = 12
STEPS_A_ROW = 80
STEPS_A_SKIP = 50
FEW = 10

_SAMPLED = f"SELECT count(*) FROM core_search_entry WHERE position % {SAMPLE} = 0"  # noqa: S608
_PLACE = f"""coalesce(
    (SELECT rowid FROM core_search_words WHERE core_search_words MATCH ? LIMIT 1 OFFSET {PROBED}),
    {2**63 - 1}
)"""  # noqa: S608
# The first entries are counted: a sample tells too little of trigrams that nearly all of them have.
_BEFORE = f"""SELECT (SELECT count(*) FROM
    (SELECT 1 FROM core_search_entry WHERE position <= place LIMIT {SAMPLE})
), ({_SAMPLED} AND position <= place) FROM (SELECT {_PLACE} AS place)"""  # noqa: S608


class Term(NamedTuple):
    """A part of a full-text expression, and the share of all entries that it holds for."""

    share: float
    text: str


class Plan:
    """How common the trigrams of a query are, and the expressions that follow from it.

    Args:
        connection: Where.
        query: What for.
        owners: Owner words, of which an entry must have one; None where all owners count.
    """

    def __init__(self, connection: Connection, query: Query, owners: list[str] | None) -> None:
        self.query = query
        self.owners = owners
        parts = {part for word in query.words() for part in trigrams(word, infix=False)}
        asked = sorted(parts) + (owners or [])[:1]
        ranks = _ranks(connection, asked)
        self.entries = ranks.pop()
        self.shares = {
            part: PROBED / max(rank, PROBED) for part, rank in zip(asked, ranks, strict=True)
        }

    @cached_property
    def begun(self) -> Term:
        """What holds wherever words begin with those of the query, and seldom elsewhere."""
        return self._term(infix=False)

    @cached_property
    def within(self) -> Term:
        """The same for words that hold those of the query anywhere."""
        return self._term(infix=True)

    @property
    def expected(self) -> float:
        """About how many entries the database will meet for :attr:`within`."""
        return self.within.share * self.entries

    def _term(self, *, infix: bool) -> Term:
        """Return an expression that holds wherever the query does.

        Args:
            infix: Whether words may stand inside of words; else they begin them.
        """
        words: list[list[Term]] = []
        for group in self.query.groups:
            if len(group) == 1:
                words.extend(self._ranked(word, infix=infix) for word in group[0])
                continue
            if infix and (common := _common(group)):
                words.extend(self._ranked(word, infix=True) for word in common)
                continue
            ways = [[self._ranked(word, infix=infix) for word in way] for way in group]
            found = [self._chosen(way, 1.0) for way in ways]
            either = " OR ".join(f"({term.text})" for term in found)
            words.append([Term(min(1.0, sum(term.share for term in found)), f"({either})")])
        if self.owners is None:
            return self._chosen(words, 1.0)
        owned = " OR ".join(f'"{owner}"' for owner in self.owners)
        share = min(1.0, self.shares[self.owners[0]] * len(self.owners))
        chosen = self._chosen(words, share)
        return Term(chosen.share, f"({owned}) AND {chosen.text}")

    def _ranked(self, word: str, *, infix: bool) -> list[Term]:
        parts = set(trigrams(word, infix=infix))
        return sorted(Term(self.shares[part], f'"{part}"') for part in parts)

    def _chosen(self, words: list[list[Term]], share: float) -> Term:
        """Return the terms that pay, joined; the rarest of each word are weighed first."""
        chosen: list[str] = []
        fewest = self.entries * share
        for turn, term in sorted((n, term) for word in words for n, term in enumerate(word)):
            # Trigrams of one word come together, so that each further one narrows less.
            kept = sqrt(term.share) if turn else term.share
            rows, places = share * self.entries, term.share * self.entries
            fewest = min(fewest, places)
            saved = rows * (1 - kept) * STEPS_A_ROW
            # Every list is moved along to each place of the shortest, at worst step by step.
            steps = min(places, fewest * STEPS_A_SKIP)
            if not chosen or (rows > FEW and saved > steps):
                chosen.append(term.text)
                share *= kept
        return Term(share, " AND ".join(chosen))


def _common(group: Group) -> list[str]:
    """Return the words that an entry holds whichever way of the group it matches."""
    words = dict.fromkeys(word for way in group for word in way if len(word) >= INFIX_LENGTH)
    return [word for word in words if all(any(word in other for other in way) for way in group)]


def _ranks(connection: Connection, words: Sequence[str]) -> list[int]:
    """Return about how many entries it takes to meet each trigram PROBED times, and their number.

    Entries are ordered by name, so the sample tells how many lie before a place. What was learnt is
    known for a while: whoever types a name asks for the same trigrams with each letter.
    """
    known = _KNOWN.setdefault(connection.engine, _Known())
    ranks = known.ranks()
    asked = [word for word in words if word not in ranks]
    if ENTRIES not in ranks:
        [(count,)] = run(connection, _SAMPLED, ())
        ranks[ENTRIES] = count * SAMPLE
    if asked:
        sql = " UNION ALL ".join([_BEFORE] * len(asked))
        found = run(connection, sql, [f'"{word}"' for word in asked])
        for word, (first, sampled) in zip(asked, found, strict=True):
            ranks[word] = first if first < SAMPLE else sampled * SAMPLE
    return [ranks[word] for word in (*words, ENTRIES)]


ENTRIES = ""
"""Stands among ranks for the number of all entries."""
KNOWN_SECONDS = 60
MOST_KNOWN = 5_000


class _Known:
    """Ranks of one database, for a minute; out of date they cost time, and hide nothing."""

    def __init__(self) -> None:
        self._ranks: dict[str, int] = {}
        self._since = monotonic()

    def ranks(self) -> dict[str, int]:
        """Return those known; a new dict now and then, so that whoever holds one keeps it whole."""
        if monotonic() - self._since > KNOWN_SECONDS or len(self._ranks) > MOST_KNOWN:
            self._ranks, self._since = {}, monotonic()
        return self._ranks


_KNOWN: WeakKeyDictionary[Engine, _Known] = WeakKeyDictionary()


def trigrams(word: str, *, infix: bool) -> list[str]:
    """Return trigrams of a word, its beginning too unless inside; at most twelve, spread out."""
    text = f" {word}".rjust(INFIX_LENGTH)
    starts = range(len(text) - INFIX_LENGTH + 1)
    spread = starts[:: -(-len(starts) // MOST_TRIGRAMS)]
    found = [text[start : start + INFIX_LENGTH] for start in spread]
    return [part for part in found if not part.startswith(" ")] or found if infix else found


def run(connection: Connection, sql: str, parameters: Sequence[Any]) -> Sequence[Any]:
    """Run a statement written with ``?`` for its parameters on either driver."""
    if connection.dialect.name != "sqlite":
        sql = sql.replace("?", "%s")
    return connection.exec_driver_sql(sql, tuple(parameters)).all()
