"""Deals at odd moments."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_core.services.currencies import set_rate
from crm_core.services.settings import set_setting
from crm_hooks.contributions import IncomingRecord
from crm_sales.models import LossReason, Opportunity
from crm_sales.services.calendar_feed import calendar_of
from crm_sales.services.next_steps import plan_step
from crm_sales.services.opportunities import add_opportunity
from crm_sales.services.opportunity_list import in_base_currency
from crm_sales.sync.opportunities import apply

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])


def test_a_deal_lost_over_there_for_a_reason_out_of_use_here_is_lost(office: Any) -> None:
    customer_id = UUID(office.customer("employee"))
    deal_id = office.write(lambda uow: add_opportunity(uow, customer_id, "A shop").id, "employee")

    def retired(uow: Any) -> str:
        reason = uow.scalars(select(LossReason).where(LossReason.code == "price")).one()
        reason.archived_at = uow.now
        return str(reason.name)

    name = office.write(retired)
    told = IncomingRecord(deal_id, {"state": "lost", "loss_reason": name})
    office.write(lambda uow: apply(uow, [told]))
    deal = office.read(lambda uow: uow.get(Opportunity, deal_id))
    reason = office.read(lambda uow: uow.get(LossReason, deal.loss_reason_id))
    assert (deal.state, reason.code) == ("lost", "price")


def test_a_calibration_since_the_first_day_of_all_is_no_accident(office: Any, web: Any) -> None:
    office.write(lambda uow: set_setting(uow, "time_zone", "Europe/Athens"))
    boss = web("manager")
    for path in ("/sales/scores/", "/api/v1/sales/scores/calibration"):
        assert boss.get(f"{path}?since=0001-01-01").status == 200, path


def test_what_is_due_at_the_end_of_time_breaks_no_calendar(office: Any) -> None:
    customer_id = UUID(office.customer("employee"))
    deal_id = office.write(lambda uow: add_opportunity(uow, customer_id, "A shop").id, "employee")
    last = datetime.max.replace(tzinfo=UTC)
    office.write(lambda uow: plan_step(uow, deal_id, type="call", due_at=last), "employee")
    assert b"VCALENDAR" in office.read(calendar_of, "employee")


def test_a_deal_is_late_from_the_companys_midnight_on(
    web: Any, deal: Any, athens_day: date
) -> None:
    deal(name="Of today", expected_close_on=athens_day)
    deal(name="Of yesterday", expected_close_on=athens_day - timedelta(days=1))
    browser = web()
    browser.sign_in("employee")
    board = browser.get("/sales/board/")
    late = [card for card in board.all("li[@data-deal]") if card.findall(".//*[@class='over']")]
    assert [card.findtext(".//a/bdi") for card in late] == ["Of yesterday"]


def test_a_rate_holds_from_the_companys_midnight_on(office: Any, athens_day: date) -> None:
    office.write(lambda uow: set_rate(uow, "USD", "EUR", athens_day, Decimal("1.25")))
    sums = [{"USD": Decimal(10)}]
    assert office.read(lambda uow: in_base_currency(uow, sums), "employee") != [None]
