"""Deals and pipelines as programs see them."""

from __future__ import annotations

from uuid import uuid4

import pytest

ROOT = "/api/v1/sales"


def test_a_deal_from_beginning_to_end(office, web, stage):
    browser = web("employee")

    def call(method: str, path: str, body=None, expected: int = 200, **headers: str):
        page = browser.call(method, f"{ROOT}{path}", body, **headers)
        assert page.status == expected, page.response.text
        return page.response.json

    new = {
        "customer_id": office.customer("employee"),
        "name": "Ветряк",
        "expected_amount": "12.345",
        "tags": ["hot"],
    }
    made = call("POST", "/deals", new, 201)
    one = f"/deals/{made['id']}"
    assert (made["expected_amount"], made["tags"]) == ("12.3500", ["hot"])
    etag = f'"{made["version"]}"'
    changed = call("PATCH", one, {"name": "Windmill", "note": None}, **{"If-Match": etag})
    assert changed["name"] == "Windmill"
    stale = call("PATCH", one, {"name": "x"}, 412, **{"If-Match": etag})
    assert "employee changed name" in stale["detail"]
    call("POST", f"{one}/move", {"stage_id": str(stage("qualified"))})
    refused = call("POST", f"{one}/move", {"stage_id": str(uuid4())}, 404)
    assert "no sales_stage" in refused["detail"] or refused["status"] == 404
    (column,) = [c for c in call("GET", "/board")["columns"] if c["count"]]
    assert (column["code"], column["cards"][0]["name"]) == ("qualified", "Windmill")
    assert column["sums"] == {"EUR": "12.3500"}
    assert call("POST", f"{one}/lose", {"reason_code": "price"})["loss_reason"] == "Price"
    assert call("POST", f"{one}/win", {}, 409)["code"] == "sales.opportunity.closed"
    assert call("POST", f"{one}/reopen")["state"] == "open"
    assert call("POST", f"{one}/win", {"note": "ok"})["state"] == "won"
    assert [m["to_state"] for m in call("GET", f"{one}/moves")["items"]][-1] == "won"
    listed = call("GET", "/deals?state=won&sort=newest")["items"]
    assert [item["id"] for item in listed] == [made["id"]]
    call("PUT", f"{one}/owner", {"owner_id": str(office.known.users["manager"])}, 204)
    call("GET", one, expected=404)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_bad_input_and_foreign_deals(office, web, deal):
    browser = web("employee")
    foreign = deal("manager")
    customer = office.customer("employee")
    for body in (
        {"customer_id": customer},
        {"customer_id": customer, "name": "x", "expected_amount": "-1"},
        {"customer_id": customer, "name": "x", "colour": "red"},
        {"customer_id": customer, "name": "x", "currency_code": "XXY"},
    ):
        assert browser.call("POST", f"{ROOT}/deals", body).status in (400, 422)
    for path in ("", "/moves"):
        assert browser.call("GET", f"{ROOT}/deals/{foreign}{path}").status == 404
    assert browser.call("PATCH", f"{ROOT}/deals/{foreign}", {"name": "x"}).status == 404
    assert browser.call("GET", f"{ROOT}/deals?owner_id=x").status in (400, 422)
    assert web("readonly").call("PATCH", f"{ROOT}/deals/{foreign}", {"name": "x"}).status == 403


@pytest.mark.parametrize("kind", ["sqlite"])
def test_pipelines(web):
    manager, employee = web("manager"), web("employee")
    design = employee.call("GET", f"{ROOT}/pipelines/sales/design").response.json
    assert design["stages"][0]["code"] == "new"
    same = manager.call("PUT", f"{ROOT}/pipelines/design", design)
    assert same.response.json == {"changes": []}
    design["stages"][0]["name"] = "Νέο"
    told = manager.call("PUT", f"{ROOT}/pipelines/design", design).response.json
    assert told["changes"] == ["The stage new changes: name."]
    assert employee.call("PUT", f"{ROOT}/pipelines/design", design).status == 403
    design["stages"].pop()
    assert manager.call("PUT", f"{ROOT}/pipelines/design", design).status == 422
    assert manager.call("POST", f"{ROOT}/pipelines/sales/archive").status == 409
    assert len(employee.call("GET", f"{ROOT}/pipelines/reasons").response.json["items"]) == 6
    (listed,) = employee.call("GET", f"{ROOT}/pipelines").response.json["items"]
    assert listed["stages"] == 5


def test_customers_tell_of_their_deals(office, web, deal):
    deal(name="Boot", expected_amount=5)
    deal(name="Floß", expected_amount=6)
    browser = web("employee")
    customer = office.customer("employee")
    timeline = browser.get(f"/customers/{customer}/timeline")
    assert "Deal added: Floß" in timeline.words
    columns = "columns=name,sales.open_deals,sales.open_amount"
    page = browser.get(f"/customers/?{columns}")
    assert page.status == 200
    filtered = browser.call("GET", "/api/v1/customers?limit=50")
    assert filtered.status == 200
    assert "Deal added" not in web("outsider").get("/customers/").words
