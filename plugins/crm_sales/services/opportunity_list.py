"""Reading deals: one with all that is known of it, and lists of many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import aliased

from crm_core.entities import Activity, Customer, Product, Team, User
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_by, page_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.currencies import rates_on
from crm_core.services.settings import company_day, load_settings
from crm_sales.models import (
    Competitor,
    DealState,
    LossReason,
    NextStep,
    Opportunity,
    Pipeline,
    Stage,
)
from crm_sales.permissions import OPPORTUNITY_VIEW
from crm_sales.services.opportunities import tags_of

SORTS = ("close", "newest")


@dataclass(frozen=True, slots=True)
class DealFilter:
    """Which deals are asked for; None asks for all.

    Attributes:
        customer_id: Of this customer.
        owner_id: That this user works on.
        team_id: Of this team.
        pipeline_id: In this pipeline.
        stage_id: In this stage.
        state: A ``DealState``.
        text: Whose name holds this text.
    """

    customer_id: UUID | None = None
    owner_id: UUID | None = None
    team_id: UUID | None = None
    pipeline_id: UUID | None = None
    stage_id: UUID | None = None
    state: str | None = None
    text: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what a statement on deals has to ask for."""
        equal: Mapping[Any, Any] = {
            Opportunity.customer_id: self.customer_id,
            Opportunity.owner_id: self.owner_id,
            Opportunity.team_id: self.team_id,
            Opportunity.pipeline_id: self.pipeline_id,
            Opportunity.stage_id: self.stage_id,
            Opportunity.state: self.state,
        }
        found = [column == value for column, value in equal.items() if value is not None]
        if self.text:
            found.append(Opportunity.name.icontains(self.text, autoescape=True))
        return found


EVERYTHING = DealFilter()


