"""Rules of offers in pages, one read after each write, as many as there may be, and taken out."""

from __future__ import annotations

from typing import Any

import pytest

from crm_sales.models import PriceList
from crm_sales.services.pricing import single_rules

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])
AT = "/sales/quotes/settings"
API = "/api/v1/sales/offer-rules"
NAMES = ("Ά", "a'b", "ز", "z")
TABLES = {"floors": "sales_price_floor", "bands": "sales_price_band", "bundles": "sales_bundle"}
SENT: dict[str, list[dict[str, Any]]] = {
    "floors": [
        {"product": "TABLE", "percent_of_list": "60"},
        {"product": "LAMP", "percent_of_list": "60"},
        *({"category": f"All / {name}", "percent_of_list": "60"} for name in NAMES),
    ],
    "bands": [{"name": name, "percent": str(n % 3)} for n, name in enumerate(NAMES)],
    "bundles": [{"name": name, "percent": "5", "parts": [["TABLE", "1"]]} for name in NAMES],
}


@pytest.fixture(autouse=True)
def products(offers: Any) -> None:
    """What floors and bundles name."""
    offers.product()
    offers.product("LAMP", "30")


def paged(leader: Any, path: str, limit: int = 2) -> list[dict[str, Any]]:
    """Return all items of a list, read in pages."""
    items, cursor = [], ""
    while cursor is not None:
        page = leader.call("GET", f"{path}?limit={limit}{cursor and f'&cursor={cursor}'}")
        told = page.response.get_json()
        assert len(told["items"]) <= limit
        items += told["items"]
        cursor = told["next_cursor"]
    return items


@pytest.mark.parametrize("part", SENT)
def test_each_is_on_one_page_and_in_order(web, part):
    leader, path = web("manager"), f"{API}/{part}"
    made = [leader.call("POST", path, sent).response.get_json()["id"] for sent in SENT[part]]
    some, whole = paged(leader, path), paged(leader, path, 1_000)
    assert some == whole
    assert set(made) <= {each["id"] for each in some}
    if part == "bands":
        assert [float(each["percent"]) for each in some] == sorted(
            float(each["percent"]) for each in some
        )
    if part == "floors":
        assert [each["product"] for each in some[:2]] == ["LAMP", "TABLE"]
        assert some[-1].get("product") is None
        assert some[-1].get("category") is None


@pytest.mark.parametrize("part", SENT)
def test_a_change_reads_one_row_whatever_there_is(web, part):
    leader, path = web("manager"), f"{API}/{part}"
    first = leader.call("POST", path, SENT[part][0])
    for sent in SENT[part][1:]:
        last = leader.call("POST", path, sent)
    assert len(last.queries) == len(first.queries)
    table = TABLES[part]
    assert not [each for each in last.queries if f"ORDER BY {table}." in each]


@pytest.mark.parametrize("part", SENT)
def test_what_was_taken_out_is_gone_for_good(web, part):
    leader, path = web("manager"), f"{API}/{part}"
    sent = SENT[part][0]
    item = leader.call("POST", path, sent).response.get_json()["id"]
    assert leader.call("DELETE", f"{path}/{item}").status in (200, 204)
    assert leader.call("DELETE", f"{path}/{item}").status == 404
    assert leader.call("PUT", f"{path}/{item}", sent).status == 404
    assert item not in {each["id"] for each in paged(leader, path)}
    page = f"{AT}/{part}/{item}"
    assert leader.get(page).status == 404
    assert leader.post(f"{page}/remove").status == 404


@pytest.mark.parametrize("part", SENT)
def test_no_more_than_a_document_may_hold(web, monkeypatch, part):
    leader, path = web("manager"), f"{API}/{part}"
    item = leader.call("POST", path, SENT[part][0]).response.get_json()["id"]
    monkeypatch.setattr(single_rules, "MOST", len(paged(leader, path)))
    refused = leader.call("POST", path, SENT[part][1])
    assert refused.status == 409
    assert "no more can be kept" in refused.words
    assert leader.call("PUT", f"{path}/{item}", SENT[part][0]).status == 200
    leader.call("DELETE", f"{path}/{item}")
    assert leader.call("POST", path, SENT[part][0]).status == 201


def test_pages_lead_on_to_the_rest(office, web, monkeypatch):
    def add(uow: Any) -> None:
        for number in range(60):
            uow.add(PriceList(name=f"List {number:02}", currency_code="EUR", position=number // 7))

    office.write(add)
    leader = web("manager")
    for number in range(60):
        sent = {"name": f"Band {number:02}", "percent": "7"}
        assert leader.call("POST", f"{API}/bands", sent).status == 201
    for path, last in (("bands", "Band 59"), ("price-lists", "List 59")):
        first = leader.get(f"{AT}/{path}")
        assert len(first.queries) <= 15
        [rest] = [a.get("href") for a in first.all("main//a[@rel='next']")]
        assert last in leader.get(rest).words
    assert len(paged(leader, f"{API}/price-lists", 25)) == 60
