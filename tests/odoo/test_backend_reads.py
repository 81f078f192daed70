"""What the backend reads of a real Odoo equals what plain calls give, field by field.

The expected values are computed here, from other calls and by other code than the connector's.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from decimal import Decimal

import pytest

from crm_odoo.settings import open_backend

EVERYTHING = {"active_test": False, "lang": "en_US", "tz": "UTC"}
ADDRESS_TYPES = ("invoice", "delivery", "other", "private")


@pytest.fixture(scope="module")
def bot(odoo_db):
    return odoo_db.rpc(odoo_db.bot)


@pytest.fixture(scope="module")
def pulled(odoo_db):
    """All entities, read to the end in pages smaller than they are."""
    options = {
        "url": odoo_db.url,
        "database": odoo_db.name,
        "login": odoo_db.bot.login,
        "language": "en_US",
    }
    backend = open_backend(options, odoo_db.bot.secret)
    found, faults = {}, {}
    for entity in backend.entities():
        pages = list(backend.pages(entity.name, since=None, after=None, size=40))
        records = [record for page in pages for record in page.records]
        faults[entity.name] = [fault for page in pages for fault in page.faults]
        ids = [int(record.remote_id) for record in records]
        assert ids == sorted(set(ids)), entity.name
        if pages:
            assert pages[0].total == len(ids) + len(faults[entity.name])
        found[entity.name] = {int(record.remote_id): record.values for record in records}
    backend.close()
    assert not any(faults.values()), faults
    return found


@pytest.fixture
def seeded(odoo_server, bot):
    """Ids of seeded records by kind; without them in somebody's own Odoo."""
    if odoo_server.own:
        return None
    rows = bot.rows("ir.model.data", [("module", "=", "crm_seed")], ["name", "res_id"])
    kinds = defaultdict(list)
    for row in rows:
        kinds[row["name"].rpartition("_")[0]].append(row["res_id"])
    return kinds


def rows(bot, model, fields, domain=()):
    there = bot.execute(model, "fields_get", fields, ["type"])
    found = bot.rows(
        model, list(domain), [name for name in fields if name in there], context=EVERYTHING
    )
    return {row["id"]: {**dict.fromkeys(fields, False), **row} for row in found}


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


@pytest.fixture(scope="module")
def partners(bot):
    fields = [
        "name",
        "is_company",
        "type",
        "parent_id",
        "ref",
        "vat",
        "lang",
        "function",
        "comment",
        "active",
        "user_id",
        "category_id",
        "email",
        "phone",
        "mobile",
        "website",
        "street",
        "street2",
        "zip",
        "city",
        "state_id",
        "country_id",
        "commercial_partner_id",
    ]
    return rows(bot, "res.partner", fields)


@pytest.fixture(scope="module")
def split(odoo_db, partners):
    """Which partners are customers and which are addresses, found out in Python."""
    sees_all = odoo_db.rpc(odoo_db.admin or odoo_db.bot)
    users = rows(sees_all, "res.users", ["share", "partner_id", "login"])
    nobody = ("public", "portaltemplate")
    internal = {
        row["partner_id"][0] for row in users.values() if not row["share"] or row["login"] in nobody
    }
    companies = rows(sees_all, "res.company", ["partner_id"])
    own = {row["partner_id"][0] for row in companies.values()}
    assert internal
    assert own
    customers, addresses = {}, {}
    for number, row in partners.items():
        parent = row["parent_id"] and row["parent_id"][0]
        if row["commercial_partner_id"][0] in own or number in internal or parent in internal:
            continue
        if parent and row["type"] in ADDRESS_TYPES:
            addresses[number] = row
        elif row["type"] != "private":
            customers[number] = row
    return customers, addresses


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


