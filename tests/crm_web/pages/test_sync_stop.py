"""Ending a run that is under way, and what the desk says of one that cannot bring it in step."""

from __future__ import annotations

import pytest

from crm_core.entities.sync import Backend, SyncLock
from crm_core.services.backends import run_named
from crm_core.sync.lock import take
from crm_core.sync.run_record import open_run
from web_erp import SCRIPT, desk, every

__all__ = ["desk"]


@pytest.fixture
def running(desk):
    """A run that goes on in a process of another machine."""

    def begin(uow):
        backend_id = uow.scalar(every(Backend)).id
        token = take(uow, backend_id, "erp")
        uow.get(SyncLock, backend_id).holder = "elsewhere:1:1"
        open_run(uow, backend_id, token)
        return token

    return desk.write(begin)


def run_of(desk, run_id):
    return desk.read(lambda uow: run_named(uow, str(run_id)))


def test_a_run_under_way_is_stopped_by_a_click(desk, web, running):
    admin = web("admin")
    page = admin.get(f"/sync/runs/{running}")
    (form,) = [f for f in page.all("main//form") if f.get("action").endswith("/stop")]
    assert "Stop this run" in page.words
    shown = admin.follow(admin.post(form.get("action")))
    assert "admin asked it to stop" in shown.words
    assert "Stop this run" not in shown.words
    assert run_of(desk, running)["stop_asked_by"] == "admin"


def test_a_run_whose_process_died_is_told_apart_and_closed(desk, web, running):
    def end(uow):
        uow.scalar(every(SyncLock)).expires_at = uow.now

    desk.write(end)
    admin = web("admin")
    page = admin.get(f"/sync/runs/{running}")
    assert "Its process is gone" in page.words
    assert "Close this run" in page.words
    admin.post(f"/sync/runs/{running}/stop")
    assert run_of(desk, running)["state"] == "failed"
    assert admin.post(f"/sync/runs/{running}/stop").status == 409


def test_why_a_copy_is_not_in_step_stands_on_the_desk(desk, web):
    def hinder(uow):
        uow.scalar(every(Backend)).hindrances = [f"invoice: no right {SCRIPT}"]

    desk.write(hinder)
    for path in ("/sync", "/sync/of/erp"):
        page = web("admin").get(path)
        assert "invoice: no right" in page.words
        assert SCRIPT not in page.html
