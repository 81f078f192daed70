"""The demo company's customers: persons, companies and their contacts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from crm_files.demo.language import City, Language, filled
from crm_files.demo.names_english import ENGLISH
from crm_files.demo.names_greek import GREEK
from crm_files.demo.names_persian import PERSIAN
from crm_files.demo.names_polish import POLISH
from crm_files.demo.names_russian import RUSSIAN
from crm_files.demo.names_slovenian import SLOVENIAN

LANGUAGES: tuple[Language, ...] = (GREEK, POLISH, RUSSIAN, SLOVENIAN, ENGLISH, PERSIAN)
PERSONS = 0.5
"""Share of households that are a person who buys for himself or herself."""
BUYERS = 0.86
"""Share of persons and companies who ever bought."""
LAPSED = 0.2
"""Share of buyers who stopped more than a year ago."""
TREND = 1.16
"""Pareto's exponent for 80 : 20; the largest customers bring most of the revenue."""
LARGEST = 60.0
MAIL = ("mail.example", "post.example", "inbox.example")

Row = dict[str, str]


@dataclass(slots=True)
class Buyer:
    """Who orders, and in what way.

    Attributes:
        id: Its id in the folder.
        language: Its language.
        is_company: Else a person.
        size: How much it buys at a time; 1 is small.
        patience: ``prompt``, ``late`` or ``very late`` payer.
        has_lapsed: Whether it stopped more than a year ago.
        owner: Id of the user who answers for it.
        delivery: Id of the address that goods go to, or empty.
    """

    id: str
    language: Language
    is_company: bool
    size: float
    patience: str
    has_lapsed: bool
    owner: str
    delivery: str = ""


@dataclass(slots=True)
class Household:
    """Customers that belong together, and who of them buys."""

    customers: list[Row]
    addresses: list[Row] = field(default_factory=list)
    buyer: Buyer | None = None


def households(count: int, owners: dict[str, str], random: Random) -> Iterator[Household]:
    """Yield customers until there are ``count``, companies together with their contacts.

    Args:
        count: Customers in all.
        owners: Login to user id.
        random: Where chance comes from.
    """
    shares = [language.share for language in LANGUAGES]
    made = 0
    while made < count:
        (language,) = random.choices(LANGUAGES, shares)
        owner = owners[random.choice(language.owners)]
        if random.random() < PERSONS or made + 1 == count:
            household = _private(made + 1, language, owner, random)
        else:
            contacts = min(random.choices((0, 1, 2, 3), (15, 50, 25, 10))[0], count - made - 1)
            household = _business(made + 1, language, owner, contacts, random)
        if random.random() < BUYERS:
            household.buyer = _buyer(household, language, owner, random)
        made += len(household.customers)
        yield household


def _private(number: int, language: Language, owner: str, random: Random) -> Household:
    person = _person(number, language, owner, random.choice(MAIL), random)
    person |= _place(random.choice(language.places), language, random)
    return Household([person])


def _business(
    number: int, language: Language, owner: str, contacts: int, random: Random
) -> Household:
    city = random.choice(language.places)
    trade, brand = random.choice(language.trades), random.choice(language.brands)
    name = f"{brand} {trade}" if language.country == "GB" else f"{trade} {brand}"
    domain = f"{language.country.lower()}{number:05d}.example"
    company = {
        **_base(number, language, owner),
        "kind": "company",
        "name": f"{name} {random.choice(language.forms)}",
        "vat": language.vat(random),
        "email": f"info@{domain}",
        "phone": filled(city.phone, random),
        "website": f"https://www.{domain}",
        **_place(city, language, random),
    }
    people = []
    for step in range(1, contacts + 1):
        person = _person(number + step, language, owner, domain, random)
        title = random.choice(language.titles)
        people.append({**person, "parent_ref": company["id"], "job_title": title})
    household = Household([company, *people])
    if random.random() < 0.2:
        household.addresses.append(
            {
                "id": f"a{number:06d}",
                "parent_ref": company["id"],
                "use": "delivery",
                **_place(random.choice(language.places), language, random),
                "phone": filled(language.mobile, random),
            }
        )
    return household


def _base(number: int, language: Language, owner: str) -> Row:
    return {
        "id": f"c{number:06d}",
        "reference": f"C-{number:05d}",
        "language": language.tag,
        "archived": "no",
        "owner_ref": owner,
    }


def _person(number: int, language: Language, owner: str, domain: str, random: Random) -> Row:
    is_woman = random.random() < 0.5
    given = random.choice(language.women if is_woman else language.men)
    family = random.choice(language.families)
    shown = language.feminine(family) if is_woman else family
    latin = ".".join(filter(None, (language.latin(given), language.latin(shown))))
    return {
        **_base(number, language, owner),
        "kind": "person",
        "name": f"{given} {shown}",
        "email": f"{latin}.{number}@{domain}" if random.random() < 0.9 else "",
        "mobile": filled(language.mobile, random) if random.random() < 0.8 else "",
    }


def _place(city: City, language: Language, random: Random) -> Row:
    digits = str(random.randint(1, 140)).translate(str.maketrans("0123456789", language.digits))
    street = language.address.format(street=random.choice(language.streets), number=digits)
    return {
        "street": street,
        "postal_code": filled(city.postal_code, random),
        "city": city.name,
        "region": city.region,
        "country_code": language.country,
    }


def _buyer(household: Household, language: Language, owner: str, random: Random) -> Buyer:
    first = household.customers[0]
    is_company = first["kind"] == "company"
    size = min(random.paretovariate(TREND), LARGEST) * (2.0 if is_company else 0.6)
    (patience,) = random.choices(("prompt", "late", "very late"), (72, 20, 8))
    buyer = Buyer(
        first["id"], language, is_company, size, patience, random.random() < LAPSED, owner
    )
    if household.addresses:
        buyer.delivery = household.addresses[0]["id"]
    first["tag_refs"] = ";".join(_tags(buyer, random))
    return buyer


def _tags(buyer: Buyer, random: Random) -> list[str]:
    tags = [random.choice(("t2", "t3", "t4"))] if buyer.is_company else []
    if buyer.size > 20:
        tags.insert(0, "t1")
    if buyer.patience == "very late":
        tags.append("t5")
    return tags
