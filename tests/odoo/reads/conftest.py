"""One pull of the seeded database, and what plain calls say of its partners."""

from __future__ import annotations

from collections import defaultdict

import pytest

from crm_odoo.settings import open_backend
from odoo_plain import rows

ADDRESS_TYPES = ("invoice", "delivery", "other", "private")


@pytest.fixture(scope="package")
def bot(odoo_db):
    return odoo_db.rpc(odoo_db.bot)


@pytest.fixture(scope="package")
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
def seeded(odoo_server, odoo_db):
    """Ids of seeded records by kind; without them in somebody's own Odoo."""
    if odoo_server.own:
        return None
    # Newer versions show external ids to administrators only.
    admin = odoo_db.rpc(odoo_db.admin)
    rows = admin.rows("ir.model.data", [("module", "=", "crm_seed")], ["name", "res_id"])
    kinds = defaultdict(list)
    for row in rows:
        kinds[row["name"].rpartition("_")[0]].append(row["res_id"])
    return kinds


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package")
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
