"""Selling in the browser: leads, the board, offers with approval, and the page of the customer."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

pytestmark = pytest.mark.slow
DESK, PHONE = 1280, 360
NUMBERS = count(1)
MONTH = timedelta(days=30)


def added(site: Any, *words: str) -> dict[str, Any]:
    """Type a command that adds something, and return it."""
    data: dict[str, Any] = json.loads(site.crm(*words, "--json"))["data"]
    return data


@pytest.fixture
def deal(site) -> dict[str, Any]:
    """A deal of Eleni's, with a customer of hers."""
    name = f"Σελινάκι {next(NUMBERS)}"
    customer = added(site, "customer", "add", name, "--as", "eleni")
    words = ("sales", "deal", "add", customer["id"], f"Towels for {name}", "--as", "eleni")
    return added(site, *words, "--amount", "900", "--close", f"{datetime.now(UTC).date() + MONTH}")


@pytest.fixture(scope="module")
def base_url(site) -> None:
    """Links to offers lead to this site."""
    site.crm("setting", "set", "web.base_url", site.address)


def column(page: Any, name: str) -> Locator:
    return page.locator("[data-stage]", has=page.locator("h2", has_text=re.compile(f"^{name}$")))


def test_a_deal_is_moved_by_mouse_and_keys_and_a_refusal_is_explained(visit, site, deal):
    visitor = visit("eleni")
    page = visitor.open("/sales/board/")
    card = f"[data-deal='{deal['id']}']"
    expect(column(page, "New").locator(card)).to_be_visible()
    page.locator(card).scroll_into_view_if_needed()
    page.locator(card).hover()
    page.mouse.down()
    box = column(page, "Qualified").bounding_box()
    page.mouse.move(box["x"] + 60, page.locator(card).bounding_box()["y"] + 20, steps=8)
    page.mouse.up()
    expect(column(page, "Qualified").locator(card)).to_be_visible()
    expect(page.locator("[data-live]")).to_contain_text("stands in Qualified now")
    assert page.url.endswith("/sales/board/"), "a drag opens no deal"

    page.locator(f"{card} [data-grip]").focus()
    for key in ("Enter", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("[data-live]")).to_contain_text("stands in Proposition now")
    expect(column(page, "Proposition").locator(card)).to_be_visible()
    expect(page.locator(f"{card} [data-grip]")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(column(page, "Proposition").locator(card)).to_be_visible()

    site.crm("sales", "deal", "edit", deal["id"], "--note", "Changed meanwhile", "--as", "demo")
    page.locator(f"{card} [data-grip]").focus()
    for key in ("Enter", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("[data-said]")).to_be_visible()
    expect(page.locator("[data-said]")).to_contain_text("changed")
    expect(column(page, "Proposition").locator(card)).to_be_visible()
    assert not visitor.faults()


def test_a_deal_is_moved_on_a_phone_in_persian_without_scripts_too(visit, site):
    """Arrow keys go as one reads; without scripts a deal is chosen and brought."""
    customer = added(site, "customer", "add", "گلستان", "--as", "maryam")
    deal = added(site, "sales", "deal", "add", customer["id"], "قرارداد تازه", "--as", "maryam")
    visitor = visit("maryam", width=PHONE, theme="dark", language="fa")
    page = visitor.open("/sales/board/")
    card = f"[data-deal='{deal['id']}']"
    page.locator(f"{card} [data-grip]").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowLeft")
    with page.expect_response("**/sales/board/move"):
        page.keyboard.press("Enter")
    expect(page.locator("[data-stage]").nth(1).locator(card)).to_be_visible()
    assert not visitor.faults()
    plain = visit("maryam", width=PHONE, language="fa", scripts=False)
    page = plain.open("/sales/board/")
    page.locator(f"{card} input[name=deal]").check()
    page.locator("[data-stage]").nth(2).locator("button.bring").click()
    expect(page.locator("[data-stage]").nth(2).locator(card)).to_be_visible()


def test_a_lead_is_taken_in_given_to_somebody_and_qualified(visit):
    alice = visit("alice")
    page = alice.open("/sales/leads/new")
    page.fill("main [name=name]", "Zoé O'Hara")
    page.fill("main [name=company]", "Lighthouse Hôtel")
    page.check("#mine")
    with page.expect_navigation():
        page.locator("main form button.btn-primary").last.click()
    page.goto(f"{alice.site.address}/sales/leads/?which=all&q=Lighthouse")
    with page.expect_navigation():
        page.locator("main a[href*='/sales/leads/']", has_text="Zoé O'Hara").first.click()
    assert not alice.faults()
    page.locator("select[name=user]").select_option(label="Ελένη Παπαδάκη")
    with page.expect_navigation():
        page.locator("form[action$='/assign'] button").click()
    expect(page.locator(".notice.done")).to_be_visible()

    eleni = visit("eleni", width=PHONE)
    page = eleni.open("/sales/leads/?which=mine&q=Lighthouse")
    expect(page.locator("main")).to_contain_text("by hand")
    page.locator("main a[href*='/sales/leads/']", has_text="Zoé O'Hara").first.click()
    page.locator("input[name=customer][value=new]").check()
    page.fill("[name=deal_name]", "Rooms by the sea")
    with page.expect_navigation():
        page.locator("form[action$='/qualify'] button").last.click()
    expect(page.locator("h1")).to_contain_text("Lighthouse Hôtel")
    expect(page.locator("main")).to_contain_text("Rooms by the sea")


def test_an_offer_is_made_approved_by_another_sent_and_accepted(visit, deal, base_url):
    eleni = visit("eleni")
    page = eleni.open(f"/sales/deals/{deal['id']}")
    assert not eleni.faults()
    page.get_by_role("button", name="Make an offer").click()
    page.wait_for_url(re.compile("/sales/quotes/"))
    page.fill("#product", "pillow")
    page.keyboard.press("Enter")
    page.locator("#found button").first.click()
    quantity, total = page.locator("input[name^=quantity-]"), page.locator("[data-part=totals]")
    expect(quantity).to_have_count(1)
    before = total.inner_text()
    quantity.fill("37")
    expect(total).not_to_have_text(before)
    live = total.locator(".strong").last.inner_text()
    page.locator("input[name^=discount_percent-]").fill("25")
    expect(page.locator("[data-part=faults]")).to_contain_text("approv")
    expect(total.locator(".strong").last).not_to_have_text(live)
    assert not eleni.faults()
    page.get_by_role("button", name="Submit").click()
    expect(page.locator(".notice").first).to_contain_text("waits for approval")
    path = page.url.removeprefix(eleni.site.address)

    alice = visit("alice")
    desk = alice.open("/sales/quotes/to-approve")
    desk.locator(f"a[href$='{path}']").first.click()
    desk.get_by_role("button", name="Approve").click()
    expect(desk.locator(".notice.done")).to_contain_text("is approved")

    page.goto(eleni.site.address + path)
    page.locator("#send-channel").select_option("link")
    page.locator("form[action$='/send'] button.btn-primary").click()
    expect(page.locator(".notice.done")).to_contain_text("shown only this once")
    given = page.locator("[data-copies] input").input_value()
    link = re.search(r"/sales/offer/[\w.~-]+$", given)[0]

    customer = visit(width=PHONE, theme="dark")
    with customer.page.expect_response("**/opened"):  # or leaving the page may cut it off
        theirs = customer.open(link)
    assert not customer.faults()
    assert theirs.locator("nav#menu").count() == 0
    theirs.fill("#accept-name", "Ελένη O'Brien")
    theirs.check("#agreed")
    theirs.get_by_role("button", name="Accept the offer").click()
    expect(theirs.locator(".notice.done")).to_contain_text("Accepted by Ελένη O'Brien")
    assert not customer.faults()

    page.reload()
    expect(page.locator("main")).to_contain_text("Accepted by Ελένη O'Brien")
    expect(page.locator("main")).to_contain_text("opened")
    other = customer.open(f"{link[:-4]}aaaa")
    expect(other.locator("main")).not_to_contain_text("Σελινάκι")


@pytest.mark.parametrize(
    ("login", "width", "theme", "language"),
    [
        ("alice", DESK, "light", "en"),
        ("eleni", PHONE, "dark", "en"),
        ("maryam", DESK, "dark", "fa"),
    ],
)
def test_forecast_and_scores_are_drawn_and_told(visit, login, width, theme, language):
    """Each picture has its figures beside it in a table."""
    visitor = visit(login, width=width, theme=theme, language=language)
    for path in ("/sales/forecast/", "/sales/forecast/outcome", "/sales/scores/"):
        page = visitor.open(path)
        expect(page.locator("main svg:not(.icon)").first).to_be_visible()
        expect(page.locator("main table tbody tr").first).to_be_attached()
        assert not visitor.faults(), path
