"""Back offices set up over the API."""

from __future__ import annotations

import pytest

from crm_core.entities.sync import SyncLock
from crm_core.services.backends import backend_named
from crm_core.sync.lock import take
from crm_core.sync.run_record import open_run

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])
RIGHTS = ["core.backend.manage", "core.sync.view", "core.sync.run"]


@pytest.fixture
def call(token):
    return token("admin", RIGHTS)


def test_one_is_added_changed_and_taken_away(call, tmp_path):
    (files,) = (
        each for each in call.get("/backend-types").json["items"] if each["name"] == "files"
    )
    assert "path" in {option["name"] for option in files["options"]}
    lacking = call.post("/backends", {"type": "files", "name": "folder"})
    assert (lacking.status, lacking.json["code"]) == (422, "core.backend.option")
    (tmp_path / "erp").mkdir()
    options = {"path": str(tmp_path / "erp")}
    made = call.post("/backends", {"type": "files", "name": "folder", "options": options})
    assert (made.status, made.json["options"]) == (201, options), made.raw
    slower = {**options, "page_size": "200"}
    assert call.put("/backends/folder/options", {"options": slower}).json["options"] == slower
    assert call.get("/backends/folder/options").json["options"] == slower
    again = call.post("/backends", {"type": "files", "name": "folder", "options": options})
    assert again.status == 409
    assert call.delete("/backends/folder").status == 204
    assert call.get("/backends/folder/options").status == 404


def test_a_secret_is_never_told_and_sent_nowhere_else(call, tmp_path):
    options = {"url": "https://erp.example.com", "database": "shop", "login": "bot"}
    body = {"type": "odoo", "name": "shop", "options": options}
    assert call.post("/backends", body).json["code"] == "core.backend.secret_missing"
    made = call.post("/backends", {**body, "secret": "hunter2 of Odoo"})
    assert made.status == 201, made.raw
    assert b"hunter2" not in made.raw + call.get("/backends/shop/options").raw
    elsewhere = {"options": {**options, "url": "https://other.example.com"}}
    told = call.put("/backends/shop/options", elsewhere)
    assert (told.status, told.json["code"]) == (422, "core.backend.secret_again")


def test_when_it_is_synced_and_whom_to_tell(call, tmp_path):
    body = {"type": "files", "name": "folder", "options": {"path": str(tmp_path)}}
    assert call.post("/backends", body).status == 201
    wanted = {"every": "5m", "heavy_hours": "22:00-06:00", "entities": {"customer": "1m"}}
    made = call.patch("/backends/folder/schedule", {**wanted, "full": "7d"})
    assert made.json["entities"] == {"customer": "1m"}, made.raw
    assert made.json["full"] == "7d"
    assert call.patch("/backends/folder/schedule", {"full": None}).json["full"] is None
    assert call.get("/backends/folder/schedule").json["every"] == "5m"
    usual = call.patch("/backends/folder/schedule", {"heavy_hours": None, "is_paused": True})
    assert (usual.json["heavy_hours"], usual.json["is_paused"]) == (None, True)
    assert call.patch("/backends/folder/schedule", {"every": "soon"}).status == 422
    told = call.patch("/backends/folder/alert", {"mail_to": "ops@example.com", "conflicts": 5})
    assert (told.json["mail_to"], told.json["conflicts"]) == ("ops@example.com", 5)
    assert call.patch("/backends/folder/alert", {"conflicts": None}).json["conflicts"] is None
    assert call.delete("/backends/folder/alert").status == 204
    assert call.get("/backends/folder/alert").json["mail_to"] is None
    lacking = call.get("/backends/folder/plan")
    assert (lacking.status, lacking.json["code"]) == (404, "core.sync.no_plan")
    assert call.get("/backends/folder/plan/rows").json["items"] == []
    ask = {"decision": "create", "positions": [1]}
    assert call.post("/backends/folder/plan/decide", ask).status in (404, 409)


def test_who_may_not_set_up_may_not(token, tmp_path):
    call = token("employee")
    body = {"type": "files", "name": "folder", "options": {"path": str(tmp_path)}}
    assert call.post("/backends", body).status == 403
    assert call.get("/backend-types").status == 403


def test_a_run_is_stopped_wherever_it_runs(office, call, tmp_path):
    body = {"type": "files", "name": "folder", "options": {"path": str(tmp_path)}}
    assert call.post("/backends", body).status == 201

    def begin(uow):
        backend_id = backend_named(uow, "folder").id
        token = take(uow, backend_id, "folder")
        uow.get(SyncLock, backend_id).holder = "elsewhere:1:1"
        open_run(uow, backend_id, token)
        return token

    place = f"/runs/{office.write(begin)}"
    asked = call.post(f"{place}/stop")
    assert (asked.status, asked.json["state"]) == (202, "running"), asked.raw
    assert call.get(place).json["stop_asked_by"] == "admin"
    office.write(lambda uow: setattr(uow.get(SyncLock, asked_of(uow)), "expires_at", uow.now))
    assert call.post(f"{place}/stop").json["state"] == "failed", "its process is gone"
    refused = call.post(f"{place}/stop")
    assert (refused.status, refused.json["code"]) == (409, "core.sync.run_ended")


def asked_of(uow):
    return backend_named(uow, "folder").id
