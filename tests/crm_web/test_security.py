"""What keeps a browser, a form and an account from being turned against their owner."""

from __future__ import annotations

import io
import re

import pytest

from crm_core.services.users import disable_user, revoke_role
from crm_web.opening import COOKIE
from web_office import PASSWORD

PAGES = [
    "/",
    "/customers",
    "/find?q=quux",
    "/account",
    "/no-such-page",
    "/static/web/css/parts.css",
]


def directives(header: str) -> dict[str, str]:
    return dict(part.strip().partition(" ")[::2] for part in header.split(";"))


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("login", [None, "employee"])
def test_every_answer_carries_the_strict_headers(web, path, login):
    page = web(login).get(path)
    policy = directives(page.response.headers["Content-Security-Policy"])
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in str(policy)
    assert "http" not in str(policy)
    assert page.response.headers["X-Content-Type-Options"] == "nosniff"
    assert page.response.headers["Referrer-Policy"] == "same-origin"
    if page.status == 200 and not path.startswith("/static"):
        assert page.response.headers["Cache-Control"] == "no-store"


def test_a_page_names_no_other_host_and_no_inline_code(web):
    for path in PAGES[:-1]:
        page = web("employee").get(path)
        for element in page.tree.iter():
            names = {name for name in element.attrib if name.startswith("on") or name == "style"}
            assert not names, (path, element.tag, names)
            if element.tag == "script":
                assert element.get("src", "").startswith("/static/")
            for name in ("src", "href", "action"):
                assert not re.match(r"(https?:)?//", element.get(name, "")), (path, element.attrib)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_the_session_cookie_is_closed_to_scripts_and_to_plain_http(web):
    plain = web().sign_in("employee").response.headers.getlist("Set-Cookie")
    (cookie,) = [each for each in plain if each.startswith(COOKIE)]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    browser = web()
    token = browser.get("/account/sign-in", base_url="https://crm.example").csrf
    page = browser.post(
        "/account/sign-in",
        {"login": "employee", "password": PASSWORD},
        csrf=token,
        base_url="https://crm.example",
    )
    (cookie,) = [
        each for each in page.response.headers.getlist("Set-Cookie") if each.startswith(COOKIE)
    ]
    assert "Secure" in cookie
    assert "max-age" in page.response.headers["Strict-Transport-Security"]


def test_a_form_of_another_site_or_browser_is_refused(office, web):
    mine = web("employee")
    before = office.rows()
    foreign = web("manager").csrf
    bent = mine.csrf[:-1] + ("1" if mine.csrf.endswith("0") else "0")
    for token in ("", "x", "Ünïcode", bent, mine.csrf[1:], foreign, web().csrf):
        page = mine.post("/account/sign-out", csrf=token)
        assert page.status == 403, token
    for origin in ("https://evil.example", "null", "http://localhost.evil.example"):
        page = mine.post("/account/sign-out", headers={"Origin": origin})
        assert page.status == 403, origin
    assert office.rows() == before
    assert mine.get("/account").status == 200, "still signed in"


def test_a_form_with_the_token_in_a_header_is_taken_too(web):
    mine = web("employee")
    page = mine.post(
        "/account/sign-out",
        csrf="",
        headers={"X-CSRF-Token": mine.csrf, "Origin": "http://localhost"},
    )
    assert page.status == 303


def test_signing_out_ends_the_session_and_not_the_cookie_alone(office, web):
    mine, token = web("employee"), office.known.tokens["employee"]
    assert mine.post("/account/sign-out").location == "/account/sign-in"
    again = web()
    again.be(token)
    assert again.get("/customers").location.startswith("/account/sign-in")


def test_signing_in_tells_nothing_about_who_exists(office, web):
    office.write(lambda uow: disable_user(uow, "readonly"))
    said = set()
    for login, password in (
        ("employee", "wrong"),
        ("nobody at all", "wrong"),
        ("readonly", PASSWORD),
        ("' OR 1=1 --", "wrong"),
        ("employee\x00", "wrong"),
    ):
        page = web().sign_in(login, password)
        assert page.status == 401
        said.add(tuple(page.notices))
    assert len(said) == 1


