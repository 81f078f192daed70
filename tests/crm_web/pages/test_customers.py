"""The list of customers, new customers, and what is done with many at once."""

from __future__ import annotations

from io import BytesIO
from urllib.parse import parse_qsl, urlsplit

import pytest
import python_calamine
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import select

from crm_core.entities.customer import Customer
from crm_core.entities.view import SavedView
from crm_core.services.customer_list_query import ListQuery, Operator, parse_list_query
from crm_core.services.customers import create_customer
from crm_core.services.tags import tag_customer
from crm_core.testing.factories import make_customer
from crm_web.pages.customers.filtering import made_filter

MOST_QUERIES = 15
MINE = "/customers?owner=me"
HOSTILE = "<script>alert(1)</script>\u202egnp.exe"


def _names(page) -> list[str]:
    return page.texts("td[@data-label='Name']")


def _marks(page) -> set[str]:
    return {name.split()[0] for name in _names(page)}


def _many(office, count: int, **values) -> list:
    def make(uow):
        return [
            make_customer(uow, f"Row {n:03}", owner="employee", **values).id for n in range(count)
        ]

    return office.write(make)


def test_the_list_shows_all_that_one_may_see_and_no_more(office, web):
    assert _marks(web("employee").get("/customers")) == {
        "Northquux",
        "Southquux",
        "Midquux",
        "Freequux",
    }
    page = web("outsider").get("/customers")
    assert _marks(page) == {"Southquux"}
    assert f"{len(_names(page))} customers" in page.words
    for foreign in ("Northquux", "Midquux", "Freequux"):
        assert foreign not in page.html


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?sort=-changed",
        "?owner=me&stage=any:prospect,active&created=after:today-30&q=papa",
        "?columns=name,tags,city,email,last_contact&add=tags",
    ],
)
def test_the_list_takes_few_queries(office, web, query):
    _many(office, 120, tags=["gold"])
    page = web("employee").get(f"/customers{query}")
    assert page.status == 200
    assert len(page.queries) <= MOST_QUERIES


def test_pages_follow_each_other_without_gap_or_repeat(office, web):
    _many(office, 120)
    browser, seen, path, pages = web("employee"), [], MINE, []
    while path:
        page = browser.get(path)
        seen += _names(page)
        pages.append(_names(page))
        path = next((a.get("href") for a in page.all("a[@rel='next']")), "")
    rows = [name for name in seen if name.startswith("Row")]
    assert rows == [f"Row {n:03}" for n in range(120)]
    assert len(set(seen)) == len(seen) > 120
    assert page.texts("nav[@class='pager']/a") == ["Back"]
    for names in pages[-2::-1]:
        [back] = [a for a in page.all("nav[@class='pager']/a") if a.get("rel") != "next"]
        page = browser.get(back.get("href"))
        assert _names(page) == names
    assert page.texts("nav[@class='pager']/a") == ["Next"]
    assert len(pages) > 2


def test_headings_sort_and_say_so(office, web):
    browser = web("employee")
    page = browser.get("/customers")
    assert page.texts("th[@aria-sort='ascending']") == ["Name"]
    link = next(a.get("href") for a in page.all("th/a") if "-name" in a.get("href"))
    turned = browser.get(link)
    assert turned.texts("th[@aria-sort='descending']") == ["Name"]
    assert _names(turned) == _names(page)[::-1]


def test_a_filter_is_made_with_a_form_read_as_a_chip_and_dropped(office, web):
    office.write(lambda uow: tag_customer(uow, office.known.customers["employee"], ["gold"]))
    browser = web("employee")
    page = browser.get("/customers?sort=name&add=tags")
    form = page.form("/customers/filter")
    assert form["field"] == "tags"
    sent = "rest=sort=name&field=tags&operator=is&value=gold&value=none"
    led = browser.get(f"/customers/filter?{sent}")
    assert dict(parse_qsl(urlsplit(led.location).query))["tags"] == "any:gold,none"
    listed = browser.follow(led)
    assert _names(listed) == ["Northquux Παπαδόπουλος & Sons"]
    assert "Tags is one of gold, none" in listed.words
    [drop] = [a.get("href") for a in listed.all("a[@class='drop']")]
    assert len(_names(browser.get(drop))) > 4


@pytest.mark.parametrize(
    ("sent", "asked"),
    [
        # The second end of what was a range is hidden, and sent along all the same.
        ("field=created&operator=is&value=2026-01-01&value=2026-12-31", "2026-01-01"),
        ("field=open_activities&operator=more_than&value=1&value=2", "more_than:1"),
        ("field=open_activities&operator=between&value=1,5&value=2", "between:1.5,2"),
    ],
)
def test_a_filter_takes_what_its_operator_can(web, sent, asked):
    browser = web("employee")
    browser.post("/account/preferences", {"language": "pl", "time_zone": "UTC", "theme": "auto"})
    led = browser.get(f"/customers/filter?rest=sort=name&{sent}")
    field = dict(parse_qsl(sent))["field"]
    assert dict(parse_qsl(urlsplit(led.location).query))[field] == asked
    assert browser.follow(led).status == 200


