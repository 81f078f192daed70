"""What stands around every page: menu, headers, notices, panels of plugins, trouble."""

from __future__ import annotations

import gzip

import pytest
from sqlalchemy import text


def test_home_opens_for_every_role(web):
    for login in ("admin", "manager", "employee", "readonly", "outsider"):
        page = web(login).get("/")
        assert page.status == 200, page.words
        assert len(page.queries) <= 15


def size(page) -> int:
    return len(page.response.data)


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        ("/", "My day"),
        ("/customers/columns", "Customers"),
        ("/admin/users/teams", "Users"),
        ("/sync/conflicts", "Sync"),
    ],
)
def test_the_menu_marks_the_entry_whose_address_is_the_most_of_the_page(web, path, entry):
    page = web("admin").get(path)
    assert page.texts("nav//a[@aria-current='page']")[:1] == [entry]


def test_who_lacks_a_right_reads_what_it_is_for(web):
    page = web("employee").get("/admin/users")
    assert page.status == 403
    assert "“Add and disable users, grant roles, keep teams”" in page.words
    assert "core.user.manage" not in page.words


def test_a_record_that_is_not_there_is_told_of_without_its_key(web):
    missing = "01a20465-aabc-76f8-8b42-c1fbdfd8badc"
    page = web("employee").get(f"/customers/{missing}")
    assert page.status == 404
    assert "removed or merged" in page.words
    assert missing not in page.words


def test_the_first_load_is_at_most_200_kb(web):
    """The page, and every style sheet, script and symbol that it names, as they travel."""
    compressed = {"Accept-Encoding": "gzip"}
    for path in ("/account/sign-in", "/", "/customers"):
        browser = web("employee" if path != "/account/sign-in" else None)
        page = browser.get(path)
        total = size(browser.get(path, headers=compressed))
        named = {e.get("src") or e.get("href") for e in page.all("*")}
        files = {each.partition("#")[0] for each in named if each and each.startswith("/static/")}
        assert len(files) > 4
        for file in files:
            answer = browser.get(file, headers=compressed)
            assert answer.status == 200, file
            assert "max-age=31536000" in answer.response.headers["Cache-Control"]
            total += size(answer)
        assert total <= 200_000, (path, total)


def test_what_is_compressed_is_the_same(web):
    browser = web("employee")
    page = browser.get("/account", headers={"Accept-Encoding": "gzip"})
    assert page.response.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in page.response.headers["Vary"]
    assert "Eleni Employee" in gzip.decompress(page.response.data).decode()
    file = "/static/web/css/parts.css"
    plain, packed = browser.get(file), browser.get(file, headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.response.data) == plain.response.data
    assert "Content-Encoding" not in plain.response.headers


def panel(view, right=""):
    from crm_web.sdk.pages import Panel

    return Panel("customer", "Weather", view, right)


def test_a_panel_that_fails_says_so_in_its_own_frame(office, web):
    """What it did to the database is undone, and the rest of the page is there."""

    def breaks(request, customer_id):
        request.uow.execute(text("SELECT * FROM no_such_table"))

    def shows(request, customer_id):
        return "<p>Sunny</p>"

    office.app.extensions["crm"].panels["customer"] += [panel(breaks), panel(shows)]
    page = web("employee").get(f"/customers/{office.customer('employee')}")
    assert page.status == 200
    assert "Northquux called" in page.words
    assert "Sunny" in page.words
    assert "no_such_table" not in page.html
    assert len([words for words in page.texts("section") if "Weather" in words]) == 2


def test_a_panel_stands_there_for_whom_it_is_alone(office, web):
    secret = panel(lambda request, customer_id: "<p>Sunny</p>", "core.user.manage")
    office.app.extensions["crm"].panels["customer"].append(secret)
    path = f"/customers/{office.customer('employee')}"
    assert "Sunny" not in web("employee").get(path).words
    assert "Sunny" in web("admin").get(path).words


@pytest.mark.parametrize("kind", ["sqlite"])
def test_pages_of_a_plugin_that_cannot_be_loaded_are_left_out_with_the_reason(office, monkeypatch):
    from crm_hooks.contributions import WebModule
    from crm_web.app import create_app

    modules = {**office.application.plugins.web_modules}
    modules["broken.web"] = WebModule("broken.web", pages="no_such_package.pages:pages")
    monkeypatch.setattr(office.application.plugins, "web_modules", modules)
    app = create_app(office.application)
    assert "no_such_package" in app.extensions["crm"].faults["broken"]
    assert "home.home" in app.view_functions
