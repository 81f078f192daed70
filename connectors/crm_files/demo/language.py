"""What a part of the customers has in common: language, country, names, places, numbers."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple


class City(NamedTuple):
    """A place: its name, region, and the patterns of postal codes and phone numbers there.

    In a pattern ``#`` stands for a digit and ``@`` for a letter.
    """

    name: str
    region: str
    postal_code: str
    phone: str


def cities(text: str) -> tuple[City, ...]:
    """Read cities from lines of ``name|region|postal code|phone``."""
    return tuple(City(*line.strip().split("|")) for line in text.strip().splitlines())


def words(text: str) -> tuple[str, ...]:
    """Read words, or phrases where commas separate them."""
    parts = text.split(",") if "," in text else text.split()
    return tuple(" ".join(part.split()) for part in parts if part.strip())


@dataclass(frozen=True, slots=True)
class Language:
    """One of the six languages of the demo company's customers.

    Attributes:
        tag: BCP 47.
        country: ISO 3166.
        currency: What its customers pay in.
        share: Of all customers.
        men: Given names.
        women: Given names.
        families: Family names, as men bear them.
        feminine: Turns a family name into a woman's.
        latin: Turns a name into letters for an e-mail address.
        places: Cities.
        streets: Street names, with what belongs before them.
        address: Format of a street and a ``number``.
        mobile: Pattern of a mobile number.
        vat: Makes a number that passes the country's check.
        trades: What companies do.
        brands: What companies are called.
        forms: Legal forms.
        titles: What contacts do in their company.
        owners: Logins of those who answer for these customers.
    """

    tag: str
    country: str
    currency: str
    share: float
    men: tuple[str, ...]
    women: tuple[str, ...]
    families: tuple[str, ...]
    feminine: Callable[[str], str]
    latin: Callable[[str], str]
    places: tuple[City, ...]
    streets: tuple[str, ...]
    address: str
    mobile: str
    vat: Callable[[Random], str]
    trades: tuple[str, ...]
    brands: tuple[str, ...]
    forms: tuple[str, ...]
    titles: tuple[str, ...]
    owners: tuple[str, ...]
    digits: str = "0123456789"


POSTAL_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"


def filled(pattern: str, random: Random) -> str:
    """Fill a pattern's places with digits and letters."""
    return "".join(
        random.choice("0123456789")
        if sign == "#"
        else random.choice(POSTAL_LETTERS)
        if sign == "@"
        else sign
        for sign in pattern
    )


def same(name: str) -> str:
    """Leave a family name as it is."""
    return name


def by_endings(*pairs: tuple[str, str]) -> Callable[[str], str]:
    """Return what changes the ending of a name; the first that fits."""

    def feminine(name: str) -> str:
        for ending, other in pairs:
            if name.endswith(ending):
                return name.removesuffix(ending) + other
        return name

    return feminine


def plain(table: dict[str, str]) -> Callable[[str], str]:
    """Return what writes a name in plain Latin letters.

    Args:
        table: Letters of the other script, in lower case.
    """
    letters = str.maketrans(table)

    def latin(name: str) -> str:
        bare = unicodedata.normalize("NFD", name.lower())
        bare = "".join(sign for sign in bare if not unicodedata.combining(sign))
        told = bare.translate(letters)
        return "".join(sign for sign in told if sign.isascii() and sign.isalnum())

    return latin
