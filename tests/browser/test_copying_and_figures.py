"""What is read on a phone without scrolling sideways, and what is copied with one press."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow
PHONE = 360
HIDDEN = (
    "[...document.querySelectorAll('.table-wrap')].map(each => each.scrollWidth - each.clientWidth)"
)


@pytest.mark.parametrize("language", ["en", "fa"])
def test_figures_of_a_run_need_no_scrolling_on_phones(visit, language):
    visitor = visit("demo", width=PHONE, language=language)
    page = visitor.open("/sync/runs")
    page.locator("main td a[href*='/sync/runs/']").first.click()
    page.wait_for_url("**/sync/runs/*")
    hidden = page.evaluate(HIDDEN)
    assert hidden
    assert not any(hidden)
    assert not visitor.faults()


def new_token(page):
    """Make a token for programs, and return the part of the page that shows it."""
    page.fill("main [name=title]", "Copied")
    page.locator("main form[action$='/account/tokens'] button.btn-primary").first.click()
    return page.locator("[data-copies]")


def test_what_is_shown_once_is_copied_with_the_keyboard(visit):
    visitor = visit("eleni")
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.open("/account/tokens")
    shown = new_token(page)
    button = shown.get_by_role("button", name="Copy")
    button.focus()
    page.keyboard.press("Enter")
    expect(shown.get_by_role("status")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == shown.locator("input").input_value()
    assert copied.startswith("crm_")
    assert not visitor.faults()


def test_where_the_browser_refuses_it_stands_selected(visit):
    visitor = visit("eleni", width=PHONE, theme="dark")
    refuse = "navigator.clipboard.writeText = () => Promise.reject(new Error('no'))"
    visitor.page.add_init_script(refuse)
    page = visitor.open("/account/tokens")
    shown = new_token(page)
    shown.get_by_role("button", name="Copy").click()
    expect(shown.get_by_role("status")).to_contain_text("selected")
    assert page.evaluate("getSelection().toString()") == shown.locator("input").input_value()
    assert not visitor.faults()


def test_without_scripts_it_is_a_field_to_select(visit):
    page = visit("eleni", scripts=False).open("/account/tokens")
    shown = new_token(page)
    assert shown.locator("input").input_value().startswith("crm_")
    assert shown.locator("input").get_attribute("readonly") is not None
    assert not shown.locator("button").is_visible()
