"""Leads in the browser and over the API: what each may see and do, refusals, two at once."""

from __future__ import annotations

from uuid import UUID, uuid4

from crm_sales.services.assignment.explaining import list_decisions
from crm_sales.services.leads.arriving import edit_lead
from crm_sales.services.leads.reading import list_leads, show_lead

LEADS = "/sales/leads"
NORTHQUUX = {"company": "Northquux Παπαδόπουλος & Sons", "email": "northquux@example.com"}


def test_the_queue_with_its_reasons_and_who_sees_it(office, web, lead, rules, heard):
    rules({"name": "Greek", "countries": ["GR"], "targets": [{"user": "employee"}]})
    mine, waits = lead("Μαρία <b>", country_code="GR"), lead("Jan", country_code="PL")
    heard()
    page = web("employee").get(f"{LEADS}/")
    assert "Μαρία <b>" in page.words
    assert "Eleni Employee, by the rule Greek" in page.words
    assert len(page.queries) <= 15
    assert web("employee").get(f"{LEADS}/{waits}").status == 404
    assert "Jan" not in web("employee").get(f"{LEADS}/?which=queue").words
    queue = web("manager").get(f"{LEADS}/?which=queue")
    assert "No rule fits" in queue.words
    shown = web("manager").get(f"{LEADS}/{waits}")
    assert "Greek: does not fit, the country is PL." in shown.words
    assert len(shown.queries) <= 15
    assert web("outsider").get(f"{LEADS}/{mine}").status == 404
    assert web("readonly").get(f"{LEADS}/{waits}").status == 200
    assert web("readonly").post(f"{LEADS}/{waits}/disqualify", {"reason": "X"}).status == 403
    home = web("employee").get("/")
    assert "New leads for you" in home.words
    assert f"{LEADS}/{mine}" in home.links


def test_a_lead_is_taken_in_changed_and_refused_with_what_was_typed(office, web):
    browser = web("employee")
    form = browser.get(f"{LEADS}/new").form(f"{LEADS}/new")
    assert form["mine"] == "true"  # who may not see the queue keeps what they type in
    bad = browser.post(f"{LEADS}/new", {**form, "name": "O'Neill", "email": "nobody"})
    assert bad.status == 422
    assert "is not an e-mail address" in bad.words
    assert bad.form(f"{LEADS}/new")["name"] == "O'Neill"
    page = browser.follow(browser.post(f"{LEADS}/new", {**form, "name": "O'Neill"}))
    assert page.title == "O'Neill"
    (row,) = office.read(lambda uow: list_leads(uow).items, "employee")
    edit = f"{LEADS}/{row['id']}/edit"
    form = browser.get(edit).form(edit)
    office.write(lambda uow: edit_lead(uow, row["id"], {"city": "Cork"}), "manager")
    stale = browser.post(edit, {**form, "city": "Galway"})
    assert stale.status == 412
    assert stale.form(edit)["city"] == "Galway"
    assert browser.post(edit, {**stale.form(edit)}).status == 303  # seen, and meant
    assert office.read(lambda uow: show_lead(uow, row["id"]), "employee")["city"] == "Galway"


def test_qualified_with_the_customer_that_is_offered(office, web, lead):
    lead_id = lead("Petra", login="employee", owner="employee", **NORTHQUUX)
    path, browser = f"{LEADS}/{lead_id}", web("employee")
    page = browser.get(path)
    assert "same e-mail address (northquux@example.com)" in page.words
    assert len(page.queries) <= 15
    form = page.form(f"{path}/qualify")
    assert form["customer"] == office.customer("employee")
    known = browser.post(f"{path}/qualify", {**form, "customer": ""})
    assert known.status == 409
    assert "is known already" in known.words
    done = browser.post(f"{path}/qualify", {**form, "deal_name": "Boats"})
    assert done.location.endswith(f"/customers/{office.customer('employee')}")
    assert "Petra" in browser.follow(done).words  # the panel, and the contact
    assert browser.post(f"{path}/qualify", form).status in (409, 412)
    assert browser.post(f"{path}/disqualify", {"reason": "No"}).status == 409


def test_given_by_hand_given_back_merged_and_closed(office, web, lead, rules, heard):
    rules()
    first, other = lead("First", email="a@b.example"), lead("First", email="a@b.example")
    path, browser = f"{LEADS}/{first}", web("manager")
    page = browser.get(path)
    assert f"{LEADS}/{other}" in page.links
    employee = str(office.known.users["employee"])
    form = page.form(f"{path}/assign")
    outsider = str(office.known.users["outsider"])
    assert outsider in [option.get("value") for option in page.all("select[@id='user']/option")]
    assert browser.post(f"{path}/assign", {**form, "user": "x"}).status == 422
    given = browser.post(f"{path}/assign", {**form, "user": employee})
    assert "Eleni Employee, by hand" in browser.follow(given).words
    assert browser.post(f"{path}/assign", {**form, "user": employee}).status == 412
    assert web("employee").post(f"{path}/assign", {"user": employee}).status == 403
    assert browser.post(f"{path}/merge", {"other": str(other)}).status == 303
    merged = browser.get(f"{LEADS}/{other}")
    assert f"{LEADS}/{first}" in merged.links
    released = web("employee").post(f"{path}/release", {})
    assert released.status == 303
    heard()
    decisions = office.read(lambda uow: list_decisions(uow, first), "manager")
    assert [each["outcome"] for each in decisions] == ["waiting", "released", "by_hand"]
    assert browser.post(f"{LEADS}/try", {}).status == 303
    assert browser.post(f"{path}/disqualify", {"reason": "No need"}).status == 303
    assert "No need" in browser.get(f"{LEADS}/?which=closed").words
    assert browser.post(f"{path}/reopen", {}).status == 303


