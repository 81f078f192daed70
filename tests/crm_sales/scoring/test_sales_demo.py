"""The demo company's sales: deals that fit its orders, closed for reasons that a score can find."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from crm_core.access import system_actor
from crm_core.bootstrap import Application
from crm_core.cli.main import crm
from crm_core.config import load_config
from crm_core.entities import Transaction
from crm_sales.models import Lead, Opportunity, OpportunityMove, Quote, ScoreCount
from crm_sales.services.scoring.calibration import calibrate_scores

TODAY = "2026-11-20"


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """Make a demo company, or sync it again, and open it: ``demo("a")``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRM_CONFIG_HOME", str(tmp_path))
    opened = []

    def made(name):
        words = ["demo", "--path", name, "--customers", "240", "--today", TODAY]
        done = CliRunner().invoke(crm, words)
        assert done.exit_code == 0, done.output
        assert "crm sales score calibration" in done.stdout
        folder = tmp_path / name
        flags = {"database_url": f"sqlite:///{folder / 'crm.sqlite'}"}
        opened.append(Application(load_config(flags, {"CRM_CONFIG_HOME": str(folder)}, folder)))
        return opened[-1]

    yield made
    for application in opened:
        application.close()


def read(application, act):
    with application.unit_of_work(system_actor("test")) as uow:
        return act(uow)


def story(uow):
    columns = ("name", "state", "expected_amount", "source", "closed_at", "probability")
    statement = select(*(getattr(Opportunity, name) for name in columns))
    return Counter(tuple(row) for row in uow.execute(statement))


@pytest.mark.slow
def test_two_years_of_deals_that_fit_the_orders(demo):
    application = demo("a")
    orders = read(
        application,
        lambda uow: {
            (row.customer_id, row.issued_on, row.untaxed_amount)
            for row in uow.execute(
                select(Transaction.customer_id, Transaction.issued_on, Transaction.untaxed_amount)
            )
        },
    )
    deals = read(application, lambda uow: uow.scalars(select(Opportunity)).all())
    ended = Counter(each.state for each in deals)
    assert set(ended) == {"won", "lost", "open"}
    for each in deals:
        if each.state == "won":
            key = each.customer_id, each.closed_at.date(), each.expected_amount
            assert key in orders, "a deal was won that nobody ordered"
        elif each.state == "lost":
            assert each.loss_reason_id is not None
        else:
            assert 0 < each.probability < 1
    counts = read(
        application,
        lambda uow: [
            uow.scalar(select(func.count()).select_from(model))
            for model in (ScoreCount, OpportunityMove, Lead, Quote)
        ],
    )
    assert counts[0] == ended["won"] + ended["lost"]
    assert counts[1] > 2 * len(deals)
    assert min(counts) > 0
    found = read(application, lambda uow: calibrate_scores(uow, date(2026, 5, 1)))
    assert found["tested"] > 50
    assert found["skill"] > 0, "the reasons can be found"
    told = read(application, story)
    assert read(demo("a"), story) == told, "done before, nothing changes"
    assert read(demo("b"), story) == told, "the same day tells the same story"
