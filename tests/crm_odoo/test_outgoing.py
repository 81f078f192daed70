"""Neutral records as Odoo's values and back: whatever is typed, what is told is what is read."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_odoo.mappings.converters import html_text
from crm_odoo.mappings.lead import OPPORTUNITY
from crm_odoo.mappings.model import Company, EntityMapping
from crm_odoo.mappings.partner import ADDRESS, CUSTOMER, TAG
from crm_odoo.mappings.written import LANGUAGE, as_html, website
from crm_odoo.shapes import ABSENT, fitted, remote_fields
from crm_odoo.writing.outgoing import NotHeldError, Outgoing

TYPES = {
    "is_company": "boolean",
    "active": "boolean",
    "parent_id": "many2one",
    "user_id": "many2one",
    "country_id": "many2one",
    "state_id": "many2one",
    "category_id": "many2many",
    "comment": "text",
}
RELATIONS = {"country_id": "res.country", "state_id": "res.country.state"}
TABLES = {
    "res.country": [{"id": 5, "code": "GR"}, {"id": 6, "code": "US"}, {"id": 7, "code": "CA"}],
    "res.country.state": [
        {"id": 11, "name": "California", "country_id": 6},
        {"id": 12, "name": "Limbo", "country_id": 6},
        {"id": 13, "name": "Limbo", "country_id": 5},
    ],
    "res.lang": [{"id": 1, "code": "el_GR"}, {"id": 2, "code": "sr@latin"}],
    "res.partner.category": [{"id": 3, "display_name": "Sector"}],
    "crm.stage": [{"id": 8, "name": "New"}, {"id": 9, "name": "Won"}],
    "crm.tag": [{"id": 4, "name": "Βόρεια"}],
    "crm.lost.reason": [{"id": 2, "name": "Too expensive"}],
}


class Tables:
    """Small tables in memory."""

    def find(self, lookup: Any, value: Any, within: Any = None) -> Any:
        rows = [row for row in TABLES[lookup.model]
                if lookup.key(row[lookup.field]) == lookup.key(value)]  # fmt: skip
        if lookup.within and within is not None:
            rows = [row for row in rows if row[lookup.within] == within]
        elif lookup.within and len(rows) > 1:
            return None
        return rows[0] if rows else None

    def make(self, lookup: Any, value: Any) -> Any:
        return {"id": 40, lookup.field: value}


class Server:
    """How a mapping stands on a server, and a record there."""

    def __init__(self, mapping: EntityMapping, *, without=("fax",), **types: str) -> None:
        names = [name for field in mapping.fields for name in field.remotes]
        names += [name for field in mapping.fields if field.write for name in field.write.into]
        self.info = {
            name: {"type": {**TYPES, **types}.get(name, "char"), "relation": RELATIONS.get(name)}
            for name in remote_fields(names) - set(without)
        }
        self.shape = fitted(mapping.model, self.info, mapping.fields)
        self.outgoing = Outgoing(
            mapping, self.shape, self.info, Tables(), lambda: Company(1, 1, "EUR", ZoneInfo("UTC"))
        )

    def read(self, record: Any) -> Any:
        """Write a record, and read what Odoo then holds."""
        held = dict.fromkeys(self.info, False)
        held |= {"type": "contact", "id": 1, "active": True, "category_id": [], ABSENT: False}
        for name, value in self.outgoing.written(record, record, is_new=True).items():
            held[name] = False if value is None else value
        for key, field, (model, inner) in self.shape.lookups:
            rows = {row["id"]: row[inner] for row in TABLES[model]}
            held[key] = rows.get(held[field], False)
        return self.shape.convert(held)

    def told(self, record: Any) -> Any:
        return self.outgoing.told(record)


anything = st.none() | st.text(max_size=20) | st.sampled_from([" x ", "a, b", "<b>", "\r\n", "0"])
some_text = st.text(min_size=1, max_size=20).filter(lambda text: bool(text.strip()))
ids = st.integers(1, 10**9).map(str)
points = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["email", "phone", "mobile", "fax", "website", "messenger"]),
            "value": st.sampled_from(["a@b.c", "Jo <c@d.e>", "x;y@z", "no at"]) | some_text,
        }
    ),
    max_size=6,
)
regions = st.sampled_from([None, "California", "limbo", "Limbo", "Atlantis", " "])
countries = st.sampled_from([None, "GR", "US", "us", "XX"])
places = st.fixed_dictionaries(
    {
        "street": anything,
        "street2": anything,
        "postal_code": anything,
        "city": anything,
        "region": regions,
        "country_code": countries,
    }
)
customers = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["person", "company"]),
        "name": some_text,
        "reference": anything,
        "vat": anything,
        "language": st.sampled_from([None, "el-GR", "sr-Latn", "tlh"]),
        "job_title": anything,
        "note": anything | st.text(max_size=300),
        "archived": st.booleans(),
        "owner_ref": st.none() | ids,
        "parent_ref": st.none() | ids,
        "tag_refs": st.lists(ids, max_size=4, unique=True),
        "contact_points": points,
        "address": st.none() | places,
    }
)
addresses = st.builds(
    lambda place, rest: {**place, **rest},
    places,
    st.fixed_dictionaries(
        {
            "parent_ref": ids,
            "use": st.sampled_from(["invoice", "delivery", "visit", "other"]),
            "recipient": anything,
            "email": anything,
            "phone": anything,
            "mobile": anything,
            "note": anything,
            "archived": st.booleans(),
        }
    ),
)


@pytest.mark.parametrize("notes", ["text", "html"])
@given(data=st.data())
def test_a_customer_is_told_as_it_is_read(notes, data):
    server, record = Server(CUSTOMER, comment=notes), data.draw(customers)
    told, read = server.told(record), server.read(record)
    assert told == {field: read[field] for field in told}
    left_out = set(record) - set(told)
    assert left_out <= {"vat", "language"}
    assert ("language" in left_out) == (record["language"] == "tlh")
    assert ("vat" in left_out) == (record["kind"] == "person" and record["parent_ref"] is not None)
    assert server.told({**record, **told}) == told


@given(record=addresses)
def test_an_address_is_told_as_it_is_read(record):
    server = Server(ADDRESS)
    assert server.told(record) == server.read(record)
    assert server.told(server.told(record)) == server.told(record)


@given(text=st.text(max_size=200))
def test_text_survives_html(text):
    shown = html_text(as_html(text))
    assert shown == html_text(as_html(shown or ""))
    if text == " ".join(text.split()):
        assert (shown or "") == text.strip()


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("example.com", "http://example.com"),
        ("example.com/a:b?c#d", "http://example.com/a:b?c#d"),
        ("//example.com", "http://example.com"),
        ("https://example.com", "https://example.com"),
        ("mailto:x@y.z", "mailto:x@y.z"),
        ("example.com:8080", "http://example.com:8080"),
        (" ", None),
    ],
)
def test_web_addresses_are_stored_with_a_scheme(typed, stored):
    assert website(typed) == stored
    assert website(stored) == stored


def test_regions_belong_to_their_country():
    server = Server(ADDRESS)

    def place(region, country):
        told = server.told({"region": region, "country_code": country})
        return told["region"], told["country_code"]

    assert place("limbo", "GR") == ("Limbo", "GR")
    assert place("California", "GR") == (None, "GR")
    assert place("California", "XX") == (None, None)
    assert place("California", None) == ("California", None)
    assert place("Limbo", None) == (None, None)
    written = server.outgoing.written
    assert written(["region"], {"region": "Limbo", "country_code": "GR"}) == {"state_id": 13}
    both = {"country_id": 6, "state_id": 12}
    assert written(["country_code"], {"region": "Limbo", "country_code": "US"}) == both


def test_more_has_to_be_known_only_for_what_hangs_together():
    needs = Server(CUSTOMER).outgoing.needs
    assert not needs(["name", "note", "contact_points"])
    assert needs(["address"])
    assert needs(["vat", "kind"])
    assert not needs(["vat", "kind", "parent_ref", "address"])
    assert Server(ADDRESS).outgoing.needs(["region"])


def test_a_field_that_newer_versions_dropped_is_not_written():
    server = Server(ADDRESS, without=("mobile",))
    assert "mobile" not in server.outgoing.fields
    record = {"mobile": "69", "phone": "210"}
    assert server.told(record) == {"phone": "210"}
    assert server.outgoing.written(record, record) == {"phone": "210"}
    server = Server(CUSTOMER, without=("mobile", "fax"))
    record = {"contact_points": [{"kind": "mobile", "value": "69"}]}
    assert server.told(record) == {"contact_points": []}
    values = server.outgoing.written(record, record)
    assert values == {"email": None, "phone": None, "website": None}


def test_a_tag_needs_the_tag_above_it():
    outgoing = Server(TAG).outgoing
    assert outgoing.written(["name"], {"name": " Sector /  Food "}) == {
        "name": "Food",
        "parent_id": 3,
    }
    assert outgoing.written(["name"], {"name": "A/B"}) == {"name": "A/B", "parent_id": None}
    assert outgoing.told({"name": "Nowhere / Food"}) == {"name": "Nowhere / Food"}
    with pytest.raises(NotHeldError, match="'Nowhere'"):
        outgoing.written(["name"], {"name": "Nowhere / Food"})


def test_languages_go_by_the_tag_that_is_read():
    assert LANGUAGE.key("sr@latin") == LANGUAGE.key("sr-Latn")
    server = Server(CUSTOMER)
    assert server.outgoing.written(["language"], {"language": "sr-Latn"}) == {"lang": "sr@latin"}
    assert server.outgoing.written(["language"], {"language": "tlh"}) == {}
    new = server.outgoing.written(["language"], {"language": "tlh"}, is_new=True)
    assert new == {"lang": None}


DEAL = {
    "name": "Deal",
    "stage": "new ",
    "state": "lost",
    "loss_reason": "Too expensive",
    "expected_amount": "12.5 EUR",
    "tags": ["Zeta", "Βόρεια"],
}


def test_a_deal_is_told_as_it_is_read() -> None:
    server = Server(OPPORTUNITY, without=("lost_reason_id",))
    told = server.outgoing.told(DEAL)
    assert told == {**DEAL, "stage": "New"}
    written = server.outgoing.written(told, told)
    assert (written["stage_id"], written["lost_reason"], written["tag_ids"]) == (8, 2, [4, 40])
    assert (written["active"], written["probability"]) == (False, 0)
    assert written["expected_revenue"] == "12.5"


def test_what_odoo_cannot_hold_of_a_deal_is_no_change() -> None:
    server = Server(OPPORTUNITY, without=("lost_reason_id",))
    told = server.outgoing.told({"expected_amount": "12.5 PLN", "loss_reason": "Ours alone"})
    assert told == {}, "another currency than the company's, and a reason that is not there"
    told = server.outgoing.told({"stage": "Nowhere"})
    assert told == {"stage": "Nowhere"}, "told as nothing it would be cleared"
    with pytest.raises(NotHeldError, match="Nowhere"):
        server.outgoing.written(told, told)
    won = server.outgoing.written(["state"], {"state": "won"})
    assert won == {"active": True}, "that it is won its stage says"
