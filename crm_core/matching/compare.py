"""Whether two records mean the same customer: a score from 0 to 100, with reasons in words.

What the figures come from stands in docs/decisions/0016-matching-thresholds.md.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import cache

from rapidfuzz import fuzz

from crm_core.matching.features import Features
from crm_core.matching.names import likeness
from crm_core.messages import Message, p, t

SURE, LIKELY, UNSURE = 90, 75, 55
"""From which score on; what scores less than unsure is no pair."""
CERTAIN = 100
FURTHER = 2
"""Points for each further thing that makes it likely."""
SAME_STREET = 80
"""How alike streets are written that are the same."""

_STEPS: dict[str, tuple[tuple[int, int], ...]] = {
    # Name likeness from which on, and the score that the same value then gives.
    "VAT number": ((60, 94), (0, 80)),
    "reference": ((60, 92), (0, 58)),
    "e-mail address": ((75, 94), (50, 80), (0, 56)),
    "phone number": ((85, 91), (70, 78), (50, 60)),
}
_PERSON_VAT = ((60, 94), (0, 0))
"""Contacts bear their company's number."""
_PLACES = {
    # What is taken off the names' likeness where only the place speaks for it.
    "same address": 6,
    "contact of the same company": 8,
    "same postal code": 14,
    "same city": 32,
    "same postal code, another street": 35,
    "no address to compare": 40,
}
_SAME: dict[str, Callable[[str], Message]] = {
    "VAT number": lambda value: t("same VAT number ({value})", value=value),
    "reference": lambda value: t("same reference ({value})", value=value),
    "e-mail address": lambda value: t("same e-mail address ({value})", value=value),
    "phone number": lambda value: t("same phone number ({value})", value=value),
}
_PLACE_WORDS = {
    "same address": t("same address"),
    "contact of the same company": t("contact of the same company"),
    "same postal code": t("same postal code"),
    "same city": t("same city"),
    "same postal code, another street": t("same postal code, another street"),
    "no address to compare": t("no address to compare"),
}
_SAME_ID = t("same external id")
_SAME_NAME = t("same name")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records that may mean the same customer.

    Attributes:
        left: Key of one.
        right: Key of the other.
        score: 0 to 100; see :func:`verdict`.
        reasons: What speaks for it, the strongest first, in words.
    """

    left: Hashable
    right: Hashable
    score: int
    reasons: tuple[str, ...]


VERDICTS = {
    "sure": p("of a match", "sure"),
    "likely": p("of a match", "likely"),
    "unsure": p("of a match", "unsure"),
    "different": p("of a match", "different"),
}
"""What :func:`verdict` returns, for people."""


def verdict(score: int) -> str:
    """Return ``sure``, ``likely``, ``unsure`` or, below that, ``different``."""
    for least, word in ((SURE, "sure"), (LIKELY, "likely"), (UNSURE, "unsure")):
        if score >= least:
            return word
    return "different"


def compare(left: Features, right: Features) -> Pair | None:
    """Return how two records match; None where they do not.

    The same way round or the other, and for a record with itself too. Records of different kinds
    or with different VAT numbers never match, unless both bear the same external id.
    """
    if left.external_id and left.external_id == right.external_id:
        return Pair(left.key, right.key, CERTAIN, (_SAME_ID,))
    if left.kind != right.kind or (left.vat and right.vat and left.vat != right.vat):
        return None
    alike = likeness(left.words, right.words)
    found = [each for each in _evidence(left, right, alike) if each[0] > 0]
    if not found:
        return None
    found.sort(key=lambda each: (-each[0], each[1]))
    further = sum(each[0] >= LIKELY for each in found[1:])
    score = min(CERTAIN, found[0][0] + FURTHER * further)
    if score < UNSURE:
        return None
    # In words only now: most of what is compared is no pair.
    reasons = [_SAME[what](value) if value else _PLACE_WORDS[what] for _, what, value in found]
    told = _SAME_NAME if alike == CERTAIN else _names_alike(alike)
    return Pair(left.key, right.key, score, (*reasons, told))


@cache
def _names_alike(percent: int) -> Message:
    return t("names {percent}% alike", percent=percent)


def _evidence(left: Features, right: Features, alike: int) -> Iterator[tuple[int, str, str]]:
    """Yield what speaks for it: a score, what is the same, and its value unless it is a place."""
    for name, value in _shared(left, right):
        steps = _STEPS[name]
        if name == "VAT number" and left.kind == "person":
            steps = _PERSON_VAT
        score = next((points for least, points in steps if alike >= least), 0)
        yield score + (alike // 20 if score >= LIKELY else 0), name, value
    place = _place(left, right)
    if place and alike - _PLACES[place] >= UNSURE:
        yield alike - _PLACES[place], place, ""


def _shared(left: Features, right: Features) -> Iterator[tuple[str, str]]:
    if left.vat and left.vat == right.vat:
        yield "VAT number", left.vat
    if left.reference and left.reference == right.reference:
        yield "reference", left.reference
    for name, ours, theirs in (
        ("e-mail address", left.emails, right.emails),
        ("phone number", left.phones, right.phones),
    ):
        same = set(ours) & set(theirs)
        if same:
            yield name, min(same)


def _place(left: Features, right: Features) -> str | None:
    """Return what their places have in common; None where they speak against each other."""
    if left.parent and left.parent == right.parent:
        return "contact of the same company"
    if left.country and right.country and left.country != right.country:
        return None
    both_streets = bool(left.street and right.street)
    same_street = both_streets and _same_street(left, right)
    if left.postal_code and left.postal_code == right.postal_code:
        if same_street:
            return "same address"
        return "same postal code, another street" if both_streets else "same postal code"
    if left.city and left.city == right.city:
        if same_street:
            return "same address"
        codes_differ = left.postal_code and right.postal_code
        return None if both_streets or codes_differ else "same city"
    differ = (left.postal_code and right.postal_code) or (left.city and right.city)
    return None if differ else "no address to compare"


def same_place(left: Features, right: Features) -> bool:
    """Return whether two postal addresses are the same, however written."""
    return _place(left, right) == "same address"


def _same_street(left: Features, right: Features) -> bool:
    same_house = left.house == right.house or not (left.house and right.house)
    return same_house and fuzz.ratio(left.street, right.street) >= SAME_STREET
