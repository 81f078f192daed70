"""Offers in the browser and over the API: the editor, approving, settings; and whose they are."""

from __future__ import annotations

import json
from uuid import uuid4

from sqlalchemy import select

from crm_sales.models import Bundle, DiscountLimit, Quote
from crm_sales.services.quotes.approval import submit_quote
from crm_sales.services.quotes.home import waiting_offers

MOST_QUERIES = 15


def test_an_offer_is_made_changed_and_approved_in_the_browser(offers, office, web):
    offers.product("TABLE", "100")
    offers.product("CHAIR", "40")
    offers.rules(
        bundles=[{"name": "Set", "percent": "10", "parts": [["TABLE", "1"], ["CHAIR", "2"]]}]
    )
    deal_id = offers.deal()
    browser = web("employee")
    made = browser.post(f"/sales/quotes/of/{deal_id}")
    assert made.status == 303
    path = made.location
    assert "Find a product below" in browser.get(path).words
    found = browser.post(path, {"act": "find", "q": "tab", "version": "1"})
    shown = browser.follow(found)
    assert "Table" in shown.words
    table = office.read(lambda uow: _product(uow, "TABLE"))
    browser.post(path, {"act": f"add:{table}", "q": "tab"})
    browser.post(path, {"act": "section", "text": "Ἔπιπλα <script>"})
    bundle = office.read(lambda uow: uow.scalar(select(Bundle.id)))
    assert f"bundle:{bundle}" in browser.get(f"{path}?q=set").html
    browser.post(path, {"act": f"bundle:{bundle}"})
    page = browser.get(path)
    assert len(page.queries) <= MOST_QUERIES, len(page.queries)
    assert "<script> Ἔ" not in page.html
    assert "Ἔπιπλα &lt;script&gt;" in page.html
    view = offers.view(_id(path))
    first = view["lines"][0]["id"]
    typed = {
        f"quantity-{first}": "3",
        f"discount_percent-{first}": "20",
        "version": view["version"],
    }
    preview = browser.post(f"{path}/preview", typed)
    assert preview.status == 200
    assert "€402.00" in preview.html  # 240 of tables and a set for 162
    assert "above your limit" in preview.html
    assert offers.view(_id(path))["version"] == view["version"]
    stale = browser.post(path, {**typed, "version": "1"})
    assert stale.status == 412
    assert "employee changed " in stale.words
    assert 'value="3"' in stale.html  # what was typed stays
    saved = browser.post(path, {**typed, "act": "submit"})
    assert "waits for approval" in browser.follow(saved).words
    (card,) = office.read(waiting_offers, "manager")
    assert card.count == 1
    leader = web("manager")
    home = leader.get("/")
    assert "Offers to approve" in home.words
    assert f'href="{path}"' in home.html
    assert "20 % off" in leader.get("/sales/quotes/to-approve").words.replace("20%", "20 %")
    assert leader.post(f"{path}/refuse", {"reason": ""}).status == 422
    assert leader.post(f"{path}/approve").status == 303
    twice = leader.post(f"{path}/approve")
    assert twice.status == 409
    assert "Mara Manager has approved it already" in twice.words
    assert offers.view(_id(path))["state"] == "approved"
    assert view["number"] in browser.get(f"/sales/deals/{deal_id}").words
    assert view["number"] in browser.get(f"/customers/{office.customer('employee')}").words


def _product(uow, reference):
    from crm_core.entities import Product

    return uow.scalar(select(Product.id).where(Product.reference == reference))


def _id(path):
    from uuid import UUID

    return UUID(path.rsplit("/", 1)[1])


def test_bad_input_is_explained_where_it_was_typed(offers, web):
    table = offers.product()
    quote_id = offers.quote()
    line_id = offers.line(quote_id, table)
    browser, path = web("employee"), f"/sales/quotes/{quote_id}"
    for typed, said in (
        ({f"quantity-{line_id}": "-2"}, "The quantity -2 will not do"),
        ({f"unit_price-{line_id}": "zwei"}, "is not a number"),
        ({f"unit_price-{line_id}": "10"}, "below which it is not sold"),
        ({f"quantity-{line_id}": "1,200"}, "is not a number"),
        ({"act": "add:nothing"}, "Choose one from the list"),
    ):
        refused = browser.post(path, typed)
        assert refused.status in (409, 422)
        assert said in refused.words
        preview = browser.post(f"{path}/preview", typed)
        assert preview.status == 200
        assert (said in preview.html) == ("act" not in typed)
    assert offers.view(quote_id)["lines"][0]["quantity"] == 1
    browser.post(path, {f"quantity-{line_id}": "2,5", f"unit_price-{line_id}": ""})
    assert offers.view(quote_id)["untaxed_amount"] == 250
    edit = browser.post(f"{path}/edit", {"valid_until_on": "2020-01-01"})
    assert edit.status == 422
    assert "today or later" in edit.words
    good = browser.post(
        f"{path}/edit", {"valid_until_on": "2099-01-01", "terms": "Net", "note": ""}
    )
    assert good.status == 303
    assert offers.view(quote_id)["terms"] == "Net"