def list_opportunities(
    uow: UnitOfWork,
    wanted: DealFilter = EVERYTHING,
    *,
    sort: str = "close",
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return deals that the actor may see.

    Args:
        uow: The unit of work.
        wanted: Which.
        sort: ``close`` for those that close soonest first, ``newest`` for the last added first.
        limit: Items a page.
        cursor: ``next_cursor`` of the page before.

    Returns:
        Dicts of ``id, name, customer_id, customer_name, owner_id, owner_name, stage_id, stage_name,
        pipeline_code, state, expected_amount, currency_code, expected_close_on, is_committed,
        probability, stage_entered_at, closed_at, next_due_at, is_rotting, version``. The customer's
        name is None where the actor may not see the customer.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    if sort not in SORTS:
        raise InputError(
            t(
                "Deals cannot be sorted by {sort!r}; choose one of {sorts}.",
                sort=sort,
                sorts=", ".join(SORTS),
            ),
            code="core.page.sort",
        )
    if wanted.state is not None and wanted.state not in set(DealState):
        raise InputError(
            t(
                "A deal is never {state!r}; choose one of {states}.",
                state=wanted.state,
                states=", ".join(DealState),
            ),
            code="sales.opportunity.state",
        )
    statement = deal_rows().where(*wanted.conditions())
    if sort == "newest":
        page = page_of(
            uow, statement, keys=(Opportunity.id,), limit=limit, cursor=cursor, descending=True
        )
    else:
        page = page_by(
            uow,
            statement,
            key=Opportunity.expected_close_on,
            tie=Opportunity.id,
            name="expected_close_on",
            limit=limit,
            cursor=cursor,
        )
    return Page(marked(page.items, uow.now), page.next_cursor)


def deal_rows() -> Select[*tuple[Any, ...]]:
    """Select the columns of a deal in a list, with the names of what it stands with."""
    next_due_at = (
        select(func.min(Activity.due_at))
        .join(NextStep, NextStep.activity_id == Activity.id)
        .where(NextStep.opportunity_id == Opportunity.id, Activity.is_open.is_(True))
        .correlate(Opportunity)
        .scalar_subquery()
    )
    return (
        select(
            Opportunity.id,
            Opportunity.name,
            Opportunity.customer_id,
            Customer.name.label("customer_name"),
            Opportunity.owner_id,
            User.name.label("owner_name"),
            Opportunity.stage_id,
            Stage.name.label("stage_name"),
            Stage.rotting_days,
            Pipeline.code.label("pipeline_code"),
            Opportunity.state,
            Opportunity.expected_amount,
            Opportunity.currency_code,
            Opportunity.expected_close_on,
            Opportunity.is_committed,
            Opportunity.probability,
            Opportunity.stage_entered_at,
            Opportunity.closed_at,
            next_due_at.label("next_due_at"),
            Opportunity.version,
        )
        .join(Stage, Stage.id == Opportunity.stage_id)
        .join(Pipeline, Pipeline.id == Opportunity.pipeline_id)
        .outerjoin(Customer, Customer.id == Opportunity.customer_id)
        .outerjoin(User, User.id == Opportunity.owner_id)
    )


def marked(rows: Iterable[Mapping[Any, Any]], now: datetime) -> list[dict[str, Any]]:
    """Return rows of deals, each with ``is_rotting`` in place of the stage's limit."""
    found = []
    for row in rows:
        item = dict(row)
        days = item.pop("rotting_days")
        item["is_rotting"] = (
            item["state"] == DealState.OPEN
            and days is not None
            and now - item["stage_entered_at"] > timedelta(days=days)
        )
        found.append(item)
    return found


def show_opportunity(uow: UnitOfWork, opportunity_id: UUID) -> dict[str, Any]:
    """Return a deal with all that is known of it, ``tags`` among it.

    Beside the fields of the record it has ``customer_name``, ``contact_name``, ``owner_name``,
    ``team_name``, ``product_name``, ``stage_code``, ``stage_name``, ``pipeline_code``,
    ``pipeline_name``, ``loss_reason``, ``competitor`` and ``is_rotting``. Names of customers whom
    the actor may not see are None.

    Raises:
        NotFoundError: There is none that the actor may see.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    uow.get(Opportunity, opportunity_id)
    contact = aliased(Customer)
    statement = (
        select(
            *Opportunity.__mapper__.column_attrs,
            Customer.name.label("customer_name"),
            contact.name.label("contact_name"),
            User.name.label("owner_name"),
            Team.name.label("team_name"),
            Product.name.label("product_name"),
            Stage.code.label("stage_code"),
            Stage.name.label("stage_name"),
            Stage.rotting_days,
            Pipeline.code.label("pipeline_code"),
            Pipeline.name.label("pipeline_name"),
            LossReason.name.label("loss_reason"),
            Competitor.name.label("competitor"),
        )
        .join(Stage, Stage.id == Opportunity.stage_id)
        .join(Pipeline, Pipeline.id == Opportunity.pipeline_id)
        .outerjoin(Customer, Customer.id == Opportunity.customer_id)
        .outerjoin(contact, contact.id == Opportunity.contact_id)
        .outerjoin(User, User.id == Opportunity.owner_id)
        .outerjoin(Team, Team.id == Opportunity.team_id)
        .outerjoin(Product, Product.id == Opportunity.product_id)
        .outerjoin(LossReason, LossReason.id == Opportunity.loss_reason_id)
        .outerjoin(Competitor, Competitor.id == Opportunity.competitor_id)
        .where(Opportunity.id == opportunity_id)
    )
    (found,) = marked([uow.execute(statement).mappings().one()], uow.now)
    return {**found, "tags": tags_of(uow, [opportunity_id]).get(opportunity_id, [])}


def in_base_currency(
    uow: UnitOfWork, several: Sequence[Mapping[str, Decimal]]
) -> list[Decimal | None]:
    """Return amounts by currency, each as one of the company's own, at today's rates.

    None where no rate leads from one of them: a sum that leaves something out would mislead.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    base = load_settings(uow).base_currency
    codes = {code for sums in several for code in sums} - {base}
    rates = rates_on(uow, [*codes, base], company_day(uow)) if codes else None
    found: list[Decimal | None] = []
    for sums in several:
        total = sums.get(base, Decimal(0))
        for code, amount in sums.items():
            if code != base and rates is not None:
                converted = rates.convert(amount, code, base)
                if converted is None:
                    found.append(None)
                    break
                total += converted.amount
        else:
            found.append(total)
    return found


def sums_of_customers(
    uow: UnitOfWork, customer_ids: Sequence[UUID]
) -> dict[UUID, tuple[int, dict[str, Decimal]]]:
    """Return how many open deals customers have and what those may bring, by currency."""
    uow.actor.require(OPPORTUNITY_VIEW)
    statement = (
        select(
            Opportunity.customer_id,
            Opportunity.currency_code,
            func.count().label("deals"),
            func.sum(Opportunity.expected_amount).label("amount"),
        )
        .where(Opportunity.customer_id.in_(list(customer_ids)), Opportunity.state == DealState.OPEN)
        .group_by(Opportunity.customer_id, Opportunity.currency_code)
        .order_by(Opportunity.currency_code)
    )
    found: dict[UUID, tuple[int, dict[str, Decimal]]] = {}
    for row in uow.execute(statement):
        count, sums = found.get(row.customer_id, (0, {}))
        if row.amount is not None:
            sums = {**sums, row.currency_code: row.amount}
        found[row.customer_id] = (count + row.deals, sums)
    return found
