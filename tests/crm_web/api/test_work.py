"""A day's work through the API: parts of customers, files, lists, merges, imports, people."""

from __future__ import annotations

from io import BytesIO

import pytest

from crm_core.services import attachments
from crm_core.testing.factories import make_customer
from crm_web.encoding import encoded


@pytest.fixture
def call(token):
    """A program of a manager's."""
    return token("manager")


@pytest.fixture
def place(office):
    """The address of a customer."""
    return f"/customers/{office.customer('employee')}"


def sent_file(call, path, content, **fields):
    data = {"file": (BytesIO(content), "π.csv"), **fields}
    headers = {"Authorization": f"Bearer {call.token}"}
    page = call.browser._asked("POST", f"/api/v1{path}", data=data, headers=headers)
    return page.status, page.response.get_json()


def test_parts_of_a_customer_come_and_go(call, place):
    before = call.get(place).json
    point = call.post(f"{place}/contact-points", {"kind": "email", "value": "Info@Example.com"})
    assert (point.status, point.json["normalized"]) == (201, "info@example.com")
    changed = call.patch(f"/contact-points/{point.json['id']}", {"value": "desk@example.com"})
    assert changed.json["value"] == "desk@example.com"
    home = call.post(f"{place}/addresses", {"use": "visit", "city": "Πάτρα", "country_code": "gr"})
    assert home.json["country_code"] == "GR"
    assert "seasonal" in call.post(f"{place}/tags", {"tags": ["seasonal"]}).json["tags"]
    now = call.get(place).json
    assert now["version"] > before["version"]
    assert "desk@example.com" in {each["value"] for each in now["contact_points"]}
    assert "Πάτρα" in {each["city"] for each in now["addresses"]}
    for path in (f"/contact-points/{point.json['id']}", f"/addresses/{home.json['id']}"):
        assert call.delete(path).status == 204
    assert call.post(f"{place}/tags/remove", {"tags": ["seasonal"]}).status == 200
    after = call.get(place).json
    for part in ("contact_points", "addresses", "tags"):
        assert after[part] == before[part]


def test_what_happens_stands_on_the_timeline_and_the_card(call, place):
    logged = call.post(
        f"{place}/interactions", {"channel": "phone", "direction": "inbound", "subject": "Αλό;"}
    )
    assert logged.status == 201
    due = {"type": "call", "due_at": "2030-01-02T10:00:00+02:00", "summary": "Back"}
    planned = call.post(f"{place}/activities", due)
    assert planned.json["due_at"] == "2030-01-02T08:00:00+00:00"
    done = call.post(f"/activities/{planned.json['id']}/complete", If_Match=planned.headers["ETag"])
    assert (done.status, done.json["is_open"]) == (200, False)
    for which, is_listed in (("true", False), ("false", True), ("all", True)):
        told = call.get(f"/activities?is_open={which}").json["items"]
        assert (planned.json["id"] in {each["id"] for each in told}) is is_listed
    timeline = call.get(f"{place}/timeline?text=Αλό&channels=phone").json["items"]
    assert [each["id"] for each in timeline] == [logged.json["id"]]
    card = call.get(f"{place}/card")
    assert logged.json["id"] in {each["id"] for each in card.json["timeline"]}
    assert card.json["balance"]["currencies"][0]["open_amount"] == "431.0700"
    naive = call.post(f"{place}/activities", {**due, "due_at": "2030-01-02T10:00:00"})
    assert (naive.status, naive.json["errors"][0]["field"]) == (400, "due_at")


def test_files_are_kept_and_given_back(call, place):
    status, kept = sent_file(call, f"{place}/attachments", "καλημέρα".encode())
    assert (status, kept["file_name"], kept["size_bytes"]) == (201, "π.csv", 16)
    content = call.get(f"/attachments/{kept['id']}/content")
    assert content.raw.decode() == "καλημέρα"
    assert content.headers["Content-Disposition"].startswith("attachment")
    assert call.delete(f"/attachments/{kept['id']}").status == 204
    assert call.get(f"/attachments/{kept['id']}/content").status == 404
    no_file = call.post(f"{place}/attachments", {"file": "text"})
    assert (no_file.status, no_file.json["code"]) == (415, "web.api.media_type")


