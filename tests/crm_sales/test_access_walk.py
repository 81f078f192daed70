"""Every page and operation of the sales module, walked as every role, another team and nobody."""

from __future__ import annotations

from datetime import date

import pytest

import sales_walk
import web_walk
from access_walk import *  # noqa: F403
from access_walk import changed, foreign_in, still
from crm_sales.models import CalendarFeed, Quote
from web_desk import offices
from web_office import MARKS
from web_walk import steps

pytestmark = pytest.mark.slow
sales_walk.told()
sqlite_office, postgres_office = offices("web", "sales", more=sales_walk.sold)


@pytest.fixture
def area() -> str:
    """The module's routes."""
    return sales_walk.AREA


@pytest.fixture
def happens(office):
    """Others get leads, deals, steps, offers, targets and handovers."""

    def happens(uow):
        for owner in ("employee", "manager", ""):
            sales_walk.sold_to(uow, office.known, owner, f"{MARKS[owner]} more", days=4)

    return happens


def test_no_other_route_opens_without_signing_in(office):
    public = {step.endpoint for step in steps(office.app, sales_walk.AREA) if step.is_public}
    assert public == sales_walk.PUBLIC
