"""What was forecast is kept once a day, and held against what came."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, update

from crm_core.errors import CrmError, PermissionDeniedError
from crm_sales.jobs.forecast import keep_forecast
from crm_sales.models import DealExpectation, ForecastFigure, ForecastSnapshot, Opportunity
from crm_sales.services.forecast.periods import period_of
from crm_sales.services.forecast.snapshots import forecast_outcomes, forecast_told, take_snapshot
from crm_sales.services.forecast.statements import Question

from .conftest import TODAY

MONTH = period_of(TODAY)


def told(office, login, **asked):
    return office.read(lambda uow: forecast_told(uow, Question((MONTH,), **asked)), login)


def test_a_day_is_kept_once(office, deal):
    deal("employee", 100, close=MONTH.last_on)
    assert office.write(take_snapshot) == 1
    deal("employee", 900, close=MONTH.last_on)
    assert office.write(take_snapshot) is None
    (day,) = told(office, "employee")
    assert (day.taken_on, day.best_amount, day.weighted_amount) == (TODAY, 100, 50)


@pytest.mark.parametrize("login", ["employee", "manager", "readonly", "outsider"])
@pytest.mark.parametrize("kind", ["sqlite"])
def test_nobody_keeps_for_all_what_they_see_in_part(office, deal, login):
    deal("employee", 100, close=MONTH.last_on)
    with pytest.raises(PermissionDeniedError):
        office.write(take_snapshot, login)
    assert office.write(take_snapshot, "admin") == 1


def test_of_two_at_once_one_keeps_the_day(office, deal):
    """The second fails at the day's own row, whole, and finds it kept the next time."""
    deal("employee", 100, close=MONTH.last_on)

    def late(uow):
        uow.add(ForecastSnapshot(taken_on=TODAY, taken_at=uow.now))
        uow.flush()

    office.write(take_snapshot)
    with pytest.raises(CrmError):
        office.write(late)
    assert office.read(lambda uow: uow.scalar(select(func.count(ForecastFigure.id)))) == 1


def test_each_sees_what_was_forecast_of_their_own(office, deal):
    for owner, amount in (("employee", 1), ("manager", 10), ("outsider", 100), (None, 1000)):
        deal(owner, amount, close=MONTH.last_on)
    office.write(keep_forecast)
    seen = {
        login: [day.best_amount for day in told(office, login)]
        for login in ("employee", "manager", "outsider", "readonly")
    }
    assert seen == {"employee": [1], "manager": [11], "outsider": [100], "readonly": [1111]}
    other = office.known.users["outsider"]
    assert told(office, "manager", user_id=other) == []
    assert office.read(lambda uow: uow.scalar(select(func.count(DealExpectation.id)))) == 4


def test_what_was_forecast_is_held_against_what_came(office, deal):
    before = MONTH.shifted(-1)
    deal("employee", 80, state="won", closed=before.first_on)
    deal("employee", 5, close=MONTH.last_on)

    def kept(uow):
        for day, weighted in ((before.first_on, 120), (before.last_on, 90)):
            uow.add(ForecastSnapshot(taken_on=day, taken_at=uow.now))
            uow.flush()
            amounts = {f"{name}_amount": Decimal(weighted) for name in ("committed", "best")}
            uow.add(
                ForecastFigure(
                    taken_on=day,
                    month_on=before.first_on,
                    user_id=office.known.users["employee"],
                    currency_code="EUR",
                    won_amount=Decimal(0),
                    weighted_amount=Decimal(weighted),
                    open_count=1,
                    **amounts,
                )
            )

    office.write(kept)
    asked = Question((MONTH,))
    *_, last, now = office.read(lambda uow: forecast_outcomes(uow, asked, count=3), "employee")
    assert (last.period, last.won_amount, last.is_over) == (before, 80, True)
    assert last.told.weighted_amount == 120
    assert last.off_by == Decimal("0.5")
    assert (now.period, now.told, now.off_by) == (MONTH, None, None)
    quarter = Question((period_of(before.first_on, "quarter"),))
    (whole,) = office.read(lambda uow: forecast_outcomes(uow, quarter, count=1), "employee")
    assert whole.told.weighted_amount == 120
    assert office.read(lambda uow: forecast_outcomes(uow, asked), "outsider")[-2].told is None


def test_what_changed_is_noted_by_the_next_job_however_it_was_changed(office, deal):
    key = deal("employee", 5, close=MONTH.last_on)
    office.write(keep_forecast)
    later = MONTH.last_on + timedelta(days=1)
    office.write(lambda uow: uow.execute(update(Opportunity).values(expected_close_on=later)))
    office.write(keep_forecast)
    noted = select(DealExpectation.number, DealExpectation.previous_close_on)
    noted = noted.where(DealExpectation.opportunity_id == key).order_by(DealExpectation.number)
    assert office.read(lambda uow: [tuple(row) for row in uow.execute(noted)]) == [
        (1, None),
        (2, MONTH.last_on),
    ]
