"""Every kind of change that people make in Odoo arrives here."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from crm_core.access import Actor
from crm_core.entities import (
    Customer,
    CustomerTag,
    Product,
    Tag,
    Transaction,
    TransactionLine,
    TransactionLink,
)
from crm_core.entities.sync import Binding, DeadLetter
from crm_core.persistence.database import Database
from odoo_seed.ways import receivable
from pulling import PullingOffice

CENT = Decimal("0.01")


@pytest.mark.slow
def test_every_kind_of_change_arrives(
    sqlite_database: Database, system: Actor, fresh_odoo_db: Any, admin_rpc: Callable[[Any], Any]
) -> None:
    office = PullingOffice(sqlite_database, system, fresh_odoo_db)
    admin = admin_rpc(fresh_odoo_db)
    office.pull()
    for change in CHANGES:
        check = change(office, admin)
        report = office.pull()
        assert report.state == "done", change.__name__
        check()
    assert not office.all(select(DeadLetter.id))


def change_a_field(office: PullingOffice, admin: Any) -> Callable[[], None]:
    key = seeded(admin, "company", 3)
    admin.execute(
        "res.partner", "write", [key], {"name": "Ναυτιλία O'Hara 🚢", "phone": "+30 210 1234567"}
    )

    def check() -> None:
        assert office.bound("customer", key, Customer).name == "Ναυτιλία O'Hara 🚢"

    return check


def change_a_tag_from_its_own_side(office: PullingOffice, admin: Any) -> Callable[[], None]:
    key = seeded(admin, "company", 4)
    tag = admin.execute("res.partner.category", "create", {"name": "Von der anderen Seite"})
    admin.execute("res.partner.category", "write", [tag], {"partner_ids": [(4, key)]})

    def check() -> None:
        customer = office.bound("customer", key, Customer)
        names = office.all(
            select(Tag.name)
            .join(CustomerTag, CustomerTag.tag_id == Tag.id)
            .where(CustomerTag.customer_id == customer.id)
        )
        assert ("Von der anderen Seite",) in names

    return check


def change_a_line(office: PullingOffice, admin: Any) -> Callable[[], None]:
    order = admin.rows(
        "sale.order", [("state", "=", "draft"), ("order_line", "!=", False)], ["order_line"]
    )[0]
    admin.execute("sale.order.line", "write", [order["order_line"][0]], {"name": "Nur der Text"})

    def check() -> None:
        document = office.bound("order", order["id"], Transaction)
        texts = office.all(
            select(TransactionLine.description).where(TransactionLine.transaction_id == document.id)
        )
        assert ("Nur der Text",) in texts

    return check


def change_a_template_price(office: PullingOffice, admin: Any) -> Callable[[], None]:
    template = seeded(admin, "goods_template", 2)
    variant = admin.search("product.product", [("product_tmpl_id", "=", template)])[0]
    admin.execute("product.template", "write", [template], {"list_price": 77.25})

    def check() -> None:
        assert office.bound("product", variant, Product).list_price == Decimal("77.25")

    return check


def open_invoice(admin: Any) -> dict[str, Any]:
    """A posted invoice of a seeded company with nothing paid yet."""
    domain = [
        ("move_type", "=", "out_invoice"),
        ("state", "=", "posted"),
        ("payment_state", "=", "not_paid"),
        ("amount_residual", ">", 100),
    ]
    found: dict[str, Any] = admin.rows("account.move", domain, ["amount_residual", "partner_id"])[0]
    return found


def register_a_payment(office: PullingOffice, admin: Any) -> Callable[[], None]:
    invoice = open_invoice(admin)
    context = {"active_model": "account.move", "active_ids": [invoice["id"]]}
    wizard = admin.execute("account.payment.register", "create", {"amount": 40.0}, context=context)
    admin.execute("account.payment.register", "action_create_payments", [wizard], context=context)

    def check() -> None:
        document = office.bound("invoice", invoice["id"], Transaction)
        expected = Decimal(str(invoice["amount_residual"])).quantize(CENT) - 40
        assert (document.open_amount, document.payment_state) == (expected, "partial")
        link = office.one(
            select(TransactionLink.amount).where(TransactionLink.to_transaction_id == document.id)
        )
        assert link.amount == 40

    return check


def undo_a_reconciliation(office: PullingOffice, admin: Any) -> Callable[[], None]:
    partial = [("move_type", "=", "out_invoice"), ("payment_state", "=", "partial")]
    invoice = admin.rows("account.move", partial, ["line_ids"])[-1]
    owed = [("id", "in", invoice["line_ids"]), receivable(admin)]
    lines = admin.rows("account.move.line", owed, ["id"])
    admin.execute("account.move.line", "remove_move_reconcile", [line["id"] for line in lines])

    def check() -> None:
        document = office.bound("invoice", invoice["id"], Transaction)
        assert document.open_amount == document.total_amount
        pays = (TransactionLink.to_transaction_id == document.id, TransactionLink.kind == "pays")
        assert not office.all(select(TransactionLink.amount).where(*pays))

    return check


def archive(office: PullingOffice, admin: Any) -> Callable[[], None]:
    key = seeded(admin, "person", 5)
    admin.execute("res.partner", "write", [key], {"active": False})

    def check() -> None:
        assert office.bound("customer", key, Customer).archived_at is not None

    return check


def delete(office: PullingOffice, admin: Any) -> Callable[[], None]:
    key = admin.execute("res.partner", "create", {"name": "Kurz da"})
    office.pull()
    assert office.bound("customer", key, Customer).archived_at is None
    admin.execute("res.partner", "unlink", [key])

    def check() -> None:
        assert office.bound("customer", key, Customer).archived_at is not None
        state = select(Binding.state).where(
            Binding.entity == "customer", Binding.remote_id == str(key)
        )
        assert office.one(state).state == "deleted"

    return check


def merge_partners(office: PullingOffice, admin: Any) -> Callable[[], None]:
    order = admin.rows("sale.order", [("state", "=", "sale")], ["partner_id"])[0]
    gone, keep = order["partner_id"][0], seeded(admin, "company", 7)
    values = {"partner_ids": [(6, 0, [gone, keep])], "dst_partner_id": keep}
    wizard = admin.execute("base.partner.merge.automatic.wizard", "create", values)
    admin.execute("base.partner.merge.automatic.wizard", "action_merge", [wizard])

    def check() -> None:
        document = office.bound("order", order["id"], Transaction)
        assert document.customer_id == office.bound("customer", keep, Customer).id

    return check


def withdraw_a_right_to_some(office: PullingOffice, admin: Any) -> Callable[[], None]:
    key = seeded(admin, "person", 8)
    model = admin.search("ir.model", [("model", "=", "res.partner")])[0]
    rule = {"name": "hidden", "model_id": model, "domain_force": f"[('id', '!=', {key})]"}
    admin.execute("ir.rule", "create", rule)

    def check() -> None:
        assert office.bound("customer", key, Customer).archived_at is None, "kept as it was"
        state = select(Binding.state).where(
            Binding.entity == "customer", Binding.remote_id == str(key)
        )
        assert office.one(state).state == "unreadable"

    return check


CHANGES = (
    change_a_field,
    change_a_tag_from_its_own_side,
    change_a_line,
    change_a_template_price,
    register_a_payment,
    undo_a_reconciliation,
    archive,
    delete,
    merge_partners,
    withdraw_a_right_to_some,
)


def seeded(admin: Any, kind: str, number: int) -> int:
    """The id of one of the seeded records."""
    domain = [("module", "=", "crm_seed"), ("name", "=", f"{kind}_{number:03d}")]
    found: int = admin.rows("ir.model.data", domain, ["res_id"])[0]["res_id"]
    return found
