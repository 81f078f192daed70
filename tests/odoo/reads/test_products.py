"""Products and currencies: what the backend reads equals plain calls, by field."""

from __future__ import annotations

from collections import defaultdict

import pytest

from odoo_plain import EVERYTHING, Amount, assert_equal, clean, rows


def test_currencies(bot, pulled, seeded):
    fields = ["name", "full_name", "currency_unit_label", "symbol", "decimal_places", "active"]
    currencies = rows(bot, "res.currency", fields)
    company = bot.rows("res.users", [("id", "=", bot.uid)], ["company_id"])[0]["company_id"][0]
    (own,) = bot.rows("res.company", [("id", "=", company)], ["currency_id"])
    base = currencies[own["currency_id"][0]]["name"]
    rates = defaultdict(dict)
    for row in bot.rows(
        "res.currency.rate", [], ["currency_id", "company_id", "name", "rate"], context=EVERYTHING
    ):
        if not row["company_id"] or row["company_id"][0] == company:
            rates[row["currency_id"][0]][row["name"]] = row["rate"]
    if rates[own["currency_id"][0]] and set(rates[own["currency_id"][0]].values()) != {1.0}:
        pytest.skip("the company's currency has rates of its own")
    found = pulled["currency"]
    assert set(found) == set(currencies)
    for number, row in currencies.items():
        told = found[number]
        assert told["code"] == row["name"]
        assert told["name"] == (row["full_name"] or row["currency_unit_label"] or row["name"])
        assert told["symbol"] == clean(row["symbol"])
        assert (told["decimal_places"], told["archived"]) == (
            row["decimal_places"],
            not row["active"],
        )
        assert told["base_code"] == base
        assert [rate["on"] for rate in told["rates"]] == sorted(rates[number])
        for rate in told["rates"]:
            assert Amount(rates[number][rate["on"]], 6).is_told_as(rate["rate"])
    if seeded is not None:
        by_code = {values["code"]: values for values in found.values()}
        assert by_code["JPY"]["decimal_places"] == 0
        assert len(by_code["EUR"]["rates"]) == 8
        assert by_code["XAF"]["archived"] if "XAF" in by_code else True


def test_products(bot, pulled, seeded):
    fields = [
        "display_name",
        "default_code",
        "barcode",
        "categ_id",
        "type",
        "description_sale",
        "uom_id",
        "product_tmpl_id",
        "sale_ok",
        "active",
        "product_template_attribute_value_ids",
    ]
    products = rows(bot, "product.product", fields)
    templates = rows(bot, "product.template", ["list_price", "currency_id"])
    extras = rows(bot, "product.template.attribute.value", ["price_extra"])
    categories = rows(bot, "product.category", ["complete_name"])
    expected = {}
    for number, row in products.items():
        template = templates[row["product_tmpl_id"][0]]
        price = template["list_price"] + sum(
            extras[value]["price_extra"] for value in row["product_template_attribute_value_ids"]
        )
        expected[number] = {
            "name": row["display_name"].removeprefix(f"[{row['default_code']}] ").strip(),
            "reference": clean(row["default_code"]),
            "barcode": clean(row["barcode"]),
            "category": categories[row["categ_id"][0]]["complete_name"]
            if row["categ_id"]
            else None,
            "kind": "service" if row["type"] == "service" else "goods",
            "description": clean(row["description_sale"]),
            "unit": row["uom_id"][1],
            "list_price": Amount(price, 6),
            "currency": template["currency_id"][1],
            "is_sold": row["sale_ok"],
            "archived": not row["active"],
        }
    assert_equal(pulled["product"], expected)
    if seeded is not None:
        assert sum(values["archived"] for values in expected.values()) >= 4
        variants = [pulled["product"][number] for number in seeded["variant"]]
        assert len({values["name"] for values in variants}) == len(variants) == 14
        assert "22.5" in {values["list_price"] for values in variants}
        assert "Εμπορεύματα / Τρόφιμα / Olive oil" in str(
            [values["category"] for values in expected.values()]
        )
