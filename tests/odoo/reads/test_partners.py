"""Customers, addresses, users and tags: what the backend reads equals plain calls, by field."""

from __future__ import annotations

import re

import pytest

from odoo_plain import assert_equal, clean, ref, rows


@pytest.fixture(scope="module")
def codes(bot):
    countries = rows(bot, "res.country", ["code"])
    states = rows(bot, "res.country.state", ["name"])
    return (
        lambda value: countries[value[0]]["code"] if value else None,
        lambda value: states[value[0]]["name"] if value else None,
    )


def mails(field):
    if not re.search("[,;<]", field or ""):
        return [field.strip()] if field and field.strip() else []
    return re.findall(r'[^\s<>,;"]*@[^\s<>,;"]*', field)


def test_customers(pulled, split, codes, seeded):
    customers, _ = split
    country, state = codes
    expected = {}
    for number, row in customers.items():
        points = [("email", mail) for mail in mails(row["email"])]
        points += [
            (kind, row[kind].strip()) for kind in ("phone", "mobile", "website") if row[kind]
        ]
        place = {
            "street": clean(row["street"]),
            "street2": clean(row["street2"]),
            "postal_code": clean(row["zip"]),
            "city": clean(row["city"]),
            "region": state(row["state_id"]),
            "country_code": country(row["country_id"]),
        }
        expected[number] = {
            "kind": "company" if row["is_company"] else "person",
            "name": row["name"].strip(),
            "reference": clean(row["ref"]),
            "vat": clean(row["vat"]),
            "language": row["lang"].replace("_", "-") if row["lang"] else None,
            "job_title": clean(row["function"]),
            "note": clean(row["comment"]),
            "archived": not row["active"],
            "owner_ref": ref(row["user_id"]),
            "parent_ref": ref(row["parent_id"]),
            "tag_refs": sorted(str(tag) for tag in row["category_id"]),
            "contact_points": [{"kind": kind, "value": value} for kind, value in points],
            "address": None if row["parent_id"] or not any(place.values()) else place,
        }
    found = pulled["customer"]
    assert_equal(found, expected)
    if seeded is None:
        return
    names = " ".join(values["name"] for values in found.values())
    for letters in ("Παπαδόπουλος", "Żółw", "Ромашка", "Čebelarstvo", "DROP TABLE", "🎉"):
        assert letters in names
    assert re.search("[\u0600-\u06ff]", names)
    assert sum(values["archived"] for values in found.values()) >= 18
    assert sum(values["vat"] is not None for values in found.values()) >= 20
    assert sum(values["reference"] is not None for values in found.values()) >= 20
    assert sum(bool(values["tag_refs"]) for values in found.values()) >= 20
    assert {"el-GR", "pl-PL", "fa-IR"} <= {values["language"] for values in found.values()}
    several = [
        v for v in found.values() if sum(p["kind"] == "email" for p in v["contact_points"]) > 1
    ]
    assert len(several) >= 3
    contacts = [found[number] for number in seeded["contact"]]
    assert len(contacts) >= 80
    assert all(values["parent_ref"] and values["address"] is None for values in contacts)


def test_addresses(pulled, split, codes, seeded):
    _, addresses = split
    country, state = codes
    expected = {
        number: {
            "parent_ref": ref(row["parent_id"]),
            "use": {"invoice": "invoice", "delivery": "delivery"}.get(row["type"], "other"),
            "recipient": clean(row["name"]),
            "street": clean(row["street"]),
            "street2": clean(row["street2"]),
            "postal_code": clean(row["zip"]),
            "city": clean(row["city"]),
            "region": state(row["state_id"]),
            "country_code": country(row["country_id"]),
            "email": clean(row["email"]),
            "phone": clean(row["phone"]),
            "mobile": clean(row["mobile"]),
            "note": clean(row["comment"]),
            "archived": not row["active"],
        }
        for number, row in addresses.items()
    }
    assert_equal(pulled["address"], expected)
    if seeded is not None:
        uses = [values["use"] for values in expected.values()]
        assert uses.count("delivery") >= 20
        assert uses.count("invoice") >= 20
        assert sum(values["recipient"] is None for values in expected.values()) >= 10


def test_users_and_tags(bot, pulled, seeded):
    users = rows(bot, "res.users", ["login", "name", "email", "active"], [("share", "=", False)])
    assert_equal(
        pulled["user"],
        {
            number: {
                "login": row["login"],
                "name": row["name"].strip(),
                "email": clean(row["email"]),
                "archived": not row["active"],
            }
            for number, row in users.items()
        },
    )
    tags = rows(bot, "res.partner.category", ["name", "parent_id"])

    def path(row):
        parent = row["parent_id"]
        return f"{path(tags[parent[0]])} / {row['name']}" if parent else row["name"]

    assert_equal(pulled["tag"], {number: {"name": path(row)} for number, row in tags.items()})
    if seeded is not None:
        assert set(seeded["salesperson"]) <= set(pulled["user"])
        assert "Kind of customer / VIP ⭐" in {tag["name"] for tag in pulled["tag"].values()}
