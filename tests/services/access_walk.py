"""Every route as every role, as another team and signed out: nothing foreign shows or changes.

Everything of a customer carries a mark (``web_office.MARKS``), so that it is found in any wording.
The core's pages and each plugin's are walked by tests of their own, which take these as they are::

    from access_walk import *

and have two fixtures: ``area``, how the names of their routes begin, and ``happens``, what others
do meanwhile.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
import time_machine

from web_office import MARKS, ROLES
from web_walk import (
    BODIES,
    FORMS,
    IN_BODY,
    NOBODYS_ID,
    OF_CUSTOMER,
    REVOCABLE,
    UPLOADS,
    examples,
    lacks,
    reaches,
    steps,
    walked,
)

MOST_QUERIES = 15
NOTED = ("api-lists.export",)
"""What only reads, but leaves a line in the audit: who took which customers along."""
MORE_QUERIES = {"customers.duplicates": 32, "customers.compare": 16}
"""Each way to spell a name is a search of its own; of a plugin, where panels add theirs."""
COMPANYS: set[str] = set()
"""What gives numbers of the whole company to those who set it up; a plugin adds its own."""
FOREIGN = [mark for owner, mark in MARKS.items() if owner != "outsider"]


def taken(browser, step, path, known, owner):
    """Send what a route takes, and return what it answers."""
    if not step.is_api:
        if step.method == "GET":
            return browser.get(path)
        return browser.post(
            path, FORMS[step.endpoint](known, owner) if step.endpoint in FORMS else {}
        )
    body = BODIES[step.endpoint](known, owner) if step.endpoint in BODIES else None
    return browser.call(step.method, path, body, as_form=step.endpoint in UPLOADS)


def foreign_in(text: str) -> list[str]:
    return [mark for mark in FOREIGN if mark.lower() in text.lower()]


def changed(office, before) -> list[str]:
    """Return the tables that are not as they were."""
    after = office.rows()
    return [name for name in after if after[name] != before.get(name)]


def still(html: str) -> str:
    """Return a page without what differs each time."""
    html = re.sub(r"[0-9a-f]{16}\.[0-9a-f]{64}", "TOKEN", html)
    return re.sub(r"<time [^>]*>[^<]*</time>", "TIME", html)


@pytest.fixture
def still_clock():
    """No hour begins meanwhile, nor a day: forms suggest moments, and pages group by days."""
    with time_machine.travel(datetime.now(UTC), tick=False):
        yield


def test_every_route_has_its_examples(office, area):
    missing = {step.endpoint: lacks(step, office.known) for step in steps(office.app, area)}
    missing = {endpoint: what for endpoint, what in missing.items() if what}
    assert not missing, f"tell tests/services/web_walk.py of these: {missing}"


def test_without_a_user_nothing_opens(office, web, area):
    before, known = office.rows(), examples(office.known, "employee")
    for step in walked(office.app, office.known, area):
        stranger = web()
        path = step.path(office.app, known)
        page = taken(stranger, step, path, office.known, "employee")
        if step.method == "GET" and not step.is_api:
            assert page.location.startswith("/account/sign-in"), path
        else:
            assert page.status == 401, path
        assert not foreign_in(page.html), path
    assert changed(office, before) == []


@pytest.mark.parametrize("login", ROLES)
def test_a_role_opens_what_its_rights_say_and_nothing_else(office, web, login, area):
    actor, browser, faults = office.actor(login), web(login), []
    before, owner = office.rows(), login if login in MARKS else "manager"
    for step in walked(office.app, office.known, area):
        path = step.path(office.app, examples(office.known, owner, login))
        may = not step.right or actor.may(step.right)
        if step.method == "GET":
            page = taken(browser, step, path, office.known, owner)
            if step.endpoint in NOTED:
                before["core_audit"] = office.rows()["core_audit"]
            expected = (200, 302, 303) if may else (403,)
            if may and (step.leads_nowhere or NOBODYS_ID in path):
                expected = (200, 302, 303, 404)
            if page.status not in expected:
                faults.append((step.method, path, page.status, page.words[:300]))
            most = MORE_QUERIES.get(step.endpoint, MOST_QUERIES)
            if len(page.queries) > most and not step.is_api:
                faults.append((path, f"{len(page.queries)} queries"))
        elif not may:
            page = taken(browser, step, path, office.known, owner)
            if page.status != 403 or foreign_in(page.html):
                faults.append((step.method, path, page.status))
    assert not faults
    assert changed(office, before) == []


@pytest.mark.parametrize("login", ROLES)
def test_what_is_one_users_alone_is_nobody_elses(office, web, login, area):
    """Saved views, tokens and sessions of others: neither read nor touched, not by whom it may."""
    browser = web(login)
    before = office.rows()
    for step in walked(office.app, office.known, area):
        if not step.is_personal:
            continue
        for other in ROLES:
            known = examples(office.known, "employee", other)
            if other == login or NOBODYS_ID in step.path(office.app, known):
                continue
            if login == "admin" and step.arguments & REVOCABLE:
                continue
            page = taken(browser, step, step.path(office.app, known), office.known, "employee")
            assert page.status in (403, 404), (step, other, page.status)
            assert f"of {other} alone" not in page.html
    assert changed(office, before) == []


@pytest.mark.parametrize("login", ROLES)
def test_the_menu_shows_what_opens(office, web, login):
    page = web(login).get("/")
    (menu,) = page.all("nav[@id='menu']")
    links = [link.get("href") for link in menu.iter("a")]
    assert links
    for link in links:
        assert web(login).get(link).status == 200, link


def test_another_team_reads_nothing_foreign(office, web, area):
    """Not in bodies, and what is foreign answers word for word as what is not there at all."""
    browser = web("outsider")
    for step in walked(office.app, office.known, area):
        if step.method != "GET":
            continue
        if step.is_personal:
            continue
        for owner in MARKS:
            if owner == "outsider":
                continue
            known = examples(office.known, owner)
            path = step.path(office.app, known)
            page = taken(browser, step, path, office.known, owner)
            assert not foreign_in(page.html), (path, foreign_in(page.html))
            if step.of_customer:
                nowhere = {**known, **dict.fromkeys(step.arguments & OF_CUSTOMER, NOBODYS_ID)}
                nowhere["other_id"] = f"{NOBODYS_ID[:-1]}1"
                empty = step.path(office.app, nowhere)
                other = taken(browser, step, empty, office.known, owner)
                assert page.status == other.status == 404 or page.status == 403, path
                told = still(page.html)
                for name in step.arguments & OF_CUSTOMER:
                    told = told.replace(str(known[name]), str(nowhere[name]))
                assert told == still(other.html), path


def test_another_teams_pages_stay_the_same_whatever_others_do(
    office, web, area, happens, still_clock
):
    """No total, count, suggestion or chart moves with what is not theirs."""
    browser = web("outsider")
    own = examples(office.known, "outsider", "outsider")
    paths = [
        step.path(office.app, own)
        for step in walked(office.app, office.known, area)
        if step.method == "GET" and step.endpoint not in COMPANYS
    ]
    paths += ["/find?q=quux", "/find/suggest?q=quux", "/find?q=Παπαδόπουλος"]
    before = {path: browser.get(path) for path in paths}

    office.write(happens)
    moved = []
    for path, page in before.items():
        after = browser.get(path)
        if (after.status, still(after.html)) != (page.status, still(page.html)):
            moved.append(path)
    assert not moved


@pytest.mark.parametrize("login", ["employee", "readonly", "outsider"])
def test_what_is_out_of_reach_is_neither_changed_nor_noted(office, web, login, area):
    actor, browser = office.actor(login), web(login)
    before = office.rows()
    for step in walked(office.app, office.known, area):
        leads_to_one = step.of_customer or step.endpoint in IN_BODY
        if step.method == "GET" or not leads_to_one or step.is_personal:
            continue
        for owner in MARKS:
            if reaches(actor, IN_BODY.get(step.endpoint) or step.right, owner):
                continue
            path = step.path(office.app, examples(office.known, owner))
            page = taken(browser, step, path, office.known, owner)
            no = (403, 404, 422) if step.endpoint in IN_BODY else (403, 404)
            assert page.status in no, (step, owner, page.status, page.words[:300])
            if login == "outsider":
                assert not foreign_in(page.html), step
    assert changed(office, before) == []
