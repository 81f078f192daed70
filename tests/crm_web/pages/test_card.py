"""The customer card: what it shows, what is done on it, and what it keeps to itself."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from io import BytesIO
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from crm_core.entities.customer import ContactPoint
from crm_core.entities.interaction import Activity, Interaction
from crm_core.entities.sync import Binding
from crm_core.entities.system import Attachment
from crm_core.services.backends import add_backend
from crm_core.services.contact_details import add_contact_point
from crm_core.services.currencies import set_rate
from crm_core.services.customers import create_customer
from crm_core.services.interactions import log_interaction
from crm_core.services.profile import define_attribute, set_profile_value
from crm_core.services.relationships import relate_customers
from crm_core.testing.factories import make_customer, make_invoice
from crm_web.pages.customers.reach import link_of
from crm_web.sdk.pages import Panel

MOST_QUERIES = 15
SCRIPT = "<script>alert(1)</script>"
OVERRIDE = "\u202egnp.exe"
HOSTILE = f"{SCRIPT}{OVERRIDE}"


def _card(office, owner: str = "employee") -> str:
    return f"/customers/{office.customer(owner)}"


def test_the_card_shows_what_is_known_in_few_queries(office, web):
    page = web("employee").get(_card(office))
    assert page.status == 200
    assert page.title == "Northquux Παπαδόπουλος & Sons"
    for text in ("Northquux called", "Call Northquux back", "SO-Northquux", "INV-Northquux"):
        assert text in page.words
    assert "Northquux form" in page.words
    assert "Eleni Employee" in page.words
    assert "mailto:northquux@example.com" in page.links
    assert len(page.queries) <= MOST_QUERIES


def test_a_full_card_takes_no_more_queries(office, web):
    def fill(uow):
        id_ = office.known.customers["employee"]
        set_rate(uow, "USD", "EUR", date(2020, 1, 1), Decimal("1.25"))
        define_attribute(uow, "rooms", title="Rooms", type="number")
        set_profile_value(uow, id_, "rooms", "14")
        for number in range(30):
            make_invoice(uow, id_, currency="USD" if number % 2 else "EUR")
            other = make_customer(uow, f"Person {number}")
            relate_customers(uow, other.id, "contact_of", id_)
            log_interaction(uow, id_, channel="fax", direction="inbound", subject=f"Fax {number}")

    office.write(fill)
    page = web("employee").get(_card(office))
    assert "at the rates of" in page.words
    assert "Rooms" in page.words
    assert re.search(r"\d+ more are in the list", page.words)
    assert len(page.queries) <= MOST_QUERIES


def test_the_card_of_another_team_looks_like_none_at_all(office, web):
    foreign = web("outsider").get(_card(office))
    nobody = web("outsider").get("/customers/019ca000-0000-7000-8000-000000000001")
    assert (foreign.status, nobody.status) == (404, 404)
    assert "Northquux" not in foreign.html
    assert foreign.title == nobody.title


def test_who_may_only_read_is_offered_nothing_to_do(office, web):
    page = web("readonly").get(_card(office))
    assert page.status == 200
    assert [link for link in page.links if link.endswith(("/edit", "/new")) or "/log" in link] == []
    for rule in ("edit", "log", "activities/new", "owner", "tags/new", "consents/new", "profile"):
        assert web("readonly").get(f"{_card(office)}/{rule}").status == 403


def test_a_call_is_logged_in_two_clicks(office, web):
    browser = web("employee")
    [link] = [link for link in browser.get(_card(office)).links if "/log?channel=phone" in link]
    form = browser.get(link).form(f"{_card(office)}/log")
    assert (form["channel"], form["direction"]) == ("phone", "outbound")
    saved = browser.post(f"{_card(office)}/log", {**form, "subject": "Asked about «λάδι»"})
    assert saved.location.endswith(_card(office))
    page = browser.follow(saved)
    assert page.notices[0] == "Logged: Asked about «λάδι»"
    assert "Asked about «λάδι»" in page.texts("ol/li")[0]


@pytest.mark.parametrize("letter", ["λ", "😀", '"'])
def test_what_was_logged_is_said_in_any_script(office, web, letter):
    browser = web("employee")
    sent = {"channel": "phone", "direction": "inbound", "subject": letter * 250}
    saved = browser.post(f"{_card(office)}/log", sent)
    assert browser.follow(saved).notices == [f"Logged: {letter * 250}"]


def test_what_is_too_long_for_a_cookie_is_said_as_far_as_it_goes(office, web):
    browser = web("employee")
    names = [f"{number:02}{'λ' * 58}" for number in range(30)]
    added = browser.post(f"{_card(office)}/tags/new", {"names": ", ".join(names)})
    assert added.status == 303, added.words
    [said] = browser.follow(added).notices
    assert said.endswith("…")
    assert all(name in said for name in names[:10])


def test_what_is_wrong_stands_beside_the_field_and_nothing_is_lost(office, web):
    browser = web("employee")
    sent = {"summary": "Visit them", "type": "visit", "due_at": "the day after", "note": "by car"}
    refused = browser.post(f"{_card(office)}/activities/new", sent)
    assert refused.status == 422
    assert "is no moment" in refused.words
    form = refused.form("")
    assert (form["summary"], form["note"], form["due_at"]) == (
        "Visit them",
        "by car",
        "the day after",
    )
    planned = browser.post(
        f"{_card(office)}/activities/new", {**sent, "due_at": "2026-12-01T14:30"}
    )
    assert "Visit them" in browser.follow(planned).words


def test_the_timeline_is_filtered_and_paged(office, web):
    def fill(uow):
        for number in range(45):
            log_interaction(
                uow,
                office.known.customers["employee"],
                channel="fax" if number % 3 else "visit",
                direction="inbound",
                subject=f"Matter {number:02}",
            )

    office.write(fill)
    browser, path = web("employee"), f"{_card(office)}/timeline"
    seen, page = [], browser.get(path)
    while True:
        assert len(page.queries) <= MOST_QUERIES
        seen += page.texts("ol[@class='timeline']/li")
        older = [link for link in page.links if "cursor=" in link]
        if not older:
            break
        page = browser.get(older[0])
    matters = [text for text in seen if "Matter" in text]
    assert len(matters) == 45
    assert len(set(matters)) == 45
    visits = browser.get(f"{path}?channel=visit&text=matter+4")
    assert visits.texts("ol[@class='timeline']/li/div/span[@class='strong']") == ["Matter 42"]
    assert "Matter" not in browser.get(f"{path}?module=document").words
    assert "Nothing like that" in browser.get(f"{path}?since=2199-01-01").words
    for wrong in ("since=31.2.2026", "channel=telepathy", "cursor=x"):
        assert browser.get(f"{path}?{wrong}").status == 422
    assert web("outsider").get(path).status == 404


def test_something_to_do_is_done_in_one_click(office, web):
    browser = web("employee")
    action = f"{_card(office)}/activities/{office.known.records['employee']['activity_id']}/done"
    assert any(form.get("action") == action for form in browser.get(_card(office)).all("form"))
    page = browser.follow(browser.post(action))
    assert page.notices == ["Done: Call Northquux back"]
    assert "Call Northquux back" not in " ".join(page.texts("section[@id='todo']"))
    again = browser.post(action)
    assert again.status == 409


def test_a_foreign_activity_is_neither_done_nor_told_of(office, web):
    activity = office.known.records["employee"]["activity_id"]
    refused = web("outsider").post(f"{_card(office, 'outsider')}/activities/{activity}/done")
    assert refused.status == 404
    assert "Northquux" not in refused.html
    assert office.read(lambda uow: uow.get(Activity, activity).is_open)


def test_identity_is_changed_in_place(office, web):
    browser = web("employee")
    path = f"{_card(office)}/edit"
    form = browser.get(path).form(path)
    page = browser.follow(
        browser.post(path, {**form, "name": "Νέα Επωνυμία", "vat": "EL094014201"})
    )
    assert page.title == "Νέα Επωνυμία"
    assert "EL094014201" in page.words
    wrong = browser.post(path, {**browser.get(path).form(path), "vat": "EL000"})
    assert wrong.status == 422
    assert [e.get("name") for e in wrong.all("input[@aria-invalid='true']")] == ["vat"]


def test_owner_tags_and_ties_change(office, web):
    browser, path = web("manager"), _card(office, "manager")
    page = browser.follow(browser.post(f"{path}/owner", {"owner": "employee"}))
    assert "Eleni Employee answers for" in page.notices[0]
    browser.post(f"{path}/tags/new", {"names": "gold, Χρυσός"})
    page = browser.get(path)
    assert "Χρυσός" in page.words
    browser.post(f"{path}/tags/remove", {"name": "gold"})
    assert "Take off: gold" not in browser.get(path).html
    other = office.write(lambda uow: make_customer(uow, "Maria", reference="C-77").id)
    office.write(lambda uow: make_customer(uow, "Maria Second"))
    several = browser.post(f"{path}/relations/new", {"type": "has contact", "other": "mari"})
    assert (several.status, "Maria (C-77)" in several.words) == (422, True)
    tied = browser.post(f"{path}/relations/new", {"type": "has contact", "other": "C-77"})
    page = browser.follow(tied)
    assert "has contact Maria" in page.words
    assert f"/customers/{other}" in page.links
    assert page.all("svg[@class='network']")


def test_panels_of_plugins_stand_on_the_card_and_fail_in_their_own_frame(office, web):
    def broken(_request, customer_id):
        raise RuntimeError(f"the secret of {customer_id}")

    panels = office.app.extensions["crm"].panels["customer"]
    panels.append(Panel("customer", "Points", lambda _request, customer_id: "<p>7 points</p>", ""))
    panels.append(Panel("customer", "Broken", broken, ""))
    panels.append(Panel("customer", "Hidden", broken, "core.user.manage"))
    page = web("employee").get(_card(office))
    assert page.status == 200
    assert "7 points" in page.words
    assert "“Broken” cannot be shown now" in page.words
    assert "the secret" not in page.html
    assert "Hidden" not in page.words


def test_contact_points_and_addresses_change(office, web):
    browser, path = web("employee"), _card(office)
    wrong = browser.post(f"{path}/contact-points/new", {"kind": "mobile", "value": "twelve"})
    assert wrong.status == 422
    assert wrong.form("")["value"] == "twelve"
    browser.post(f"{path}/contact-points/new", {"kind": "mobile", "value": "+30 697 123 4567"})
    page = browser.get(path)
    assert "tel:+306971234567" in page.links
    point = office.read(
        lambda uow: uow.scalar(select(ContactPoint.id).where(ContactPoint.kind == "mobile"))
    )
    browser.post(f"{path}/contact-points/{point}", {"value": "+30 697 765 4321", "label": "σπίτι"})
    assert "σπίτι" in browser.get(path).words
    foreign = browser.post(f"{_card(office, 'manager')}/contact-points/{point}/remove")
    assert foreign.status == 404
    browser.post(f"{path}/contact-points/{point}/remove")
    assert "tel:+306977654321" not in browser.get(path).links
    added = browser.post(
        f"{path}/addresses/new", {"use": "main", "street": "Ερμού 1", "country_code": "Greece"}
    )
    assert "Ερμού 1" in browser.follow(added).words
    second = browser.post(f"{path}/addresses/new", {"use": "main", "street": "Other 2"})
    assert second.status == 409
    assert "main address already" in second.words


def test_consents_and_profile_are_recorded(office, web):
    office.write(lambda uow: define_attribute(uow, "rooms", title="Δωμάτια", type="number"))
    browser, path = web("employee"), _card(office)
    said = {"purpose": "marketing", "channel": "any", "status": "withdrawn", "evidence": "by phone"}
    page = browser.follow(browser.post(f"{path}/consents/new", said))
    assert "Marketing, any channel" in page.words
    wrong = browser.post(f"{path}/profile", {"rooms": "many"})
    assert (wrong.status, wrong.form("")["rooms"]) == (422, "many")
    page = browser.follow(browser.post(f"{path}/profile", {"rooms": "1250.5"}))
    assert ("Δωμάτια", "1,250.5") in zip(page.texts("dt"), page.texts("dd"), strict=True)


def test_a_file_comes_back_as_it_was_and_is_never_shown_as_a_page(office, web):
    browser, path = web("employee"), _card(office)
    body = b"<script>alert(1)</script>"
    sent = {"file": (BytesIO(body), "../../\u202eπρο.html")}
    page = browser.follow(browser.post(f"{path}/files", sent, content_type="multipart/form-data"))
    link = next(link for link in page.links if "/files/" in link)  # the latest stands first
    got = browser.get(link)
    assert got.response.get_data() == body
    assert got.response.headers["Content-Disposition"].startswith("attachment")
    assert got.response.headers["X-Content-Type-Options"] == "nosniff"
    assert web("outsider").get(link).status == 404
    key = link.rpartition("/")[2]
    assert browser.get(f"{_card(office, 'manager')}/files/{key}").status == 404
    browser.post(f"{link}/remove")
    assert office.read(lambda uow: uow.find(Attachment, UUID(key))) is None
    assert browser.post(f"{path}/files").status == 422


def test_hostile_text_stays_text_everywhere(office, web):
    def make(uow):
        customer = create_customer(
            uow,
            {
                "name": HOSTILE,
                "job_title": HOSTILE,
                "note": HOSTILE,
                "reference": "<b>R</b>",
                "owner": "employee",
                "tags": [HOSTILE],
                "addresses": [{"street": HOSTILE, "city": HOSTILE, "note": HOSTILE}],
            },
        )
        uow.add(ContactPoint(customer_id=customer.id, kind="website", value="javascript:alert(1)"))
        add_contact_point(uow, customer.id, "messenger", HOSTILE, label=HOSTILE)
        log_interaction(
            uow, customer.id, channel="web", direction="inbound", subject=HOSTILE, body=HOSTILE
        )
        other = make_customer(uow, HOSTILE, kind="company")
        relate_customers(uow, customer.id, "partner_of", other.id, note=HOSTILE)
        return customer.id

    id_ = office.write(make)
    for path in ("", "/edit", "/log", "/activities/new", "/tags/new", "/duplicates"):
        page = web("admin").get(f"/customers/{id_}{path}")
        assert page.status == 200
        assert SCRIPT not in page.html
        assert not any(link.lower().startswith("javascript:") for link in page.links)
        _assert_isolated(page)


def _assert_isolated(page) -> None:
    """Assert that text with an override stands in an element of its own direction."""
    for parent in page.tree.iter():
        for text in [parent.text or "", *(child.tail or "" for child in parent)]:
            if OVERRIDE in text:
                isolated = parent.get("dir") or parent.tag in ("bdi", "title", "textarea", "option")
                assert isolated or parent.tag in ("text", "label"), (parent.tag, parent.attrib)


def test_customers_are_compared_merged_and_parted_again(office, web):
    def make(uow):
        points = [{"kind": "email", "value": "maria@example.com"}]
        return [
            make_customer(uow, name, contact_points=points, owner="manager", note=name).id
            for name in ("Maria Kowalska", "Maria Kowalski")
        ]

    keep, drop = office.write(make)
    browser = web("manager")
    found = browser.get(f"/customers/{keep}/duplicates")
    assert "Maria Kowalski" in found.words
    path = f"/customers/{keep}/merge/{drop}"
    shown = browser.get(path)
    assert shown.form(path)["choice_name"] == "keep"
    merged = browser.post(path, {**shown.form(path), "choice_name": "drop", "reason": "one person"})
    page = browser.follow(merged)
    assert page.title == "Maria Kowalski"
    assert browser.get(f"/customers/{drop}").location.endswith(f"/customers/{keep}")
    [undo] = [
        form.get("action")
        for form in browser.get(f"/customers/{keep}/merges").all("form")
        if form.get("action", "").endswith("/undo")
    ]
    browser.post(undo)
    assert browser.get(f"/customers/{keep}").title == "Maria Kowalska"
    assert browser.get(f"/customers/{drop}").title == "Maria Kowalski"
    browser.post(f"/customers/{keep}/distinct/{drop}")
    assert "Perhaps the same" not in browser.get(f"/customers/{keep}/duplicates").words


def test_a_back_office_that_holds_both_is_asked_to_merge_them_too_where_that_is_ticked(office, web):
    def make(uow):
        backend = add_backend(uow, name="erp", type_name="files", config={}, secret_ref=None)
        found = []
        for number in range(4):
            customer = make_customer(uow, f"Twin {number}", owner="manager")
            found.append(customer.id)
            binding = {"entity": "customer", "digest": b"", "synced_at": uow.now}
            key = {"remote_id": str(number), "local_id": customer.id}
            uow.add(Binding(backend_id=backend.id, **binding, **key))
        alone = make_customer(uow, "Not there", owner="manager")
        return [*found, alone.id]

    one, two, three, four, alone = office.write(make)
    browser = web("manager")
    assert "in erp too" not in browser.get(f"/customers/{one}/merge/{alone}").words
    path = f"/customers/{one}/merge/{two}"
    shown = browser.get(path)
    assert "Merge their records in erp too" in shown.words
    assert "there" not in shown.form(path), "nothing is ticked"
    browser.post(path, shown.form(path))
    assert "erp:" not in browser.get(f"/customers/{one}/merges").words
    path = f"/customers/{three}/merge/{four}"
    browser.post(path, {**browser.get(path).form(path), "there": "true"})
    told = browser.get(f"/customers/{three}/merges").words
    assert "erp: is asked to merge them too, by the next run" in told


def test_an_archived_customer_says_so_and_comes_back(office, web):
    browser, path = web("manager"), _card(office, "manager")
    page = browser.follow(browser.post(f"{path}/archive"))
    assert "left out of daily lists" in page.words
    page = browser.follow(browser.post(f"{path}/restore"))
    assert "archived" not in page.words


def test_forms_of_others_are_refused_and_change_nothing(office, web):
    path = _card(office)
    before = office.rows()
    sent = {"subject": "x", "channel": "phone", "direction": "inbound"}
    assert web("outsider").post(f"{path}/log", sent).status == 404
    assert web("readonly").post(f"{path}/log", sent).status == 403
    assert web("employee").post(f"{path}/log", sent, csrf="").status == 403
    assert office.rows() == before
    subjects = office.read(lambda uow: uow.scalars(select(Interaction.subject)).all())
    assert "x" not in subjects


@given(
    st.text(max_size=60),
    st.sampled_from(["website", "email", "phone", "mobile", "fax", "messenger"]),
)
def test_links_lead_to_calls_mails_and_the_web_alone(text, kind):
    link = link_of(kind, text)
    assert link is None or link.startswith(("https://", "http://", "mailto:", "tel:"))
    assert link is None or not any(character.isspace() for character in link)


@pytest.mark.parametrize(
    ("kind", "value", "link"),
    [
        ("website", "www.example.com/a", "https://www.example.com/a"),
        ("website", "https://παράδειγμα.gr/", "https://παράδειγμα.gr/"),
        ("website", "java\tscript:alert(1)", None),
        ("website", "https://user@evil.example", None),
        ("website", "data:text/html,x", None),
        ("email", "a b@example.com?bcc=x@y", None),
        ("email", "anna@example.com?bcc=x", "mailto:anna@example.com%3Fbcc%3Dx"),
        ("phone", "+30 (210) 12-34", "tel:+302101234"),
        ("fax", "+30 210", None),
    ],
)
def test_a_contact_point_leads_somewhere_safe_or_nowhere(kind, value, link):
    assert link_of(kind, value) == link
