"""One's own account: what signing in asks for, and what one may change of oneself."""

from __future__ import annotations

from typing import Any

import pyotp
import pytest

from crm_core.services.settings import set_setting
from crm_web.services.sessions import list_sessions
from web_office import PASSWORD

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])


def enrolled(browser: Any) -> tuple[pyotp.TOTP, list[str]]:
    """Turn the second factor on; return the app and the recovery codes."""
    page = browser.post("/account/second-factor", {})
    [secret] = page.texts("p/code")
    app = pyotp.TOTP(secret)
    page = browser.post("/account/second-factor/confirm", {"code": app.now(), "secret": secret})
    assert page.status == 200
    codes = page.texts("textarea")[0].split()
    assert len(codes) == 10
    return app, codes


def test_language_zone_and_theme_are_kept(web: Any) -> None:
    browser = web("employee")
    form = {"language": "el", "time_zone": "Europe/Athens", "theme": "dark"}
    page = browser.follow(browser.post("/account/preferences", form))
    assert page.status == 200
    assert 'lang="el"' in page.html
    assert 'data-bs-theme="dark"' in page.html
    page = browser.post("/account/preferences", {**form, "language": "xx"})
    assert page.status == 422
    assert 'lang="el"' in browser.get("/account").html


def test_persian_is_written_from_the_right(web: Any) -> None:
    browser = web("employee")
    browser.post("/account/preferences", {"language": "fa", "theme": "auto"})
    page = browser.get("/")
    assert 'dir="rtl"' in page.html
    assert "bootstrap.rtl" in page.html


def test_a_password_is_changed_and_other_sessions_end(web: Any) -> None:
    here, there = web("employee"), web("employee")
    there.sign_in("employee", PASSWORD)
    wrong = here.post("/account/password", {"old": "no", "password": "another good phrase"})
    assert (wrong.status, "wrong" in wrong.words) == (401, True)
    weak = here.post("/account/password", {"old": PASSWORD, "password": "short"})
    assert weak.status == 422
    done = here.post("/account/password", {"old": PASSWORD, "password": "another good phrase"})
    assert done.status == 303
    assert here.get("/account").status == 200
    assert there.get("/account").status == 303
    web().sign_in("employee", "another good phrase")


def test_a_second_factor_is_asked_for_until_it_is_given(web: Any) -> None:
    browser = web("employee")
    _, codes = enrolled(browser)
    other = web()
    signed = other.post("/account/sign-in", {"login": "employee", "password": PASSWORD})
    assert signed.status == 303
    assert other.get("/customers").location == "/account/code?next=/customers"
    assert "/account/code" in other.post("/customers/new", {"name": "x"}).html
    assert other.post("/account/code", {"code": "000000"}).status == 401
    assert other.post("/account/code", {"code": codes[0]}).status == 303
    assert other.get("/customers").status == 200
    again = web()
    again.post("/account/sign-in", {"login": "employee", "password": PASSWORD})
    assert again.post("/account/code", {"code": codes[0]}).status == 401, "a code is good once"


def test_it_takes_a_code_to_turn_it_off(web: Any) -> None:
    browser = web("employee")
    _, codes = enrolled(browser)
    assert browser.post("/account/second-factor/remove", {"code": "123456"}).status == 401
    assert browser.post("/account/second-factor/remove", {"code": codes[1]}).status == 303
    other = web()
    other.post("/account/sign-in", {"login": "employee", "password": PASSWORD})
    assert other.get("/customers").status == 200


def test_a_session_can_be_ended_from_another(web: Any) -> None:
    here, there = web("employee"), web()
    there.sign_in("employee", PASSWORD)
    assert there.get("/account").status == 200
    here.post("/account/sessions/end-others", {})
    assert there.get("/account").status == 303
    assert here.get("/account").status == 200


def test_nobody_ends_somebody_elses_session(web: Any, office: Any) -> None:
    manager, employee = web("manager"), web("employee")
    page = manager.get("/account")
    assert "employee" not in page.words
    theirs = office.read(list_sessions, login="employee")
    for session in theirs:
        path = f"/account/sessions/{session['id']}/end"
        assert manager.post(path, {}).status == 404
    assert employee.get("/account").status == 200


def test_asking_for_a_new_password_does_not_tell_who_exists(web: Any) -> None:
    known = web().post("/account/forgot", {"login": "employee"})
    unknown = web().post("/account/forgot", {"login": "nobody-of-that-name"})
    assert known.status == unknown.status == 200
    assert known.words == unknown.words


def test_a_link_that_never_was_says_so(web: Any) -> None:
    page = web().get("/account/link/never-was")
    assert page.status == 401
    assert "too old" in page.words


def test_whoever_still_owes_a_code_can_do_nothing_else(web: Any) -> None:
    browser = web("employee")
    enrolled(browser)
    other = web()
    other.post("/account/sign-in", {"login": "employee", "password": PASSWORD})
    for path in ("/account", "/account/password", "/account/second-factor", "/account/tokens"):
        assert other.get(path).location == f"/account/code?next={path}"
    changed = {"old": PASSWORD, "password": "another good phrase"}
    assert other.post("/account/password", changed).location.endswith("/account/code")
    assert other.post("/account/second-factor", {}).location.endswith("/account/code")
    assert web().sign_in("employee", PASSWORD).status == 303, "the password is what it was"


def test_a_token_is_shown_once_and_can_be_revoked(web: Any) -> None:
    browser = web("employee")
    form = {"title": "<script>alert(1)</script>", "scope": "read", "days": "30"}
    page = browser.post("/account/tokens", form)
    [text] = [field.get("value") for field in page.all("main//input[@readonly]")]
    assert text.startswith("crm_")
    listed = browser.get("/account/tokens")
    assert text not in listed.html
    assert "<script>alert" not in listed.html
    api = web()
    bearer = {"Authorization": f"Bearer {text}"}
    assert api._asked("GET", "/api/v1/customers", headers=bearer).status == 200
    actions = [form.get("action", "") for form in listed.all("form")]
    action = next(path for path in actions if path.endswith("/revoke"))
    assert web("manager").post(action, {}).status == 404
    assert browser.post(action, {}).status == 303
    assert api._asked("GET", "/api/v1/customers", headers=bearer).status == 401
    wrong = browser.post("/account/tokens", {**form, "days": "0"})
    assert (wrong.status, wrong.form("/account/tokens")["title"]) == (422, form["title"])


def test_one_that_is_demanded_stays_on_and_costs_no_code(web: Any, office: Any) -> None:
    browser = web("employee")
    _, codes = enrolled(browser)
    office.write(lambda uow: set_setting(uow, "web.second_factor", "all"))
    assert "Turn it off" not in browser.get("/account").words
    assert browser.post("/account/second-factor/remove", {"code": codes[0]}).status == 409
    assert browser.post("/account/second-factor/codes", {"code": codes[0]}).status == 200


def test_what_is_counted_is_counted_in_the_readers_digits(web: Any) -> None:
    browser = web("employee")
    enrolled(browser)
    browser.post("/account/preferences", {"language": "fa", "theme": "auto"})
    assert "۱۰" in browser.get("/account").words
