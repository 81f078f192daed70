"""Offers become sale orders of a real Odoo once; deals go both ways; what Odoo says comes back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import make_url, select

from crm_core.entities import Activity
from crm_core.errors import RetryableSyncError
from crm_core.plugins.activation import enable_plugin
from crm_core.services.currencies import ensure_currency
from crm_core.services.customers import create_customer
from crm_core.services.settings import set_setting
from crm_core.testing.faulty_proxy import lost_reply
from crm_odoo.settings import open_backend
from crm_sales.models import (
    DealState,
    Opportunity,
    OpportunityMove,
    OrderState,
    PriceList,
    PriceListRule,
    QuoteState,
    TaxSource,
)
from crm_sales.services.opportunities import (
    add_opportunity,
    edit_opportunity,
    lose_opportunity,
    move_opportunity,
    reopen_opportunity,
)
from crm_sales.services.pipelines import default_pipeline, live_stages
from crm_sales.services.quote_orders import order_story, retry_order
from crm_sales.services.quote_tax import ask_tax, tax_question
from odoo_rpc import OdooAdmin
from selling import Selling
from web_desk import opened
from web_office import installed

pytestmark = pytest.mark.slow
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
    groups = {"groups_id": [(4, admin.ref(group)) for group in GROUPS]}
    admin.write("res.users", [_writer(shop, admin)], groups)
    folder = tmp_path_factory.mktemp("selling")
    path = folder / "crm.sqlite"
    shutil.copyfile(crm_sqlite_template, path)
    application = opened(make_url(f"sqlite:///{path}"), folder)
    installed(application)
    enable_plugin(
        application.database, application.installed_plugins, "sales", by="test", seconds=60
    )
    application.close()
    application = opened(make_url(f"sqlite:///{path}"), folder)
    made = Selling(application, "odoo", secret_ref=f"file:{shop.writer.secret_file}", **options)
    made.usual = {"sweep": False}
    made.write(lambda uow: ensure_currency(uow, "USD"))
    made.run()
    yield made
    application.close()


def _writer(shop: Any, admin: OdooAdmin) -> int:
    [user] = admin.search("res.users", [("login", "=", shop.writer.login)])
    return user


@pytest.fixture
def products(admin: OdooAdmin) -> list[str]:
    """Two products of this test's own, the first taxed with 15 %."""
    own = uuid4().hex[:6]
    [tax] = admin.search(
        "account.tax", [("type_tax_use", "=", "sale"), ("amount", "=", 15)], limit=1
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
    assert (order["origin"], order["note"]) == (f"CRM {quote.number}", "Net, please")
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

    _deliver_invoice_and_pay(admin, order["id"])
    selling.run()
    story = selling.read(lambda uow: order_story(uow, quote_id))
    assert story["document"]["delivery_state"] == "full"
    [invoice] = story["invoices"]
    assert (invoice["open_amount"], invoice["total_amount"]) == (0, quote.total_amount)
    assert story["is_paid"]
    assert "sales_order" not in selling.run().pushed


def _deliver_invoice_and_pay(admin: Any, order_id: int) -> None:
    [order] = admin.rows("sale.order", [("id", "=", order_id)], ["picking_ids"])
    moves = admin.rows(
        "stock.move", [("picking_id", "in", order["picking_ids"])], ["product_uom_qty"]
    )
    for move in moves:
        admin.write("stock.move", [move["id"]], {"quantity_done": move["product_uom_qty"]})
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
    user = _writer(shop, admin)
    if what == "deleted":
        admin.execute("product.product", "unlink", [product])
        expected, mend = "is not in Odoo any more", None
    elif what == "archived":
        admin.write("product.product", [product], {"active": False})
        expected, mend = "is archived in Odoo", ("product.product", product, {"active": True})
    elif what == "blocked":
        values = {"sale_warn": "block", "sale_warn_msg": "Pays never"}
        admin.write("res.partner", [partner], values)
        expected, mend = "Pays never", ("res.partner", partner, {"sale_warn": "no-message"})
    else:
        held = ("manager", "salesman_all_leads", "salesman")
        groups = [admin.ref(f"sales_team.group_sale_{name}") for name in held]
        admin.write("res.users", [user], {"groups_id": [(3, each) for each in groups]})
        again = {"groups_id": [(4, each) for each in groups]}
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


def test_deals_go_both_ways(selling: Selling, admin: Any, customer_id: UUID) -> None:
    def act(uow: Any) -> UUID:
        made = add_opportunity(
            uow, customer_id, "Deal Ω", expected_amount=Decimal(1000), currency_code="USD",
            tags=["Zeta"],
        )  # fmt: skip
        return made.id  # type: ignore[no-any-return]

    deal_id: UUID = selling.write(act)
    in_zloty = selling.write(
        lambda uow: add_opportunity(
            uow, customer_id, "In zloty", expected_amount=Decimal(5), currency_code="PLN"
        )
    ).id
    selling.run()
    remote = selling.remote_id("sales_opportunity", deal_id)

    def there() -> dict[str, Any]:
        fields = ["name", "stage_id", "active", "probability", "automated_probability"]
        fields += ["lost_reason", "expected_revenue", "tag_ids", "type"]
        [row] = admin.rows(
            "crm.lead", [("id", "=", remote)], fields, context={"active_test": False}
        )
        return row  # type: ignore[no-any-return]

    row = there()
    assert (row["stage_id"][1], row["expected_revenue"], row["type"]) == (
        "New",
        1000,
        "opportunity",
    )
    stages = {
        each.name: each.id
        for each in selling.read(lambda uow: live_stages(uow, default_pipeline(uow).id))
    }
    selling.write(lambda uow: move_opportunity(uow, deal_id, stages["Qualified"]))
    # The other side changes other fields at the same time.
    admin.write("crm.lead", [remote], {"expected_revenue": 1500, "date_deadline": "2027-01-31"})
    selling.run()
    assert there()["stage_id"][1] == "Qualified"
    deal = selling.deal(deal_id)
    assert (deal.expected_amount, deal.currency_code) == (Decimal(1500), "USD")
    assert str(deal.expected_close_on) == "2027-01-31"
    probability = deal.probability

    # Lost there: with a reason that is not known here yet.
    [reason] = admin.create("crm.lost.reason", [{"name": "Πολύ ακριβό"}])
    admin.execute("crm.lead", "action_set_lost", [remote], lost_reason=reason)
    selling.run()
    deal = selling.deal(deal_id)
    assert (deal.state, deal.closed_at is not None) == (DealState.LOST, True)
    # Reopened here, which brings it back there and lets Odoo reckon again.
    selling.write(lambda uow: reopen_opportunity(uow, deal_id))
    selling.run()
    row = there()
    assert row["active"]
    assert row["probability"] == row["automated_probability"] != 0
    assert not row["lost_reason"]
    # Lost here.
    selling.write(lambda uow: lose_opportunity(uow, deal_id, reason_code="price"))
    selling.run()
    row = there()
    assert (row["active"], row["probability"]) == (False, 0)
    selling.write(lambda uow: reopen_opportunity(uow, deal_id))
    selling.run()
    # Won there; a move as any other.
    admin.execute("crm.lead", "action_set_won", [remote])
    selling.run()
    deal = selling.deal(deal_id)
    assert (deal.state, deal.probability, probability != 1) == (DealState.WON, 1, True)
    moves = select(OpportunityMove.to_state).where(OpportunityMove.opportunity_id == deal_id)
    states = selling.read(lambda uow: list(uow.scalars(moves.order_by(OpportunityMove.at))))
    assert states == ["open", "open", "lost", "open", "lost", "open", "won"]
    assert "sales_opportunity" not in selling.run().pushed
    other = selling.deal(in_zloty)
    assert (other.expected_amount, other.currency_code) == (Decimal(5), "PLN")


def test_deals_of_theirs_come_here_and_unknown_stages_stand_aside(
    selling: Selling, admin: Any, customer_id: UUID
) -> None:
    selling.run()
    partner = selling.remote_id("customer", customer_id)
    [tag] = admin.create("crm.tag", [{"name": "Βόρεια"}])
    base = {"type": "opportunity", "partner_id": partner}
    [qualified] = admin.search("crm.stage", [("name", "=", "Qualified")])
    [own] = admin.create("crm.stage", [{"name": "Somewhere", "sequence": 9}])
    values = {"name": "Theirs", "stage_id": qualified, "tag_ids": [(6, 0, [tag])]}
    theirs, _lead, _odd = admin.create(
        "crm.lead",
        [
            {**base, **values, "expected_revenue": 7},
            {**base, "name": "A lead", "type": "lead"},
            {**base, "name": "Odd", "stage_id": own},
        ],
    )
    report = selling.run()
    assert report.state == "partly"
    own = select(Opportunity).where(Opportunity.customer_id == customer_id)
    deals = selling.read(lambda uow: list(uow.scalars(own)))
    assert [(each.name, each.expected_amount) for each in deals] == [("Theirs", 7)]
    # Both change the name: by its master Odoo wins; tags of both stay.
    deal_id = deals[0].id
    selling.write(
        lambda uow: edit_opportunity(uow, deal_id, {"name": "Ours", "tags": ["Βόρεια", "Zeta"]})
    )
    [south] = admin.create("crm.tag", [{"name": "Νότια"}])
    admin.write("crm.lead", [theirs], {"name": "Theirs still", "tag_ids": [(4, south)]})
    selling.run()
    assert selling.deal(deal_id).name == "Theirs still"
    [row] = admin.rows("crm.lead", [("id", "=", theirs)], ["name", "tag_ids"])
    tags = admin.rows("crm.tag", [("id", "in", row["tag_ids"])], ["name"])
    assert {each["name"] for each in tags} == {"Βόρεια", "Νότια", "Zeta"}
    # Our stage that they do not have stands aside with what to do, and goes when it is there.
    stages = {
        each.name: each.id
        for each in selling.read(lambda uow: live_stages(uow, default_pipeline(uow).id))
    }
    selling.write(lambda uow: move_opportunity(uow, deal_id, stages["Negotiation"]))
    assert selling.run().state == "partly"
    [row] = admin.rows("crm.lead", [("id", "=", theirs)], ["stage_id"])
    assert row["stage_id"][1] == "Qualified", "it stays as it was"
    admin.create("crm.stage", [{"name": "Negotiation", "sequence": 50}])
    selling.run(retry=True)
    [row] = admin.rows("crm.lead", [("id", "=", theirs)], ["stage_id"])
    assert row["stage_id"][1] == "Negotiation"


def test_price_lists_and_terms_come_as_they_are(
    selling: Selling, admin: Any, products: list[str]
) -> None:
    selling.run()
    mug = selling.product(products[0])
    named = [("name", "=", products[0])]
    [variant] = admin.rows("product.product", named, ["product_tmpl_id"])
    item = {
        "applied_on": "1_product",
        "product_tmpl_id": variant["product_tmpl_id"][0],
        "compute_price": "formula",
        "base": "list_price",
        "price_discount": 12.5,
        "price_round": 0.05,
        "price_surcharge": -0.01,
        "min_quantity": 10,
        "date_start": "2026-01-01 00:00:00",
    }
    values = {"name": "Contract", "item_ids": [(0, 0, item)]}
    [made] = admin.create("product.pricelist", [values])
    selling.run()
    wanted = select(PriceListRule).join(PriceList, PriceList.id == PriceListRule.price_list_id)
    [rule] = selling.read(lambda uow: list(uow.scalars(wanted.where(PriceList.name == "Contract"))))
    assert (rule.target, rule.product_id, rule.method) == ("product", mug, "formula")
    assert (rule.percent, rule.rounding, rule.surcharge) == (
        Decimal("12.5"), Decimal("0.05"), Decimal("-0.01"),
    )  # fmt: skip
    assert (rule.min_quantity, rule.starts_at) == (10, datetime(2026, 1, 1, tzinfo=UTC))
    admin.execute("product.pricelist", "unlink", [made])
    selling.run(sweep=True)
    gone = select(PriceList.archived_at).where(PriceList.name == "Contract")
    assert selling.read(lambda uow: uow.scalar(gone)) is not None
