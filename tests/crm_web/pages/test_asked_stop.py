"""Ending a dry run, and the applying of a plan, half-way."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select

from crm_core.cli.worker import Worker
from crm_core.entities import AuditEntry, Customer
from crm_core.entities.sync_request import SyncRequest
from crm_core.sync import stopping
from crm_core.sync.context import SyncContext
from crm_core.sync.planning import apply as applying
from web_erp import desk, every

__all__ = ["desk"]
pytestmark = pytest.mark.parametrize("kind", ["sqlite"])
NAMES = ("Αθηναϊκή Γη", "O'Brien Rooms", "خانه سبز")


@pytest.fixture
def customers(desk, tmp_path, monkeypatch):
    """Three customers over there, read one by one."""
    rows = [f"c{n},company,{name},R-{n},," for n, name in enumerate(NAMES)]
    text = "\n".join(["id,kind,name,reference,vat,email", *rows, ""])
    (tmp_path / "erp" / "customers.csv").write_text(text, encoding="utf-8")
    monkeypatch.setattr(applying, "READ_SIZE", 1)
    monkeypatch.setattr(stopping, "SECONDS", 0.0)


@pytest.fixture
def work(desk):
    """Have the worker do what was asked for."""
    return lambda: Worker(desk.application, threading.Event())._requests()


def here(office):
    """Return which of the three are here."""
    known = office.read(lambda uow: list(uow.scalars(select(Customer.name))))
    return [name for name in NAMES if name in known]


def states(office):
    return office.read(
        lambda uow: [
            (r.kind, r.state, r.stop_asked_by)
            for r in uow.scalars(every(SyncRequest).order_by(SyncRequest.id))
        ]
    )


def click_at(monkeypatch, stage, click):
    """Have somebody click when the work is first at a stage."""
    told, clicked = SyncContext.progress, []

    def progress(self, entity, done, total):
        if entity == stage and not clicked:
            clicked.append(click())
        told(self, entity, done, total)

    monkeypatch.setattr(SyncContext, "progress", progress)
    return clicked


def stop_form(browser, path):
    (form,) = [f for f in browser.get(path).all("main//form") if f.get("action").endswith("/stop")]
    return form.get("action")


def test_a_dry_run_is_stopped_by_a_click(desk, web, customers, work, monkeypatch):
    admin = web("admin")
    place = admin.post("/sync/of/erp/ask/dry_run").location
    assert not [f for f in admin.get(place).all("main//form") if f.get("action").endswith("/stop")]
    clicked = click_at(monkeypatch, "customer", lambda: admin.post(stop_form(admin, place)))
    assert work() == 0
    assert [answer.status for answer in clicked] == [303]
    assert states(desk) == [("dry_run", "stopped", "admin")]
    shown = admin.get(place)
    assert "Stopped by admin" in shown.words
    assert admin.post(f"{place}/stop").status == 409
    told = desk.read(
        lambda uow: list(uow.scalars(every(AuditEntry).where(AuditEntry.action == "stop")))
    )
    assert [each.actor_login for each in told] == ["admin"]


def test_applying_stops_between_batches_and_goes_on_when_asked_again(
    desk, web, customers, work, monkeypatch
):
    admin = web("admin")
    admin.post("/sync/of/erp/plan/make")
    assert work() == 0
    admin.post("/sync/of/erp/plan/apply")
    last = every(SyncRequest).order_by(SyncRequest.id.desc())
    place = f"/sync/asked/{desk.read(lambda uow: uow.scalars(last).first().id)}"
    plan = "/sync/of/erp/plan"
    clicked = click_at(
        monkeypatch, "taking over", lambda: admin.post(stop_form(admin, plan), {"back": plan})
    )
    assert work() == 0
    assert [answer.status for answer in clicked] == [303]
    assert states(desk)[-1] == ("apply", "stopped", "admin")
    assert len(here(desk)) == 1, "what was done by then is kept"
    assert "Stopped by admin" in admin.get(place).words
    assert "Stopped by admin" in admin.get(plan).words
    admin.post("/sync/of/erp/plan/apply")
    assert work() == 0
    assert states(desk)[-1] == ("apply", "done", None)
    assert here(desk) == list(NAMES)


def test_programs_and_commands_stop_it_too(desk, web, customers, work, monkeypatch):
    admin = web("admin")
    request = admin.call("POST", "/api/v1/backends/erp/requests", {"kind": "dry_run"})
    path = f"/api/v1/requests/{request.response.get_json()['id']}/stop"
    assert admin.call("POST", path).status == 409, "it has not begun"
    clicked = click_at(monkeypatch, "customer", lambda: admin.call("POST", path))
    assert work() == 0
    assert [answer.status for answer in clicked] == [202]
    assert clicked[0].response.get_json()["stop_asked_by"] == "admin"
    assert states(desk) == [("dry_run", "stopped", "admin")]
    for login in ("employee", "readonly"):
        assert web(login).call("POST", path).status == 403
