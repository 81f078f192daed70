"""What comes next with a deal, and which deals have nothing planned."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from crm_core.entities import Activity
from crm_core.errors import (
    InputError,
    NotFoundError,
    PermissionDeniedError,
    RuleViolationError,
    StaleVersionError,
)
from crm_core.services.activities import list_activities
from crm_sales.errors import DealClosedError
from crm_sales.services.next_steps import (
    complete_step,
    count_without_next_step,
    list_steps,
    open_steps,
    plan_step,
    postpone_step,
    without_next_step,
)
from crm_sales.services.opportunities import lose_opportunity


def names(page):
    return [item["opportunity_name"] for item in page.items]


def bare(office, login="employee"):
    return [each["name"] for each in office.read(without_next_step, login).items]


def test_a_deal_has_a_next_step_or_is_listed_as_having_none(office, deal, plan):
    first, second = deal(name="Κήπος & υιοί"), deal(name="قرارداد")
    assert bare(office) == ["Κήπος & υιοί", "قرارداد"]
    step = plan(first, summary="Ask O'Neill")
    assert bare(office) == ["قرارداد"]
    assert office.read(count_without_next_step, "employee") == 1
    found = office.read(lambda uow: open_steps(uow, [first, second]), "employee")
    assert [each["summary"] for each in found[first]] == ["Ask O'Neill"]
    assert second not in found
    assert office.write(lambda uow: complete_step(uow, step), "employee") == first
    assert bare(office) == ["Κήπος & υιοί", "قرارداد"]
    done = office.read(lambda uow: list_activities(uow, is_open=False).items, "employee")
    assert [each["summary"] for each in done] == ["Ask O'Neill"]


@pytest.mark.usefixtures("noon")
def test_what_is_overdue_and_what_is_due_today(office, deal, plan):
    late, today, later = deal(name="late"), deal(name="today"), deal(name="later")
    plan(late, -26)
    plan(later, 24 * 3)
    plan(today, 6)

    def due(when):
        return names(office.read(lambda uow: list_steps(uow, when=when), "employee"))

    assert due("overdue") == ["late"]
    assert due("today") == ["today"]
    assert due("week") == ["today", "later"]
    assert due("all") == ["late", "today", "later"]
    office.write(lambda uow: lose_opportunity(uow, late, reason_code="price"), "employee")
    assert due("overdue") == []


def test_lists_come_in_pages(office, deal, plan):
    for number in range(3):
        plan(deal(name=f"{number}"), number + 1)

    def page(cursor=None):
        return office.read(lambda uow: list_steps(uow, limit=2, cursor=cursor), "employee")

    first = page()
    assert names(first) == ["0", "1"]
    assert names(page(first.next_cursor)) == ["2"]


def test_a_step_is_put_off_and_of_two_at_once_one_is_told(office, deal, plan):
    deal_id = deal()
    step = plan(deal_id)
    moved = office.read(lambda uow: uow.now) + timedelta(days=4)
    office.write(lambda uow: postpone_step(uow, step, moved, expected_version=1), "employee")
    assert office.read(lambda uow: uow.get(Activity, step)).due_at == moved
    with pytest.raises(StaleVersionError):
        office.write(lambda uow: complete_step(uow, step, expected_version=1), "employee")
    office.write(lambda uow: complete_step(uow, step, expected_version=2), "employee")
    with pytest.raises(RuleViolationError, match="done already"):
        office.write(lambda uow: complete_step(uow, step), "employee")


def test_what_cannot_be_planned_says_so(office, deal, plan):
    deal_id = deal()

    def planned(**values):
        def act(uow):
            return plan_step(uow, deal_id, **{"type": "call", "due_at": uow.now, **values})

        return office.write(act, "employee")

    with pytest.raises(InputError, match="no time zone"):
        planned(due_at=datetime(2026, 3, 1, 9))  # noqa: DTZ001
    with pytest.raises(InputError):
        planned(summary="x" * 251)
    with pytest.raises(InputError):
        planned(type=" ")
    office.write(lambda uow: lose_opportunity(uow, deal_id, reason_code="price"), "employee")
    with pytest.raises(DealClosedError, match="reopen it"):
        planned()


def test_nobody_reaches_further_than_their_rights(office, deal, plan):
    mine, theirs = deal("employee", "ours"), deal("outsider", "theirs")
    step, their_step = plan(mine), plan(theirs, login="outsider")
    assert names(office.read(list_steps, "manager")) == ["ours"]
    assert names(office.read(list_steps, "readonly")) == ["ours", "theirs"]
    assert names(office.read(list_steps, "outsider")) == ["theirs"]
    with pytest.raises(NotFoundError):
        plan(theirs, login="employee")
    with pytest.raises(NotFoundError, match="crm sales step list"):
        office.write(lambda uow: complete_step(uow, their_step), "employee")
    for act in (
        lambda uow: plan_step(uow, mine, type="call", due_at=uow.now),
        lambda uow: complete_step(uow, step),
        lambda uow: postpone_step(uow, step, uow.now),
    ):
        with pytest.raises(PermissionDeniedError):
            office.write(act, "readonly")
    office.write(lambda uow: complete_step(uow, step), "manager")
    assert bare(office, "outsider") == []


def test_home_names_the_deals_without_a_next_step(office, deal, web, plan):
    page = web("employee").get("/")
    assert "Deals without a next step" not in page.words
    deal_id = deal(name="Forgotten shop")
    page = web("employee").get("/")
    assert "Deals without a next step" in page.words
    assert "Forgotten shop" in page.words
    assert "Forgotten shop" not in web("outsider").get("/").words
    plan(deal_id)
    assert "Deals without a next step" not in web("employee").get("/").words
