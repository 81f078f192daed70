"""Handing over in the browser, over the API and on the command line."""

from __future__ import annotations

import io

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from crm_core.entities import Customer
from crm_core.services.activities import complete_activity
from crm_sales.services.handover.reading import list_handovers
from crm_sales.services.opportunities import win_opportunity

EMPTY = {"team": "", "rules": "", "note": ""}


def owner(office, customer_id):
    return office.read(
        lambda uow: uow.scalar(select(Customer.owner_id).where(Customer.id == customer_id))
    )


def test_it_is_tried_done_looked_at_and_undone_in_the_browser(office, web, work):
    browser = web("manager")
    assert "Nobody's work" in browser.get("/sales/handover/").words
    assert "Eleni Employee (employee)" in browser.get("/sales/handover/new").words
    sent = {
        **EMPTY,
        "leaver": "employee",
        "to": ["manager", "readonly"],
        "rules": "country=GR:manager\n\ncountry=IR:readonly\n",
        "note": "Φεύγει <b>αύριο</b>",
    }
    page = browser.post("/sales/handover/new", sent)
    assert page.status == 200
    assert "What would go to whom" in page.words
    assert "Rod Readonly" in page.words
    assert len(page.queries) <= 25
    to = [box for box in page.all("main//input[@type='checkbox']") if box.get("name") == "to"]
    assert {box.get("value") for box in to if "checked" in box.attrib} == {"manager", "readonly"}
    assert "employee" in {box.get("value") for box in to}
    eleni = office.known.users["employee"]
    assert owner(office, work.first) == eleni
    done = browser.post("/sales/handover/new", {**sent, "do": "hand-over"})
    page = browser.follow(done)
    assert "16 records were handed over." in page.words
    assert "Φεύγει <b>αύριο</b>" in page.words
    assert len(page.queries) <= 15
    assert owner(office, work.first) != eleni
    kind = browser.get(f"{done.location}?kind=sales_lead")
    assert "قرارداد" in kind.words
    assert "Κήπος 0" not in kind.words
    office.write(lambda uow: win_opportunity(uow, work.deals[0]), "manager")
    page = browser.follow(browser.post(f"{done.location}/undo"))
    assert "15 records were given back. What went on since is listed here." in page.words
    assert "Deal 0" in page.words
    assert "Deal 1" not in page.words
    assert owner(office, work.first) == eleni
    assert browser.post(f"{done.location}/undo").status == 409
    assert "undone" in browser.get("/sales/handover/").words


@pytest.mark.parametrize("kind", ["sqlite"])
def test_what_cannot_be_done_is_said_above_what_was_typed(office, web, work):
    browser = web("manager")
    sent = {**EMPTY, "leaver": "employee", "to": "nobody-here", "rules": "stage=new:manager"}
    page = browser.post("/sales/handover/new", sent)
    assert page.status == 404
    assert "nobody-here" in page.response.text
    page = browser.post("/sales/handover/new", {**sent, "leaver": "outsider", "to": "manager"})
    assert page.status == 403
    assert "sales.opportunity.edit" in page.words
    assert browser.post("/sales/handover/new", EMPTY).status == 422
    for login in ("employee", "readonly"):
        assert web(login).get("/sales/handover/").status == 403
        assert web(login).post("/sales/handover/new", sent).status == 403
    assert office.read(list_handovers, "admin").items == []


def test_packs_are_a_page_and_a_file(office, web, work):
    browser = web("manager")
    sent = {**EMPTY, "leaver": "employee", "to": "manager", "do": "hand-over"}
    place = browser.post("/sales/handover/new", sent).location
    page = browser.get(f"/sales/handover/packs/{work.customers[3]}")
    assert "Deal 3" in page.words
    assert "Call 3" in page.words
    assert len(page.queries) <= 15
    file = browser.post(f"{place}/packs")
    assert file.status == 200
    [sheet] = CalamineWorkbook.from_filelike(io.BytesIO(file.response.data)).sheet_names
    rows = CalamineWorkbook.from_filelike(io.BytesIO(file.response.data))
    cells = {str(cell) for row in rows.get_sheet_by_name(sheet).to_python() for cell in row}
    assert {"Κήπος 3", "Deal 3", "Call 3", "northquux@example.com"} <= cells
    theirs = office.customer("employee")
    assert web("outsider").get(f"/sales/handover/packs/{theirs}").status == 404
    assert web("outsider").post(f"{place}/packs").status == 404
    assert web("employee").post(f"{place}/packs").status == 403


def test_programs_hand_over_and_undo(office, web, work):
    browser = web("manager")
    path = "/api/v1/sales/handovers"
    sent = {"leaver": "employee", "to": ["manager"]}
    counts = browser.call("POST", f"{path}/plan", sent).response.json["items"]
    assert {each["kind"]: each["count"] for each in counts}["customer"] == 6
    made = browser.call("POST", f"{path}/", {**sent, "note": "x"})
    assert made.status == 201, made.words
    here = f"{path}/{made.response.json['id']}"
    assert made.response.json["counts"]["activity"] == 5
    items = browser.call("GET", f"{here}/items?kind=sales_lead").response.json["items"]
    assert [each["title"] for each in items] == ["قرارداد"]
    pack = browser.call("GET", f"{path}/packs/{work.first}").response.json
    assert pack["documents"][0]["open_amount"] == "431.0700"
    office.write(lambda uow: complete_activity(uow, work.steps[0]), "manager")
    undone = browser.call("POST", f"{here}/undo").response.json
    assert undone["back"]["customer"] == 6
    assert [each["title"] for each in undone["left"]] == ["Call 0"]
    assert browser.call("POST", f"{here}/undo").status == 409
    assert browser.call("POST", f"{path}/", {**sent, "to": [""]}).status in (400, 422)
    for login, status in (("outsider", 404), ("employee", 403)):
        assert web(login).call("GET", here).status == status
        assert web(login).call("POST", f"{here}/undo").status == status


@pytest.mark.parametrize("kind", ["sqlite"])
def test_commands_hand_over_and_undo(office, run, work, tmp_path):
    counts = run("handover", "employee", "--to", "manager", "--dry-run", login="manager")
    assert counts["id"] is None
    made = run(
        "handover", "employee", "--to", "manager", "--rule", "country=GR:readonly", login="manager"
    )
    assert {e["kind"]: e["people"] for e in made["counts"]}["customer"] == {
        "Mara Manager": 4,
        "Rod Readonly": 2,
    }
    [listed] = run("handover", "list", login="manager")["items"]
    assert listed["id"] == made["id"]
    shown = run("handover", "show", made["id"][:8] + made["id"][8:], login="manager")
    assert len(shown["items"]) == 16
    path = tmp_path / "packs.csv"
    assert run("handover", "packs", made["id"], path, login="manager")["lines"] > 16
    told = run("handover", "undo", made["id"], login="manager", code=2)
    assert "--yes" in told
    back = run("handover", "undo", made["id"], "--yes", login="manager")
    assert sum(back["back"].values()) == 16
    assert "undone already" in run("handover", "undo", made["id"], "--yes", login="manager", code=1)
    assert "lacks the right" in run("handover", "employee", "--to", "manager", code=1)
    assert "FIELD=VALUE:LOGIN" in run(
        "handover", "employee", "--to", "manager", "--rule", "x", login="manager", code=2
    )
