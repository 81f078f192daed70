"""The board and lists of deals: what stands in them, and for whom."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update

from crm_core.errors import InputError, PermissionDeniedError
from crm_core.services.currencies import set_rate
from crm_core.testing.factories import make_actor
from crm_sales.models import Opportunity
from crm_sales.services.board import board_choices, show_board
from crm_sales.services.moves import lose_opportunity, move_opportunity
from crm_sales.services.next_steps import plan_step
from crm_sales.services.opportunity_list import (
    DealFilter,
    list_opportunities,
    show_opportunity,
    sums_of_customers,
)

DAY = date(2027, 3, 1)


def test_columns_count_sum_and_show_the_first(office, deal, stage):
    for number in range(3):
        deal(
            name=f"deal {number}",
            expected_amount=Decimal("0.10"),
            expected_close_on=DAY - timedelta(days=number) if number else None,
        )
    foreign = deal("manager", "dollars", expected_amount=Decimal(8), currency_code="USD")
    office.write(lambda uow: move_opportunity(uow, foreign, stage("qualified")), "manager")
    gone = deal("manager", "lost", expected_amount=Decimal(1_000))
    office.write(lambda uow: lose_opportunity(uow, gone, reason_code="price"), "manager")
    board = office.read(lambda uow: show_board(uow, shown=2), "manager")
    new, qualified, *rest = board.columns
    assert [column.code for column in rest] == ["proposition", "negotiation", "won"]
    assert (new.count, new.sums, new.base_amount) == (3, {"EUR": Decimal("0.3")}, Decimal("0.3"))
    assert [card["name"] for card in new.cards] == ["deal 2", "deal 1"]
    assert (qualified.count, qualified.sums, qualified.base_amount) == (
        1,
        {"USD": Decimal(8)},
        None,
    )
    assert (board.count, board.base_amount) == (4, None)
    office.write(lambda uow: set_rate(uow, "USD", "EUR", date(2020, 1, 1), Decimal("1.25")))
    assert office.read(show_board).base_amount == Decimal("6.70")
    mine = office.read(show_board, "employee")
    assert (mine.count, mine.columns[1].count) == (3, 0)
    assert office.read(show_board, "outsider").count == 0
    assert office.read(show_board, "readonly").count == 4


def test_deals_of_others_take_no_place_on_a_board(deal, office):
    for number in range(3):
        deal("outsider", f"crowd {number}", expected_close_on=DAY)
    deal(name="mine")
    (card,) = office.read(lambda uow: show_board(uow, shown=2), "employee").columns[0].cards
    assert card["name"] == "mine"


def test_filters_and_marks(office, deal):
    rots, planned = deal(name="rots"), deal("manager", "planned")

    def prepare(uow):
        old = uow.now - timedelta(days=15)
        uow.execute(update(Opportunity).where(Opportunity.id == rots).values(stage_entered_at=old))
        plan_step(uow, planned, type="call", due_at=datetime(2027, 1, 1, tzinfo=UTC))

    office.write(prepare)
    board = office.read(show_board)
    cards = {card["name"]: card for card in board.columns[0].cards}
    assert (cards["rots"]["is_rotting"], cards["rots"]["next_due_at"]) == (True, None)
    assert not cards["planned"]["is_rotting"]
    assert cards["planned"]["next_due_at"] == datetime(2027, 1, 1, tzinfo=UTC)
    manager = office.known.users["manager"]
    assert office.read(lambda uow: show_board(uow, owner_id=manager)).count == 1
    owners, teams = office.read(lambda uow: board_choices(uow, board.pipeline_id))
    assert [row.name for row in owners] == ["Eleni Employee", "Mara Manager"]
    assert [row.name for row in teams] == ["North"]
    assert office.read(lambda uow: show_board(uow, team_id=teams[0].id)).count == 2


def test_lists_come_in_pages(office, deal):
    for number in range(5):
        deal(name=f"№ {number}", expected_close_on=DAY if number % 2 else None)
    for sort in ("close", "newest"):
        names, cursor = [], None
        while True:
            page = office.read(
                lambda uow, c=cursor, s=sort: list_opportunities(uow, sort=s, limit=2, cursor=c),
                "employee",
            )
            names += [item["name"] for item in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert sorted(names) == [f"№ {number}" for number in range(5)]
    assert names == [f"№ {number}" for number in (4, 3, 2, 1, 0)]
    found = office.read(lambda uow: list_opportunities(uow, DealFilter(text="№ 3")))
    assert [item["name"] for item in found.items] == ["№ 3"]
    for wrong in ({"sort": "luck"}, {"limit": 0}):
        with pytest.raises(InputError):
            office.read(lambda uow, w=wrong: list_opportunities(uow, **w))
    with pytest.raises(InputError, match="never"):
        office.read(lambda uow: list_opportunities(uow, DealFilter(state="maybe")))


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_customer_whom_one_may_not_see_has_no_name(office, deal):
    deal_id = deal(tags=["b", "a"])
    outsider = office.known.users["outsider"]
    office.write(lambda uow: uow.execute(update(Opportunity).values(owner_id=outsider)))
    shown = office.read(lambda uow: show_opportunity(uow, deal_id), "outsider")
    assert (shown["name"], shown["customer_name"], shown["tags"]) == ("A shop", None, ["a", "b"])
    (listed,) = office.read(list_opportunities, "outsider").items
    assert listed["customer_name"] is None
    (card,) = office.read(show_board, "outsider").columns[0].cards
    assert card["customer_name"] is None


@pytest.mark.parametrize("kind", ["sqlite"])
def test_open_deals_of_customers(office, deal):
    deal(expected_amount=Decimal(5))
    deal(expected_amount=Decimal(6), currency_code="USD")
    deal()
    customer = office.known.customers["employee"]
    sums = office.read(lambda uow: sums_of_customers(uow, [customer]), "employee")
    assert sums == {customer: (3, {"EUR": Decimal(5), "USD": Decimal(6)})}
    assert office.read(lambda uow: sums_of_customers(uow, [customer]), "outsider") == {}


@pytest.mark.parametrize("kind", ["sqlite"])
def test_reading_takes_the_right(office):
    with office.application.unit_of_work(make_actor()) as uow:
        for read in (show_board, list_opportunities):
            with pytest.raises(PermissionDeniedError):
                read(uow)
