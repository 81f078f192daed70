"""Who sees what of the sync desk, and decides what."""

from __future__ import annotations

from crm_core.access import Reach
from crm_core.entities.sync import SyncRun
from crm_core.services.ownership import assign_owner
from crm_core.services.roles import set_rights
from web_erp import conflicts, desk, every

__all__ = ["desk"]


def test_managers_see_how_it_stands_and_decide_but_run_and_set_up_nothing(desk, web):
    manager, before = web("manager"), desk.rows()
    page = manager.get("/sync")
    assert "2 conflicts" in page.words
    assert "Run now" not in page.words
    for path in ("ask/run", "check", "switch", "plan/make", "plan/apply", "mapping", "retry"):
        assert manager.post(f"/sync/of/erp/{path}").status == 403
    assert desk.rows() == before
    key = conflicts(desk)["note"][0]
    manager.post(f"/sync/conflicts/{key}", {"take": "erp"})
    assert conflicts(desk)["note"][1:] == ("resolved", "erp")


def test_a_right_to_decide_reaches_as_far_as_its_role_says(desk, web):
    def give(uow):
        rights = {"core.sync.view": Reach.ALL, "core.sync.resolve": Reach.TEAM}
        set_rights(uow, "readonly", rights)
        assign_owner(uow, desk.known.customers["employee"], desk.known.users["outsider"])

    desk.write(give)
    browser, before = web("readonly"), conflicts(desk)
    key = before["note"][0]
    assert browser.get(f"/sync/conflicts/{key}").status == 200, "they see all customers"
    assert browser.post(f"/sync/conflicts/{key}", {"take": "erp"}).status == 403
    browser.post("/sync/conflicts", {"take": "erp", "all": "true"})
    assert conflicts(desk) == before
    mine = desk.known.users["readonly"]
    desk.write(lambda uow: assign_owner(uow, desk.known.customers["employee"], mine))
    browser.post("/sync/conflicts", {"take": "erp", "all": "true"})
    assert {c[1] for c in conflicts(desk).values()} == {"resolved"}


def test_who_does_not_read_all_customers_reads_no_names_of_others(desk, web):
    def narrow(uow):
        rights = ("core.customer.view", "core.sync.view", "core.sync.resolve")
        set_rights(uow, "readonly", dict.fromkeys(rights, Reach.OWN))
        pushed = {"customer": {"created": 1, "examples": {"created": ["Northquux"]}}}
        for run in uow.scalars(every(SyncRun)):
            run.counts = {"entities": {}, "pushed": pushed, "warnings": ["Northquux"]}

    desk.write(narrow)
    browser = web("readonly")
    (failed,) = [k for k in browser.get("/sync/runs?state=failed").links if "/sync/runs/" in k]
    for path in ("/sync", "/sync/of/erp", "/sync/of/erp/set-aside", "/sync/conflicts", failed):
        page = browser.get(path)
        assert page.status == 200
        assert "Northquux" not in page.html, path
    assert "0 conflicts" in browser.get("/sync").words
    key = conflicts(desk)["note"][0]
    assert browser.get(f"/sync/conflicts/{key}").status == 404
    assert browser.post(f"/sync/conflicts/{key}", {"take": "erp"}).status == 404
