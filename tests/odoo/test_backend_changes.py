"""Each kind of change in a real Odoo is noticed, whatever record Odoo marks as written for it."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from crm_odoo.backend import OdooBackend
from crm_odoo.mappings.converters import text
from crm_odoo.mappings.model import FieldMapping
from crm_odoo.mappings.partner import CUSTOMER
from crm_odoo.settings import open_backend
from odoo_seed.ways import credit_note, receivable, unsettled

QUIET = {"tracking_disable": True, "mail_notrack": True}


@pytest.fixture(scope="module")
def changing_db(odoo_server):
    if odoo_server.own:
        pytest.skip("changes the database: only on the project's own Odoo")
    database = odoo_server.copy()
    yield database
    odoo_server.drop(database)


@pytest.fixture(scope="module")
def admin(changing_db):
    return changing_db.rpc(changing_db.admin)


@pytest.fixture(scope="module")
def backend(changing_db):
    with contextlib.closing(fresh(changing_db)) as opened:
        yield opened


def fresh(database):
    """Connect as the user who reads, who knows nothing yet."""
    options = {"url": database.url, "database": database.name, "login": database.bot.login}
    return open_backend(options, database.bot.secret)


@pytest.fixture
def since(backend):
    """A moment after all earlier changes; Odoo tells times in whole seconds."""
    backend.server_time()
    time.sleep(1.1)
    return backend.server_time()


def touched(backend, entity, since):
    pages = backend.pages(entity, since=since, after=None, size=50)
    return {record.remote_id: record.values for page in pages for record in page.records}


def one(backend, entity, record_id):
    return backend.read(entity, [str(record_id)]).records[0].values


def test_nothing_changed_gives_nothing(backend, since):
    for entity in backend.entities():
        before = backend.calls
        assert touched(backend, entity.name, since + timedelta(seconds=2)) == {}
        assert backend.calls - before <= 4


def test_a_field_of_a_partner(backend, admin, since):
    person = admin.ref("crm_seed.person_003")
    admin.write("res.partner", [person], {"function": "Αγορές"}, context=QUIET)
    assert touched(backend, "customer", since)[str(person)]["job_title"] == "Αγορές"


def test_an_address_and_who_moves_into_one(backend, admin, since):
    address = admin.ref("crm_seed.delivery_001")
    admin.write("res.partner", [address], {"city": "Πάτρα"}, context=QUIET)
    assert touched(backend, "address", since)[str(address)]["city"] == "Πάτρα"
    contact = admin.ref("crm_seed.contact_005")
    admin.write("res.partner", [contact], {"type": "invoice"}, context=QUIET)
    assert str(contact) in touched(backend, "address", since)
    assert backend.fates("customer", [str(contact)]) == {str(contact): "outside"}


def test_archiving_and_back(backend, admin, since):
    person = admin.ref("crm_seed.person_004")
    admin.execute("res.partner", "action_archive", [person])
    assert touched(backend, "customer", since)[str(person)]["archived"] is True
    assert str(person) in {i for batch in backend.ids("customer") for i in batch}
    admin.execute("res.partner", "action_unarchive", [person])
    assert touched(backend, "customer", since)[str(person)]["archived"] is False


def test_a_tag_from_the_partners_side(backend, admin, since):
    person, tag = admin.ref("crm_seed.person_005"), admin.ref("crm_seed.tag_003")
    admin.write("res.partner", [person], {"category_id": [(4, tag)]}, context=QUIET)
    assert str(tag) in touched(backend, "customer", since)[str(person)]["tag_refs"]


def test_a_tag_from_the_tags_side_shows_in_the_links(backend, admin, since):
    person, tag = admin.ref("crm_seed.person_006"), admin.ref("crm_seed.tag_004")
    admin.write("res.partner.category", [tag], {"partner_ids": [(4, person)]}, context=QUIET)
    (links,) = backend.link_sets("customer")
    assert links.field == "tag_refs"
    assert str(person) in links.members[str(tag)]
    assert str(tag) in one(backend, "customer", person)["tag_refs"]
    admin.write("res.partner.category", [tag], {"partner_ids": [(3, person)]}, context=QUIET)
    (links,) = backend.link_sets("customer")
    assert str(person) not in links.members[str(tag)]


def test_links_hold_all_tags_and_archived_partners(backend, admin):
    (links,) = backend.link_sets("customer")
    pages = backend.pages("customer", since=None, after=None, size=500)
    told = {
        record.remote_id: record.values["tag_refs"] for page in pages for record in page.records
    }
    held = {number: [] for number in told}
    for tag, members in links.members.items():
        for number in members:
            held.setdefault(number, []).append(tag)
    assert any(told.values())
    assert {number: sorted(held[number]) for number in told} == told


def test_a_tags_name_and_its_parents(backend, admin, since):
    parent, child = admin.ref("crm_seed.tag_parent_001"), admin.ref("crm_seed.tag_001")
    admin.write("res.partner.category", [parent], {"name": "Sort of customer"})
    assert touched(backend, "tag", since)[str(child)]["name"].startswith("Sort of customer / ")


def test_a_users_name(backend, admin, since):
    user = admin.ref("crm_seed.salesperson_002")
    partner = admin.rows("res.users", [("id", "=", user)], ["partner_id"])[0]["partner_id"][0]
    admin.write("res.partner", [partner], {"name": "Bożena Nowak"}, context=QUIET)
    assert touched(backend, "user", since)[str(user)]["name"] == "Bożena Nowak"


def test_a_templates_price_and_name(backend, admin, since):
    template = admin.ref("crm_seed.variant_template_001")
    admin.write("product.template", [template], {"list_price": 21.5, "name": "Polo"})
    variant = str(admin.ref("crm_seed.variant_001"))
    found = touched(backend, "product", since)
    assert len(found) >= 12
    assert found[variant]["list_price"] == "21.5"
    assert found[variant]["name"].startswith("Polo (")


def test_a_categorys_name_and_a_variants_surcharge(backend, admin, since):
    admin.write("product.category", [admin.ref("crm_seed.category_001")], {"name": "Goods"})
    found = touched(backend, "product", since)
    assert any(v["category"].startswith("Goods / ") for v in found.values() if v["category"])
    value = admin.ref("crm_seed.value_001")
    admin.write("product.attribute.value", [value], {"name": "Small"})
    found = touched(backend, "product", since)
    assert any("(Small, " in values["name"] for values in found.values())


def test_a_rate(backend, admin, since):
    euro = admin.ref("base.EUR")
    admin.create(
        "res.currency.rate",
        [
            {
                "currency_id": euro,
                "name": "2026-01-15",
                "rate": 0.875,
                "company_id": admin.ref("base.main_company"),
            }
        ],
    )
    rates = touched(backend, "currency", since)[str(euro)]["rates"]
    assert rates[-1] == {"on": "2026-01-15", "rate": "0.875"}


def test_the_day_of_an_order_is_that_of_our_user(changing_db, backend, admin):
    draft = str(admin.search("sale.order", [("state", "=", "draft")], limit=1)[0])
    moment = {"date_order": "2026-02-28 22:30:00"}
    admin.write("sale.order", [int(draft)], moment, context=QUIET)
    user = admin.search("res.users", [("login", "=", changing_db.bot.login)])
    told = {}
    for zone in ("Europe/Athens", "America/New_York", False):
        admin.write("res.users", user, {"tz": zone})
        with contextlib.closing(fresh(changing_db)) as there:
            [order] = [each for each in there.entities() if each.name == "order"]
            told[order.mapping_digest] = one(there, "order", draft)["issued_on"]
    # With the zone the digest changes: the orders that were read before are read again.
    assert list(told.values()) == ["2026-03-01", "2026-02-28", "2026-02-28"]


def test_only_the_text_of_an_orders_line(backend, admin, since):
    order = admin.ref("crm_seed.order_004")  # confirmed, not locked
    line = admin.search("sale.order.line", [("order_id", "=", order)], limit=1)
    admin.write("sale.order.line", line, {"name": "Άλλο κείμενο"}, context=QUIET)
    lines = touched(backend, "order", since)[str(order)]["lines"]
    assert "Άλλο κείμενο" in {item["description"] for item in lines}


def test_an_order_is_confirmed(backend, admin, since):
    order = next(
        r["id"]
        for r in admin.rows("sale.order", [("state", "=", "draft")], ["state"])
        if str(r["id"]) in {i for b in backend.ids("order") for i in b}
    )
    admin.execute("sale.order", "action_confirm", [order])
    assert touched(backend, "order", since)[str(order)]["state"] == "confirmed"


def open_invoice(admin, backend):
    ours = {i for batch in backend.ids("invoice") for i in batch}
    domain = [
        ("move_type", "=", "out_invoice"),
        ("state", "=", "posted"),
        ("payment_state", "=", "not_paid"),
        ("amount_residual", ">", 10),
    ]
    rows = admin.rows("account.move", domain, ["amount_residual"])
    return next(row for row in rows if str(row["id"]) in ours)


def test_a_payment_and_taking_it_apart(backend, admin, since):
    row = open_invoice(admin, backend)
    context = {"active_model": "account.move", "active_ids": [row["id"]], **QUIET}
    wizard = admin.execute("account.payment.register", "create", {"amount": 7.0}, context=context)
    admin.execute("account.payment.register", "action_create_payments", [wizard], context=context)
    invoice = touched(backend, "invoice", since)[str(row["id"])]
    assert invoice["payment_state"] == "partial"
    (link,) = [link for link in invoice["links"] if link["kind"] == "pays"]
    assert (link["entity"], link["towards"], link["amount"]) == ("payment", False, "7")
    payment = touched(backend, "payment", since)[link["ref"]]
    assert (payment["state"], payment["total_amount"]) == ("confirmed", "7")

    time.sleep(1.1)
    later = backend.server_time()
    lines = admin.search(
        "account.move.line",
        [("move_id", "=", row["id"]), receivable(admin)],
    )
    admin.execute("account.move.line", "remove_move_reconcile", lines)
    invoice = touched(backend, "invoice", later)[str(row["id"])]
    assert invoice["payment_state"] == "not_paid"
    assert [link for link in invoice["links"] if link["kind"] == "pays"] == []

    admin.execute(
        "account.move.line",
        "reconcile",
        [
            *lines,
            *admin.search(
                "account.move.line",
                [
                    ("payment_id", "=", int(link["ref"])),
                    receivable(admin),
                ],
            ),
        ],
    )
    invoice = touched(backend, "invoice", later)[str(row["id"])]
    assert [li["ref"] for li in invoice["links"] if li["kind"] == "pays"] == [link["ref"]]


def test_a_refund_settled_against_its_invoice(backend, admin, since):
    row = open_invoice(admin, backend)
    refund = credit_note(admin, row["id"], {"reason": "x"}, **QUIET)["res_id"]
    found = touched(backend, "invoice", since)
    assert found[str(refund)]["state"] == "draft"
    assert {
        "kind": "refunds",
        "entity": "invoice",
        "ref": str(row["id"]),
        "amount": None,
        "towards": True,
    } in found[str(refund)]["links"]
    time.sleep(1.1)
    later = backend.server_time()
    admin.execute("account.move", "action_post", [refund])
    if lines := unsettled(admin, refund):
        time.sleep(1.1)
        later = backend.server_time()
        admin.execute("account.move", "js_assign_outstanding_line", [row["id"]], lines[0])
    invoice = touched(backend, "invoice", later)[str(row["id"])]
    assert ("pays", "invoice", str(refund)) in {
        (link["kind"], link["entity"], link["ref"]) for link in invoice["links"]
    }
    assert invoice["open_amount"] == "0"
    assert invoice["state"] == "done"


def test_merged_partners_take_their_documents_along(backend, admin, since):
    """The documents move without a new write date, but the partner that stays has one."""
    ours = {i for batch in backend.ids("order") for i in batch}
    orders = [o for o in admin.rows("sale.order", [], ["partner_id"]) if str(o["id"]) in ours]
    person = admin.ref("crm_seed.person_010")
    moved = next(
        o
        for o in orders
        if o["partner_id"][0] in [admin.ref(f"crm_seed.contact_{n:03d}") for n in range(20, 40)]
    )
    wizard = admin.execute(
        "base.partner.merge.automatic.wizard",
        "create",
        {"partner_ids": [(6, 0, [moved["partner_id"][0], person])], "dst_partner_id": person},
    )
    admin.execute("base.partner.merge.automatic.wizard", "action_merge", [wizard])
    assert touched(backend, "order", since)[str(moved["id"])]["customer_ref"] == str(person)
    gone = str(moved["partner_id"][0])
    assert backend.fates("customer", [gone]) == {gone: "deleted"}


def test_deletion_and_a_withdrawn_right_are_told_apart(backend, admin):
    (lost,) = admin.create("res.partner", [{"name": "Short-lived"}], context=QUIET)
    kept = admin.ref("crm_seed.person_020")
    present = {i for batch in backend.ids("customer") for i in batch}
    assert {str(lost), str(kept)} <= present
    admin.execute("res.partner", "unlink", [lost])
    (rule,) = admin.create(
        "ir.rule",
        [
            {
                "name": "hidden",
                "model_id": admin.ref("base.model_res_partner"),
                "domain_force": f"[('id', '!=', {kept})]",
            }
        ],
    )
    present = {i for batch in backend.ids("customer") for i in batch}
    assert not {str(lost), str(kept)} & present
    assert backend.read("customer", [str(lost), str(kept)]).records == []
    assert backend.fates("customer", [str(lost), str(kept)]) == {
        str(lost): "deleted",
        str(kept): "unreadable",
    }
    admin.execute("ir.rule", "unlink", [rule])
    assert len(backend.read("customer", [str(kept)]).records) == 1


def test_a_record_that_breaks_odoo_is_set_aside(backend, admin):
    """A computed field of somebody's customization fails for one partner."""
    bad = admin.ref("crm_seed.person_021")
    field = {
        "model_id": admin.ref("base.model_res_partner"),
        "name": "x_broken",
        "field_description": "Broken",
        "ttype": "char",
        "store": False,
        "depends": "name",
        "compute": f"for p in self:\n  p['x_broken'] = 'x' * (1 // (p.id - {bad}))",
    }
    (made,) = admin.create("ir.model.fields", [field])
    wider = replace(CUSTOMER, fields=(*CUSTOMER.fields, FieldMapping("broken", "x_broken", text)))
    other = OdooBackend(backend._transport, mappings=[wider])
    pages = list(other.pages("customer", since=None, after=None, size=100))
    (fault,) = [fault for page in pages for fault in page.faults]
    assert (fault.remote_id, fault.code) == (str(bad), "odoo.record")
    assert "ZeroDivisionError" in fault.reason
    assert sum(len(page.records) for page in pages) > 200
    admin.execute("ir.model.fields", "unlink", [made])
