"""What people are told when a real Odoo does not let us in, or not everywhere."""

from __future__ import annotations

import socket

import pytest

from crm_core.errors import FatalSyncError, RetryableSyncError
from crm_core.sync.protocol import RIGHT_MISSING
from crm_odoo.settings import open_backend


def opened(odoo_db, account, **changes):
    options = {"url": odoo_db.url, "database": odoo_db.name, "login": account.login}
    secret = changes.pop("secret", account.secret)
    return open_backend({**options, **changes}, secret)


def test_the_bot_lacks_nothing(odoo_db):
    backend = opened(odoo_db, odoo_db.bot)
    results = backend.check()
    assert [result for result in results if not result.ok] == []
    names = {result.name for result in results}
    assert {"version", "clock", "language", "right res.partner", "right account.payment"} <= names
    assert backend.calls < 60
    backend.close()


def test_a_missing_right_is_named_and_costs_one_entity_only(odoo_db):
    if odoo_db.plain is None:
        pytest.skip("needs the seeded salesperson")
    backend = opened(odoo_db, odoo_db.plain)
    (failed,) = [result for result in backend.check() if not result.ok]
    assert failed.name == "right account.payment"
    assert "account.payment" in failed.message
    assert "account.group_account_readonly" in failed.message
    assert "payment" in [entity.name for entity in backend.entities()]
    with pytest.raises(FatalSyncError) as caught:
        list(backend.pages("payment", since=None, after=None, size=10))
    assert caught.value.code == RIGHT_MISSING
    assert caught.value.details["model"] == "account.payment"
    page = next(iter(backend.pages("invoice", since=None, after=None, size=10)))
    assert page.records
    backend.close()


def test_a_wrong_password(odoo_db):
    backend = opened(odoo_db, odoo_db.bot, secret="not this one")
    with pytest.raises(FatalSyncError) as caught:
        backend.check()
    assert caught.value.code == "core.sync.login_refused"
    assert "not this one" not in str(caught.value)
    assert odoo_db.bot.login in caught.value.message


def test_an_unknown_database(odoo_db):
    backend = opened(odoo_db, odoo_db.bot, database="no_such_database")
    with pytest.raises(FatalSyncError) as caught:
        backend.check()
    assert caught.value.code == "odoo.database_unknown"
    assert "no_such_database" in caught.value.message


def test_a_port_where_nothing_listens(odoo_db):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        backend = opened(odoo_db, odoo_db.bot, url=f"http://127.0.0.1:{port}")
        with pytest.raises(RetryableSyncError) as caught:
            backend.entities()
    assert caught.value.code == "core.sync.unreachable"


def test_an_unknown_language_is_told(odoo_db):
    backend = opened(odoo_db, odoo_db.bot, language="tlh_QO")
    (failed,) = [result for result in backend.check() if not result.ok]
    assert failed.name == "language"
    backend.close()


def test_names_come_in_the_language_of_choice(odoo_db, odoo_server):
    if odoo_server.own:
        pytest.skip("looks for a seeded product")
    names = {}
    for language in ("en_US", "el_GR", "fa_IR"):
        backend = opened(odoo_db, odoo_db.bot, language=language)
        chair = odoo_db.rpc().ref("crm_seed.goods_011")
        names[language] = backend.read("product", [str(chair)]).records[0].values["name"]
        backend.close()
    assert names == {"en_US": 'Chair "Oslo"', "el_GR": "Καρέκλα «Όσλο»", "fa_IR": "صندلی اسلو"}


def test_a_domain_of_ones_own_takes_its_documents_along(odoo_db):
    domain = '[["is_company", "=", true], ["id", "not in", "$own_companies"]]'
    backend = opened(odoo_db, odoo_db.bot, customer_domain=domain)
    pages = {
        name: [
            r.values
            for page in backend.pages(name, since=None, after=None, size=200)
            for r in page.records
        ]
        for name in ("customer", "address", "order", "invoice")
    }
    ids = {
        name: {number for batch in backend.ids(name) for number in batch}
        for name in ("customer", "address")
    }
    backend.close()
    assert all(pages.values())
    assert {values["kind"] for values in pages["customer"]} == {"company"}
    assert {values["parent_ref"] for values in pages["address"]} <= ids["customer"] | ids["address"]
    for name in ("order", "invoice"):
        told = {values["customer_ref"] for values in pages[name]}
        assert told <= ids["customer"] | ids["address"]