def test_nobody_waits_for_the_bytes_of_a_file(call, place, office, monkeypatch):
    keep, made = attachments.keep_bytes, []

    def keep_slowly(folder, stream):
        made.append(office.write(lambda uow: make_customer(uow, "Meanwhile").id))
        return keep(folder, stream)

    monkeypatch.setattr(attachments, "keep_bytes", keep_slowly)
    assert sent_file(call, f"{place}/attachments", b"bytes")[0] == 201
    assert len(made) == 1


def test_many_are_changed_and_each_has_its_outcome(call, office):
    mine, other = office.customer("employee"), office.customer("manager")
    nobody = "00000000-0000-7000-8000-000000000000"
    version = call.get(f"/customers/{mine}").json["version"]
    items = [{"id": mine, "version": version}, {"id": other, "version": 999}, {"id": nobody}]
    answer = call.post("/customers/bulk", {"items": items, "changes": {"stage": "lapsed"}})
    assert answer.status == 200
    told = {each["customer_id"]: (each["state"], each["code"]) for each in answer.json["items"]}
    assert told[mine][0] == "done"
    assert told[other] == ("refused", "core.stale_version")
    assert told[nobody][0] == "refused"
    assert call.get(f"/customers/{mine}").json["stage"] == "lapsed"
    assert call.get(f"/customers/{other}").json["stage"] != "lapsed"


def test_a_merge_is_made_and_undone(call, office, place):
    twin = call.post("/customers", {"name": "Twin", "kind": "company"}).json["id"]
    merged = call.post(f"{place}/merge", {"drop_id": twin, "reason": "The same"}, If_Match="*")
    assert (merged.status, merged.json["drop_id"]) == (201, twin)
    assert call.get(f"/customers/{twin}").json["merged_into_id"] == office.customer("employee")
    undone = call.post(f"/merges/{merged.json['id']}/undo")
    assert (undone.status, undone.json["undone_by"]) == (200, "manager")
    assert call.get(f"/customers/{twin}").json["merged_into_id"] is None


def test_views_are_kept_and_lists_taken_away(call):
    view = call.post("/views", {"name": "Loyal ones", "query": "stage=loyal", "sharing": "team"})
    assert view.status == 201, view.raw
    renamed = call.patch(f"/views/{view.json['id']}", {"name": "Loyal"}, If_Match=view.etag)
    assert renamed.json["name"] == "Loyal"
    assert "Loyal" in {each["name"] for each in call.get("/views").json["items"]}
    assert call.delete(f"/views/{view.json['id']}").status == 204
    table = call.post("/customers/export", {"format": "csv", "query": "columns=name"})
    assert "Παπαδόπουλος" in table.raw.decode("utf-8-sig")
    assert call.get("/customers/count").json["number"] >= 4


def test_a_file_is_sent_to_be_imported(call):
    table = "Όνομα,E-mail\nΝέος Πελάτης,new@example.com\n".encode()
    columns = {"Όνομα": "name", "E-mail": "email"}
    fields = {"columns": encoded(columns).decode(), "match": "email", "dry_run": "true"}
    status, job = sent_file(call, "/imports", table, **fields)
    assert (status, job["state"], job["is_dry_run"]) == (201, "waiting", True), job
    assert job["columns"] == columns
    assert call.get(f"/imports/{job['id']}").json["file_name"] == "π.csv"
    assert call.post(f"/imports/{job['id']}/stop").json["state"] == "stopped"
    ended = call.post(f"/imports/{job['id']}/stop")
    assert (ended.status, ended.json["code"]) == (409, "core.import.ended")


def test_administrators_keep_people_and_settings(token, api):
    kept = ("user.manage", "role.manage", "settings.edit", "plugin.manage", "customer.view")
    call = token("admin", [f"core.{right}" for right in kept])
    added = call.post("/users", {"login": "Ζωή", "roles": ["employee"]})
    assert (added.status, added.json["roles"]) == (201, ["employee"])
    assert call.put("/users/Ζωή/roles/manager").status == 204
    assert call.post("/users/Ζωή/disable").json["is_enabled"] is False
    role = call.post(
        "/roles", {"code": "till", "name": "Till", "rights": {"core.customer.view": "own"}}
    )
    assert role.json["rights"] == {"core.customer.view": "own"}
    assert call.put("/settings/company", {"value": "Όμιλος"}).json["value"] == "Όμιλος"
    assert {each["name"] for each in call.get("/plugins").json["items"]} >= {"web"}
    for login in ("manager", "admin"):
        refused = token(login).put("/settings/company", {"value": "Mine"})
        assert (refused.status, refused.json["code"]) == (403, "core.permission_denied")
