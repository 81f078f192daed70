"""A day's work of each role, as it is done: typed and clicked, on a desk and on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow
DESK, PHONE = 1280, 360


def customer_of(site, text: str) -> dict:
    """Return a customer that a search finds."""
    import json

    found = json.loads(site.crm("customer", "search", text, "--json"))["data"]["items"]
    assert found, text
    return found[0]


@pytest.fixture(scope="module")
def person(site) -> dict:
    """A customer of the demo who is found by a Greek name typed in Latin letters."""
    return customer_of(site, "papado")


def save(page) -> None:
    """Press the dialog's button that sends, and wait for the page after it."""
    with page.expect_navigation():
        page.locator("dialog[open] button.btn-primary, main form button.btn-primary").last.click()


@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("fa", "dark")])
def test_a_call_is_found_opened_and_logged(visit, person, width, language, theme):
    """Find by typing, open the card, and log the call in two clicks."""
    visitor = visit("eleni", width=width, language=language, theme=theme)
    page = visitor.open()
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("papado", delay=30)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/find\?q=papado"))
    page.locator(f"main a[href$='{person['id']}']").first.click()
    expect(page.locator("h1")).to_contain_text(person["name"])
    page.locator(".page-head a[data-dialog][href*='channel=phone']").first.click()
    dialog = page.locator("dialog[open]")
    subject = f"Asked for towels, {language} {width} {theme}"
    dialog.locator("[name=subject]").fill(subject)
    save(page)
    expect(page.locator("#timeline")).to_contain_text(subject)
    expect(page.locator(".notice.done")).to_be_visible()


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_something_to_do_is_planned_and_done(visit, person, width):
    visitor = visit("eleni", width=width)
    page = visitor.open(f"/customers/{person['id']}")
    page.locator(".page-head a[data-dialog][href*='/activities/new']").click()
    summary = f"Send samples {width}"
    page.locator("dialog[open] [name=summary]").fill(summary)
    save(page)
    row = page.locator("#todo li", has_text=summary)
    expect(row).to_be_visible()
    with page.expect_navigation():
        row.locator("form button").first.click()
    expect(page.locator("#todo li", has_text=summary)).to_have_count(0)


def test_two_who_edit_the_same_customer_meet_and_nothing_is_lost(visit, person):
    """The second is shown what the first changed; what they typed is still there."""
    one, other = visit("eleni"), visit("alice")
    for visitor in (one, other):
        visitor.open(f"/customers/{person['id']}/edit")
    one.page.fill("main [name=job_title]", "Head of purchasing")
    save(one.page)
    expect(one.page.locator(".notice.done")).to_be_visible()
    other.page.fill("main [name=job_title]", "Buyer of linen")
    with other.page.expect_navigation():
        other.page.locator("main form button.btn-primary").last.click()
    text = other.page.locator("main").inner_text()
    assert "Head of purchasing" in text + other.page.content()
    assert "Buyer of linen" in other.page.content()


def test_two_clicks_send_a_form_once(visit, person, site):
    visitor = visit("eleni")
    page = visitor.open(f"/customers/{person['id']}/log?channel=phone&direction=outbound")
    page.fill("main [name=subject]", "Clicked twice")
    with page.expect_navigation():
        page.evaluate(
            "const b = document.querySelector('main form .btn-primary'); b.click(); b.click();"
        )
    page.wait_for_url(f"**/customers/{person['id']}")
    assert site.crm("customer", "show", person["id"], "--json").count("Clicked twice") == 1


