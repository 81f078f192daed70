"""What stands around every page: menu, headers, notices, panels of plugins, trouble."""

from __future__ import annotations


def test_home_opens_for_every_role(web):
    for login in ("admin", "manager", "employee", "readonly", "outsider"):
        page = web(login).get("/")
        assert page.status == 200, page.words
        assert len(page.queries) <= 15


def size(page) -> int:
    return len(page.response.data)


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
    import gzip

    page = browser.get("/account", headers={"Accept-Encoding": "gzip"})
    assert page.response.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in page.response.headers["Vary"]
    assert "Eleni Employee" in gzip.decompress(page.response.data).decode()
    file = "/static/web/css/parts.css"
    plain, packed = browser.get(file), browser.get(file, headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.response.data) == plain.response.data
    assert "Content-Encoding" not in plain.response.headers
