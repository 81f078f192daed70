"""Floors, personal prices, bundles and price lists: one at a time, by page and by API."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_core.entities.system import AuditEntry
from crm_sales.models import Bundle, CustomerPriceList, PriceBand, PriceFloor, PriceList
from crm_sales.services.pricing.offer_rules_export import export_offer_rules
from crm_sales.services.pricing.single_rules import list_bands, list_bundles, list_floors

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])
AT = "/sales/quotes/settings"
API = "/api/v1/sales/offer-rules"
KINDS = {
    "floors": ({"product": "TABLE", "price": "70", "currency": "EUR"}, {"price": "75"}),
    "bands": ({"name": "Στενός φίλος", "percent": "3", "months": "6"}, {"percent": "4"}),
    "bundles": ({"name": "Set", "parts": "TABLE\nLAMP | 2", "percent": "10"}, {"percent": "12"}),
}
LISTS: dict[str, Any] = {
    "floors": lambda uow: list_floors(uow).items,
    "bands": lambda uow: list_bands(uow).items,
    "bundles": lambda uow: list_bundles(uow).items,
}
MODELS: dict[str, Any] = {"floors": PriceFloor, "bands": PriceBand, "bundles": Bundle}


@pytest.fixture(autouse=True)
def products(offers: Any) -> None:
    """What floors and bundles name."""
    offers.product()
    offers.product("LAMP", "30")


@pytest.mark.parametrize("part", KINDS)
def test_one_is_added_changed_and_taken_out_on_its_page(office, web, part):
    form, change = KINDS[part]
    leader, path = web("manager"), f"{AT}/{part}"
    before = {each["id"] for each in office.read(LISTS[part])}
    assert leader.get(f"{path}/new").status == 200
    assert leader.post(f"{path}/new", form).status == 303
    [made] = [each for each in office.read(LISTS[part]) if each["id"] not in before]
    listed = leader.get(path)
    assert form.get("name", "Table") in listed.words
    assert len(listed.queries) <= 15
    shown = leader.get(f"{path}/{made['id']}")
    version = re.search(r'name="version" value="(\d+)"', shown.html)[1]
    if part == "bundles":
        assert "LAMP | 2" in shown.html
    changed = {**form, **change, "version": version}
    assert leader.post(f"{path}/{made['id']}", changed).status == 303
    [now] = [each for each in office.read(LISTS[part]) if each["id"] == made["id"]]
    [(field, value)] = change.items()
    assert str(now[field]).startswith(value)
    stale = leader.post(f"{path}/{made['id']}", changed)
    assert stale.status == 412
    assert "was changed since you read it" in stale.words
    assert leader.post(f"{path}/{made['id']}/remove").status == 303
    assert made["id"] not in {each["id"] for each in office.read(LISTS[part])}
    assert leader.get(f"{path}/{made['id']}").status == 404
    entity = MODELS[part].__entity__
    of_it = select(AuditEntry.action).where(AuditEntry.entity_type == entity)
    told = office.read(lambda uow: uow.scalars(of_it.order_by(AuditEntry.id)).all())
    assert len(told) >= 3, "each change is in the audit trail"


@pytest.mark.parametrize(
    ("part", "form", "said"),
    [
        ("floors", {"product": "NONE", "percent_of_list": "50"}, "no such products: NONE"),
        ("floors", {"category": "All"}, "either a price or a percentage"),
        ("floors", {"price": "5"}, "price without its currency"),
        ("floors", {"percent_of_list": "50"}, "a floor for the same already"),
        ("floors", {"percent_of_list": "101"}, "see what stands beside"),
        ("bands", {"name": "Pays on time", "percent": "3"}, "is there already"),
        ("bands", {"name": "", "percent": "3"}, "see what stands beside"),
        ("bands", {"name": "A", "percent": "3", "least_revenue": "9"}, "without its currency"),
        ("bundles", {"name": "B", "parts": "TABLE | 0", "percent": "1"}, "need quantities"),
        ("bundles", {"name": "B", "parts": "TABLE\nTABLE", "percent": "1"}, "named twice"),
        ("bundles", {"name": "B", "parts": "TABLE", "price": "5"}, "price without its currency"),
        ("bundles", {"name": "B", "parts": "TABLE | x", "percent": "5"}, "will not do"),
    ],
)
def test_what_will_not_do_is_said_and_stays_to_be_mended(office, web, part, form, said):
    before = office.read(export_offer_rules)
    refused = web("manager").post(f"{AT}/{part}/new", form)
    assert refused.status in (409, 422)
    assert said in refused.words
    for typed in form.values():
        assert typed in refused.html
    assert office.read(export_offer_rules) == before


def test_a_band_taken_out_comes_back_by_its_name(office, web):
    [band] = [each for each in office.read(LISTS["bands"]) if each["name"] == "Pays on time"]
    leader = web("manager")
    leader.post(f"{AT}/bands/{band['id']}/remove")
    assert leader.post(f"{AT}/bands/new", {"name": "Pays on time", "percent": "1"}).status == 303
    [again] = [each for each in office.read(LISTS["bands"]) if each["name"] == "Pays on time"]
    assert (again["id"], again["percent"]) == (band["id"], 1)


def test_only_who_sets_the_module_up_may(office, web):
    [floor] = office.read(LISTS["floors"])
    for login in ("employee", "readonly"):
        browser = web(login)
        for path in ("floors", "bands/new", f"floors/{floor['id']}", "price-lists"):
            assert browser.get(f"{AT}/{path}").status == 403
        assert browser.post(f"{AT}/floors/{floor['id']}/remove").status == 403
        assert browser.get(f"{API}/bundles").status == 403
    assert web("manager").get(f"{AT}/pipelines").status == 404
    assert office.read(LISTS["floors"]) == [floor]


def test_price_lists_are_freed_and_given(office, web):
    def add(uow: Any) -> UUID:
        uow.add(PriceList(name="Usual", currency_code="EUR", is_default=True))
        return uow.add(PriceList(name="Φίλοι", currency_code="EUR")).id  # type: ignore[no-any-return]

    friends = office.write(add)
    leader, path = web("manager"), f"{AT}/price-lists"
    assert leader.post(f"{path}/{friends}", {"is_open": "true"}).status == 303
    assert "free to use" in leader.get(path).words
    assert leader.post(f"{path}/{friends}", {}).status == 303
    assert not office.read(lambda uow: uow.get(PriceList, friends).is_open)
    customer = office.customer("employee")
    given = {"customer": str(customer), "price_list_id": str(friends)}
    assert leader.post(f"{path}/given", given).status == 303
    assert len(leader.get(path).queries) <= 15
    assert leader.post(f"{path}/given", {**given, "customer": "nobody"}).status == 404
    assert office.read(lambda uow: uow.scalars(select(CustomerPriceList.price_list_id)).all()) == [
        friends
    ]
    assert leader.post(f"{path}/given/{customer}/EUR/remove").status == 303
    assert office.read(lambda uow: uow.scalars(select(CustomerPriceList)).all()) == []


def test_programs_do_the_same(office, web):
    leader = web("manager")
    made = leader.call(
        "POST", f"{API}/floors", {"category": "All / Goods", "percent_of_list": "60"}
    )
    assert made.status == 201, made.words
    floor = made.response.get_json()
    assert (floor["category"], floor["version"]) == ("All / Goods", 1)
    path = f"{API}/floors/{floor['id']}"
    values = {"category": "All / Goods", "percent_of_list": "70"}
    changed = leader.call("PUT", path, values)
    assert changed.response.get_json()["version"] == 2
    assert leader.call("PUT", path, values, **{"If-Match": '"1"'}).status == 412
    assert leader.call("POST", f"{API}/floors", values).status == 409
    assert leader.call("DELETE", path).status in (200, 204)
    assert leader.call("DELETE", path).status == 404
    parts = [["TABLE", "1"], ["LAMP", "2"]]
    sent = {"name": "Set", "percent": "5", "parts": parts}
    bundle = leader.call("POST", f"{API}/bundles", sent).response.get_json()
    assert [each["product"] for each in bundle["parts"]] == ["TABLE", "LAMP"]
    assert leader.call("GET", f"{API}/bands").status == 200
    assert leader.call("GET", f"{API}/price-lists").status == 200
    assert web("employee").call("POST", f"{API}/bundles", sent).status == 403


@pytest.mark.parametrize("login", ["employee", "readonly"])
def test_only_who_sets_the_rules_takes_them_along_as_a_file(run, login):
    told = run("quote", "settings", "export", login=login, code=1)
    assert "sales.settings.edit" in told
    assert "floors" not in told
    assert "floors" in run("quote", "settings", "export", login="manager")
