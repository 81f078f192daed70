"""One customer's entry in the search index: what it is found by, and its place in the order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from crm_core.search.fold import joined, name_key, tokens

NUMBER_KINDS = frozenset({"phone", "mobile", "fax"})

_FIRST_IDEOGRAPH = 0x4E00
_OWNER_BITS = 14

_TIE_BITS = 26
_NAME_BITS = 32
_BLOCKS = 31
_ALPHABETS = {0x00: (0x5F, 5), 0x03: (0x3AF, 5), 0x04: (0x42F, 6)}
"""By the block of 256 code points that a name begins in: the code before the first letter, and the
bits a letter takes. Other scripts take 8."""
_MOST_LETTERS = 6
OWNERS = 4_096
"""Owners whose word is remembered."""
BEGINNINGS = 16_384
"""Beginnings of names whose place in the order is remembered."""


class Entry(NamedTuple):
    """What the index needs to know of a customer.

    ``contacts`` holds ``(kind, value, normalized)`` of each contact point, ``former`` the
    ``(name, reference, vat)`` of each customer that was merged into this one.
    """

    customer_id: UUID
    owner_id: UUID | None
    name: str
    reference: str | None
    vat: str | None
    is_archived: bool = False
    contacts: Sequence[tuple[str, str, str | None]] = ()
    former: Sequence[tuple[str, str | None, str | None]] = ()


def row_of(entry: Entry) -> dict[str, Any]:
    """Return the index row of an entry; its ``position`` may still be taken by another's."""
    key = name_key(entry.name)
    owner = owner_key(entry.owner_id)
    return {
        "position": position(key, entry.customer_id),
        "customer_id": entry.customer_id,
        "owner_key": owner,
        "name_key": key,
        "is_archived": entry.is_archived,
        "words": spaced([owner, *_words(entry)]),
    }


def spaced(words: Iterable[str]) -> str:
    """Return distinct words, sorted, with two spaces before each.

    The spaces tell a word's beginning, and make a trigram of even its first letter.
    """
    distinct = {*words}
    distinct.discard("")
    return "  " + "  ".join(sorted(distinct)) if distinct else ""


def _words(entry: Entry) -> Iterable[str]:
    for name, *codes in ((entry.name, entry.reference, entry.vat), *entry.former):
        yield from tokens(name)
        for code in filter(None, codes):
            yield from code_words(code)
    for contact in entry.contacts:
        yield contact_word(*contact)


def code_words(text: str) -> list[str]:
    """Return what a reference or VAT number is found by: its runs, and all in one."""
    found = tokens(text)
    return found if len(found) == 1 else [*found, joined(text)]


def contact_word(kind: str, value: str, normalized: str | None) -> str:
    """Return what a contact point is found by, in one word."""
    text = normalized or value
    return number(text) if kind in NUMBER_KINDS else joined(text)


def number(text: str) -> str:
    """Return a phone number's digits, without the zeros that stand for ``+``."""
    digits = text[1:]
    if text[:1] == "+" and digits.isascii() and digits.isdigit():
        return digits.lstrip("0")
    return joined(text.replace("(0)", "")).lstrip("0")


def owner_key(owner_id: UUID | None) -> str:
    """Return the word that stands for an owner: three ideographs, so exactly one trigram.

    Words of entries are ANDed with it, so that a user who sees few customers does not wade through
    all; what is found is scoped by the session all the same.
    """
    return "" if owner_id is None else _owner_word(owner_id.int)


@lru_cache(maxsize=OWNERS)
def _owner_word(bits: int) -> str:
    mask = (1 << _OWNER_BITS) - 1
    return "".join(
        chr(_FIRST_IDEOGRAPH + (bits >> shift & mask))
        for shift in (0, _OWNER_BITS, 2 * _OWNER_BITS)
    )


def position(key: str, customer_id: UUID) -> int:
    """Return a number below 2**63 that sorts like the name's first letters, then at random.

    Both databases walk matches by it, in order and no further than a page, so that even a word of
    every second customer is answered at once. Four letters count, six of Latin and Greek ones.
    """
    tie = customer_id.int & ((1 << _TIE_BITS) - 1)
    return _block_and_letters(key[:_MOST_LETTERS]) << _TIE_BITS | tie


@lru_cache(maxsize=BEGINNINGS)
def _block_and_letters(key: str) -> int:
    block = min(ord(key[0]) >> 8, _BLOCKS) if key else 0
    before, bits = _ALPHABETS.get(block, (block << 8, 8))
    largest = (1 << bits) - 1
    letters = _NAME_BITS // bits
    value = 0
    for letter in key[:letters]:
        value = value << bits | min(max(ord(letter) - before, 0), largest)
    value <<= bits * max(letters - len(key), 0) + _NAME_BITS - letters * bits
    return block << _NAME_BITS | value
