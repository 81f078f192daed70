"""The calibration report: learnt before a day, held against what was closed after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from crm_core.errors import InputError
from crm_sales.models import Opportunity
from crm_sales.services.scoring.calibration import calibrate_scores
from crm_sales.services.scoring.training import train_scores


def report(office, login=None, since=None):
    return office.read(lambda uow: calibrate_scores(uow, since), login)


def test_scores_are_held_against_what_came_later(office, deal, past):
    past(days=200)
    office.write(train_scores)
    chances = {}
    for source in ("web", "fair"):
        deal_id = deal(source=source)
        statement = select(Opportunity.probability).where(Opportunity.id == deal_id)
        chances[source] = float(office.read(lambda uow, asked=statement: uow.scalar(asked)))
    past(days=30)
    office.write(train_scores)
    found = report(office)
    web, fair = chances["web"], chances["fair"]
    squares = 30 * (1 - web) ** 2 + 10 * web**2 + 10 * (1 - fair) ** 2 + 30 * fair**2
    assert (found["trained_won"], found["trained_lost"]) == (40, 40)
    assert (found["tested"], found["won"], found["left_out"]) == (80, 40, 0)
    assert found["brier"] == pytest.approx(squares / 80)
    assert found["base_brier"] == pytest.approx(0.25)
    assert found["skill"] > 0.2
    filled = [each for each in found["bins"] if each["count"]]
    assert [(each["count"], each["observed"]) for each in filled] == [(40, 0.25), (40, 0.75)]
    assert all(each["least"] < each["observed"] < each["most"] for each in filled)
    assert found["refusal"] is None


def test_it_tests_what_one_may_see_alone(office, past):
    past(days=200, times=2)
    past(days=30)
    past("outsider", days=30)
    office.write(train_scores)
    seen = {login: report(office, login)["tested"] for login in ("admin", "manager", "employee")}
    assert seen == {"admin": 160, "manager": 80, "employee": 80}
    assert report(office, "readonly")["tested"] == 160
    assert report(office, "outsider")["tested"] == 80


def test_why_there_is_nothing_to_report(office, past):
    assert report(office)["refusal"].startswith("No deal that you may see was closed since")
    past(days=30)
    office.write(train_scores)
    found = report(office)
    assert (found["tested"], found["left_out"], found["brier"]) == (0, 80, None)
    assert found["refusal"].startswith("Too few deals are closed for scores: 0 won and 0 lost")
    tomorrow = datetime.now(UTC).date() + timedelta(days=2)
    with pytest.raises(InputError, match="lies in the future"):
        report(office, since=tomorrow)