def test_orders(bot, pulled, split, seeded):
    fields = [
        "name",
        "client_order_ref",
        "state",
        "locked",
        "invoice_status",
        "delivery_status",
        "date_order",
        "currency_id",
        "amount_untaxed",
        "amount_tax",
        "amount_total",
        "user_id",
        "partner_id",
        "partner_invoice_id",
        "partner_shipping_id",
    ]
    orders = of_customers(rows(bot, "sale.order", fields), split)
    line_fields = [
        "order_id",
        "sequence",
        "display_type",
        "product_id",
        "name",
        "product_uom_qty",
        "qty_delivered",
        "product_uom",
        "product_uom_id",
        "price_unit",
        "discount",
        "price_subtotal",
        "price_total",
        "product_type",
    ]
    lines = defaultdict(list)
    for row in rows(bot, "sale.order.line", line_fields).values():
        lines[row["order_id"][0]].append(row)
    states = {"sale": "confirmed", "done": "done", "cancel": "cancelled"}

    def delivered(number, row):
        if row["delivery_status"]:
            return {"started": "partial"}.get(row["delivery_status"], row["delivery_status"])
        goods = [
            line
            for line in lines[number]
            if line["product_type"] in ("product", "consu") and line["product_uom_qty"] > 0
        ]
        if row["state"] not in ("sale", "done") or not goods:
            return None
        left = [line["product_uom_qty"] - line["qty_delivered"] for line in goods]
        if max(left) <= 0:
            return "full"
        return "pending" if not any(line["qty_delivered"] for line in goods) else "partial"

    expected = {}
    for number, row in orders.items():
        other = [row[name] for name in ("partner_shipping_id", "partner_invoice_id")]
        shipping, invoice = [ref(v) if v and v != row["partner_id"] else None for v in other]
        state = states.get(row["state"], row["state"])
        expected[number] = {
            "kind": "order",
            "customer_ref": ref(row["partner_id"]),
            "number": row["name"],
            "reference": clean(row["client_order_ref"]),
            "state": "done" if row["locked"] and state == "confirmed" else state,
            "payment_state": None,
            "invoice_state": row["invoice_status"],
            "delivery_state": delivered(number, row),
            "is_outgoing": False,
            "issued_on": row["date_order"][:10],
            "due_on": None,
            "currency": row["currency_id"][1],
            "untaxed_amount": Amount(row["amount_untaxed"]),
            "tax_amount": Amount(row["amount_tax"]),
            "total_amount": Amount(row["amount_total"]),
            "open_amount": "0",
            "owner_ref": ref(row["user_id"]),
            "delivery_address_ref": shipping,
            "invoice_address_ref": invoice,
            "links": [],
        }
    found = pulled["order"]
    unit = (
        "product_uom_id"
        if any(r["product_uom_id"] for ls in lines.values() for r in ls)
        else "product_uom"
    )
    told_lines = {number: values["lines"] for number, values in found.items()}
    assert_equal(
        {n: {k: v for k, v in values.items() if k != "lines"} for n, values in found.items()},
        expected,
    )
    assert_lines(
        found,
        {
            number: [
                line_of(row, ordered="product_uom_qty", delivered="qty_delivered", unit=unit)
                for row in sorted(lines[number], key=lambda row: (row["sequence"], row["id"]))
            ]
            for number in orders
        },
    )
    if seeded is None:
        return
    assert len(seeded["order"]) == 84
    assert set(seeded["order"]) <= set(found)
    assert {"draft", "sent", "confirmed", "done", "cancelled"} == {
        v["state"] for v in found.values()
    }
    assert {"pending", "partial", "full", None} == {v["delivery_state"] for v in found.values()}
    waiting = rows(
        bot,
        "stock.picking",
        ["sale_id"],
        [("backorder_id", "!=", False), ("state", "not in", ("done", "cancel"))],
    )
    back_orders = {row["sale_id"][0] for row in waiting.values() if row["sale_id"]} & set(found)
    assert len(back_orders) >= 5
    assert {found[number]["delivery_state"] for number in back_orders} == {"partial"}
    assert {"USD", "EUR", "PLN", "JPY"} <= {v["currency"] for v in found.values()}
    assert sum(v["delivery_address_ref"] is not None for v in found.values()) >= 10
    assert sum(v["invoice_address_ref"] is not None for v in found.values()) >= 10
    kinds = [line["kind"] for lines_ in told_lines.values() for line in lines_]
    assert kinds.count("section") >= 10
    assert kinds.count("note") >= 10
    assert "12.5" in {line["discount_percent"] for lines_ in told_lines.values() for line in lines_}


