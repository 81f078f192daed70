"""Both sides of a real Odoo at work on the same customers: conflicts, merges, deletions, copies."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import select

from crm_core.entities import Binding, Conflict, Customer, Transaction
from crm_core.services.customer_merge import merge_customers
from crm_core.services.customer_unmerge import unmerge_customers
from crm_core.sync.masters import set_masters
from crm_core.sync.resolve import Chosen, resolve_conflicts
from crm_core.testing.front_office import BACKEND, FrontOffice
from odoo_plain import text_of


def choose(office: FrontOffice, *texts: str) -> None:
    office.change(lambda uow: set_masters(uow, BACKEND, texts))


def field(admin: Any, partner_id: str, name: str) -> Any:
    context = {"active_test": False}
    [row] = admin.rows("res.partner", [("id", "=", int(partner_id))], [name], context=context)
    return text_of(row[name]) if name == "comment" else row[name]


def write(admin: Any, partner_id: str, **values: Any) -> None:
    admin.execute("res.partner", "write", [int(partner_id)], values)


def merge(admin: Any, keep: str, *gone: str) -> None:
    """Merge partners as the assistant in Odoo's contacts does."""
    ids = [int(keep), *map(int, gone)]
    model = "base.partner.merge.automatic.wizard"
    values = {"partner_ids": [(6, 0, ids)], "dst_partner_id": int(keep)}
    wizard = admin.execute(model, "create", values)
    admin.execute(model, "action_merge", [wizard])


def quiet(office: FrontOffice) -> None:
    report = office.run()
    assert (report.state, report.pushed) == ("done", {}), report.warnings
    assert all(counts.get("updated", 0) == 0 for counts in report.counts.values())


def test_the_later_edit_wins_and_people_decide_what_is_left_to_them(
    office: FrontOffice, admin: Any
) -> None:
    choose(office, "customer.name=newest", "customer.note=ask", "customer.address=ask")
    address = {"use": "main", "street": "Alt 1", "city": "Wien", "country_code": "AT"}
    ours, theirs = (
        office.create(f"Firma {n}", kind="company", note="n", addresses=[address]) for n in "AB"
    )
    office.run()
    keys = {each: office.remote_id(each) for each in (ours, theirs)}

    write(admin, keys[ours], name="There, earlier", comment="there", city="Linz")
    time.sleep(6)  # edits within two seconds are not told apart, and Odoo tells whole ones
    office.edit(ours, name="Here, later", note="here", job_title="x")
    office.edit(theirs, name="Here, earlier", note="here")
    time.sleep(6)  # edits within two seconds are not told apart, and Odoo tells whole ones
    write(admin, keys[theirs], name="There, later", comment="there")
    office.run()

    assert office.customer(ours).name == field(admin, keys[ours], "name") == "Here, later"
    assert office.customer(theirs).name == field(admin, keys[theirs], "name") == "There, later"
    for each, key in keys.items():
        assert (office.customer(each).note, field(admin, key, "comment")) == ("here", "there")
    rows = [row[0] for row in office.all(select(Conflict).where(Conflict.field == "note"))]
    assert [row.state for row in rows] == ["open", "open"]
    assert all(row.theirs_at and row.theirs_by == "admin" for row in rows)
    quiet(office)

    office.change(lambda uow: resolve_conflicts(uow, [str(rows[0].id)], "crm"))
    office.change(lambda uow: resolve_conflicts(uow, Chosen(office.backend.id), "erp"))
    office.run()
    decided = {rows[0].local_id: "here", rows[1].local_id: "there"}
    for each, key in keys.items():
        assert office.customer(each).note == field(admin, key, "comment") == decided[each]
    quiet(office)


def test_partners_merged_by_the_assistant_are_one_customer_with_all_documents(
    office: FrontOffice, admin: Any
) -> None:
    keep, gone = (office.create(name, kind="company") for name in ("Keep Ltd", "Gone Ltd"))
    office.run()
    survivor, former = office.remote_id(keep), office.remote_id(gone)
    order = admin.execute("sale.order", "create", {"partner_id": int(former)})
    office.run()
    bound = select(Binding.local_id).where(
        Binding.entity == "order", Binding.remote_id == str(order)
    )
    document = select(Transaction.customer_id).where(Transaction.id.in_(bound))
    assert office.all(document)[0].customer_id == gone

    merge(admin, survivor, former)
    report = office.run()

    assert report.counts["customer"]["merged"] == 1
    assert office.all(document)[0].customer_id == keep
    assert office.customer(gone).merged_into_id == keep
    assert office.count(Conflict) == 0
    quiet(office)
    office.edit(keep, note="goes on")
    office.run()
    assert field(admin, survivor, "comment") == "goes on"


def test_a_partner_merged_into_one_that_is_new_takes_its_customer_along(
    office: FrontOffice, admin: Any
) -> None:
    customer_id = office.create("Ours", kind="company", note="kept")
    office.run()
    survivor = str(admin.execute("res.partner", "create", {"name": "Theirs", "is_company": True}))
    merge(admin, survivor, office.remote_id(customer_id))
    office.run()
    assert office.remote_id(customer_id) == survivor
    assert office.count(Customer, Customer.archived_at.is_(None)) == 1
    assert office.customer(customer_id).name == "Theirs"
    quiet(office)


def test_customers_merged_here_are_merged_there_when_that_is_asked_for(
    office: FrontOffice, admin: Any
) -> None:
    keep, gone = (office.create(name, kind="company") for name in ("Stay", "Go"))
    mail = [{"kind": "email", "value": "else@x.example"}]
    other = office.create("Else", kind="company", contact_points=mail)
    office.run()
    survivor, former, foreign = (office.remote_id(each) for each in (keep, gone, other))
    order = admin.execute("sale.order", "create", {"partner_id": int(former)})
    office.run()
    merge_id = office.change(lambda uow: merge_customers(uow, keep, gone, there=True).id)
    assert office.run().state == "done"

    ids = [("id", "in", [int(survivor), int(former)])]
    found = admin.search("res.partner", ids, context={"active_test": False})
    assert found == [int(survivor)]
    [document] = admin.rows("sale.order", [("id", "=", order)], ["partner_id"])
    assert document["partner_id"][0] == int(survivor)
    office.run()
    quiet(office)
    left = office.change(lambda uow: unmerge_customers(uow, merge_id).left)
    assert any(former in str(each) and "cannot be undone" in str(each) for each in left)

    office.change(lambda uow: merge_customers(uow, keep, other, there=True))
    report = office.run()  # Odoo lets only its administrators merge different addresses
    assert any("e-mail" in each or "email" in each for each in report.warnings), report.warnings
    assert admin.search("res.partner", [("id", "=", int(foreign))]) == [int(foreign)]


@pytest.mark.parametrize("deed", ["archive", "keep", "restore"])
def test_a_deleted_partner_is_followed_as_chosen(
    office: FrontOffice, admin: Any, deed: str
) -> None:
    choose(office, f"customer.when_deleted={deed}")
    customer_id = office.create("Deleted There", note="all of it")
    office.run()
    admin.execute("res.partner", "unlink", [int(office.remote_id(customer_id))])
    office.run()
    office.edit(customer_id, job_title="edited since")
    office.run()
    there = admin.rows("res.partner", [("name", "=", "Deleted There")], ["comment", "function"])
    assert len(there) == int(deed == "restore")
    if there:
        assert (text_of(there[0]["comment"]), there[0]["function"]) == ("all of it", "edited since")
    assert (office.customer(customer_id).archived_at is None) is (deed != "archive")
    quiet(office)
