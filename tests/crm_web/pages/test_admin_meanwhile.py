"""Two administrators with one page open: neither takes back unseen what the other saved."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from crm_core.entities.schedule import SyncAlert, SyncSchedule
from crm_core.entities.sync import Backend
from crm_core.entities.user import User
from crm_core.services.access_check import role_codes
from crm_core.services.backends import add_backend
from crm_core.services.settings import load_settings, set_setting
from crm_core.services.users import grant_role, revoke_role
from crm_core.sync.masters import set_masters

RIGHTS = "/admin/roles/readonly/rights"
MAPPING = "/sync/of/erp/mapping"
SETTINGS = "/admin/settings"
SCHEDULE = "/sync/of/erp/schedule"
ALERT = "/sync/of/erp/alert"
PAGES = pytest.mark.parametrize(
    ("page", "path", "one", "other", "values"),
    [
        (
            "/admin/roles?role=readonly",
            RIGHTS,
            "core.customer.view",
            "core.customer.edit",
            ("own", "team", "none"),
        ),
        (SETTINGS, SETTINGS, "company", "time_zone", ("Asia/Tehran", "Europe/Athens", "UTC")),
        (MAPPING, MAPPING, "customer.note", "customer.vat", ("ask", "newest", "erp")),
        (SCHEDULE, SCHEDULE, "every", "full", ("7m", "1d", "2h")),
        (SCHEDULE, ALERT, "conflicts", "set_aside", ("5", "7", "9")),
    ],
    ids=["rights", "settings", "masters", "schedule", "alert"],
)


@pytest.fixture
def admins(office, web):
    """Two who keep the same company."""
    office.write(
        lambda uow: add_backend(uow, name="erp", type_name="files", config={}, secret_ref=None)
    )
    office.write(lambda uow: grant_role(uow, "manager", "admin"))
    return web("admin"), web("manager")


def _user(office, login: str = "readonly"):
    return f"/admin/users/{office.known.users[login]}"


def _roles(office, login: str = "readonly") -> set[str]:
    return office.read(lambda uow: role_codes(uow, office.known.users[login]))


def _ticked(page) -> dict[str, list[str]]:
    """Return what the form of roles would send."""
    boxes = [box for box in page.all("input[@name='role']") if box.get("checked") is not None]
    return {
        "role": [box.get("value") for box in boxes],
        "was": [each.get("value") for each in page.all("input[@name='was']")],
    }


def test_two_who_switch_somebody_off_do_not_switch_them_on(office, admins):
    path = f"{_user(office)}/switch"
    forms = [(admin, admin.get(_user(office)).form(path)) for admin in admins]
    for admin, form in forms:
        assert admin.post(path, form).status == 303
        assert not office.read(lambda uow: uow.get(User, office.known.users["readonly"]).is_enabled)
    ours = admins[0]
    ours.post(path, ours.get(_user(office)).form(path))
    assert office.read(lambda uow: uow.get(User, office.known.users["readonly"]).is_enabled)


def test_a_role_taken_meanwhile_is_not_given_again_nor_one_given_taken(office, admins):
    office.write(lambda uow: grant_role(uow, "readonly", "manager"))
    form = _ticked(admins[0].get(_user(office)))
    assert sorted(form["role"]) == ["manager", "readonly"]
    office.write(lambda uow: revoke_role(uow, "readonly", "manager"))
    office.write(lambda uow: grant_role(uow, "readonly", "sync"))
    path = f"{_user(office)}/roles"
    sent = {**form, "role": [*form["role"], "employee"]}
    assert admins[0].post(path, sent).status == 303
    assert _roles(office) == {"readonly", "sync", "employee"}
    assert admins[0].post(path, {**form, "role": ["readonly"]}).status == 303, "taken already"
    assert _roles(office) == {"readonly", "sync", "employee"}


def test_of_nothing_ticked_nothing_is_taken_but_without_what_was_it_is_meant_so(office, admins):
    office.write(lambda uow: revoke_role(uow, "readonly", "readonly"))
    form = _ticked(admins[0].get(_user(office)))
    office.write(lambda uow: grant_role(uow, "readonly", "manager"))
    path = f"{_user(office)}/roles"
    admins[0].post(path, {**form, "role": ["employee"]})
    assert _roles(office) == {"manager", "employee"}
    admins[0].post(path, {"role": ["employee"]})
    assert _roles(office) == {"employee"}


@PAGES
def test_what_one_left_as_it_was_stays_as_the_other_set_it(admins, page, path, one, other, values):
    ours, theirs = admins
    form = ours.get(page).form(path)
    wanted = values[0] if path == SETTINGS else values[1]
    assert theirs.post(path, {**theirs.get(page).form(path), other: wanted}).status == 303
    assert ours.post(path, {**form, one: values[0]}).status == 303
    now = ours.get(page).form(path)
    assert (now[one], now[other]) == (values[0], wanted)
    assert ours.post(path, {one: values[2]}).status == 303, (
        "without what stood there it is meant so"
    )
    now = ours.get(page).form(path)
    assert (now[one], now[other]) == (values[2], wanted)


@PAGES
def test_where_both_changed_one_it_is_shown_before_it_is_written(
    office, admins, page, path, one, other, values
):
    ours, theirs = admins
    form = ours.get(page).form(path)
    theirs.post(path, {**theirs.get(page).form(path), one: values[1]})
    before = office.rows()
    shown = ours.post(path, {**form, one: values[0], other: values[0]})
    assert (shown.status, office.rows()) == (412, before)
    assert shown.words.count("Theirs, saved meanwhile") == 1
    assert shown.notices
    again = shown.form(path)
    assert (again[one], again[other], again[f"was.{one}"]) == (values[0], values[0], values[1])
    assert ours.post(path, again).status == 303, "seen now, so it is meant so"
    now = ours.get(page).form(path)
    assert (now[one], now[other]) == (values[0], values[0])


def test_settings_typed_again_after_a_mistake_keep_what_others_saved(office, admins):
    form = admins[0].get(SETTINGS).form(SETTINGS)
    office.write(lambda uow: set_setting(uow, "company", "Theirs"))
    wrong = {**form, "time_zone": "Mars/Base", "phone_region": "PL"}
    page = admins[0].post(SETTINGS, wrong)
    assert page.status == 422
    again = {**page.form(SETTINGS), "time_zone": "Asia/Tehran"}
    assert admins[0].post(SETTINGS, again).status == 303
    kept = office.read(load_settings)
    assert (kept.company, kept.time_zone, kept.phone_region) == ("Theirs", "Asia/Tehran", "PL")


def test_a_master_set_by_command_meanwhile_stays(office, admins):
    form = admins[0].get(MAPPING).form(MAPPING)
    office.write(lambda uow: set_masters(uow, "erp", ["customer.vat=ask"]))
    admins[0].post(MAPPING, {**form, "customer.note": "ask"})
    masters = office.read(lambda uow: uow.scalar(select(Backend)).masters)
    assert masters == {"customer.vat": "ask", "customer.note": "ask"}


def test_what_is_taken_out_of_a_schedule_is_taken_out_and_the_rest_stays_usual(office, admins):
    ours, theirs = admins
    usual = ours.get(SCHEDULE).form(SCHEDULE)
    sent = {**usual, "sweep": "2d", "is_paused": "true", "entity-customer": "1m"}
    assert ours.post(SCHEDULE, sent).status == 303
    paused = theirs.get(SCHEDULE).form(SCHEDULE)
    assert (paused["is_paused"], paused["entity-customer"]) == ("true", "1m")
    paused.pop("is_paused")
    assert theirs.post(SCHEDULE, {**paused, "sweep": "", "entity-customer": "2m"}).status == 303
    plan = office.read(lambda uow: uow.scalar(select(SyncSchedule)))
    assert (plan.is_paused, plan.every_seconds, plan.sweep_seconds) == (False, None, None)
    assert plan.entities == {"customer": 120}
    refused = ours.post(SCHEDULE, {**usual, "was.entity-customer": "1m", "entity-customer": "3m"})
    assert (refused.status, refused.words.count("Theirs, saved meanwhile: 2m")) == (412, 1)


def test_a_mistake_in_an_alert_keeps_what_others_saved_and_what_was_typed(office, admins):
    ours, theirs = admins
    form = ours.get(SCHEDULE).form(ALERT)
    theirs.post(ALERT, {**theirs.get(SCHEDULE).form(ALERT), "mail_to": "desk@example.com"})
    page = ours.post(ALERT, {**form, "conflicts": "many", "webhook_url": "https://example.com/a"})
    assert page.status == 422
    again = page.form(ALERT)
    assert again["webhook_url"] == "https://example.com/a"
    assert ours.post(ALERT, {**again, "conflicts": "9"}).status == 303
    alert = office.read(lambda uow: uow.scalar(select(SyncAlert)))
    assert (alert.mail_to, alert.conflicts) == ("desk@example.com", 9)
    assert alert.webhook_url == "https://example.com/a"
