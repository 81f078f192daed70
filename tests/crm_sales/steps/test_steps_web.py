"""Next steps in the browser, over the API and on the command line."""

from __future__ import annotations

import json

import pytest

from crm_sales.services.next_steps import list_steps, open_steps
from crm_sales.services.opportunities import lose_opportunity
from crm_sales.services.sequences import list_sequences


def test_what_is_due_is_done_put_off_and_planned_in_the_browser(office, web, deal, plan):
    first, second = deal(name="Κήπος"), deal(name="قرارداد")
    step = plan(first, 1, summary="Ask O'Neill <b>now</b>")
    browser = web("employee")
    page = browser.get("/sales/steps/")
    assert "Ask O'Neill <b>now</b>" in page.words
    assert len(page.queries) <= 15
    page = browser.get("/sales/steps/?which=missing")
    assert "قرارداد" in page.words
    assert "Κήπος" not in page.words
    assert len(page.queries) <= 15
    before = office.read(lambda uow: open_steps(uow, [first]))[first][0]["due_at"]
    assert browser.post(f"/sales/steps/{step}/later", {"days": "7"}).status == 303
    after = office.read(lambda uow: open_steps(uow, [first]))[first][0]["due_at"]
    assert (after - before).days == 7
    page = browser.follow(browser.post(f"/sales/steps/{step}/done"))
    assert "Done. What comes next?" in page.words
    page = browser.post(f"/sales/steps/of/{first}", {"type": "call", "due_at": "when?"})
    assert page.status == 422
    assert "when?" in page.response.text
    sent = {"type": "visit", "due_at": "tomorrow", "summary": "See them", "note": ""}
    assert browser.post(f"/sales/steps/of/{first}", sent).status == 303
    [planned] = office.read(lambda uow: open_steps(uow, [first]))[first]
    assert (planned["type"], planned["summary"]) == ("visit", "See them")
    office.write(lambda uow: lose_opportunity(uow, second, reason_code="price"), "employee")
    page = browser.post(f"/sales/steps/of/{second}", sent)
    assert page.status == 409
    assert "reopen it" in page.words


@pytest.mark.parametrize("kind", ["sqlite"])
def test_pages_heed_rights(office, web, deal, plan):
    deal_id = deal()
    step = plan(deal_id)
    assert web("outsider").get(f"/sales/steps/of/{deal_id}").status == 404
    assert web("readonly").get(f"/sales/steps/of/{deal_id}").status == 403
    for login, status in (("outsider", 404), ("readonly", 403)):
        assert web(login).post(f"/sales/steps/{step}/done").status == status
        assert web(login).post(f"/sales/steps/{step}/later", {"days": "1"}).status == status
    assert "After the offer" in web("readonly").get("/sales/steps/sequences").words
    assert len(office.read(list_steps).items) == 1


def test_programs_plan_list_and_finish_steps(office, web, deal):
    deal_id = str(deal())
    browser = web("employee")
    missing = browser.call("GET", "/api/v1/sales/steps/missing").response.json["items"]
    assert [each["id"] for each in missing] == [deal_id]
    sent = {"opportunity_id": deal_id, "type": "call", "due_at": "2027-03-31T09:00:00+03:00"}
    page = browser.call("POST", "/api/v1/sales/steps/", sent)
    assert page.status == 201, page.words
    assert page.response.json["due_at"].startswith("2027-03-31T06:00:00")
    [item] = browser.call("GET", "/api/v1/sales/steps/?when=all").response.json["items"]
    assert (item["opportunity_id"], item["version"]) == (deal_id, 1)
    path = f"/api/v1/sales/steps/{item['id']}"
    later = {"due_at": "2027-04-01T09:00:00Z"}
    assert browser.call("POST", f"{path}/postpone", later, **{"If-Match": '"1"'}).status == 200
    assert browser.call("POST", f"{path}/done", **{"If-Match": '"1"'}).status in (409, 412)
    assert browser.call("POST", f"{path}/done", **{"If-Match": '"2"'}).status == 200
    for wrong in ({"due_at": "2027-03-31T09:00:00"}, {"colour": "red"}, {"type": ""}):
        assert browser.call("POST", "/api/v1/sales/steps/", {**sent, **wrong}).status in (400, 422)
    assert browser.call("GET", "/api/v1/sales/steps/?when=never").status in (400, 422)
    assert web("outsider").call("POST", "/api/v1/sales/steps/", sent).status == 404


def test_programs_set_sequences_and_calendars(office, web):
    manager, employee = web("manager"), web("employee")
    path = "/api/v1/sales/steps/sequences"
    step = {"days_after": 1, "type": "call", "summary": "Hello"}
    body = {"sequences": [{"code": "hi", "name": "Hi", "stage": "new", "steps": [step]}]}
    assert manager.call("PUT", path, body).response.json == {"codes": ["hi"]}
    listed = manager.call("GET", path).response.json["items"]
    assert listed[0]["steps"] == [{**step, "note": None}]
    assert employee.call("PUT", path, body).status == 403
    assert manager.call("DELETE", f"{path}/hi").status == 204
    assert len(manager.call("GET", path).response.json["items"]) == 2
    path = "/api/v1/sales/steps/calendars"
    made = employee.call("POST", path, {"title": "Phone"})
    assert web().get(made.response.json["address"]).status == 200
    [listed] = employee.call("GET", path).response.json["items"]
    assert "address" not in listed
    assert web("manager").call("DELETE", f"{path}/{listed['id']}").status == 404
    assert employee.call("DELETE", f"{path}/{listed['id']}").status == 204
    assert web().get(made.response.json["address"]).status == 404


@pytest.mark.parametrize("kind", ["sqlite"])
def test_commands_plan_list_and_finish(office, run, deal, tmp_path):
    deal_id = deal(name="Κήπος")
    [bare] = run("step", "missing")["items"]
    assert bare["name"] == "Κήπος"
    planned = run("step", "plan", deal_id, "call", "--due", "tomorrow", "--summary", "Τηλεφώνημα")
    run("step", "postpone", planned["id"], "--due", "+3d")
    [listed] = run("step", "list", "--mine", "--when", "week")["items"]
    assert listed["summary"] == "Τηλεφώνημα"
    assert run("step", "done", planned["id"])["planned"] == 0
    path = tmp_path / "sequences.toml"
    path.write_text(run("sequence", "export", as_json=False), encoding="utf-8")
    before = office.read(list_sequences)
    assert run("sequence", "import", path, login="manager")["codes"] == [e["code"] for e in before]
    assert office.read(list_sequences) == before
    path.write_text("[[sequences]\n", encoding="utf-8")
    assert "no TOML" in run("sequence", "import", path, login="manager", code=2)
    run("sequence", "archive", "negotiation", login="manager")
    made = run("calendar", "add", "Phone")
    assert json.loads(json.dumps(made))["address"].startswith("/sales/calendar/feed/")
    assert [each["title"] for each in run("calendar", "list")["items"]] == ["Phone"]
    run("calendar", "revoke", made["id"])
    assert run("calendar", "list")["items"] == []
