"""What administrators do: plugins, users, and conflicts between both sides settled."""

from __future__ import annotations

import csv
import json
import time

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


def test_a_plugin_enabled_in_one_browser_appears_in_the_other(visit, site):
    """Without a restart; and taken out of use it is gone again, its data is not."""
    other, admin = visit("alice"), visit("demo")
    assert other.open().locator("nav#menu a[href='/loyalty']").count() == 0
    page = admin.open("/admin/plugins")
    page.on("dialog", lambda dialog: dialog.accept())
    with page.expect_navigation():
        page.locator("form[action$='/loyalty/enable'] button").click()
    wait_for(lambda: other.open().locator("nav#menu a[href='/loyalty']").count() == 1)
    other.page.locator("nav#menu a[href='/loyalty']").click()
    expect(other.page.locator("h1")).to_have_text("Loyalty cards")
    page = admin.open("/admin/plugins")
    with page.expect_navigation():
        page.locator("form[action$='/loyalty/disable'] button").click()
    wait_for(lambda: other.open().locator("nav#menu a[href='/loyalty']").count() == 0)


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_what_both_sides_changed_is_settled_side_by_side(visit, site):
    """The same note changed here and in the back office: shown with what it was, and decided."""
    table = site.folder / "back-office" / "customers.csv"
    with table.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        names, rows = reader.fieldnames, list(reader)
    row = next(row for row in rows if row["kind"] == "company")
    found = json.loads(site.crm("customer", "search", row["reference"], "--json"))["data"]["items"]
    customer = found[0]["id"]

    site.crm("sync", "plan", "demo")
    site.crm("sync", "run", "demo", "--accept-plan")
    site.crm("sync", "mapping", "demo", "--set", "customer.note=ask")
    site.crm("customer", "edit", customer, "--note", "Said here")
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for each in rows:
        if each["id"] == row["id"]:
            each["note"] = "Said there"
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows(rows)
    site.crm("sync", "run", "demo")

    visitor = visit("demo")
    page = visitor.open("/sync")
    page.goto(f"{site.address}/sync/conflicts")
    page.locator("table tbody td a").first.click()
    sides = page.locator(".sides")
    expect(sides).to_contain_text("Said here")
    expect(sides).to_contain_text("Said there")
    with page.expect_navigation():
        page.locator(".side-erp button").click()
    site.crm("sync", "run", "demo")
    assert "Said there" in site.crm("customer", "show", customer)
    assert (
        json.loads(site.crm("sync", "conflicts", "list", "demo", "--json"))["data"]["items"] == []
    )


def test_whoever_is_no_administrator_finds_no_door(visit):
    visitor = visit("eleni")
    assert visitor.open().locator("nav#menu a[href^='/admin']").count() == 0
    for path in ("/admin/plugins", "/admin/users", "/sync"):
        page = visitor.open(path)
        assert page.locator("nav#menu").count() == 1
        assert page.locator(".notice.bad").count() == 1