def test_half_a_range_is_told_in_words(web):
    page = web("employee").get(
        "/customers/filter?rest=&field=created&operator=between&value=&value=2026-12-01"
    )
    assert (page.status, "Fill in both ends of the range" in page.words) == (422, True)


def test_a_text_is_found_within_the_list(office, web):
    browser = web("employee")
    page = browser.follow(browser.get("/customers/text?rest=sort=name&q=midqu"))
    assert _marks(page) == {"Midquux"}


def test_columns_are_chosen_in_their_order(office, web):
    browser = web("employee")
    page = browser.follow(
        browser.get("/customers/columns/chosen?column=name&column=tags&column=kind")
    )
    assert page.texts("thead/tr/th")[1:] == ["Name", "Tags", "Kind"]
    assert "wholesale" in page.words
    chooser = browser.get("/customers/columns?rest=columns=name,tags,kind")
    chosen = [box.get("value") for box in chooser.all("input[@checked]")]
    assert chosen == ["name", "tags", "kind"]


@pytest.mark.parametrize(
    "query",
    [
        "nosuch=1",
        "stage=before:x",
        "created=after:31.2.2026",
        "sort=nosuch",
        "cursor=x",
        "columns=nosuch",
    ],
)
def test_what_cannot_be_asked_is_said_with_a_way_on(office, web, query):
    page = web("employee").get(f"/customers?{query}")
    assert page.status == 422
    assert "Show all customers" in page.words


def test_nothing_found_says_what_to_do(office, web):
    page = web("employee").get("/customers?city=Nowhere")
    assert page.status == 200
    assert "No customer is like that" in page.words


def test_views_are_kept_shared_and_begun_with(office, web):
    browser = web("employee")
    sent = {"name": "My prospects", "sharing": "team", "is_default": "true"}
    kept = browser.post("/customers/views/new", {**sent, "query": "stage=prospect&sort=-changed"})
    assert browser.follow(kept).texts("nav[@class='tabs']/a[@aria-current='page']") == [
        "My prospects"
    ]
    assert "stage=prospect" in browser.get("/customers").location
    assert "My prospects" in web("manager").get("/customers?sort=name").words
    assert "My prospects" not in web("outsider").get("/customers?sort=name").words
    again = browser.post("/customers/views/new", {**sent, "query": "stage=prospect"})
    assert (again.status, "already" in again.words) == (409, True)
    assert (
        browser.post("/customers/views/new", {**sent, "name": "E", "sharing": "everybody"}).status
        == 403
    )
    [tool] = [link for link in browser.follow(kept).links if "/customers/views/0" in link]
    path = urlsplit(tool).path
    changed = browser.post(path, {"name": "Prospects", "sharing": "nobody", "query": "kind=person"})
    assert "kind=person" in changed.location
    assert web("outsider").get(path).status == 404
    browser.post(f"{path}/remove")
    assert browser.get("/customers").status == 200


def test_those_chosen_are_changed_together(office, web):
    ids = _many(office, 3)
    browser = web("manager")
    sent = {"chosen": [f"{id_}:" for id_ in ids], "query": "owner=me"}
    done = browser.post("/customers/bulk", {**sent, "stage": "loyal", "add_tags": "gold, VIP"})
    assert "owner=me" in done.location
    assert browser.follow(done).notices == ["3 customers are changed."]
    stages = office.read(lambda uow: [uow.get(Customer, id_).stage for id_ in ids])
    assert stages == ["loyal"] * 3
    for wrong in ({**sent}, {"stage": "loyal"}, {"chosen": "x", "stage": "loyal"}):
        assert browser.post("/customers/bulk", wrong).status == 422


def test_a_whole_list_is_changed(office, web):
    ids = _many(office, 60)
    page = web("manager").post(
        "/customers/bulk", {"all": "yes", "query": "q=Row", "stage": "active"}
    )
    assert page.status == 303
    assert office.read(lambda uow: uow.get(Customer, ids[59]).stage) == "active"


def test_what_may_not_be_changed_is_told_one_by_one(office, web):
    [own] = _many(office, 1)
    foreign = office.known.customers["manager"]
    sent = {"chosen": [f"{own}:", f"{foreign}:"], "owner": "-"}
    page = web("outsider").post("/customers/bulk", sent)
    assert "0 customers are changed." in page.words
    assert "Row" not in page.html
    assert "Midquux" not in page.html
    assert office.read(lambda uow: uow.get(Customer, own).owner_id) is not None


@pytest.mark.parametrize(
    ("kind", "begin"), [("csv", b"\xef\xbb\xbf"), ("xlsx", b"PK"), ("vcf", b"BEGIN:VCARD")]
)
def test_just_what_is_seen_is_exported(office, web, kind, begin):
    browser = web("outsider")
    got = browser.post("/customers/export", {"query": "columns=name,email", "format": kind})
    body = got.response.get_data()
    assert got.status == 200
    assert f"customers.{kind}" in got.response.headers["Content-Disposition"]
    assert body.startswith((begin, b"Name"))
    if kind == "xlsx":
        rows = python_calamine.load_workbook(BytesIO(body)).get_sheet_by_index(0).to_python()
        assert rows[0] == ["Name", "E-mail"]
        assert {row[0].split()[0] for row in rows[1:]} == {"Southquux"}
    else:
        text = body.decode()
        assert "Southquux" in text
        assert "Northquux" not in text


