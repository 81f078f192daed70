"""A session that ends in the middle of a form: what was typed is there when one is back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pyotp
import pytest

from crm_core.services.settings import set_setting
from crm_core.services.users import user_named
from crm_web.services.passwords import set_password
from crm_web.services.second_factor import begin_second_factor, confirm_second_factor
from oidc_provider import CLIENT, SECRET, OidcProvider
from web_office import PASSWORD

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])
TYPED = "Ζήτησε <b>& τιμές</b>"
NEW = "another good phrase"
CONTACT = {
    "subject": TYPED,
    "channel": "phone",
    "direction": "inbound",
    "occurred_at": "2026-03-02T09:00",
}


@pytest.fixture
def path(office: Any) -> str:
    """Where the form is sent whose session has ended."""
    return f"/customers/{office.customer('employee')}/log"


def with_factor(office: Any) -> list[str]:
    """Turn the second factor on; return codes that are good once."""

    def turn_on(uow: Any) -> list[str]:
        secret = begin_second_factor(uow).secret
        return confirm_second_factor(uow, pyotp.TOTP(secret).at(uow.now))

    codes: list[str] = office.write(turn_on, login="employee")
    return codes


def sent(browser: Any, page: Any, action: str, **typed: str) -> Any:
    """Fill in the form of a page and send it, with the token that stands in it."""
    inside = f"form[@action='{action}']//input"
    names = [one.get("value") for one in page.all(f"{inside}[@name='kept_name']")]
    values = [one.get("value") for one in page.all(f"{inside}[@name='kept_value']")]
    form = {**page.form(action), "kept_name": names, "kept_value": values, **typed}
    return browser.post(action, form, csrf=page.csrf)


def entered(browser: Any, page: Any) -> Any:
    return sent(browser, page, "/account/sign-in", login="employee", password=PASSWORD)


def saved(browser: Any, page: Any, path: str) -> None:
    """Check that a page offers what was typed, and that it can be saved from there."""
    assert (page.status, TYPED in page.words) == (200, True)
    form = page.form(path)
    assert form["subject"] == TYPED
    done = browser.post(path, form, csrf=page.csrf)
    assert (done.status, TYPED in browser.follow(done).words) == (303, True)


def test_what_was_typed_survives_the_code(office: Any, web: Any, path: str) -> None:
    codes, browser = with_factor(office), web()
    asked = entered(browser, browser.post(path, CONTACT))
    assert "Save it now" not in asked.words, "not before the code"
    wrong = sent(browser, asked, "/account/code", code="000000")
    assert wrong.status == 401
    done = sent(browser, wrong, "/account/code", code=codes[0])
    assert "Save it now" in done.words
    saved(browser, done, path)
    for page in (asked, wrong, done):
        assert "subject" not in str(page.response.headers)


def test_what_was_typed_survives_a_session_that_ends_at_the_code(
    office: Any, web: Any, path: str
) -> None:
    codes, browser = with_factor(office), web()
    asked = entered(browser, browser.post(path, CONTACT))
    browser.client.delete_cookie("crm_session")
    names = {"kept_name": list(CONTACT), "kept_value": list(CONTACT.values()), "next_is_sent": "1"}
    again = browser.post("/account/code", {**names, "code": codes[0], "next": path})
    assert (again.status, codes[0] in again.html) == (401, False)
    asked = entered(browser, again)
    saved(browser, sent(browser, asked, "/account/code", code=codes[0]), path)


def test_what_is_sent_from_another_tab_waits_for_the_code_too(
    office: Any, web: Any, path: str
) -> None:
    codes, browser = with_factor(office), web()
    browser.sign_in("employee")
    asked = browser.post(path, CONTACT)
    saved(browser, sent(browser, asked, "/account/code", code=codes[0]), path)


def test_what_was_typed_survives_a_new_password_and_a_demanded_factor(
    office: Any, web: Any, path: str
) -> None:
    def demand(uow: Any) -> None:
        set_password(uow, "employee", PASSWORD, must_change=True)
        set_setting(uow, "web.second_factor", "all")

    office.write(demand)
    browser = web()
    asked = entered(browser, browser.post(path, CONTACT))
    weak = sent(browser, asked, "/account/password", old=PASSWORD, password="short")
    assert weak.status == 422
    asked = sent(browser, weak, "/account/password", old=PASSWORD, password=NEW)
    shown = sent(browser, asked, "/account/second-factor")
    [secret] = shown.texts("p/code")
    code = pyotp.TOTP(secret).now()
    saved(browser, sent(browser, shown, "/account/second-factor/confirm", code=code), path)


def test_a_link_is_followed_after_the_code(office: Any, web: Any) -> None:
    codes, browser = with_factor(office), web()
    to_code = browser.follow(browser.sign_in("employee", following="/customers?sort=name"))
    asked = browser.follow(to_code)
    done = sent(browser, asked, "/account/code", code=codes[0])
    assert done.location == "/customers?sort=name"


@pytest.mark.parametrize("following", ["https://evil.example/", "//evil.example/", "/\\evil", "x"])
def test_the_code_leads_nowhere_but_here(office: Any, web: Any, following: str) -> None:
    codes, browser = with_factor(office), web()
    browser.sign_in("employee")
    assert "evil" not in browser.get(f"/account/code?next={following}").html
    form = {"next": following, "next_is_sent": "1", "kept_name": "a", "kept_value": "b"}
    done = browser.post("/account/code", {**form, "code": codes[0]})
    assert (done.status, done.location) == (303, "/")


def test_a_form_without_fields_is_offered_again(office: Any, web: Any) -> None:
    archive, browser = f"/customers/{office.customer('manager')}/archive", web()
    asked = browser.post(archive, {})
    assert asked.status == 401
    done = sent(browser, asked, "/account/sign-in", login="manager", password=PASSWORD)
    assert (done.status, "Save it now" in done.words) == (200, True)
    assert browser.post(archive, done.form(archive), csrf=done.csrf).status == 303


def test_what_another_site_sent_is_not_offered(office: Any, web: Any) -> None:
    archive, browser = f"/customers/{office.customer('manager')}/archive", web()
    asked = browser.post(archive, {}, csrf="", headers={"Origin": "https://evil.example"})
    done = sent(browser, asked, "/account/sign-in", login="manager", password=PASSWORD)
    assert (done.status, done.location) == (303, "/")


def test_passwords_are_not_kept(office: Any, web: Any) -> None:
    page = web().post("/account/password", {"old": "old words here", "password": NEW})
    assert (page.status, "old words here" in page.html) == (401, False)


@pytest.fixture
def provider(office: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[OidcProvider]:
    """A provider that knows whoever has the address of the employee."""

    def set_up(uow: Any) -> None:
        set_setting(uow, "web.oidc_issuer", made.issuer)
        set_setting(uow, "web.oidc_client_id", CLIENT)
        set_setting(uow, "web.oidc_secret", "env:OIDC_SECRET")
        set_setting(uow, "web.base_url", "https://crm.example.com")

    monkeypatch.setenv("OIDC_SECRET", SECRET)
    made = OidcProvider()
    made.person["email"] = office.read(lambda uow: user_named(uow, "employee").email)
    office.write(set_up)
    yield made
    made.stop()


def with_provider(browser: Any, page: Any, provider: OidcProvider, **bent: str) -> Any:
    """Go to the provider from a page of signing in, and come back."""
    there = sent(browser, page, "/account/provider").response.headers["Location"]
    return browser.get(f"/account/oidc/return?{urlencode({**provider.visit(there), **bent})}")


def test_what_was_typed_survives_the_provider(web: Any, provider: OidcProvider, path: str) -> None:
    browser = web()
    refused = with_provider(browser, browser.post(path, CONTACT), provider, code="denied")
    assert refused.status >= 400
    done = with_provider(browser, refused, provider)
    assert "Save it now" in done.words
    saved(browser, done, path)


def test_what_is_too_long_for_the_provider_is_not_lost(
    web: Any, provider: OidcProvider, path: str
) -> None:
    browser, long = web(), {**CONTACT, "unknown": "x" * 1_100_000}
    page = sent(browser, browser.post(path, long), "/account/provider")
    assert (page.status, "too long to be kept" in page.words) == (422, True)
    saved(browser, entered(browser, page), path)


def test_who_goes_to_the_provider_comes_back_to_the_page_they_wanted(
    web: Any, provider: OidcProvider
) -> None:
    browser = web()
    page = browser.follow(browser.get("/customers"))
    back = with_provider(browser, page, provider)
    assert (back.status, back.response.headers["Location"]) == (303, "/customers")


def test_without_a_provider_none_is_offered(web: Any, path: str) -> None:
    assert "company's account" not in web().post(path, CONTACT).words
