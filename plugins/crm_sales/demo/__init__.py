"""The demo company's sales: two years of deals that fit its orders, leads, and what was expected.

They are won and lost for reasons that a score can find: where the interest came from, how large it
was, whether others were asked too. The same base tells the same story.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select

from crm_core.access import system_actor
from crm_core.bootstrap import Application
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.teams import add_team, add_team_member, list_teams
from crm_sales.demo.deals import tell_deals
from crm_sales.demo.history import tell_history
from crm_sales.demo.leads import tell_leads
from crm_sales.demo.offers import tell_offers
from crm_sales.models import Opportunity
from crm_sales.services.cross_sell.counting import count_affinities
from crm_sales.services.probability import rescore_deals
from crm_sales.services.scoring.training import train_scores

TEAM, MEMBERS = "Athens", ("alice", "eleni", "nikos", "katerina")
"""The web's demo has the same team, and makes it where it is not there yet."""


def prepare(application: Application) -> list[str]:
    """Fill an empty sales module, and say what to try; done before, nothing changes."""
    with application.unit_of_work(system_actor("demo"), write=True) as uow:
        if not uow.scalar(select(func.count(Opportunity.id))):
            _fill(uow)
            uow.commit()
    return [
        t("crm {line}", line=line)
        for line in ("sales score calibration", "sales deal list", "sales lead list")
    ]


def _fill(uow: UnitOfWork) -> None:
    if all(team["name"] != TEAM for team in list_teams(uow)):
        add_team(uow, TEAM)
    for login in MEMBERS:
        add_team_member(uow, TEAM, login)
    uow.flush()
    story = tell_deals(uow)
    tell_history(uow, story)
    tell_leads(uow)
    train_scores(uow)
    after: UUID | None = None
    while True:
        _, after = rescore_deals(uow, after=after)
        if after is None:
            break
    tell_offers(uow)
    count_affinities(uow)