@pytest.fixture(scope="module")
def moves(bot, split):
    fields = [
        "name",
        "ref",
        "move_type",
        "state",
        "payment_state",
        "invoice_date",
        "invoice_date_due",
        "currency_id",
        "amount_untaxed",
        "amount_tax",
        "amount_total",
        "amount_residual",
        "invoice_user_id",
        "partner_id",
        "partner_shipping_id",
        "reversed_entry_id",
        "invoice_payments_widget",
    ]
    found = rows(bot, "account.move", fields, [("move_type", "in", ("out_invoice", "out_refund"))])
    return of_customers(found, split)


def paid_by(row, moves):
    """(entity, ref) → amount, from what Odoo shows under an invoice."""
    widget = row["invoice_payments_widget"]
    widget = json.loads(widget) if isinstance(widget, str) else widget
    amounts = defaultdict(float)
    for item in (widget or {}).get("content", []):
        if item.get("account_payment_id"):
            amounts["payment", str(item["account_payment_id"])] += item["amount"]
        elif row["move_type"] == "out_invoice" and item["move_id"] in moves:
            amounts["invoice", str(item["move_id"])] += item["amount"]
    return amounts


def test_invoices_and_refunds(bot, pulled, moves, seeded):
    states = {"draft": "draft", "posted": "confirmed", "cancel": "cancelled"}
    expected = {}
    for number, row in moves.items():
        state = states[row["state"]]
        is_settled = state == "confirmed" and row["payment_state"] in ("paid", "reversed")
        expected[number] = {
            "kind": "invoice" if row["move_type"] == "out_invoice" else "refund",
            "customer_ref": ref(row["partner_id"]),
            "number": None if row["name"] in ("/", False) else row["name"],
            "reference": clean(row["ref"]),
            "state": "done" if is_settled else state,
            "payment_state": row["payment_state"],
            "invoice_state": None,
            "delivery_state": None,
            "is_outgoing": False,
            "issued_on": row["invoice_date"] or None,
            "due_on": row["invoice_date_due"] or None,
            "currency": row["currency_id"][1],
            "untaxed_amount": Amount(row["amount_untaxed"]),
            "tax_amount": Amount(row["amount_tax"]),
            "total_amount": Amount(row["amount_total"]),
            "open_amount": Amount(row["amount_residual"] if row["state"] == "posted" else 0.0),
            "owner_ref": ref(row["invoice_user_id"]),
            "delivery_address_ref": ref(row["partner_shipping_id"])
            if row["partner_shipping_id"] != row["partner_id"]
            else None,
            "invoice_address_ref": None,
        }
    found = pulled["invoice"]
    rest = ("lines", "links")
    assert_equal(
        {n: {k: v for k, v in values.items() if k not in rest} for n, values in found.items()},
        expected,
    )
    if seeded is None:
        return
    assert set(seeded["order_invoice"] + seeded["free_invoice"]) <= set(found)
    refunds = [v for v in found.values() if v["kind"] == "refund"]
    assert len(refunds) >= 20
    assert {"draft", "confirmed", "done", "cancelled"} == {v["state"] for v in found.values()}
    assert {"not_paid", "partial", "paid", "reversed"} == {
        v["payment_state"] for v in found.values()
    }
    assert {"USD", "EUR", "PLN", "JPY"} <= {v["currency"] for v in found.values()}
    assert all(Decimal(v["total_amount"]) >= 0 <= Decimal(v["open_amount"]) for v in found.values())
    assert any(
        v["open_amount"] != "0" and v["due_on"] < "2026-01-01"
        for v in found.values()
        if v["due_on"]
    )