def test_too_many_attempts_wait_whether_the_user_exists_or_not(web, crm_clock):
    for login in ("employee", "nobody"):
        answers = [web().sign_in(login, "wrong") for _ in range(7)]
        assert answers[0].status == 401
        assert answers[-1].status == 429
        assert "try again in" in answers[-1].words
    assert web().sign_in("employee").status == 429, "nor with the right one meanwhile"
    assert web().sign_in("manager").status == 303
    crm_clock.shift(30)
    assert web().sign_in("employee").status == 303


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize(
    ("following", "leads"),
    [
        ("/customers?stage=lead", "/customers?stage=lead"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("/\t/evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_after_signing_in_it_goes_on_here_alone(web, following, leads):
    page = web().sign_in("employee", following=following)
    assert (page.status, page.location) == (303, leads)


def test_whoever_is_not_signed_in_is_asked_first_and_sent_on_after(web):
    browser = web()
    page = browser.get("/customers?sort=name")
    assert page.status == 303
    asked = browser.follow(page)
    form = asked.form("/account/sign-in")
    done = browser.post(
        "/account/sign-in", {**form, "login": "employee", "password": PASSWORD}, csrf=asked.csrf
    )
    assert done.location == "/customers?sort=name"


def test_what_a_form_sent_survives_the_end_of_the_session(office, web):
    """It is kept in the page, shown again after signing in, and saved with one more click."""
    path = f"/customers/{office.customer('employee')}/log"
    typed = {"subject": "Ζήτησε <b>& τιμές</b>", "my_password": "hidden words here"}
    browser = web()
    page = browser.post(path, typed)
    assert page.status == 401
    assert "hidden words" not in page.html
    assert [kept.get("value") for kept in page.all("input[@name='kept_value']")] == [
        typed["subject"]
    ]
    again = browser.post(
        "/account/sign-in",
        {
            "login": "employee",
            "password": PASSWORD,
            "next": path,
            "kept_name": ["subject"],
            "kept_value": [typed["subject"]],
        },
    )
    assert (again.status, typed["subject"] in again.words) == (200, True)
    assert again.form(path)["subject"] == typed["subject"]


def test_what_only_the_form_needs_is_sent_again_unshown(office, web):
    path = f"/customers/{office.customer('employee')}/profile"
    names, values = ["mood", "was.mood", "choice_name"], ["loud", "unlikely", "unseen"]
    sent = {"login": "employee", "password": PASSWORD, "next": path}
    again = web().post("/account/sign-in", {**sent, "kept_name": names, "kept_value": values})
    assert again.form(path) == dict(zip(names, values, strict=True))
    assert [text for text in values if text in again.words] == ["loud"]


def test_what_another_site_sent_is_not_kept_for_after_signing_in(office, web):
    path = f"/customers/{office.customer('employee')}/log"
    for headers in ({"Origin": "https://evil.example"}, {}):
        browser = web()
        page = browser.post(path, {"subject": "planted"}, csrf="", headers=headers)
        assert page.status == 401
        assert "planted" not in page.html
    page = web().post(path, {"subject": "mine"}, csrf="", headers={"Origin": "http://localhost"})
    assert "mine" in page.html, "the cookie is gone, but the form was ours"


def test_losing_a_role_or_the_account_acts_at_once(office, web):
    mine = web("employee")
    assert mine.get("/customers").status == 200
    office.write(lambda uow: revoke_role(uow, "employee", "employee"))
    assert mine.get("/customers").status == 403
    office.write(lambda uow: disable_user(uow, "employee"))
    assert mine.get("/").location.startswith("/account/sign-in")


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_post_of_ten_megabytes_is_refused_in_plain_words(web):
    mine = web("employee")
    page = mine.post("/account/sign-in", {"login": "x" * 10_000_000, "password": "x"})
    assert page.status == 413
    assert "more than can be sent" in page.words
    huge = io.BytesIO(b"x" * (65 * 1024 * 1024))
    page = mine.post("/account/sign-in", {"login": "x", "file": (huge, "big.csv")})
    assert page.status == 413


@pytest.mark.parametrize("kind", ["sqlite"])
def test_forwarded_headers_are_believed_of_declared_proxies_alone(office, web):
    from crm_web.app import create_app

    headers = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "crm.example",
        "X-Forwarded-For": "203.0.113.9, 198.51.100.7",
    }
    page = web().get("/account/sign-in", headers=headers)
    assert "Strict-Transport-Security" not in page.response.headers
    browser = web()
    browser.app = create_app(office.application, trusted_proxies=1)
    browser.client = browser.app.test_client()
    page = browser.get("/account/sign-in", headers=headers)
    assert "Strict-Transport-Security" in page.response.headers


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize("host", ["evil.example", "crm.example:99999", "a b", "[::1"])
def test_no_address_in_a_page_is_made_from_the_host_that_was_asked(web, host):
    page = web().get("/account/sign-in", headers={"Host": host})
    assert host not in page.html
    assert page.status in (200, 400)
    sent_on = web().get("/customers", headers={"Host": host})
    assert host not in sent_on.location


def test_an_unknown_address_method_or_id_is_told_as_a_page(office, web):
    mine = web("employee")
    for path, status in (
        ("/nowhere", 404),
        ("/customers/not-an-id", 404),
        ("/customers/00000000-0000-7000-8000-000000000000", 404),
        ("/static/web/../app.py", 404),
        ("/static/web/%2e%2e/app.py", 404),
        ("/static/bootstrap/../../../etc/passwd", 404),
    ):
        page = mine.get(path)
        assert page.status == status, path
        assert "RIGHTS" not in page.html
    assert mine.post("/account/nowhere").status == 404
    assert mine.get("/account/sign-out").status == 405


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_page_that_breaks_says_so_without_telling_how(office, web, accept, monkeypatch):
    def breaks(*_args, **_kwargs):
        raise RuntimeError("the secret is swordfish")

    monkeypatch.setitem(office.app.view_functions, "home.home", breaks)
    page = web("employee").get("/", headers={"Accept": accept})
    assert page.status == 500
    assert "swordfish" not in page.html
    assert "RuntimeError" not in page.html
    assert "Something broke on our side" in page.html


def test_the_token_of_a_session_stands_nowhere_but_in_the_cookie(office, web):
    mine = web("employee")
    for path in PAGES:
        assert mine.cookie not in mine.get(path).html
    assert mine.cookie not in str(office.rows())
