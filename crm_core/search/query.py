"""What people type, taken apart into what an entry has to hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.search.entry import number
from crm_core.search.fold import chunks, fold, joined, name_key

MAXIMUM_LENGTH = 200
"""Characters of a query; longer ones are a paste gone wrong."""
INFIX_LENGTH = 3
"""From so many letters on a word is also looked for inside of words."""
SHORTEST_NUMBER = 5
SHORT_AFFIX = 3
RUSSIAN_TRUNK, RUSSIAN_LENGTH = "8", 11

Words = tuple[str, ...]
Group = tuple[Words, ...]
"""Ways of writing one part of a query, of which one must match: all its words."""


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query: every group must match.

    Attributes:
        groups: See :data:`Group`.
        key: What a name begins with that is looked for as it is typed.
    """

    groups: tuple[Group, ...]
    key: str

    def words(self) -> list[str]:
        """Return the words of all groups as they come, repeated ones too."""
        return [word for group in self.groups for way in group for word in way]

    @property
    def may_be_within(self) -> bool:
        """Whether any word is long enough to be looked for inside of words."""
        return any(len(word) >= INFIX_LENGTH for word in self.words())

    def begins(self, words: str) -> bool:
        """Return whether each word of the query begins one of these words of an entry."""
        return all(
            any(all(f" {word}" in words for word in way) for way in group) for group in self.groups
        )

    def touches(self, words: str) -> bool:
        """Return whether some part of the query is found in these words of an entry."""
        return any(
            all(anchored(word) in words for word in way) for group in self.groups for way in group
        )


def anchored(word: str) -> str:
    """Return the word, after the space or two before a word where it is too short for the inside.

    Every trigram index can answer that: nothing in it is shorter than three characters.
    """
    return word.rjust(INFIX_LENGTH)


def parse(text: str) -> Query:
    """Return the query that a text stands for.

    Each run without spaces is looked for joined and word by word (``d.o.o.``, ``O'Neil``). Runs
    with digits that follow each other are also joined, with a short word before them, so that
    telephone, VAT and reference numbers are found however they are grouped.

    Raises:
        InputError: There is nothing to look for, or far too much.
    """
    if len(text) > MAXIMUM_LENGTH:
        raise InputError(
            t(
                "The search text has {count} characters; give at most {maximum_length}.",
                count=len(text),
                maximum_length=MAXIMUM_LENGTH,
            ),
            code="core.search.too_long",
        )
    groups = tuple(dict.fromkeys(_groups(list(_runs(text)))))
    if not groups:
        raise InputError(
            t(
                "There is nothing to search for: give letters or digits of a name, e-mail, phone, "
                "VAT number or reference."
            ),
            code="core.search.empty",
        )
    return Query(groups, name_key(text))


def _runs(text: str) -> Iterator[list[str]]:
    for run in fold(text.replace("(0)", "")).split():
        # The parts of an e-mail address mean nothing alone; those of other runs may.
        words = [joined(run)] if "@" in run.strip("@") else None
        yield from [words] if words and words[0] else chunks(run)


def _groups(runs: list[list[str]]) -> Iterator[Group]:
    while runs:
        before = runs[:1] if _is_short(runs) and _numeric(runs[1:]) else []
        start = len(before)
        end = start + _numeric(runs[start:])
        if start == end:
            yield _group([["".join(runs[0])], runs[0]])
            runs = runs[1:]
            continue
        after = runs[end : end + 1] if _is_short(runs[end:]) else []
        yield _number_group(_flat(before), _flat(runs[start:end]), _flat(after))
        runs = runs[end + len(after) :]


def _is_short(runs: list[list[str]]) -> bool:
    """Return whether the first run may belong to a number, as in ``SI 123`` or ``123 Z``."""
    if not runs or _numeric(runs):
        return False
    return len(runs[0]) == 1 and len(runs[0][0]) <= SHORT_AFFIX


def _numeric(runs: list[list[str]]) -> int:
    """Return how many runs at the beginning hold a digit."""
    for count, run in enumerate(runs):
        if not any(sign.isdigit() for word in run for sign in word):
            return count
    return len(runs)


def _flat(runs: list[list[str]]) -> list[str]:
    return [word for run in runs for word in run]


def _number_group(before: list[str], words: list[str], after: list[str]) -> Group:
    ways = [[*before, _national("".join(words)), *after]]
    if len(words) > 1:
        ways.append([*before, *words, *after])
    if before or after:
        ways.append(["".join(before + words + after)])
    return _group(ways)


def _group(ways: list[list[str]]) -> Group:
    return tuple(dict.fromkeys(tuple(dict.fromkeys(words)) for words in ways))


def _national(digits: str) -> str:
    """Return a telephone number without trunk or international prefix; other texts as they are.

    What is left stands in the international number, so nothing that matched before is lost.
    """
    if not digits.isdigit():
        return digits
    if digits.startswith(RUSSIAN_TRUNK) and len(digits) == RUSSIAN_LENGTH:
        return digits[1:]
    short = number(digits)
    return short if len(short) >= SHORTEST_NUMBER else digits
