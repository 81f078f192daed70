"""A pull from a real Odoo into the final tables, compared with what plain calls give."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from crm_core.access import Actor
from crm_core.entities import (
    Address,
    AuditEntry,
    Backend,
    ContactPoint,
    Customer,
    CustomerTag,
    Product,
    Relationship,
    SyncRun,
    Tag,
    Transaction,
    TransactionLine,
    TransactionLink,
    User,
)
from crm_core.entities.sync import Binding, DeadLetter
from crm_core.ids import new_id
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.relationships import seed_relationship_types
from crm_core.sync.engine import RunReport, run
from crm_odoo.settings import open_backend
from sqlalchemy import func, select

EVERYTHING = {"active_test": False, "lang": "en_US", "tz": "UTC"}
CENT = Decimal("0.01")


class Office:
    """A front office that pulls from one Odoo database as the integration user."""

    def __init__(self, database: Database, actor: Actor, odoo: Any) -> None:
        self.database, self.actor, self.odoo = database, actor, odoo
        self.config = {
            "url": odoo.url,
            "database": odoo.name,
            "login": odoo.bot.login,
            "language": "en_US",
        }
        with unit_of_work(database, actor=actor, write=True) as uow:
            seed_relationship_types(uow)
            self.backend = uow.add(
                Backend(
                    id=new_id(),
                    name="main",
                    type="odoo",
                    config=self.config,
                    secret_ref=f"file:{odoo.bot.secret_file}",
                    created_at=uow.now,
                    updated_at=uow.now,
                )
            )
            uow.commit()

    def pull(self, **options: Any) -> RunReport:
        remote = open_backend(self.config, self.odoo.bot.secret)
        try:
            return run(self.database, self.backend, remote, **options)
        finally:
            remote.close()

    def all(self, statement: Any) -> list[Any]:
        with unit_of_work(self.database, actor=self.actor) as uow:
            return list(uow.execute(statement))

    def one(self, statement: Any) -> Any:
        found = self.all(statement)
        assert len(found) == 1, found
        return found[0]

    def by_remote_id(self, entity: str, model: Any) -> dict[int, Any]:
        rows = self.all(
            select(Binding.remote_id, model)
            .join(model, model.id == Binding.local_id)
            .where(Binding.entity == entity)
        )
        return {int(row[0]): row[1] for row in rows}

    def bound(self, entity: str, remote_id: int, model: Any) -> Any:
        return self.one(
            select(model)
            .join(Binding, Binding.local_id == model.id)
            .where(Binding.entity == entity, Binding.remote_id == str(remote_id))
        )[0]

    def counts(self) -> dict[str, int]:
        models = (Customer, Address, ContactPoint, Relationship, Product, Transaction)
        models += (TransactionLine, TransactionLink, AuditEntry, CustomerTag)
        return {m.__name__: self.one(select(func.count()).select_from(m))[0] for m in models}


@pytest.fixture
def office(database: Database, system: Actor, odoo_db: Any) -> Office:
    return Office(database, system, odoo_db)


@pytest.fixture(scope="module")
def bot(odoo_db: Any) -> Any:
    return odoo_db.rpc(odoo_db.bot)


def test_every_partner_is_here_whole(office: Office, bot: Any) -> None:
    assert office.pull(entities=["user", "tag", "customer", "address"]).state == "done"
    users = bot.rows("res.users", [], ["share", "login", "partner_id"], context=EVERYTHING)
    inner = {
        user["partner_id"][0]
        for user in users
        if not user["share"] or user["login"] in ("public", "portaltemplate")
    }
    every = office.odoo.rpc(office.odoo.admin)  # the integration user sees its own company only
    companies = {c["partner_id"][0] for c in every.rows("res.company", [], ["partner_id"])}
    fields = ["name", "is_company", "parent_id", "type", "ref", "vat", "lang", "function", "email"]
    fields += ["phone", "mobile", "website", "street", "street2", "zip", "city", "country_id"]
    fields += ["user_id", "category_id", "active", "commercial_partner_id"]
    partners = {
        row["id"]: row
        for row in bot.rows("res.partner", [], fields, context=EVERYTHING)
        if row["id"] not in inner and row["commercial_partner_id"][0] not in companies
    }
    customers = office.by_remote_id("customer", Customer)
    addresses = office.by_remote_id("address", Address)
    is_address = {
        key for key, row in partners.items() if row["parent_id"] and row["type"] not in ("contact",)
    }
    expected_customers = set(partners) - is_address
    assert len(expected_customers) > 200
    assert set(customers) == expected_customers
    assert len(addresses) >= 40
    assert set(addresses) <= is_address

    points = defaultdict(dict)
    for customer_id, kind, value in office.all(
        select(ContactPoint.customer_id, ContactPoint.kind, ContactPoint.value)
    ):
        points[customer_id].setdefault(kind, value)
    mains = {a.customer_id: a for (a,) in office.all(select(Address).where(Address.use == "main"))}
    owners = {user.id: user.login for (user,) in office.all(select(User))}
    logins = {u["id"]: u["login"] for u in bot.rows("res.users", [], ["login"], context=EVERYTHING)}
    tags = defaultdict(int)
    for (customer_id,) in office.all(select(CustomerTag.customer_id)):
        tags[customer_id] += 1
    parents = dict(office.all(select(Relationship.from_customer_id, Relationship.to_customer_id)))
    countries = {c["id"]: c["code"] for c in bot.rows("res.country", [], ["code"])}
    greek = archived = tied = 0
    for key in sorted(expected_customers):
        theirs, ours = partners[key], customers[key]
        assert ours.name == (theirs["name"] or "").strip() or not theirs["name"], key
        assert ours.kind == ("company" if theirs["is_company"] else "person"), key
        assert (ours.reference, ours.vat) == (theirs["ref"] or None, theirs["vat"] or None), key
        assert ours.job_title == (theirs["function"] or None), key
        assert (ours.language or "").replace("-", "_") == (theirs["lang"] or ""), key
        assert (ours.archived_at is None) is theirs["active"], key
        assert owners.get(ours.owner_id) == logins.get(theirs["user_id"] and theirs["user_id"][0])
        assert points[ours.id].get("phone") == (theirs["phone"] or None), key
        assert points[ours.id].get("mobile") == (theirs["mobile"] or None), key
        assert points[ours.id].get("website") == (theirs["website"] or None), key
        assert bool(points[ours.id].get("email")) is bool((theirs["email"] or "").strip()), key
        assert tags[ours.id] == len(theirs["category_id"]), key
        main = mains.get(ours.id)
        if not theirs["parent_id"]:
            told = (main.street, main.street2, main.postal_code, main.city) if main else (None,) * 4
            assert told == tuple(theirs[n] or None for n in ("street", "street2", "zip", "city")), (
                key
            )
            country = theirs["country_id"] and countries[theirs["country_id"][0]]
            assert (main.country_code if main else None) == (country or None), key
        elif theirs["parent_id"][0] in customers:
            assert parents[ours.id] == customers[theirs["parent_id"][0]].id, key
            tied += 1
        greek += "Α" <= (theirs["name"] or " ")[0] <= "ώ"
        archived += not theirs["active"]
    assert min(greek, archived, tied) > 5, "the sample holds what it has to prove"
    for key, ours in addresses.items():
        theirs = partners[key]
        parent = theirs["parent_id"][0]
        assert ours.customer_id == customers[parent].id, key
        assert (ours.use, ours.street) == (theirs["type"], theirs["street"] or None), key


def test_every_product_and_document_is_here_whole(office: Office, bot: Any) -> None:
    assert office.pull().state == "done"
    products = office.by_remote_id("product", Product)
    theirs = bot.rows("product.product", [("sale_ok", "=", True)], ["name", "default_code", "lst_price", "active"], context=EVERYTHING)  # fmt: skip
    assert len(theirs) > 40
    for row in theirs:
        ours = products[row["id"]]
        assert (ours.reference or "") == (row["default_code"] or ""), row
        assert ours.name.startswith(row["name"]), row
        assert ours.list_price == Decimal(str(row["lst_price"])).quantize(Decimal("0.000001")), row
        assert (ours.archived_at is None) is row["active"], row
    _assert_documents(office, bot, "order", "sale.order", "amount_total", None)
    kinds = _assert_documents(
        office, bot, "invoice", "account.move", "amount_total", "amount_residual"
    )
    assert min(kinds["invoice"], kinds["refund"]) > 20
    _assert_documents(office, bot, "payment", "account.payment", "amount", None)
    paid = office.one(
        select(func.count()).select_from(TransactionLink).where(TransactionLink.kind == "pays")
    )[0]
    assert paid >= 40
    overdue = office.one(select(func.count()).select_from(Transaction).where(Transaction.is_open))[
        0
    ]
    assert overdue >= 20
    sums = office.all(
        select(Transaction.id, Transaction.untaxed_amount, func.sum(TransactionLine.untaxed_amount))
        .join(TransactionLine, TransactionLine.transaction_id == Transaction.id)
        .where(Transaction.kind.in_(["order", "invoice"]))
        .group_by(Transaction.id, Transaction.untaxed_amount)
    )
    assert len(sums) > 100
    for _, amount, of_lines in sums:
        assert abs(amount - Decimal(of_lines)) < CENT


def _assert_documents(
    office: Office, bot: Any, entity: str, model: str, total: str, residual: str | None
) -> dict[str, int]:
    ours = office.by_remote_id(entity, Transaction)
    assert len(ours) > 50
    fields = ["name", "currency_id", "partner_id", "state", total]
    fields += [residual] if residual else []
    rows = bot.rows(model, [("id", "in", sorted(ours))], fields, context=EVERYTHING)
    assert len(rows) == len(ours)
    customers = office.by_remote_id("customer", Customer)
    addresses = office.by_remote_id("address", Address)
    kinds: dict[str, int] = defaultdict(int)
    currencies = set()
    for row in rows:
        document = ours[row["id"]]
        kinds[document.kind] += 1
        currencies.add(document.currency_code)
        assert document.total_amount == abs(Decimal(str(row[total]))).quantize(CENT), row
        assert document.currency_code == row["currency_id"][1], row
        if residual:
            due = abs(Decimal(str(row[residual]))) if row["state"] == "posted" else Decimal(0)
            assert document.open_amount == due.quantize(CENT), row
        partner = row["partner_id"][0]
        owner = customers[partner].id if partner in customers else addresses[partner].customer_id
        assert document.customer_id == owner, row
    assert len(currencies) > 1
    return kinds


def test_a_second_pull_changes_nothing_in_a_handful_of_calls(office: Office) -> None:
    first = office.pull()
    before = office.counts()
    second = office.pull(overlap=timedelta(0))
    assert second.state == first.state == "done"
    assert second.calls <= 5 * len(first.counts)
    assert not any(c.get("created") or c.get("updated") for c in second.counts.values())
    assert office.counts() == before


@pytest.mark.slow
def test_every_kind_of_change_arrives(
    sqlite_database: Database, system: Actor, fresh_odoo_db: Any, admin_rpc: Callable[[Any], Any]
) -> None:
    office = Office(sqlite_database, system, fresh_odoo_db)
    admin = admin_rpc(fresh_odoo_db)
    office.pull()
    for change in CHANGES:
        check = change(office, admin)
        report = office.pull()
        assert report.state == "done", change.__name__
        check()
    assert not office.all(select(DeadLetter.id))


def change_a_field(office: Office, admin: Any) -> Callable[[], None]:
    key = seeded(admin, "company", 3)
    admin.execute(
        "res.partner", "write", [key], {"name": "Ναυτιλία O'Hara 🚢", "phone": "+30 210 1234567"}
    )

    def check() -> None:
        assert office.bound("customer", key, Customer).name == "Ναυτιλία O'Hara 🚢"

    return check


def change_a_tag_from_its_own_side(office: Office, admin: Any) -> Callable[[], None]:
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


def change_a_line(office: Office, admin: Any) -> Callable[[], None]:
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


def change_a_template_price(office: Office, admin: Any) -> Callable[[], None]:
    template = seeded(admin, "goods_template", 2)
    variant = admin.search("product.product", [("product_tmpl_id", "=", template)])[0]
    admin.execute("product.template", "write", [template], {"list_price": 77.25})

    def check() -> None:
        assert office.bound("product", variant, Product).list_price == Decimal("77.25")

    return check


def open_invoice(admin: Any) -> dict[str, Any]:
    """A posted invoice of a seeded company with nothing paid yet."""
    domain = [("move_type", "=", "out_invoice"), ("state", "=", "posted"), ("payment_state", "=", "not_paid"), ("amount_residual", ">", 100)]  # fmt: skip
    found: dict[str, Any] = admin.rows("account.move", domain, ["amount_residual", "partner_id"])[0]
    return found


def register_a_payment(office: Office, admin: Any) -> Callable[[], None]:
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


def undo_a_reconciliation(office: Office, admin: Any) -> Callable[[], None]:
    invoice = admin.rows("account.move", [("move_type", "=", "out_invoice"), ("payment_state", "=", "partial")], ["line_ids"])[-1]  # fmt: skip
    lines = admin.rows("account.move.line", [("id", "in", invoice["line_ids"]), ("account_internal_type", "=", "receivable")], ["id"])  # fmt: skip
    admin.execute("account.move.line", "remove_move_reconcile", [line["id"] for line in lines])

    def check() -> None:
        document = office.bound("invoice", invoice["id"], Transaction)
        assert document.open_amount == document.total_amount
        pays = (TransactionLink.to_transaction_id == document.id, TransactionLink.kind == "pays")
        assert not office.all(select(TransactionLink.amount).where(*pays))

    return check


def archive(office: Office, admin: Any) -> Callable[[], None]:
    key = seeded(admin, "person", 5)
    admin.execute("res.partner", "write", [key], {"active": False})

    def check() -> None:
        assert office.bound("customer", key, Customer).archived_at is not None

    return check


def delete(office: Office, admin: Any) -> Callable[[], None]:
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


def merge_partners(office: Office, admin: Any) -> Callable[[], None]:
    order = admin.rows("sale.order", [("state", "=", "sale")], ["partner_id"])[0]
    gone, keep = order["partner_id"][0], seeded(admin, "company", 7)
    values = {"partner_ids": [(6, 0, [gone, keep])], "dst_partner_id": keep}
    wizard = admin.execute("base.partner.merge.automatic.wizard", "create", values)
    admin.execute("base.partner.merge.automatic.wizard", "action_merge", [wizard])

    def check() -> None:
        document = office.bound("order", order["id"], Transaction)
        assert document.customer_id == office.bound("customer", keep, Customer).id

    return check


def withdraw_a_right_to_some(office: Office, admin: Any) -> Callable[[], None]:
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


RUN_ALONE = """
import sys
from crm_core.access import system_actor
from crm_core.entities import Backend
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.sync.engine import run
from crm_odoo.settings import open_backend
from sqlalchemy import select

