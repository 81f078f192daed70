"""Hostile text that a customer, a back office or a form brought, on every page that shows it."""

from __future__ import annotations

import re

import pytest

from crm_core.services.activities import add_activity
from crm_core.services.contact_details import add_address, add_contact_point
from crm_core.services.customers import edit_customer
from crm_core.services.interactions import log_interaction
from crm_core.services.saved_views import add_view
from crm_core.services.tags import tag_customer
from web_walk import examples, walked

HOSTILE = "<script>alert(1)</script>'\"><img src=x onerror=alert(2)>{{7*7}}\u202egnp.exe"
LINKS = ("javascript:alert(3)", "JaVaScRiPt:alert(3)", "data:text/html,<script>alert(3)</script>")

RUNS = re.compile(r"\s*(javascript|data|vbscript):", re.IGNORECASE)


@pytest.fixture
def customer(office):
    """The employee's customer, with hostile text in all that people may write."""
    id_ = office.known.customers["employee"]

    def write(uow):
        edit_customer(uow, id_, {"name": HOSTILE, "note": HOSTILE, "job_title": HOSTILE})
        tag_customer(uow, id_, [HOSTILE[:40]])
        add_address(uow, id_, {"use": "visit", "city": HOSTILE, "street": HOSTILE})
        add_contact_point(uow, id_, "messenger", HOSTILE)
        log_interaction(uow, id_, channel="web", direction="inbound", subject=HOSTILE, body=HOSTILE)
        add_activity(uow, id_, type="call", due_at=uow.now, summary=HOSTILE, note=HOSTILE)

    office.write(write)
    office.write(
        lambda uow: add_view(uow, HOSTILE[:60], "stage=active", sharing="everybody"), "admin"
    )
    return id_


def test_it_is_shown_as_text_wherever_it_is_shown(office, web, customer):
    browser, seen = web("admin"), 0
    known = examples(office.known, "employee", "admin")
    paths = [
        step.path(office.app, known)
        for step in walked(office.app, office.known)
        if step.method == "GET" and not step.is_api
    ]
    for path in [*paths, "/find?q=alert", "/find/suggest?q=alert", "/customers?q=alert"]:
        page = browser.get(path)
        if page.response.mimetype != "text/html":
            continue
        seen += "alert(1)" in page.html
        assert "<script>alert" not in page.html, path
        assert "<img src=x" not in page.html, path
        for element in page.tree.iter():
            assert not [name for name in element.attrib if name.startswith("on")], (path, element)
            for name in ("href", "src", "action", "formaction"):
                assert not RUNS.match(element.get(name, "")), (path, element.attrib)
    assert seen > 10, "it is on many pages"


@pytest.mark.parametrize("kind", ["sqlite"])
def test_no_link_runs_what_a_customer_sent_as_an_address(office, web):
    from crm_core.entities.customer import ContactPoint

    id_ = office.known.customers["employee"]
    for position, link in enumerate(LINKS):
        # As a back office may bring it: past what a form would refuse.
        office.write(
            lambda uow, link=link, position=position: uow.add(
                ContactPoint(
                    customer_id=id_, kind="website", value=link, normalized=link, position=position
                )
            )
        )
    page = web("employee").get(f"/customers/{id_}")
    assert "alert(3)" in page.words
    for link in page.links:
        assert not RUNS.match(link)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_forged_ids_and_impossible_words_are_refused_politely(office, web):
    browser = web("manager")
    for path in (
        "/customers?cursor=nonsense",
        "/customers?sort=no_such_column",
        "/customers?created=2026-02-31..2026-02-32",
        "/customers?stage=%00",
        "/customers?" + "a=1&" * 500,
        "/find?q=" + "%F0%9F%92%A9" * 500,
        "/find?q=%00%ff",
        "/find?q=&cursor=%27%3B--",
    ):
        page = browser.get(path)
        assert page.status < 500, path
        assert page.title, path