@pytest.mark.parametrize("kind", ["csv", "vcf"])
def test_of_those_chosen_just_those_are_exported_that_one_may_see(office, web, kind):
    office.write(lambda uow: make_customer(uow, "Left alone", owner="outsider"))
    mine, foreign = office.customer("outsider"), office.customer("employee")
    sent = {"query": "columns=name", "format": kind, "chosen": [f"{mine}:1", f"{foreign}:1"]}
    text = web("outsider").post("/customers/export", sent).response.get_data().decode()
    assert "Southquux" in text
    assert "Left alone" not in text
    assert "Northquux" not in text
    damaged = {**sent, "chosen": ["nonsense"]}
    assert web("outsider").post("/customers/export", damaged).status == 422


def test_exports_take_the_right_and_a_known_format(office, web):
    assert web("readonly").post("/customers/export", {"format": "csv"}).status == 403
    assert web("manager").post("/customers/export", {"format": "exe"}).status == 422
    assert web("manager").get("/customers/export").status in (404, 405)


def test_hostile_text_stays_text_in_the_list(office, web):
    values = {
        "name": HOSTILE,
        "owner": "employee",
        "tags": [HOSTILE],
        "addresses": [{"city": HOSTILE}],
    }
    office.write(lambda uow: create_customer(uow, values))
    browser = web("employee")
    browser.post(
        "/customers/views/new", {"name": HOSTILE, "sharing": "nobody", "query": "sort=name"}
    )
    for query in ("columns=name,tags,city", f"city={HOSTILE}&add=city", f"q={HOSTILE}", "add=tags"):
        page = browser.get(f"/customers?{query}")
        assert "<script>alert" not in page.html


def test_a_customer_is_added_after_a_look_at_who_is_like_it(office, web):
    browser = web("employee")
    form = browser.get("/customers/new").form("/customers/new")
    sent = {**form, "name": "Νέα Εταιρεία", "email": "northquux@example.com", "city": "Αθήνα"}
    hinted = browser.post("/customers/new", sent)
    assert hinted.status == 409
    assert "Northquux Παπαδόπουλος" in hinted.words
    again = hinted.form("/customers/new")
    assert (again["name"], again["city"]) == ("Νέα Εταιρεία", "Αθήνα")
    added = browser.post("/customers/new", {**again, "anyway": "yes"})
    page = browser.follow(added)
    assert page.title == "Νέα Εταιρεία"
    assert "Αθήνα" in page.words
    by_name = browser.post("/customers/new", {**form, "name": "εταιρεια νεα"})
    assert "Νέα Εταιρεία" in by_name.words


def test_the_look_at_who_is_alike_tells_nothing_foreign(office, web):
    browser = web("outsider")
    sent = {"name": "New", "kind": "person", "stage": "prospect", "email": "northquux@example.com"}
    added = browser.post("/customers/new", sent)
    assert added.status == 303
    assert "Northquux" not in browser.follow(added).words


def test_what_is_wrong_with_a_new_customer_stands_beside_it(office, web):
    sent = {"name": "X", "kind": "person", "stage": "prospect", "mobile": "12", "vat": "?"}
    page = web("employee").post("/customers/new", sent)
    assert page.status == 422
    wrong = {field.get("name") for field in page.all("input[@aria-invalid='true']")}
    assert wrong == {"mobile", "vat"}


@given(
    st.sampled_from(["text", "choice"]),
    st.sampled_from(list(Operator)),
    st.lists(st.text(min_size=1, max_size=8).filter(str.strip), min_size=1, max_size=3),
)
def test_a_filter_from_a_form_reads_back_from_its_link(kind, operator, values):
    from crm_core.services.customer_list_query import list_text

    assume(operator != Operator.BETWEEN or len(values) > 1)
    made = made_filter("city", kind, operator, values)
    assert made is not None
    assert parse_list_query(list_text(ListQuery((made,)))).filters == (made,)


def test_a_view_that_was_changed_meanwhile_is_not_overwritten_unseen(office, web):
    browser = web("employee")
    sent = {"name": "Mine", "sharing": "nobody", "query": "stage=prospect"}
    browser.post("/customers/views/new", sent)
    view_id = office.read(lambda u: u.scalar(select(SavedView.id).where(SavedView.name == "Mine")))
    path = f"/customers/views/{view_id}"
    form = browser.get(path).form(path)
    browser.post(path, {**form, "name": "Theirs"})
    stale = browser.post(path, {**form, "name": "Ours"})
    assert (stale.status, stale.form(path)["name"]) == (412, "Ours")
    assert browser.get(path).form(path)["name"] == "Theirs"
    assert browser.post(path, stale.form(path)).status == 303, "having been told"
    assert browser.get(path).form(path)["name"] == "Ours"
