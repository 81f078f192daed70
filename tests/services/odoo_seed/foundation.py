"""Settings, currencies, taxes, price lists, categories and the people who sell."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from odoo_seed.ways import groups_field
from odoo_seed.world import FIRST_DAY, World

CLOSED_DOOR = "http://127.0.0.1:9"
_RATES = {"EUR": 0.92, "PLN": 4.05, "JPY": 149.0}
_SALESPEOPLE = ("Αθηνά Δημητρίου", "Bożena Król", "Seán O'Casey", "فرهاد مرادی")
_TAGS = ("VIP ⭐", "Χονδρική", "Odbiorca hurtowy", "Не звонить", "Zamudnik", "خرده‌فروش")


def make(world: World) -> None:
    _settings(world)
    _currencies(world)
    _taxes(world)
    _price_lists(world)
    _salespeople(world)
    _tags(world)


def _settings(world: World) -> None:
    for key, value in {
        # Odoo's paid services are asked for nothing, not even when a test creates a lead.
        "iap.endpoint": CLOSED_DOOR,
        "mail.activity.gc.delete_overdue_years": "0",
        # Tests log in with wrong passwords; ten of them must not lock out the rest.
        "base.login_cooldown_after": "0",
    }.items():
        world.call("ir.config_parameter", "set_param", key, value)


def _currencies(world: World) -> None:
    """Three more currencies that trade, one without decimals; a rate every fifty days."""
    rates: list[dict[str, Any]] = []
    company = world.odoo.ref("base.main_company")
    for code, rate in _RATES.items():
        currency = world.odoo.search(
            "res.currency", [("name", "=", code)], context={"active_test": False}
        )
        world.write("res.currency", currency, active=True)
        world.ids[code] = currency
        old = world.odoo.search("res.currency.rate", [("currency_id", "in", currency)])
        world.call("res.currency.rate", "unlink", old)
        rates += (
            {
                "currency_id": currency[0],
                "company_id": company,
                "name": str(FIRST_DAY + timedelta(days=50 * step - 60)),
                "rate": round(rate * (1 + 0.01 * (step % 4 - 1)), 6),
            }
            for step in range(8)
        )
    usd = world.odoo.ref("base.USD")
    world.call(
        "res.currency.rate", "unlink",
        world.odoo.search("res.currency.rate", [("currency_id", "=", usd)]),
    )  # fmt: skip
    world.create("rate", "res.currency.rate", rates)


def _taxes(world: World) -> None:
    company = world.odoo.ref("base.main_company")
    included: dict[str, Any] = {"price_include": True}
    if world.odoo.has("account.tax", "price_include_override"):
        included = {"price_include_override": "tax_included"}
    plain = {"type_tax_use": "sale", "company_id": company, "amount_type": "percent"}
    world.create(
        "tax",
        "account.tax",
        [
            {**plain, "name": "VAT 24%", "amount": 24, "description": "24"},
            {**plain, "name": "VAT 9.5%", "amount": 9.5, "description": "9.5"},
            {**plain, "name": "VAT 22% included", "amount": 22, **included},
            {**plain, "name": "VAT 0%", "amount": 0},
        ],
    )


def _price_lists(world: World) -> None:
    discount = {"compute_price": "percentage", "percent_price": 10, "applied_on": "3_global"}
    world.create(
        "pricelist",
        "product.pricelist",
        [
            {"name": f"{code} price list", "currency_id": world.ids[code][0],
             "item_ids": [(0, 0, discount)] if code == "EUR" else []}
            for code in _RATES
        ],
    )  # fmt: skip
    own = [False, world.odoo.ref("base.main_company")]
    dollars = [("currency_id", "=", world.odoo.ref("base.USD")), ("company_id", "in", own)]
    if not world.odoo.count("product.pricelist", dollars):
        # Newer versions have no price lists, and look at none, until this is switched on.
        world.wizard("res.config.settings", {"group_product_pricelist": True}, "execute")
    world.ids["usd_pricelist"] = world.odoo.search(
        "product.pricelist", dollars, order="id", limit=1
    )
    pricelists = world.odoo.ref("product.group_product_pricelist")
    world.call(
        "res.users", "write", [world.odoo.uid], {groups_field(world.odoo): [(4, pricelists)]}
    )


def _salespeople(world: World) -> None:
    groups = [
        world.odoo.ref(name) for name in ("base.group_user", "sales_team.group_sale_salesman")
    ]
    world.create(
        "salesperson",
        "res.users",
        [
            {"name": name, "login": f"sales{number}", "email": f"sales{number}@example.com",
             groups_field(world.odoo): [(6, 0, groups)], "tz": "UTC"}
            for number, name in enumerate(_SALESPEOPLE, start=1)
        ],
    )  # fmt: skip


def _tags(world: World) -> None:
    parent = world.create("tag_parent", "res.partner.category", [{"name": "Kind of customer"}])[0]
    tags = [{"name": name, "color": number} for number, name in enumerate(_TAGS)]
    for tag in tags[:2]:
        tag["parent_id"] = parent
    world.create("tag", "res.partner.category", tags)
