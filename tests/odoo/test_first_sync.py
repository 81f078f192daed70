"""Contacts that stand on both sides, spelt differently, meet by a plan; none is doubled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from crm_core.access import Actor
from crm_core.entities import Binding, Customer
from crm_core.persistence.database import Database
from crm_core.services.customers import create_customer
from crm_core.sync.planning.files import write_plan
from crm_core.sync.planning.run import apply_plan_file, plan_sync
from crm_core.testing.front_office import FrontOffice
from crm_odoo.settings import open_backend
from spelt_twice import Contact, contacts

FIELDS = {"reference": "ref", "postal_code": "zip"}
COUNT = 100


@pytest.fixture
def crm_database_url(crm_postgres_url: URL) -> URL:
    return crm_postgres_url


def partner(contact: Contact) -> dict[str, Any]:
    """Return a row as Odoo's own field names."""
    row = {FIELDS.get(name, name): value for name, value in contact.theirs.items()}
    row["is_company"] = row.pop("kind") == "company"
    return row


def test_the_same_contacts_spelt_differently_end_as_many_as_they_were(
    crm_database: Database, system: Actor, fresh_odoo_db: Any, admin_rpc: Any, tmp_path: Path
) -> None:
    admin = admin_rpc(fresh_odoo_db)
    everyone = {"context": {"active_test": False}}
    [last] = admin.search("res.partner", [], order="id desc", limit=1, **everyone)
    ours = [("id", ">", last)]
    options = {
        "url": fresh_odoo_db.url,
        "database": fresh_odoo_db.name,
        "login": fresh_odoo_db.writer.login,
        "customer_domain": json.dumps(ours),
    }
    secret = fresh_odoo_db.writer.secret
    office = FrontOffice(crm_database, system, lambda: open_backend(options, secret))
    both = contacts(COUNT)
    office.change(lambda uow: [create_customer(uow, each.ours) for each in both])
    admin.execute("res.partner", "create", [partner(each) for each in both])
    only_here = office.create("Μόνο εδώ")
    admin.execute("res.partner", "create", {"name": "فقط آنجا"})
    moved, stays = both[2], both[7]

    plan = plan_sync(crm_database, office.backend, office.connect())
    proposed = {row.local_name or row.remote_name: row for row in plan.rows}
    assert sum(row.decision == "link" for row in plan.rows) == COUNT
    assert proposed["Μόνο εδώ"].decision == proposed["فقط آنجا"].decision == "create"
    assert admin.execute("res.partner", "search_count", ours) == COUNT + 1
    write_plan(plan, tmp_path / "plan.xlsx")

    [moved_id] = admin.search("res.partner", [("name", "=", moved.theirs["name"])])
    admin.execute("res.partner", "write", [moved_id], {"function": "moved since"})
    path = tmp_path / "plan.xlsx"
    report = apply_plan_file(crm_database, office.backend, office.connect(), path)
    assert [name for name, _ in report.refused] == [moved.ours["name"]]
    assert report.counts["linked"] == COUNT - 1
    assert (report.counts["created"], report.counts["taken_over"]) == (1, 1)
    office.run()
    assert office.count(Customer) == admin.execute("res.partner", "search_count", ours) == COUNT + 2

    plan = plan_sync(crm_database, office.backend, office.connect())
    assert [(row.local_name, row.decision) for row in plan.rows] == [(moved.ours["name"], "link")]
    write_plan(plan, path)
    apply_plan_file(crm_database, office.backend, office.connect(), path)
    for _ in range(2):
        office.run()
        assert office.count(Customer) == COUNT + 2
        assert admin.execute("res.partner", "search_count", ours) == COUNT + 2
        assert office.count(Binding, Binding.entity == "customer") == COUNT + 2
    again = apply_plan_file(crm_database, office.backend, office.connect(), path)
    assert (again.counts["done"], again.counts["refused"]) == (1, 0)
    [row] = admin.rows("res.partner", [("name", "=", stays.theirs["name"])], ["email"])
    assert row["email"].casefold() == stays.theirs["email"].casefold()
    assert office.remote_id(only_here)