database = Database(sys.argv[1])
with unit_of_work(database, actor=system_actor("test")) as uow:
    backend = uow.scalars(select(Backend)).one()
remote = open_backend(backend.config, sys.stdin.readline().strip())
run(database, backend, remote, page_size=20, on_progress=lambda *told: print(*told, flush=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize("entity", ["customer", "order", "invoice"])
def test_killed_in_the_middle_and_run_again_ends_the_same(office: Office, entity: str) -> None:
    for line in killed_while(office, entity):
        assert line.startswith(entity)
    left = office.one(select(func.count()).select_from(Customer))[0]
    assert left > 0
    assert office.pull().state == "done"
    after = office.counts()
    assert not any(
        c.get("created") or c.get("updated") for c in office.pull(full=True).counts.values()
    )
    assert office.counts() == after
    states = office.all(select(SyncRun.state).order_by(SyncRun.started_at))
    assert [row.state for row in states] == ["failed", "done", "done"]


def killed_while(office: Office, entity: str) -> Iterator[str]:
    """Run in a process of its own and kill it once it is in the middle of an entity."""
    url = office.database.url.render_as_string(hide_password=False)
    process = subprocess.Popen(
        [sys.executable, "-c", RUN_ALONE, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(office.odoo.bot.secret + "\n")
    process.stdin.flush()
    deadline = time.monotonic() + 60
    for line in process.stdout:
        if line.startswith(entity):
            process.send_signal(signal.SIGKILL)
            yield line
            break
        assert time.monotonic() < deadline
    assert process.wait() == -signal.SIGKILL
