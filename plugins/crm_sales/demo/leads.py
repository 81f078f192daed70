"""Leads of the demo company: new ones that the rules give to somebody, and closed ones."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from random import Random
from typing import Any

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.schemas.leads import load_lead
from crm_sales.services.leads.arriving import insert_leads
from crm_sales.services.leads.closing import disqualify_lead

SEED = 2
PLACES = (
    # country, language, city, first names, last names, company
    ("GR", "el-GR", "Πάτρα", ("Ελένη", "Γιώργος"), ("Αλεξίου", "Ζήσης"), "Καφέ Λιμάνι"),
    ("PL", "pl-PL", "Łódź", ("Łukasz", "Zofia"), ("Żak", "Święcka"), "Bar Mleczny Źródło"),
    ("RU", "ru-RU", "Тверь", ("Ольга", "Пётр"), ("Щукина", "Ежов"), "Кафе Берёзка"),
    ("SI", "sl-SI", "Celje", ("Špela", "Jože"), ("Žnidaršič", "Čeh"), "Gostilna Pri Lipi"),
    ("IR", "fa-IR", "شیراز", ("مریم", "رضا"), ("احمدی", "کاظمی"), "رستوران باغ"),
    ("GB", "en-GB", "Leeds", ("Siobhán", "Tom"), ("O'Neill", "Hartley"), "The Mill Tea Room"),
)
REQUESTS = (
    "Please send your list of prices for cups and plates.",
    "We open in May and need towels for 24 rooms.",
    "Which coffee machines do you have in stock?",
    "Somebody at the fair said you deliver within a week.",
)
WAYS = (("web", "Web site"), ("email", "Web site"), ("phone", "Phone"), ("visit", "Trade fair"))
AMOUNTS = (None, "350", "900", "2400", "8200")
REFUSED = ("Only wanted to sell us something", "Buys for home, not for a business", "Double click")


def tell_leads(uow: UnitOfWork) -> None:
    """Write leads from all countries; a few came to nothing, the others wait to be given out."""
    random = Random(SEED)  # noqa: S311  a story, no secret
    records: list[dict[str, Any]] = []
    for country, language, city, firsts, lasts, company in PLACES:
        for number, (first, last) in enumerate(product(firsts, lasts)):
            channel, source = random.choice(WAYS)
            told = {
                "name": f"{first} {last}",
                "company": company if number == 0 else None,
                "email": f"lead{len(records) + 1}@example.com",
                "country_code": country,
                "language": language,
                "city": city,
                "request": random.choice(REQUESTS),
                "expected_amount": random.choice(AMOUNTS),
                "source": source,
                "channel": channel,
            }
            given = {name: value for name, value in told.items() if value is not None}
            records.append(load_lead(given, region=country))
    leads = insert_leads(uow, records)
    for lead in leads:
        age = timedelta(days=random.randint(0, 12), minutes=random.randrange(900))
        lead.created_at = uow.now - age
    uow.flush()
    for lead, reason in zip(random.sample(leads, len(REFUSED)), REFUSED, strict=True):
        disqualify_lead(uow, lead.id, reason=reason)
