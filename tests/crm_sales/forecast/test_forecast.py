"""What the forecast says, of whom, to whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from crm_core.errors import InputError, PermissionDeniedError
from crm_core.services.currencies import ensure_currency
from crm_sales.models import Opportunity, OpportunityMove, Stage
from crm_sales.services.forecast.figures import FIGURES, STAGE_FIGURES
from crm_sales.services.forecast.history import note_expectations
from crm_sales.services.forecast.periods import period_from, period_of
from crm_sales.services.forecast.rows import COUNTS, Figures
from crm_sales.services.forecast.show import show_forecast, stage_flow
from crm_sales.services.forecast.statements import Question
from crm_sales.services.forecast.targets import set_target

from .conftest import TODAY

MONTH = period_of(TODAY)
IN, NEXT = MONTH.last_on, MONTH.shifted(1).first_on
HERE = Question((MONTH,))


def shown(office, login, asked=HERE):
    return office.read(lambda uow: show_forecast(uow, asked), login)


def test_each_figure_says_what_its_definition_says(office, deal):
    deal("employee", 1000, close=IN, chance="0.25")
    deal("employee", 400, close=IN, chance="0.5", is_committed=True)
    deal("employee", None, close=IN, chance="0.9")
    deal("employee", 7000, close=NEXT, chance="0.9")
    deal("employee", 9000, close=None)
    added = MONTH.first_on - timedelta(days=20)
    deal("employee", 300, state="won", closed=MONTH.first_on, chance="1", added=added)
    deal("employee", 50, state="lost", closed=MONTH.first_on, chance="0")
    deal("employee", 60, state="won", closed=MONTH.shifted(-1).first_on, chance="1")
    office.write(lambda uow: set_target(uow, period="month", amount=Decimal(1000), user="employee"))
    (row,) = shown(office, "employee").rows
    got = row.plain()
    assert (row.name, row.currency_code) == ("Eleni Employee", "EUR")
    assert {each.code: got[each.code] for each in FIGURES} == {
        "won_amount": 300,
        "committed_amount": 700,
        "weighted_amount": 750,
        "best_amount": 1700,
        "open_count": 3,
        "target_amount": 1000,
        "missing_amount": 700,
        "coverage": Decimal("2.00"),
        "win_rate": Decimal("0.5"),
        "cycle_days": Decimal("20.0"),
        "slipped_count": 0,
        "slipped_amount": 0,
    }


def test_deals_of_several_periods_stand_in_their_own(office, deal):
    asked = replace(HERE, periods=(MONTH, MONTH.shifted(1), MONTH.shifted(2)))
    deal("employee", 10, close=MONTH.first_on)
    deal("employee", 20, close=NEXT)
    deal("employee", 40, close=MONTH.shifted(2).last_on)
    deal("employee", 80, close=MONTH.shifted(3).first_on)
    deal("employee", 5, state="won", closed=MONTH.first_on)
    forecast = shown(office, "employee", asked)
    told = {row.period.code: row.figures.best_amount for row in forecast.rows}
    assert told == {
        each.code: amount for each, amount in zip(asked.periods, (15, 20, 40), strict=True)
    }
    quarter = replace(HERE, periods=(period_of(TODAY, "quarter"),))
    total = sum(row.figures.best_amount for row in shown(office, "employee", quarter).rows)
    assert total >= 15


def test_a_moment_belongs_to_the_day_of_the_companys_zone(office, deal):
    """One minute past midnight in Athens is still the month before in UTC."""
    from crm_core.services.settings import set_setting

    office.write(lambda uow: set_setting(uow, "time_zone", "Europe/Athens"))
    key = deal("employee", 5, state="won", closed=MONTH.first_on)
    at = datetime.combine(MONTH.first_on, datetime.min.time(), UTC) - timedelta(minutes=90)
    earlier = update(Opportunity).values(closed_at=at).where(Opportunity.id == key)
    office.write(lambda uow: uow.execute(earlier))
    assert shown(office, "employee").rows[0].figures.won_amount == 5


def test_currencies_are_never_added_without_a_rate(office, deal, rate):
    deal("employee", 100, close=IN)
    office.write(lambda uow: ensure_currency(uow, "PLN"))
    deal("employee", 400, close=IN, currency_code="PLN")
    told = shown(office, "employee")
    assert [(row.currency_code, row.figures.best_amount) for row in told.rows] == [
        ("EUR", 100),
        ("PLN", 400),
    ]
    assert told.without_rate == ["PLN"]
    assert told.in_base == told.base_totals == []
    rate("PLN", "4")
    told = shown(office, "employee")
    (base,) = told.in_base
    assert (base.figures.best_amount, base.rate_on) == (200, TODAY - timedelta(days=3))
    assert told.without_rate == []


@pytest.mark.parametrize(
    ("login", "seen"),
    [
        ("employee", {"Eleni Employee"}),
        ("manager", {"Eleni Employee", "Mara Manager"}),
        ("outsider", {"Oskar Outsider"}),
        ("readonly", {"Eleni Employee", "Mara Manager", "Oskar Outsider", "Nobody's"}),
    ],
)
def test_totals_hold_only_what_their_reader_sees(office, deal, login, seen):
    for owner in ("employee", "manager", "outsider", None):
        deal(owner, 100, close=IN)
    told = shown(office, login)
    assert {row.name for row in told.rows} == seen
    assert told.totals[0].figures.best_amount == 100 * len(seen)
    assert told.base_totals[0].figures.open_count == len(seen)
    whole = shown(office, login, replace(HERE, by="none"))
    assert whole.rows[0].figures.best_amount == 100 * len(seen)
    other = office.known.users["outsider" if login == "employee" else "employee"]
    if login in ("employee", "outsider"):
        assert shown(office, login, replace(HERE, user_id=other)).rows == []


def test_nothing_without_the_right(office):
    from crm_core.access import Actor

    with (
        office.application.unit_of_work(Actor(None, "nobody")) as uow,
        pytest.raises(PermissionDeniedError),
    ):
        show_forecast(uow, HERE)


def test_a_deal_slips_when_its_day_leaves_the_period(office, deal):
    kept = deal("employee", 10, close=MONTH.first_on)
    late = deal("employee", 100, close=IN)
    twice = deal("employee", 1000, close=MONTH.first_on)
    back = deal("employee", 5000, close=IN)

    def moved(key, day):
        office.write(lambda uow: setattr(uow.get(Opportunity, key), "expected_close_on", day))
        return office.write(lambda uow: note_expectations(uow, [key]))

    assert office.write(note_expectations) == 4
    assert office.write(note_expectations) == 0
    moved(kept, IN)
    assert moved(late, NEXT) == 1
    assert moved(late, NEXT) == 0
    moved(twice, IN)
    moved(twice, None)
    moved(back, NEXT)
    moved(back, IN)
    figures = shown(office, "employee").rows[0].figures
    assert (figures.slipped_count, figures.slipped_amount) == (2, 1100)
    assert shown(office, "outsider").rows == []


def test_stages_tell_how_deals_went_on(office, deal):
    key = deal("employee", 100, stage="new")
    deal("employee", 50, stage="qualified")

    def move(source, target, to_state="open", seconds=86_400):
        def write(uow):
            ids = {row.code: row.id for row in uow.execute(select(Stage.code, Stage.id))}
            values = {"from_stage_id": ids[source], "to_stage_id": ids[target]}
            uow.add(
                OpportunityMove(
                    opportunity_id=key,
                    at=uow.now,
                    from_state="open",
                    to_state=to_state,
                    seconds_in_stage=seconds,
                    **values,
                )
            )

        office.write(write)

    move("new", "qualified")
    move("new", "new", "lost", 3 * 86_400)
    move("qualified", "new")
    move("qualified", "qualified", "won")
    asked = Question((MONTH,), "none")
    flow = {each.name: each for each in office.read(lambda u: stage_flow(u, asked), "employee")}
    new, qualified = flow.values()
    assert (new.open_count, new.open_amount, new.left_count) == (1, 100, 2)
    assert (new.further, new.days) == (Decimal("0.5"), Decimal(2))
    assert (qualified.open_amount, qualified.further) == (50, Decimal("0.5"))
    assert office.read(lambda uow: stage_flow(uow, asked), "outsider") == []


def test_weights_are_exact_however_large_the_amount(office, deal):
    """A hundred million million in a small currency times a third, to the last place."""
    deal("employee", "99999999999999.9999", close=IN, chance="0.333333")
    deal("employee", "0.0001", close=IN, chance="0.5")
    deal("employee", "0.0001", close=IN, chance="0.499999")
    figures = shown(office, "employee").rows[0].figures
    first = (Decimal("99999999999999.9999") * Decimal("0.333333")).quantize(Decimal("0.0001"))
    assert figures.weighted_amount == first + Decimal("0.0001")


def test_every_query_named_by_a_figure_is_there():
    from crm_sales.services.forecast import statements

    for each in (*FIGURES, *STAGE_FIGURES):
        assert not each.query or callable(getattr(statements, each.query)), each
        assert hasattr(Figures(), each.code) or each in STAGE_FIGURES


days = st.dates(date(1950, 1, 1), date(2150, 12, 31))


@given(days, st.sampled_from(["month", "quarter"]), st.integers(-24, 24))
def test_periods_tile_the_calendar(day, kind, count):
    period = period_of(day, kind)
    assert period.first_on <= day <= period.last_on
    assert period.shifted(1).first_on == period.last_on + timedelta(days=1)
    assert period.shifted(count).shifted(-count) == period
    assert period_from(period.code, TODAY) == period
    assert [period_of(first) for first in period.months][-1].last_on == period.last_on


@pytest.mark.parametrize("text", ["2026-13", "2026-Q5", "26-01", "soon", "+99", "9999-Q4"])
def test_what_is_no_period_is_refused(text):
    with pytest.raises(InputError) as caught:
        period_from(text, TODAY)
    assert caught.value.code == "sales.forecast.period"


amounts = st.decimals(0, 10**9, places=2)


@given(st.lists(st.tuples(amounts, amounts, st.none() | amounts), max_size=5))
def test_totals_are_the_sums_of_their_rows(rows):
    from crm_sales.services.forecast.rows import added_up

    made = [Figures(open_amount=a, won_amount=b, target_amount=c) for a, b, c in rows]
    total = added_up(made)
    assert total.best_amount == sum((each.best_amount for each in made), Decimal(0))
    aims = [c for *_, c in rows if c is not None]
    assert total.target_amount == (sum(aims) if aims else None)
    assert total.missing_amount is None or total.missing_amount >= 0
    assert set(Figures.__dataclass_fields__) >= COUNTS
