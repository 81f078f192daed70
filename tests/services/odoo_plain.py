"""What plain calls say of an Odoo, to compare with what the connector reads.

It shares no code with the connector: a fault there must not hide in the tests.
"""

from __future__ import annotations

import re
from decimal import Decimal
from html import unescape

EVERYTHING = {"active_test": False, "lang": "en_US", "tz": "UTC"}


def rows(bot, model, fields, domain=()):
    there = bot.execute(model, "fields_get", fields, ["type"])
    found = bot.rows(
        model, list(domain), [name for name in fields if name in there], context=EVERYTHING
    )
    for name in (name for name, told in there.items() if told["type"] == "html"):
        for row in found:
            row[name] = text_of(row[name])
    return {row["id"]: {**dict.fromkeys(fields, False), **row} for row in found}


def text_of(html):
    """What stands in a note of a version that keeps them as HTML."""
    lines = re.sub(r"(?i)<br\s*/?>|</(p|div|li|h\d)>", "\n", re.sub(r"\s+", " ", html or ""))
    plain = unescape(re.sub(r"<[^>]*>", "", lines))
    return "\n".join(line.strip() for line in plain.split("\n")).strip()


def clean(value):
    return (value or "").strip() or None


def ref(value):
    return str(value[0]) if value else None


def assert_equal(found, expected):
    """Compare records as wholes, but name the first field that differs."""
    assert expected, "nothing to compare"
    assert set(found) == set(expected)
    for record_id, values in expected.items():
        for field, value in values.items():
            told = found[record_id][field]
            if isinstance(value, Amount):
                assert value.is_told_as(told), (record_id, field, told, value.number)
            else:
                assert told == value, (record_id, field, told, value)
        assert set(found[record_id]) == set(values), record_id


class Amount:
    """A number of Odoo's that has to come as exact decimal text."""

    def __init__(self, number, places=4):
        self.number, self.places = number, places

    def is_told_as(self, told):
        unit = Decimal(1).scaleb(-self.places)
        is_exact = isinstance(told, str) and Decimal(told) == Decimal(told).quantize(unit)
        return is_exact and abs(Decimal(told) - Decimal(repr(self.number))) <= unit / 2


LINE_KINDS = {"line_section": "section", "line_subsection": "section", "line_note": "note"}


def line_of(row, *, ordered, delivered, unit):
    kind = LINE_KINDS.get(row["display_type"] or "", "product")
    told = {
        "kind": kind,
        "product_ref": ref(row["product_id"]),
        "description": clean(row["name"]),
        "quantity": Amount(row[ordered], 6),
        "delivered_quantity": Amount(row[delivered], 6) if delivered else None,
        "unit": row[unit][1] if row[unit] else None,
        "unit_price": Amount(row["price_unit"], 6),
        "discount_percent": Amount(row["discount"], 6),
        "untaxed_amount": Amount(row["price_subtotal"]),
        "total_amount": Amount(row["price_total"]),
    }
    if kind != "product":
        told.update(dict.fromkeys([k for k, v in told.items() if isinstance(v, Amount)]), unit=None)
    return told


def assert_lines(found, expected):
    for number, lines in expected.items():
        told = found[number]["lines"]
        assert len(told) == len(lines), number
        if lines:
            assert_equal(dict(enumerate(told)), dict(enumerate(lines)))


def of_customers(documents, split):
    known = set(split[0]) | set(split[1])
    return {
        n: row
        for n, row in documents.items()
        if row["partner_id"] and row["partner_id"][0] in known
    }
