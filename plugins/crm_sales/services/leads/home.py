"""New leads among what needs a user today."""

from __future__ import annotations

from sqlalchemy import func, select

from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_hooks.contributions import HomeCard, HomeItem
from crm_sales.models import Lead, LeadState
from crm_sales.permissions import LEAD_VIEW

FIRST_FEW, COUNTED = 5, 100


def new_leads(uow: UnitOfWork) -> list[HomeCard]:
    """Return the user's new leads, the first that came in first; nothing where there are none."""
    uow.actor.require(LEAD_VIEW)
    if uow.actor.user_id is None:
        return []
    mine = select(Lead.id).where(
        Lead.owner_id == uow.actor.user_id, Lead.state == LeadState.NEW.value
    )
    count = uow.scalar(select(func.count()).select_from(mine.limit(COUNTED + 1).subquery()))
    if not count:
        return []
    rows = uow.execute(
        mine.with_only_columns(Lead.id, Lead.name, Lead.company, Lead.source, Lead.assigned_at)
        .order_by(Lead.id)
        .limit(FIRST_FEW)
    )
    items = tuple(
        HomeItem(row.name, "sales_lead", row.id, row.company or row.source or "", row.assigned_at)
        for row in rows
    )
    most = min(count, COUNTED)
    return [HomeCard("sales.new_leads", t("New leads for you"), most, items, count > most)]