def test_rules_people_and_absences_in_the_browser(office, web):
    browser = web("manager")
    page = browser.get("/sales/rules/")
    assert "Everybody" in page.words
    assert len(page.queries) <= 15
    form = browser.get("/sales/rules/new").form("/sales/rules/new")
    typed = {**form, "name": "Islands", "countries": "GR, CY", "team:North": "2"}
    bad = browser.post("/sales/rules/new", {**typed, "least_amount": "many"})
    assert bad.status == 422
    assert bad.form("/sales/rules/new")["team:North"] == "2"
    page = browser.follow(browser.post("/sales/rules/new", {**typed, "least_amount": "100"}))
    assert "country GR, CY; from 100 EUR" in page.words
    path = next(link for link in page.links if link.startswith("/sales/rules/") and len(link) > 40)
    form = browser.get(path).form(path)
    assert (form["countries"], form["team:North"]) == ("GR, CY", "2")
    assert browser.post(path, {**form, "countries": "Atlantis"}).status == 422
    assert browser.post(path, {**form, "user:employee": "x"}).status == 422
    assert browser.post(path, {**form, "sources": "fair", "least_amount": ""}).status == 303
    assert browser.post(path, form).status == 412
    assert "source fair" in browser.get("/sales/rules/").words
    assert browser.post(f"{path}/remove", {}).status == 303
    me = str(office.known.users["employee"])
    own = web("employee")
    assert own.post("/sales/rules/people", {"user": me, "daily_leads": "3"}).status == 303
    assert "takes no leads" in web("readonly").get("/sales/rules/").words
    other = {"user": str(office.known.users["manager"])}
    assert own.post("/sales/rules/people", other).status == 403
    days = {"user": me, "from_on": "2199-05-01", "until_on": "2199-05-09"}
    assert own.post("/sales/rules/absences", days).status == 303
    again = own.post("/sales/rules/absences", days)
    assert again.status == 409
    assert "already" in again.words
    assert own.post("/sales/rules/absences", {**days, "until_on": "soon"}).status == 422
    for path in ("/sales/rules/new", "/sales/rules/people"):
        assert web("readonly").post(path, {"name": "X", **other}).status == 403


def test_leads_over_the_api(office, web, rules):
    rules({"name": "None", "countries": ["NZ"]})
    api = web("manager")
    sent = {"name": "Anna", "expected_amount": "12.50", "arrival_key": "form:1"}
    made = api.call("POST", "/api/v1/sales/leads", sent)
    assert made.status == 201, made.html
    body = made.response.get_json()
    assert (body["expected_amount"], body["state"]) == ("12.50", "new")
    again = api.call("POST", "/api/v1/sales/leads", sent).response.get_json()
    assert again["id"] == body["id"]
    path = f"/api/v1/sales/leads/{body['id']}"
    assert api.call("POST", "/api/v1/sales/leads", {"name": "A", "colour": 1}).status == 400
    assert api.call("PATCH", path, {"city": "X"}, **{"If-Match": '"99"'}).status == 412
    patched = api.call("PATCH", path, {"city": "Łódź"}).response.get_json()
    assert patched["city"] == "Łódź"
    assert api.call("POST", f"{path}/assign", {"user_id": None}).status == 200
    listed = api.call("GET", "/api/v1/sales/leads?waiting=true").response.get_json()
    assert [each["id"] for each in listed["items"]] == [body["id"]]
    assert api.call("GET", f"{path}/duplicates").response.get_json()["items"] == []
    assert web("outsider").call("GET", path).status == 404
    assert web("outsider").call("GET", f"{path}/decisions").status == 404
    assert web("employee").call("POST", f"{path}/disqualify", {"reason": "X"}).status == 404
    assert web("readonly").call("POST", f"{path}/disqualify", {"reason": "X"}).status == 403
    done = api.call("POST", f"{path}/qualify", {"deal": {"name": "Boats"}})
    assert UUID(done.response.get_json()["opportunity_id"])
    assert api.call("POST", f"{path}/qualify", {}).status == 409
    assert api.call("POST", f"{path}/merge", {"drop_id": str(uuid4())}).status in (404, 409)


def test_rules_over_the_api(office, web):
    api = web("manager")
    rules = {"rule": [{"name": "North", "targets": [{"team": "North", "weight": 2}]}]}
    done = api.call("PUT", "/api/v1/sales/assignment/rules", rules).response.get_json()
    assert (done["added"], done["removed"]) == (["North"], ["Everybody"])
    listed = api.call("GET", "/api/v1/sales/assignment/rules").response.get_json()["items"]
    assert listed[0]["targets"][0]["title"] == "North"
    assert web("outsider").call("PUT", "/api/v1/sales/assignment/rules", rules).status == 403
    me = office.known.users["employee"]
    path = f"/api/v1/sales/assignment/people/{me}"
    assert web("employee").call("PUT", path, {"daily_leads": 4}).status == 200
    assert web("employee").call("PUT", path, {"daily_leads": -4}).status == 422
    away = {"user_id": str(me), "from_on": "2199-01-01", "until_on": "2199-01-02"}
    made = web("employee").call("POST", "/api/v1/sales/assignment/absences", away)
    assert made.status == 201
    gone = f"/api/v1/sales/assignment/absences/{made.response.get_json()['id']}"
    assert web("outsider").call("DELETE", gone).status == 403
    assert web("employee").call("DELETE", gone).status == 204