def test_invoice_lines(bot, pulled, moves):
    fields = [
        "move_id",
        "sequence",
        "display_type",
        "product_id",
        "name",
        "quantity",
        "price_unit",
        "product_uom_id",
        "discount",
        "price_subtotal",
        "price_total",
        "exclude_from_invoice_tab",
    ]
    shown = ("product", "line_section", "line_subsection", "line_note", False)
    lines = defaultdict(list)
    for row in rows(bot, "account.move.line", fields, [("move_id", "in", list(moves))]).values():
        if not row["exclude_from_invoice_tab"] and row["display_type"] in shown:
            lines[row["move_id"][0]].append(row)
    expected = {
        number: [
            line_of(row, ordered="quantity", delivered=None, unit="product_uom_id")
            for row in sorted(lines[number], key=lambda row: (row["sequence"], row["id"]))
        ]
        for number in moves
    }
    assert sum(map(len, expected.values())) > 100
    assert_lines(pulled["invoice"], expected)


def test_links(bot, pulled, moves, seeded):
    orders = rows(bot, "sale.order", ["invoice_ids"])
    ordered = defaultdict(set)
    for number, row in orders.items():
        for move in row["invoice_ids"]:
            ordered[move].add(str(number))
    kinds = defaultdict(int)
    for number, row in moves.items():
        links = pulled["invoice"][number]["links"]
        told = {(li["kind"], li["entity"], li["ref"]): li for li in links}
        assert len(told) == len(links)
        expected = {("invoices", "order", order) for order in ordered[number]}
        if row["move_type"] == "out_refund" and row["reversed_entry_id"]:
            expected.add(("refunds", "invoice", ref(row["reversed_entry_id"])))
        amounts = paid_by(row, moves)
        expected |= {("pays", entity, other) for entity, other in amounts}
        assert set(told) == expected, number
        for (kind, entity, other), link in told.items():
            kinds[kind, entity, row["move_type"]] += 1
            assert link["towards"] is (kind != "pays")
            if kind == "pays":
                assert Amount(amounts[entity, other]).is_told_as(link["amount"]), number
            else:
                assert link["amount"] is None
    if seeded is not None:
        assert kinds["pays", "payment", "out_invoice"] >= 20
        assert kinds["pays", "invoice", "out_invoice"] >= 5
        assert kinds["pays", "payment", "out_refund"] >= 3
        assert kinds["refunds", "invoice", "out_refund"] >= 10
        assert kinds["invoices", "order", "out_invoice"] >= 20
        assert kinds["invoices", "order", "out_refund"] >= 1
        in_part = [n for n in moves if moves[n]["payment_state"] == "partial"]
        assert len(in_part) >= 5


def test_payments(bot, pulled, split, seeded):
    fields = [
        "name",
        "ref",
        "memo",
        "state",
        "payment_type",
        "partner_type",
        "date",
        "currency_id",
        "amount",
        "partner_id",
    ]
    payments = of_customers(
        rows(bot, "account.payment", fields, [("partner_type", "=", "customer")]), split
    )
    states = {"posted": "confirmed", "in_process": "confirmed", "paid": "done", "draft": "draft"}
    expected = {
        number: {
            "kind": "payment",
            "customer_ref": ref(row["partner_id"]),
            "number": None if row["name"] in ("/", False) else row["name"],
            "reference": clean(row["memo"] or row["ref"]),
            "state": states.get(row["state"], "cancelled"),
            "payment_state": None,
            "invoice_state": None,
            "delivery_state": None,
            "is_outgoing": row["payment_type"] == "outbound",
            "issued_on": row["date"],
            "due_on": None,
            "currency": row["currency_id"][1],
            "untaxed_amount": Amount(row["amount"]),
            "tax_amount": "0",
            "total_amount": Amount(row["amount"]),
            "open_amount": "0",
            "owner_ref": None,
            "delivery_address_ref": None,
            "invoice_address_ref": None,
            "lines": [],
            "links": [],
        }
        for number, row in payments.items()
    }
    assert_equal(pulled["payment"], expected)
    if seeded is not None:
        assert set(seeded["payment"] + seeded["free_payment"]) <= set(pulled["payment"])
        assert {"draft", "confirmed", "cancelled"} == {v["state"] for v in expected.values()}
        assert sum(v["is_outgoing"] for v in expected.values()) >= 3
        assert {"USD", "EUR"} <= {v["currency"] for v in expected.values()}
