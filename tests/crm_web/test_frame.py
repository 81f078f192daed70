"""What stands around every page: menu, headers, notices, panels of plugins, trouble."""

from __future__ import annotations


def test_home_opens_for_every_role(web):
    for login in ("admin", "manager", "employee", "readonly", "outsider"):
        page = web(login).get("/")
        assert page.status == 200, page.words
        assert len(page.queries) <= 15
