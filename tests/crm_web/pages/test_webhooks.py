"""Webhooks as administrators see them."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])
FORM = {"name": "Shop", "url": "https://shop.example/hook?key=quux77", "events": "core.customer.*"}


def test_a_webhook_is_added_with_a_secret_shown_once(web: Any) -> None:
    admin = web("admin")
    page = admin.post("/admin/webhooks", FORM)
    [secret] = [field.get("value") for field in page.all("main//input[@readonly]")]
    listed = admin.get("/admin/webhooks")
    assert "Shop" in listed.words
    assert secret not in listed.html
    assert "quux77" not in listed.html
    admin.post("/admin/webhooks/switch", {"name": "Shop", "on": "false"})
    assert "off" in admin.get("/admin/webhooks").texts("span[@class='chip']")
    admin.post("/admin/webhooks/remove", {"name": "Shop"})
    assert "No webhooks yet" in admin.get("/admin/webhooks").words


@pytest.mark.parametrize("url", ["ftp://x.example", "nonsense", ""])
def test_what_is_no_address_is_refused_and_kept_to_be_mended(web: Any, url: str) -> None:
    page = web("admin").post("/admin/webhooks", {**FORM, "url": url})
    assert page.status == 422
    assert page.form("/admin/webhooks")["name"] == "Shop"


def test_addresses_of_the_own_network_are_not_reached(web: Any) -> None:
    admin = web("admin")
    admin.post("/admin/webhooks", {**FORM, "url": "https://127.0.0.1:9/hook"})
    page = admin.follow(admin.post("/admin/webhooks/test", {"name": "Shop"}))
    assert len(page.notices) == 1
    assert "Shop" in page.notices[0]


@pytest.mark.parametrize("login", ["manager", "employee", "readonly"])
def test_nobody_else_sees_or_tests_them(web: Any, login: str) -> None:
    browser = web(login)
    assert browser.get("/admin/webhooks").status == 403
    assert browser.post("/admin/webhooks/test", {"name": "Shop"}).status == 403
    assert browser.post("/admin/webhooks", FORM).status == 403
