"""Suggestions in the browser, in the API and on the command line."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])


def test_panels_and_pages_say_why(web, office, shop, deal_of):
    key = office.customer("employee")
    card = web("employee").get(f"/customers/{key}")
    assert "6 of 9 customers who bought desk also bought lamp." in card.words
    whole = web("employee").get(f"/sales/cross-sell/of/{key}")
    assert "also bought lamp" in whole.words
    assert "Northquux" in whole.title
    assert len(whole.queries) <= 15
    pairs = web("employee").get("/sales/cross-sell/")
    assert pairs.texts("tbody/tr/th")[:2]
    assert "Count anew" not in pairs.words
    assert len(pairs.queries) <= 15
    assert web("outsider").get(f"/sales/cross-sell/of/{key}").status == 404
    bare = web("manager").get(f"/sales/cross-sell/of/{office.customer('manager')}")
    assert "nothing that enough of those bought" in bare.words
    told = web("employee").call("GET", f"/api/v1/sales/cross-sell/deals/{deal_of('employee')}")
    assert told.response.json["items"][0]["because"] == "desk"


def test_counting_is_asked_for_by_who_may(web, shop):
    assert web("employee").post("/sales/cross-sell/count").status == 403
    assert web("outsider").post("/sales/cross-sell/count").status == 403
    done = web("manager").post("/sales/cross-sell/count")
    assert "Of 29 customers" in web("manager").follow(done).words or done.status == 303


def test_nothing_was_counted_yet(web, office):
    page = web("manager").get("/sales/cross-sell/")
    assert "Not counted yet" in page.words
    page = web("manager").get(f"/sales/cross-sell/of/{office.customer('employee')}")
    assert "never counted" in page.words


def test_api_and_command(web, office, shop, cli):
    key = office.customer("employee")
    api = "/api/v1/sales/cross-sell"
    told = web("employee").call("GET", f"{api}/of/{key}").response.json
    assert told["items"][0]["reason"] == "6 of 9 customers who bought desk also bought lamp."
    assert web("outsider").call("GET", f"{api}/of/{key}").status == 404
    first = web("employee").call("GET", f"{api}/pairs?limit=2").response.json
    again = web("employee").call("GET", f"{api}/pairs?cursor={first['next_cursor']}")
    assert again.response.json["items"]
    assert web("employee").call("POST", f"{api}/count").status == 403
    assert web("admin").call("POST", f"{api}/count").response.json["customers"] == 29
    assert "lamp" in cli("cross-sell", key).output
    data = json.loads(cli("cross-sell", key, "--json").output)["data"]
    assert data["items"][0]["both"] == 6
    assert "lamp" in cli("affinity", "list").output
    assert "29" in cli("affinity", "count").output
