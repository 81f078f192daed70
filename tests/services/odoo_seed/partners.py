"""Customers: companies, their contacts and addresses, persons of no company, archived ones."""

from __future__ import annotations

from typing import Any

from odoo_seed.names import COUNTRIES, Country
from odoo_seed.numbers import vat_number
from odoo_seed.world import World, every

COMPANIES_EACH = 9
PERSONS_EACH = 7
ADDRESSES = 30
_BAD_MAILS = ("no at sign", "two@@example.com", "ελένη@παράδειγμα", "trailing@example.com.", "@")
_KINDS = ("", " – 2", " (Export)")


def make(world: World) -> None:
    countries = _country_ids(world)
    homes: list[Country] = []
    companies: list[dict[str, Any]] = []
    persons: list[dict[str, Any]] = []
    for country in COUNTRIES:
        homes += [country] * COMPANIES_EACH
        companies += (_company(world, country, n, countries) for n in range(COMPANIES_EACH))
        persons += (_person(world, country, n, countries) for n in range(PERSONS_EACH))
    _spoil(companies, persons)
    if not world.odoo.has("res.partner", "mobile"):
        persons = [{"phone": person.pop("mobile"), **person} for person in persons]
    made = world.create("company", "res.partner", companies)
    world.create("person", "res.partner", persons)
    _contacts(world, made, homes)
    _addresses(world, made, homes, countries)
    _archive(world, countries)
    _other_company(world)


def _country_ids(world: World) -> dict[str, int]:
    rows = world.odoo.rows("res.country", [("code", "in", [c.code for c in COUNTRIES])], ["code"])
    return {row["code"]: row["id"] for row in rows}