def test_pages_open_for_those_who_may_and_for_nobody_else(offers, office, web):
    table = offers.product()
    quote_id = offers.quote()
    offers.line(quote_id, table, discount_percent="20")
    offers.act(submit_quote, quote_id)
    number = offers.view(quote_id)["number"]
    path = f"/sales/quotes/{quote_id}"
    for who, status in (("manager", 200), ("readonly", 200), ("outsider", 404)):
        assert web(who).get(path).status == status
        assert (number in web(who).get("/sales/quotes/").words) == (status == 200)
    assert web().get(path).status in (302, 303)
    seen = web("readonly").get(path)
    assert "data-preview" not in seen.html
    for act, who, status in (
        ("", "readonly", 403),
        ("", "outsider", 404),
        ("/approve", "employee", 403),
        ("/approve", "outsider", 404),
        ("/revise", "readonly", 403),
        ("/withdraw", "outsider", 404),
        ("/preview", "outsider", 404),
    ):
        assert web(who).post(f"{path}{act}", {"act": "note", "text": "x"}).status == status, (
            act,
            who,
        )
    assert web("employee").get("/sales/quotes/settings").status == 403
    assert web("manager").get(f"/sales/quotes/{uuid4()}").status == 404
    assert offers.view(quote_id)["state"] == "waiting"


def test_settings_are_changed_on_their_page(office, web):
    leader = web("manager")
    assert "Pays on time" in leader.get("/sales/quotes/settings").words
    form = {"limit-employee": "12.5", "limit-manager": "25", "limit-admin": "100"}
    assert leader.post("/sales/quotes/settings/limits", form).status == 303
    limit = office.read(lambda uow: uow.get(DiscountLimit, "employee").percent)
    assert limit == 12.5
    wrong = leader.post("/sales/quotes/settings/limits", {"limit-employee": "x"})
    assert wrong.status == 422
    document = '[[rules]]\nkind = "requires"\ncategory = "All / A"\nother_category = "All / B"\n'
    refused = leader.post("/sales/quotes/settings/document", {"document": document})
    assert refused.status == 422
    assert "All / A" in refused.html  # it stays to be mended
    document += 'reason = "ναι"\n'
    assert leader.post("/sales/quotes/settings/document", {"document": document}).status == 303
    assert "ναι" in leader.get("/sales/quotes/settings").html


def test_programs_do_the_same_over_the_api(offers, office, web):
    table = offers.product()
    deal_id = offers.deal()
    browser = web("employee")

    def call(method, path, body=None, **headers):
        page = browser.call(method, f"/api/v1/sales/quotes{path}", body, **headers)
        return page.status, json.loads(page.response.data or b"{}")

    status, made = call("POST", "/", {"opportunity_id": str(deal_id)})
    assert status == 201
    path = f"/{made['id']}"
    status, view = call("POST", f"{path}/lines", {"product_id": str(table), "quantity": "2"})
    assert (status, view["untaxed_amount"]) == (201, "200.0000")
    line = view["lines"][0]["id"]
    assert call("PATCH", f"{path}/lines/{line}", {"quantity": -1})[0] == 422
    status, view = call("PATCH", f"{path}/lines/{line}", {"unit_price": 90})
    assert view["discount_percent"] == "10.000000"
    assert call("PATCH", path, {"note": "x"}, **{"If-Match": '"1"'})[0] == 412
    assert call("POST", f"{path}/submit")[1]["state"] == "approved"
    status, revised = call("POST", f"{path}/revise")
    assert (status, revised["version_number"]) == (201, 2)
    assert call("POST", f"{path}/approve", {})[0] == 403
    assert call("DELETE", f"/{revised['id']}/lines/{revised['lines'][0]['id']}")[1]["lines"] == []
    assert len(call("GET", "/?state=withdrawn")[1]["items"]) == 1
    assert call("GET", "/settings")[0] == 403
    assert call("GET", "/products?text=tab")[1]["items"][0]["name"] == "Table"
    stranger = web("outsider").call("GET", f"/api/v1/sales/quotes{path}")
    assert stranger.status == 404
    leader = web("manager")
    settings = leader.call("PATCH", "/api/v1/sales/quotes/settings", {"limits": {"employee": "3"}})
    assert settings.status == 200, settings.words
    assert json.loads(settings.response.data)["limits"] == {"employee": 3}
    assert office.read(lambda uow: uow.get(Quote, _id(path)).state) == "withdrawn"
