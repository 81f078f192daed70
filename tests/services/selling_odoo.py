"""A front office that sells, in step with a real Odoo: fixtures of the tests against it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import make_url

from crm_core.plugins.activation import enable_plugin
from crm_core.services.currencies import ensure_currency
from crm_core.services.customers import create_customer
from odoo_rpc import OdooAdmin
from odoo_seed.ways import groups_field, shipped
from selling import Selling
from web_desk import opened
from web_office import installed

GROUPS = ("sales_team.group_sale_manager", "account.group_account_invoice")


@pytest.fixture(scope="module")
def admin(shop: Any, admin_rpc: Any) -> OdooAdmin:
    """The administrator of this module's own Odoo."""
    return admin_rpc(shop)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def options(shop: Any, admin: OdooAdmin) -> dict[str, str]:
    """How the writer connects; only partners made from now on are customers."""
    [last] = admin.search("res.partner", [], order="id desc", limit=1)
    domain = json.dumps([["id", ">", last]])
    login = shop.writer.login
    return {"url": shop.url, "database": shop.name, "login": login, "customer_domain": domain}


@pytest.fixture(scope="module")
def selling(
    crm_sqlite_template: Path, tmp_path_factory: Any, options: Any, shop: Any, admin: OdooAdmin
) -> Iterator[Selling]:
    """A front office in step with an Odoo whose writer may sell; tests have customers of their own.

    Set up once: that takes longer than most of the tests.
    """
    groups = {groups_field(admin): [(4, admin.ref(group)) for group in GROUPS]}
    admin.write("res.users", [writer_of(shop, admin)], groups)
    # Newer versions begin with rules that take the tax off what is sold abroad.
    abroad = admin.search("account.fiscal.position", [("auto_apply", "=", True)])
    admin.write("account.fiscal.position", abroad, {"auto_apply": False})
    folder = tmp_path_factory.mktemp("selling")
    path = folder / "crm.sqlite"
    shutil.copyfile(crm_sqlite_template, path)
    application = opened(make_url(f"sqlite:///{path}"), folder)
    installed(application)
    for name in ("web", "sales"):
        enable_plugin(
            application.database, application.installed_plugins, name, by="test", seconds=60
        )
    application.close()
    application = opened(make_url(f"sqlite:///{path}"), folder)
    made = Selling(application, "odoo", secret_ref=f"file:{shop.writer.secret_file}", **options)
    made.usual = {"sweep": False}
    made.write(lambda uow: ensure_currency(uow, "USD"))
    made.run()
    yield made
    application.close()


def writer_of(shop: Any, admin: OdooAdmin) -> int:
    [user] = admin.search("res.users", [("login", "=", shop.writer.login)])
    return user


def deliver_invoice_and_pay(admin: Any, order_id: int) -> None:
    """Do what people do over there with an order that was confirmed."""
    [order] = admin.rows("sale.order", [("id", "=", order_id)], ["picking_ids"])
    moves = admin.rows(
        "stock.move", [("picking_id", "in", order["picking_ids"])], ["product_uom_qty"]
    )
    for move in moves:
        admin.write("stock.move", [move["id"]], shipped(admin, move["product_uom_qty"]))
    admin.execute(
        "stock.picking", "button_validate", order["picking_ids"], context={"skip_sms": True}
    )
    of_order = {"active_model": "sale.order", "active_ids": [order_id]}
    [wizard] = admin.create(
        "sale.advance.payment.inv", [{"advance_payment_method": "delivered"}], context=of_order
    )
    admin.execute("sale.advance.payment.inv", "create_invoices", [wizard], context=of_order)
    [order] = admin.rows("sale.order", [("id", "=", order_id)], ["invoice_ids"])
    admin.execute("account.move", "action_post", order["invoice_ids"])
    of_invoice = {"active_model": "account.move", "active_ids": order["invoice_ids"]}
    [pay] = admin.create("account.payment.register", [{}], context=of_invoice)
    admin.execute("account.payment.register", "action_create_payments", [pay], context=of_invoice)


@pytest.fixture
def products(admin: OdooAdmin) -> list[str]:
    """Two products of this test's own, the first taxed with 15 %."""
    own = uuid4().hex[:6]
    of_company = ("company_id", "=", admin.ref("base.main_company"))
    [tax] = admin.search(
        "account.tax", [of_company, ("type_tax_use", "=", "sale"), ("amount", "=", 15)], limit=1
    )
    values = [
        {"name": f"Mug ☕ {own}", "list_price": 10, "type": "consu", "taxes_id": [(6, 0, [tax])]},
        {
            "name": f"Λάμπα O'Neil {own}",
            "list_price": 49.95,
            "type": "consu",
            "taxes_id": [(6, 0, [])],
        },
    ]
    admin.create("product.product", values)
    return [str(each["name"]) for each in values]


@pytest.fixture
def customer_id(selling: Selling, products: list[str]) -> UUID:
    """A customer whom Odoo does not know yet."""
    selling.run()
    values = {"name": "Ελένη O'Brien", "kind": "company"}
    made: UUID = selling.write(lambda uow: create_customer(uow, values)).id
    return made