def _company(
    world: World, country: Country, number: int, countries: dict[str, int]
) -> dict[str, Any]:
    name = country.companies[number % 6] + _KINDS[number // 6]
    return {
        **_place(world, country, countries),
        "name": name,
        "is_company": True,
        "vat": vat_number(country.code, number) or False,
        "ref": f"{country.code}-C{number:03d}",
        "email": f"info{number}@{country.code.lower()}{number}.{country.domain}",
        "phone": _phone(world, country, abroad=number % 2 == 0),
        "website": f"https://{country.code.lower()}{number}.{country.domain}",
        "user_id": world.pick(world.ids["salesperson"]) if number % 3 else False,
        "category_id": [(6, 0, world.chance.sample(world.ids["tag"], number % 4))],
        "property_product_pricelist": _price_list(world, country, number),
        "comment": f"Δελτίο №{number}\nline two\n" if number % 4 == 0 else False,
    }


def _person(
    world: World, country: Country, number: int, countries: dict[str, int]
) -> dict[str, Any]:
    return {
        **_place(world, country, countries),
        "name": _full_name(country, number, number + 1),
        "ref": f"{country.code}-P{number:03d}" if number % 2 else False,
        "email": f"person{number}@{country.domain}",
        "mobile": _phone(world, country, abroad=number % 3 != 0),
        "user_id": world.pick(world.ids["salesperson"]) if number % 2 else False,
        "category_id": [(6, 0, world.chance.sample(world.ids["tag"], number % 3))],
    }


def _place(world: World, country: Country, countries: dict[str, int]) -> dict[str, Any]:
    city, code = world.pick(country.cities)
    place: dict[str, Any] = {
        "street": f"{world.pick(country.streets)} {world.chance.randrange(1, 200)}",
        "city": city,
        "zip": code,
        "country_id": countries[country.code],
    }
    if country.language:
        place["lang"] = country.language
    return place


def _phone(world: World, country: Country, *, abroad: bool) -> str:
    form = country.phones[1 if abroad else 0]
    return "".join(str(world.chance.randrange(10)) if c == "#" else c for c in form)


def _full_name(country: Country, given: int, family: int) -> str:
    return f"{country.given[given % 6]} {country.family[family % 6]}" + " 🎉" * (given == 6)


def _price_list(world: World, country: Country, number: int) -> int:
    if country.code in ("GR", "DE", "FR", "SI"):
        return world.ids["pricelist"][0]
    if country.code == "PL" and number < 4:
        return world.ids["pricelist"][1]
    if country.code == "IR" and number < 2:
        return world.ids["pricelist"][2]
    return world.ids["usd_pricelist"][0]


def _spoil(companies: list[dict[str, Any]], persons: list[dict[str, Any]]) -> None:
    """What real databases hold: bad mails, several in one field, shared ones, loose VAT."""
    for person, bad in zip(every(persons, 9), _BAD_MAILS, strict=False):
        person["email"] = bad
    for person in every(persons, 13, 2):
        person["email"] = f"first.{person['email']}, Second <second.{person['email']}>"
    for person in every(persons, 17, 4):
        person["email"] = f"a{person['email']};b{person['email']}"
    for person in every(persons, 20, 5):
        person["email"] = "shared@example.com"
    for person in every(persons, 21, 6):
        person["email"] = f"  {str(person['email']).upper()} "
    persons[10]["email"] = persons[10]["mobile"] = False
    persons[11]["mobile"] = "call the neighbour, after 17:00"
    persons[12]["phone"] = "0030 210 1234567 / 210 7654321"
    persons[13]["name"] = "Robert'); DROP TABLE customers;--"
    persons[14]["name"] = "👩‍🚀👨🏽‍🌾 " + "Very Long " * 12 + "Name"
    persons[15]["name"] = persons[16]["name"]
    companies[0]["vat"] = "el " + str(companies[0]["vat"])[2:]
    companies[10]["vat"] = str(companies[10]["vat"])[:6] + "." + str(companies[10]["vat"])[6:]
    companies[20]["vat"] = "not known yet"
    companies[30]["vat"] = companies[31]["vat"]


def _contacts(world: World, companies: list[int], homes: list[Country]) -> None:
    contacts: list[dict[str, Any]] = []
    for number, (company, country) in enumerate(zip(companies, homes, strict=True)):
        contacts += (
            {
                "parent_id": company,
                "type": "contact",
                "name": _full_name(country, number + index, number),
                "function": ("Αγορές", "CEO", "Księgowość", "Buyer")[(number + index) % 4],
                "email": f"contact{number}.{index}@{country.domain}",
                "phone": _phone(world, country, abroad=bool(index)),
            }
            for index in range(number % 3)
        )
    world.create("contact", "res.partner", contacts)


def _addresses(
    world: World, companies: list[int], homes: list[Country], countries: dict[str, int]
) -> None:
    """Delivery and invoice addresses; every third of them has no name of its own."""
    for use in ("delivery", "invoice"):
        addresses = []
        for number in range(ADDRESSES):
            chosen = (number * 5 + (use == "invoice")) % len(companies)
            addresses.append(
                {
                    **_place(world, homes[chosen], countries),
                    "parent_id": companies[chosen],
                    "type": use,
                    "name": False if number % 3 == 0 else f"{use.title()} {number}",
                    "ref": f"{use[:3].upper()}-{number:03d}",
                }
            )
        world.create(use, "res.partner", addresses)
        world.ids[f"{use}_company"] = [
            companies[(number * 5 + (use == "invoice")) % len(companies)]
            for number in range(ADDRESSES)
        ]


def _archive(world: World, countries: dict[str, int]) -> None:
    gone = []
    for number in range(18):
        country = COUNTRIES[number % len(COUNTRIES)]
        gone.append(
            {
                **_place(world, country, countries),
                "name": f"{_full_name(country, number, number + 3)} †",
                "is_company": number % 6 == 0,
                "ref": f"OLD-{number:03d}",
                "email": f"old{number}@{country.domain}",
            }
        )
    made = world.create("archived", "res.partner", gone)
    world.call("res.partner", "action_archive", made)


def _other_company(world: World) -> None:
    """Customers of the second company, which our user may not see."""
    chicago = world.odoo.ref("stock.res_company_1")
    world.create(
        "foreign",
        "res.partner",
        [{"name": f"Chicago only {number}", "company_id": chicago} for number in (1, 2)],
    )