def test_a_list_is_filtered_kept_changed_and_taken_along(visit, tmp_path):
    """A manager narrows the list, keeps it as a view, edits several at once, and exports it."""
    visitor = visit("alice")
    page = visitor.open("/customers")
    expect(page.locator("table tbody tr").first).to_be_visible()
    page.locator(".filters .dropdown > button").click()
    page.locator(".filters .dropdown-menu a[href*='add=stage']").first.click()
    page.locator("#filter input[name=value]").first.check()
    with page.expect_navigation():
        page.locator("#filter button.btn-primary").click()
    expect(page.locator(".chip.filter")).to_have_count(1)
    filtered = page.url

    page.locator("nav.tabs a.tab-tool").last.click()
    page.locator("dialog[open] [name=name]").fill("Prospects of mine")
    save(page)
    expect(page.locator("nav.tabs a[aria-current=page]")).to_contain_text("Prospects of mine")

    page.goto(filtered)
    chosen = page.locator("input[name=chosen]")
    names = page.locator("td.main a").all_inner_texts()[:2]
    chosen.nth(0).check()
    chosen.nth(1).check()
    page.locator("details.bulk > summary").click()
    page.fill("[name=add_tags]", "Seen in the browser")
    with page.expect_navigation():
        page.locator("details.bulk button.btn-primary").click()
    page.goto(f"{visitor.site.address}/customers?q={names[0]}")

    page.goto(filtered)
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as coming:
        page.get_by_role("button", name="CSV").click()
    exported = tmp_path / "list.csv"
    coming.value.save_as(exported)
    text = exported.read_text(encoding="utf-8-sig")
    assert all(name in text for name in names)

    chosen.nth(1).check()
    page.get_by_role("button", name="Export").click()
    expect(page.locator("[data-export] [data-chosen]")).to_have_text("1 chosen")
    buttons = page.locator("[data-export] button[aria-disabled]")
    expect(buttons).to_have_count(0)
    with page.expect_download() as coming:
        page.get_by_role("button", name="CSV").click()
    coming.value.save_as(exported)
    text = exported.read_text(encoding="utf-8-sig")
    assert (names[0] in text, names[1] in text) == (False, True)
    expect(buttons).to_have_count(0)  # a download leaves the page as it was

    page.goto(f"{visitor.site.address}/")
    page.go_back()
    expect(page.locator("input[name=chosen]:checked")).to_have_count(1)
    expect(page.locator(".list-head [data-chosen]")).to_have_text("1 chosen")
    expect(page.locator("details.bulk > summary")).to_be_visible()


def test_everything_is_reached_with_the_keyboard_alone(visit, person):
    """Skip to the content, walk to a button, open a dialog, leave it with Escape, focus is back."""
    visitor = visit("eleni")
    page = visitor.open(f"/customers/{person['id']}")
    page.keyboard.press("Tab")
    expect(page.locator("a.skip")).to_be_focused()
    page.keyboard.press("Enter")
    link = page.locator(".page-head a[data-dialog]").first
    for _ in range(30):
        page.keyboard.press("Tab")
        if link.evaluate("element => element === document.activeElement"):
            break
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_be_visible()
    expect(page.locator("dialog[open] :focus")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(link).to_be_focused()


def test_it_works_without_scripts(visit, person):
    visitor = visit("maja", scripts=False)
    page = visitor.open("/customers")
    expect(page.locator("table tbody tr").first).to_be_visible()
    page.fill("#find", "papado")
    page.press("#find", "Enter")
    page.locator(f"main a[href$='{person['id']}']").first.click()
    expect(page.locator("h1")).to_contain_text(person["name"])
    assert page.locator(".page-head a[href*='/log']").count() == 0, "may only read"


def test_persian_runs_from_right_to_left_with_its_own_digits(visit):
    visitor = visit("maryam", width=PHONE)
    page = visitor.open("/customers")
    assert page.locator("html").get_attribute("dir") == "rtl"
    assert page.locator("html").get_attribute("lang") == "fa"
    assert re.search("[۰-۹]", page.locator("main").inner_text())


def test_a_session_that_ends_in_mid_form_loses_nothing(visit, person):
    visitor = visit()
    visitor.sign_in("eleni")
    page = visitor.open(f"/customers/{person['id']}/log?channel=phone&direction=inbound")
    page.fill("main [name=subject]", "Typed before the end")
    page.context.clear_cookies()
    with page.expect_navigation():
        page.locator("main form button.btn-primary").last.click()
    # The page that comes asks for the login and keeps what was typed.
    page.fill("#login", "eleni")
    from crm_web.demo import PASSWORD

    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    expect(page.locator("main")).to_contain_text("Typed before the end")
    page.get_by_role("button", name="Save it now").click()
    page.wait_for_url(f"**/customers/{person['id']}**")
    expect(page.locator("#timeline")).to_contain_text("Typed before the end")
