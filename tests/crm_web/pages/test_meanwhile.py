"""Two who change one record at a time: no work is lost, and who has to choose is shown both."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_core.entities.customer import Customer
from crm_core.services.customers import PLAIN_FIELDS, edit_customer
from crm_core.services.profile import define_attribute, list_profile
from crm_web.pages.customers.forms import merged_fields


def _card(office, owner: str = "employee") -> str:
    return f"/customers/{office.customer(owner)}"


def test_two_who_edit_different_fields_both_keep_theirs(office, web):
    path, id_ = f"{_card(office)}/edit", office.known.customers["employee"]
    browser = web("employee")
    form = browser.get(path).form(path)
    office.write(lambda uow: edit_customer(uow, id_, {"stage": "loyal"}))
    saved = browser.post(path, {**form, "note": "wants olives"})
    assert saved.status == 303
    kept = office.read(lambda uow: uow.get(Customer, id_))
    assert (kept.stage, kept.note) == ("loyal", "wants olives")


def test_two_who_edit_one_field_are_shown_both(office, web):
    path, id_ = f"{_card(office)}/edit", office.known.customers["employee"]
    browser = web("employee")
    form = browser.get(path).form(path)
    was = form["name"]
    office.write(lambda uow: edit_customer(uow, id_, {"name": "Theirs", "reference": "R-7"}))
    shown = browser.post(path, {**form, "name": "Mine", "job_title": "Baker"})
    assert shown.status == 412
    for text in ("Theirs", "Mine", was):
        assert text in shown.words
    assert office.read(lambda uow: uow.get(Customer, id_).name) == "Theirs"
    chosen = shown.form("")
    assert (chosen["name"], chosen["job_title"], chosen["reference"]) == ("Mine", "Baker", "R-7")
    assert browser.post(path, chosen).status == 303
    kept = office.read(lambda uow: uow.get(Customer, id_))
    assert (kept.name, kept.job_title, kept.reference) == ("Mine", "Baker", "R-7")


_TEXTS = st.sampled_from(["", "a", "b", "c\nd"])


@given(*[st.fixed_dictionaries(dict.fromkeys(PLAIN_FIELDS, _TEXTS))] * 3)
def test_of_two_edits_nothing_is_lost(was, theirs, ours):
    merged, differing = merged_fields(was, theirs, {n: v or None for n, v in ours.items()})
    clashes = {each.name: each for each in differing}
    for name in PLAIN_FIELDS:
        if ours[name] == was[name]:
            assert (merged[name] or "") == theirs[name]
        else:
            assert (merged[name] or "") == ours[name]
        clash = theirs[name] != was[name] and ours[name] not in (was[name], theirs[name])
        assert (name in clashes) == clash
        if clash:
            assert (clashes[name].theirs, clashes[name].ours) == (theirs[name], ours[name])


def _profile(office):
    id_ = office.known.customers["employee"]
    return {each["code"]: each["value"] for each in office.read(lambda u: list_profile(u, id_))}


def test_a_profile_left_open_takes_nothing_from_who_saved_meanwhile(office, web):
    office.write(lambda uow: define_attribute(uow, "size", title="Size", type="text"))
    office.write(lambda uow: define_attribute(uow, "was_mood", title="Before", type="text"))
    ours, theirs, path = web("employee"), web("manager"), f"{_card(office)}/profile"
    form = ours.get(path).form("")
    assert theirs.post(path, {**theirs.get(path).form(""), "size": "BIG"}).status == 303
    assert ours.post(path, {**form, "mood": "calm"}).status == 303
    assert _profile(office) == {"mood": "calm", "size": "BIG"}
    assert ours.post(path, {"mood": ""}).status == 303, "without what stood there it is meant so"
    assert _profile(office) == {"size": "BIG"}


def test_two_who_change_one_attribute_are_shown_both(office, web):
    kind = {"title": "Size", "type": "choice", "choices": ["small", "big", "huge"]}
    office.write(lambda uow: define_attribute(uow, "size", **kind))
    ours, theirs, path = web("employee"), web("manager"), f"{_card(office)}/profile"
    form = {**ours.get(path).form(""), "back": "/customers?sort=name"}
    theirs.post(path, {**theirs.get(path).form(""), "size": "big"})
    before = office.rows()
    shown = ours.post(path, {**form, "size": "huge", "mood": "καλή"})
    assert (shown.status, office.rows()) == (412, before)
    for text in ("Size", "big", "huge"):
        assert text in shown.words
    chosen = shown.form("")
    assert (chosen["size"], chosen["mood"]) == ("huge", "καλή")
    kept = ours.post(path, {**chosen, "size": "big"})
    assert (kept.status, kept.location) == (303, "/customers?sort=name")
    assert _profile(office) == {"mood": "καλή", "size": "big"}


@pytest.mark.parametrize(
    ("part", "fields"), [("contact-points", ("label", "value")), ("addresses", ("note", "city"))]
)
def test_parts_keep_what_others_changed_and_show_what_both_did(office, web, part, fields):
    ours, theirs = web("employee"), web("manager")
    wanted = re.compile(rf"{_card(office)}/{part}/[0-9a-f-]{{36}}")
    path = next(link for link in ours.get(_card(office)).links if wanted.fullmatch(link))
    other, own = fields
    form = ours.get(path).form("")
    theirs.post(path, {**theirs.get(path).form(""), other: "Theirs"})
    changed = form[own].replace("e", "o") + "x"
    assert ours.post(path, {**form, own: changed}).status == 303
    now = ours.get(path).form("")
    assert (now[other], now[own]) == ("Theirs", changed)
    wrong = ours.post(path, {**form, own: ""})
    if wrong.status == 422:
        assert wrong.form("")[f"was.{other}"] == form[other], "as it was when it was opened"
    both = ours.post(path, {**form, other: "Mine"})
    assert both.status == 412
    assert ours.post(path, both.form("")).status == 303
    assert ours.get(path).form("")[other] == "Mine"


def test_a_label_of_a_contact_point_can_be_emptied(office, web):
    browser, wanted = web("employee"), re.compile(r".*/contact-points/[0-9a-f-]{36}")
    path = next(link for link in browser.get(_card(office)).links if wanted.fullmatch(link))
    for label in ("work", ""):
        assert browser.post(path, {**browser.get(path).form(""), "label": label}).status == 303
        assert browser.get(path).form("")["label"] == label


def test_an_owner_given_meanwhile_is_shown(office, web):
    browser, path = web("manager"), f"{_card(office, 'manager')}/owner"
    form = browser.get(path).form("")
    web("admin").post(path, {**form, "owner": "employee"})
    shown = browser.post(path, {**form, "owner": "outsider"})
    assert (shown.status, "Eleni Employee" in shown.words) == (412, True)
