"""Sequences plan what comes next when a deal enters a stage, once, and take it back."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies
from sqlalchemy import select

from crm_core.entities import Activity
from crm_core.errors import InputError, NotFoundError, PermissionDeniedError
from crm_core.services.users import disable_user
from crm_sales.models import FollowUpSequence
from crm_sales.services.next_steps import complete_step, open_steps, plan_step
from crm_sales.services.opportunities import (
    assign_opportunity,
    lose_opportunity,
    move_opportunity,
    reopen_opportunity,
)
from crm_sales.services.sequences import (
    archive_sequence,
    due_at,
    follow_sequences,
    list_sequences,
    save_sequences,
    seed_sequences,
)

CHASE = {
    "code": "chase",
    "name": "Chase",
    "stage": "qualified",
    "steps": [
        {"days_after": 2, "type": "call", "summary": "Τηλεφώνημα"},
        {"days_after": 5, "type": "email", "summary": "Write again", "note": "Be kind"},
    ],
}


@pytest.fixture
def chase(office):
    office.write(lambda uow: save_sequences(uow, {"sequences": [CHASE]}), "manager")


@pytest.fixture
def planned(office, heard):
    """The summaries of what is planned for a deal, once all was heard."""

    def summaries(deal_id):
        heard()
        steps = office.read(lambda uow: open_steps(uow, [deal_id]))
        return [step["summary"] for step in steps.get(deal_id, [])]

    return summaries


def move(office, deal_id, stage_id):
    office.write(lambda uow: move_opportunity(uow, deal_id, stage_id), "employee")


@pytest.mark.usefixtures("chase")
def test_a_sequence_begins_with_its_stage_and_ends_with_it(office, deal, stage, planned):
    deal_id = deal()
    assert planned(deal_id) == []
    move(office, deal_id, stage("qualified"))
    assert planned(deal_id) == ["Τηλεφώνημα", "Write again"]
    (first, second) = office.read(lambda uow: open_steps(uow, [deal_id]))[deal_id]
    assert first["owner_name"] == "Eleni Employee"
    assert first["is_planned"]
    assert (second["due_at"] - first["due_at"]).days == 3
    move(office, deal_id, stage("new"))
    assert planned(deal_id) == []


@pytest.mark.usefixtures("chase")
def test_nothing_is_planned_twice_and_what_was_done_stays_done(office, deal, stage, planned):
    deal_id = deal(stage_code="qualified")
    assert planned(deal_id) == ["Τηλεφώνημα", "Write again"]
    for _ in range(2):  # heard again, as after a crash between work and mark
        office.write(lambda uow: follow_sequences(uow, deal_id))
    assert planned(deal_id) == ["Τηλεφώνημα", "Write again"]
    step = office.read(lambda uow: open_steps(uow, [deal_id]))[deal_id][0]["id"]
    office.write(lambda uow: complete_step(uow, step), "employee")
    move(office, deal_id, stage("new"))
    assert planned(deal_id) == []
    move(office, deal_id, stage("qualified"))
    assert planned(deal_id) == ["Write again"]
    assert not office.read(lambda uow: uow.get(Activity, step)).is_open


@pytest.mark.usefixtures("chase")
def test_closing_ends_it_and_leaves_what_a_person_planned(office, deal, stage, planned):
    deal_id = deal(stage_code="qualified")
    planned(deal_id)
    office.write(
        lambda uow: plan_step(uow, deal_id, type="visit", due_at=uow.now, summary="By hand"),
        "employee",
    )
    office.write(lambda uow: lose_opportunity(uow, deal_id, reason_code="price"), "employee")
    assert planned(deal_id) == ["By hand"]
    office.write(lambda uow: reopen_opportunity(uow, deal_id), "employee")
    assert planned(deal_id) == ["By hand", "Τηλεφώνημα", "Write again"]


@pytest.mark.usefixtures("chase")
def test_steps_of_somebody_who_left_belong_to_nobody_yet(office, deal, planned):
    deal_id = deal()
    office.write(lambda uow: disable_user(uow, "employee"))
    stages = list_sequences
    assert office.read(stages)[0]["stage"] == "qualified"
    office.write(
        lambda uow: move_opportunity(
            uow, deal_id, uow.scalar(select(FollowUpSequence.stage_id).filter_by(code="chase"))
        )
    )
    assert planned(deal_id) == ["Τηλεφώνημα", "Write again"]
    steps = office.read(lambda uow: open_steps(uow, [deal_id]))[deal_id]
    assert {step["owner_name"] for step in steps} == {None}


@pytest.mark.usefixtures("chase")
def test_a_sequence_is_changed_in_place_and_switched_off(office, deal, stage, planned):
    before = deal(name="before", stage_code="qualified")
    assert planned(before) == ["Τηλεφώνημα", "Write again"]
    shorter = {**CHASE, "steps": [{"days_after": 1, "type": "call", "summary": "Sooner"}]}
    office.write(lambda uow: save_sequences(uow, {"sequences": [shorter]}), "manager")
    office.write(lambda uow: follow_sequences(uow, before))
    assert planned(before) == ["Τηλεφώνημα", "Write again"]  # planned then, and not made anew
    assert planned(deal(name="after", stage_code="qualified")) == ["Sooner"]
    office.write(lambda uow: archive_sequence(uow, "chase"), "manager")
    assert planned(deal(name="last", stage_code="qualified")) == []
    assert "chase" not in [each["code"] for each in office.read(list_sequences)]


@pytest.mark.usefixtures("chase")
def test_what_was_planned_follows_the_deal_to_another_person(office, deal, heard, planned):
    deal_id = deal(stage_code="qualified")
    planned(deal_id)
    office.write(
        lambda uow: plan_step(uow, deal_id, type="visit", due_at=uow.now, summary="By hand"),
        "employee",
    )
    office.write(
        lambda uow: assign_opportunity(uow, deal_id, office.known.users["manager"]), "manager"
    )
    heard()
    steps = office.read(lambda uow: open_steps(uow, [deal_id]))[deal_id]
    assert {step["summary"]: step["owner_name"] for step in steps} == {
        "By hand": "Eleni Employee",
        "Τηλεφώνημα": "Mara Manager",
        "Write again": "Mara Manager",
    }


def test_there_are_sequences_from_the_first_minute(office):
    codes = [each["code"] for each in office.read(list_sequences, "employee")]
    assert codes == ["proposition", "negotiation"]
    office.write(seed_sequences)
    assert [each["code"] for each in office.read(list_sequences)] == codes


WRONG = (
    ({"steps": []}, "steps"),
    ({"steps": [{"days_after": -1, "type": "call", "summary": "x"}]}, "days_after"),
    ({"steps": [{"days_after": True, "type": "call", "summary": "x"}]}, "days_after"),
    ({"code": "Not a code"}, "code"),
    ({"colour": "red"}, "colour"),
)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_what_is_wrong_in_a_file_is_named(office):
    for change, told in WRONG:
        with pytest.raises(InputError, match=told):
            office.write(lambda uow: save_sequences(uow, [{**CHASE, **change}]))  # noqa: B023


def test_a_sequence_needs_a_stage_that_is_there_and_a_right(office):
    for values in ({"stage": "nowhere"}, {"pipeline": "none"}):
        with pytest.raises(NotFoundError):
            office.write(lambda uow: save_sequences(uow, [{**CHASE, **values}]))  # noqa: B023
    with pytest.raises(InputError, match="twice"):
        office.write(lambda uow: save_sequences(uow, [CHASE, CHASE]))
    with pytest.raises(InputError):
        office.write(lambda uow: save_sequences(uow, "chase"))
    with pytest.raises(PermissionDeniedError):
        office.write(lambda uow: save_sequences(uow, [CHASE]), "employee")
    with pytest.raises(NotFoundError):
        office.write(lambda uow: archive_sequence(uow, "none"), "manager")


@given(
    strategies.datetimes(
        datetime(2000, 1, 1),  # noqa: DTZ001  the zone comes with the strategy
        datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=strategies.just(UTC),
    ),
    strategies.integers(0, 730),
    strategies.sampled_from(["Europe/Athens", "Asia/Tehran", "America/St_Johns", "UTC"]),
)
def test_a_step_is_due_in_the_morning_of_its_day_whatever_the_clocks_do(entered, days, zone):
    here = ZoneInfo(zone)
    due = due_at(entered, days, here).astimezone(here)
    first: date = entered.astimezone(here).date()
    assert due >= entered
    assert (due.date() - first).days == days
    assert due.time() == time(9) or (days == 0 and due == entered)
