"""Finding the pairs worth comparing: records that share a key, never all with all.

One kind of key at a time is indexed, and pairs are kept as numbers, so memory grows with the
records and not with the pairs.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from crm_core.matching.compare import Pair, compare
from crm_core.matching.features import Features

LARGEST_BLOCK = 2_500
"""Pairs that may share one key; with more, the key says too little to compare them all."""
PARTS = 64
"""Pairs are sorted out in so many parts, one at a time."""

Keys = Callable[[Features], Iterable[str]]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A key that so many records share that they were not compared for its sake.

    They still meet by their other keys.
    """

    rule: str
    key: str
    left: int
    right: int


def candidates(
    left: Sequence[Features],
    right: Sequence[Features],
    left_out: list[LeftOut] | None = None,
) -> Iterator[Pair]:
    """Yield pairs of two sets that may mean the same, by place in ``left``, then in ``right``.

    Args:
        left: Records of one side.
        right: Records of the other.
        left_out: Filled with the keys that too many share.
    """
    yield from _scored(left, right, _pairs(left, right, left_out, within=False))


def candidates_within(
    records: Sequence[Features], left_out: list[LeftOut] | None = None
) -> Iterator[Pair]:
    """Yield pairs of one set that may mean the same, each once, the earlier record first."""
    yield from _scored(records, records, _pairs(records, records, left_out, within=True))


def _scored(
    left: Sequence[Features], right: Sequence[Features], parts: Iterable[array[int]]
) -> Iterator[Pair]:
    for part in parts:
        for number in sorted(set(part)):
            i, j = divmod(number, len(right))
            found = compare(left[i], right[j])
            if found is not None:
                yield found


def _pairs(
    left: Sequence[Features],
    right: Sequence[Features],
    left_out: list[LeftOut] | None,
    *,
    within: bool,
) -> list[array[int]]:
    """Return the numbers ``i * len(right) + j`` of pairs that share a key, in parts by ``i``."""
    parts = [array("Q") for _ in range(PARTS)]
    size = max(1, -(-len(left) // PARTS))
    for rule, keys in RULES.items():
        ours = _index(left, keys)
        theirs = ours if within else _index(right, keys)
        for key, here in ours.items():
            there = theirs.get(key)
            if there is None or (within and len(here) == 1):
                continue
            if len(here) * len(there) > LARGEST_BLOCK:
                if left_out is not None:
                    left_out.append(LeftOut(rule, key, len(here), len(there)))
                continue
            for i in here:
                part = parts[i // size]
                part.extend(i * len(right) + j for j in there if i < j or not within)
    return parts


def _index(records: Sequence[Features], keys: Keys) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, record in enumerate(records):
        for key in dict.fromkeys(keys(record)):
            found.setdefault(key, []).append(number)
    return found


def _one(name: str) -> Keys:
    def keys(record: Features) -> Iterable[str]:
        value = getattr(record, name)
        return (value,) if value else ()

    return keys


def _whole_name(record: Features) -> Iterable[str]:
    yield f"{record.kind} {' '.join(sorted(record.words))}"
    yield f"{record.kind} {''.join(record.words)}"


def _words_with_code(record: Features) -> Iterable[str]:
    if record.postal_code:
        for word in record.words:
            yield f"{record.kind} {word} {record.postal_code}"


def _words_with_city(record: Features) -> Iterable[str]:
    if record.city:
        for word in record.words:
            yield f"{record.kind} {word} {record.city}"


def _initials_with_code(record: Features) -> Iterable[str]:
    if record.postal_code:
        initials = "".join(sorted(word[0] for word in record.words))
        yield f"{record.kind} {initials} {record.postal_code}"


def _house(record: Features) -> Iterable[str]:
    if record.street and record.house:
        for place in filter(None, (record.postal_code, record.city)):
            yield f"{record.kind} {record.street} {' '.join(record.house)} {place}"


def _words_with_company(record: Features) -> Iterable[str]:
    if record.parent:
        for word in record.words:
            yield f"{word} {' '.join(record.parent)}"


RULES: dict[str, Keys] = {
    "external id": _one("external_id"),
    "VAT number": _one("vat"),
    "reference": _one("reference"),
    "e-mail address": lambda record: record.emails,
    "phone number": lambda record: record.phones,
    "name": _whole_name,
    "word of the name and postal code": _words_with_code,
    "word of the name and city": _words_with_city,
    "initials and postal code": _initials_with_code,
    "house": _house,
    "word of the name and company": _words_with_company,
}
