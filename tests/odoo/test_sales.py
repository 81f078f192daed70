"""Offers become sale orders of a real Odoo once; deals go both ways; what Odoo says comes back."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_core.entities import Activity
from crm_core.errors import RetryableSyncError
from crm_core.services.settings import set_setting
from crm_core.testing.faulty_proxy import lost_reply
from crm_odoo.settings import open_backend
from crm_sales.models import (
    DealState,
    OrderState,
    PriceList,
    QuoteState,
    TaxSource,
)
from crm_sales.services.order_stories import order_story
from crm_sales.services.quote_orders import retry_order
from crm_sales.services.quote_tax import ask_tax, tax_question
from odoo_plain import text_of
from odoo_seed.ways import groups_field
from selling import Selling
from selling_odoo import (
    admin,
    customer_id,
    deliver_invoice_and_pay,
    options,
    products,
    selling,
    writer_of,
)

__all__ = ["admin", "customer_id", "options", "products", "selling"]

pytestmark = pytest.mark.slow


def usd(selling: Selling) -> UUID:
    lists = (
        select(PriceList.id).where(PriceList.currency_code == "USD").order_by(PriceList.position)
    )
    return selling.read(lambda uow: uow.scalars(lists).first())  # type: ignore[no-any-return]


def offered(selling: Selling, customer_id: UUID, products: list[str]) -> UUID:
    mug, lamp = products
    lines = ("Home", (mug, "3", "12.35", "7.5"), (lamp, "1", "49.95", "0"))
    return selling.offer(customer_id, *lines, price_list_id=usd(selling), terms="Net, please")


def orders(selling: Selling, admin: Any, quote_id: UUID) -> list[dict[str, Any]]:
    """Return the orders of an offer, and drafts that were made to ask about it."""
    fields = ["name", "state", "amount_total", "order_line", "note", "origin", "client_order_ref"]
    number = selling.quote(quote_id).number
    found: list[dict[str, Any]] = admin.rows("sale.order", [("origin", "like", number)], fields)
    return found


def test_an_offer_goes_all_the_way(
    selling: Selling, admin: Any, customer_id: UUID, products: list[str]
) -> None:
    """Tax asked, accepted, ordered, confirmed, delivered, invoiced, paid, and back here."""
    selling.write(lambda uow: set_setting(uow, "sales.order_confirm", "yes"))
    quote_id = offered(selling, customer_id, products)
    selling.write(lambda uow: ask_tax(uow, quote_id))
    selling.run()
    question = selling.read(lambda uow: tax_question(uow, quote_id))
    assert (question.is_open, question.problem) == (False, None)
    quote = selling.quote(quote_id)
    assert quote.tax_source == TaxSource.ERP
    assert (quote.untaxed_amount, quote.tax_amount) == (Decimal("84.22"), Decimal("5.14"))
    assert orders(selling, admin, quote_id) == [], "what was asked about is gone again"

    selling.accept(quote_id)
    selling.run()
    [order] = orders(selling, admin, quote_id)
    assert (order["origin"], text_of(order["note"])) == (f"CRM {quote.number}", "Net, please")
    assert Decimal(str(order["amount_total"])) == quote.total_amount
    fields = ["name", "price_unit", "discount", "product_uom_qty", "display_type"]
    told = admin.rows("sale.order.line", [("order_id", "=", order["id"])], fields)
    assert (told[0]["name"], told[0]["display_type"]) == ("Home", "line_section")
    assert (told[1]["price_unit"], told[1]["discount"]) == (12.35, 7.5)
    assert selling.order(quote_id).state == OrderState.CONFIRMING
    selling.run()
    [order] = orders(selling, admin, quote_id)
    assert (order["state"], selling.quote(quote_id).state) == ("sale", QuoteState.ORDERED)
    deal = selling.deal(quote.opportunity_id)
    assert (deal.state, selling.order(quote_id).number) == (DealState.WON, order["name"])

    deliver_invoice_and_pay(admin, order["id"])
    selling.run()
    story = selling.read(lambda uow: order_story(uow, quote_id))
    assert story["document"]["delivery_state"] == "full"
    [invoice] = story["invoices"]
    assert (invoice["open_amount"], invoice["total_amount"]) == (0, quote.total_amount)
    assert story["is_paid"]
    assert "sales_order" not in selling.run().pushed


@pytest.mark.parametrize("lost", ['"sale.order", "load"', '"sale.order", "action_confirm"'])
def test_a_lost_reply_makes_one_order(
    selling: Selling,
    admin: Any,
    customer_id: UUID,
    products: list[str],
    options: dict[str, str],
    shop: Any,
    faulty_proxy: Any,
    lost: str,
) -> None:
    selling.write(lambda uow: set_setting(uow, "sales.order_confirm", "yes"))
    quote_id = offered(selling, customer_id, products)
    selling.write(lambda uow: ask_tax(uow, quote_id))
    selling.run()
    selling.accept(quote_id)
    through = {**options, "url": faulty_proxy.url}
    entities = tuple(selling.application.plugins.entities.values())
    faulty_proxy.spoil(lost, lost_reply)
    for _ in range(2):
        if not faulty_proxy.spoilt:
            with suppress(RetryableSyncError):
                selling.run(open_backend(through, shop.writer.secret, entities))
    assert faulty_proxy.spoilt == 1
    assert len(orders(selling, admin, quote_id)) == 1
    selling.run()
    selling.run()
    [order] = orders(selling, admin, quote_id)
    assert (order["state"], len(order["order_line"])) == ("sale", 3)
    assert selling.order(quote_id).state == OrderState.CONFIRMED


def test_other_sums_stay_a_draft(
    selling: Selling, admin: Any, customer_id: UUID, products: list[str]
) -> None:
    selling.write(lambda uow: set_setting(uow, "sales.order_confirm", "yes"))
    quote_id = offered(selling, customer_id, products)  # its tax is an estimate: none
    selling.accept(quote_id)
    selling.run()
    selling.run()
    [order] = orders(selling, admin, quote_id)
    assert (order["state"], selling.order(quote_id).state) == ("draft", OrderState.DIFFERENT)
    story = selling.read(lambda uow: order_story(uow, quote_id))
    assert [each["field"] for each in story["order"]["differences"]] == [
        "tax_amount",
        "total_amount",
    ]


@pytest.mark.parametrize("what", ["deleted", "archived", "blocked", "right"])
def test_a_refusal_is_told_in_plain_words_and_goes_again(
    selling: Selling, admin: Any, customer_id: UUID, products: list[str], what: str, shop: Any
) -> None:
    quote_id = offered(selling, customer_id, products)
    selling.run()
    product = selling.remote_id("product", selling.product(products[0]))
    partner = selling.remote_id("customer", customer_id)
    user = writer_of(shop, admin)
    if what == "deleted":
        admin.execute("product.product", "unlink", [product])
        expected, mend = "is not in Odoo any more", None
    elif what == "archived":
        admin.write("product.product", [product], {"active": False})
        expected, mend = "is archived in Odoo", ("product.product", product, {"active": True})
    elif what == "blocked" and not admin.has("res.partner", "sale_warn"):
        pytest.skip("this Odoo has no way to block sales to a customer: it only warns people")
    elif what == "blocked":
        values = {"sale_warn": "block", "sale_warn_msg": "Pays never"}
        admin.write("res.partner", [partner], values)
        expected, mend = "Pays never", ("res.partner", partner, {"sale_warn": "no-message"})
    else:
        held = ("manager", "salesman_all_leads", "salesman")
        groups = [admin.ref(f"sales_team.group_sale_{name}") for name in held]
        admin.write("res.users", [user], {groups_field(admin): [(3, each) for each in groups]})
        again = {groups_field(admin): [(4, each) for each in groups]}
        expected, mend = "may not create and change sale.order", ("res.users", user, again)
    # Accepted before a sync could notice it.
    selling.accept(quote_id)
    selling.run(entities=["sales_order"])
    assert selling.order(quote_id).state == OrderState.REFUSED
    [task] = selling.tasks(customer_id)
    assert expected in str(task.note)
    assert "Traceback" not in str(task.note)
    assert orders(selling, admin, quote_id) == []
    if mend is not None:
        model, record, values = mend
        admin.write(model, [record], values)
        selling.write(lambda uow: retry_order(uow, quote_id))
        selling.run()
        assert len(orders(selling, admin, quote_id)) == 1
        assert selling.order(quote_id).problem is None
        wanted = select(Activity.is_open).where(Activity.id == task.id)
        assert selling.read(lambda uow: uow.scalar(wanted)) is False
