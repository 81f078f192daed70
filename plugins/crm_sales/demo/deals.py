"""Two years of deals: those that became orders, those that were lost, and those still open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from crm_core.ids import new_id
from crm_core.persistence.bulk import insert_rows, table_of
from crm_core.persistence.session import audit_row, plain_value
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.engagement_bulk import save_engagement
from crm_sales.demo.company import DAYS, Company, Order, known
from crm_sales.models import (
    DealState,
    NextStep,
    Opportunity,
    OpportunityMove,
    OpportunityTag,
    ScoreOverride,
)

SEED = 1
WON_SHARE = 0.45
"""Of the orders, those that were deals before; the others just came in."""
LOST_SHARE = 1.15
"""Lost deals for each won one."""
OPEN_SHARE = 0.17
"""Open deals for each customer."""
SOURCES = ("Recommendation", "Web site", "Catalogue", "Phone", "Trade fair")
NAMES = (
    "{what} for the season",
    "Yearly need of {what}",
    "First order of {what}",
    "{what} for the new rooms",
    "{what}: another supplier wanted",
)
CAMPAIGN, SPRING = "Spring fair", (3, 4, 5)
STEPS = (
    ("call", "Ask whether the offer is clear"),
    ("visit", "Show the samples"),
    ("email", "Send the list of prices"),
    ("call", "Ask who decides, and when"),
    ("meeting", "Agree on quantities"),
)
WORDS = (
    (Decimal("0.9"), "The owner shook hands on it"),
    (Decimal("0.05"), "Their buyer left, nobody follows up"),
    (Decimal("0.7"), "Budget is approved, the contract is with their lawyer"),
)


@dataclass(frozen=True, slots=True)
class Fate:
    """What sets deals that end in one way apart from others; the weights of each choice.

    Attributes:
        sources: Of :data:`SOURCES`.
        tags: Tag to the share of deals that bear it.
        times: How much larger they are than usual orders.
    """

    sources: Sequence[int]
    tags: Mapping[str, float]
    times: Sequence[str]


FATES = {
    DealState.WON: Fate(
        (40, 32, 15, 8, 5), {"Knows us": 0.55, "Asks others too": 0.12, "Urgent": 0.3}, ("1",)
    ),
    DealState.LOST: Fate(
        (8, 16, 16, 26, 34),
        {"Knows us": 0.15, "Asks others too": 0.5, "Urgent": 0.12},
        ("0.8", "1", "1.5", "2.5", "4"),
    ),
    DealState.OPEN: Fate(
        (23, 24, 16, 18, 19),
        {"Knows us": 0.35, "Asks others too": 0.3, "Urgent": 0.2},
        ("0.9", "1", "1.2", "2", "3"),
    ),
}
REASONS = {"price": 32, "competitor": 24, "timing": 20, "no_fit": 10, "no_answer": 14}
SKIPPED = 0.15
"""Stages that a deal leaves out."""
LOST_IN = (26, 30, 28, 16)
"""Weights of the stages in which deals are lost."""


@dataclass(slots=True)
class Story:
    """Rows to be written, and what else of them is told of."""

    company: Company
    random: Random
    deals: list[dict[str, Any]] = field(default_factory=list)
    moves: list[dict[str, Any]] = field(default_factory=list)
    tags: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    activities: list[dict[str, Any]] = field(default_factory=list)
    overrides: list[dict[str, Any]] = field(default_factory=list)
    paths: dict[UUID, list[tuple[datetime, int]]] = field(default_factory=dict)
    """Deal to when it entered which stage, by its place."""


def tell_deals(uow: UnitOfWork) -> Story:
    """Write the deals with their moves, tags, next steps and overrides."""
    story = Story(known(uow), Random(SEED))  # noqa: S311  a story, no secret
    company, random = story.company, story.random
    won = [order for order in company.orders if random.random() < WON_SHARE]
    for order in won:
        _tell_won(story, order)
    if company.orders:
        for _ in range(round(len(won) * LOST_SHARE)):
            _tell_lost(story, random.choice(company.orders))
        for _ in range(round(len(company.customers) * OPEN_SHARE)):
            _tell_open(story, random.choice(company.orders))
    _write(uow, story)
    return story


def _tell_won(story: Story, order: Order) -> None:
    random = story.random
    closed = _at(random, order.issued_on)
    began = closed - timedelta(days=random.randint(10, 75), minutes=random.randrange(300))
    path = _path(random, began, closed, len(story.company.stages) - 1)
    deal = _deal(story, order, DealState.WON, path, order.issued_on)
    _close(story, deal, closed, story.company.stages[-1].id)


def _tell_lost(story: Story, like: Order) -> None:
    random, company = story.random, story.company
    day = company.today - timedelta(days=random.randint(1, DAYS))
    closed = _at(random, day)
    began = closed - timedelta(days=random.randint(7, 110), minutes=random.randrange(300))
    open_stages = len(company.stages) - 1
    last = random.choices(range(open_stages), _fitting(LOST_IN, open_stages))[0]
    path = _path(random, began, closed, last + 1)
    deal = _deal(story, like, DealState.LOST, path, day)
    codes = [code for code in REASONS if code in company.reasons]
    code = random.choices(codes, [REASONS[each] for each in codes])[0]
    deal["loss_reason_id"] = company.reasons[code]
    if code == "competitor":
        deal["competitor_id"] = random.choice(company.competitors)
    _close(story, deal, closed, company.stages[last].id)


def _tell_open(story: Story, like: Order) -> None:
    random, company = story.random, story.company
    now = _at(random, company.today)
    age = random.randint(1, 90)
    reached = min(len(company.stages) - 1, 1 + random.randint(0, 1 + age // 25))
    began = now - timedelta(days=age, minutes=random.randrange(300))
    path = _path(random, began, now - timedelta(hours=3), reached)
    day = company.today + timedelta(days=random.randint(-10, 75))
    deal = _deal(story, like, DealState.OPEN, path, day)
    deal["is_committed"] = reached == len(company.stages) - 1 and random.random() < 0.45
    if random.random() < 0.72:
        _plan(story, deal)
    if len(story.overrides) < len(WORDS) and random.random() < 0.1:
        probability, reason = WORDS[len(story.overrides)]
        deal["is_overridden"] = True
        story.overrides.append(
            {
                "opportunity_id": deal["id"],
                "probability": probability,
                "reason": reason,
                "user_id": deal["owner_id"],
                "at": path[-1][0] + timedelta(hours=2),
            }
        )


def _deal(
    story: Story, like: Order, state: DealState, path: list[tuple[datetime, int]], close_on: date
) -> dict[str, Any]:
    """Add a deal that went this way, and the moves; one that is closed is closed afterwards."""
    random, company, fate = story.random, story.company, FATES[state]
    customer = company.customers.get(like.customer_id) or next(iter(company.customers.values()))
    product = company.products.get(like.product_id) if like.product_id else None
    what = (product.category or product.name) if product else "Supplies"
    began, last = path[0][0], path[-1]
    deal = {
        **dict.fromkeys(table_of(Opportunity).columns.keys()),
        "id": new_id(),
        "version": 1,
        "name": random.choice(NAMES).format(what=what.rpartition("/")[2].strip()),
        "customer_id": customer.id,
        "pipeline_id": company.pipeline_id,
        "stage_id": company.stages[last[1]].id,
        "state": DealState.OPEN.value,
        "owner_id": customer.owner_id,
        "team_id": company.teams.get(customer.owner_id),
        "expected_amount": _rounded(like.amount * Decimal(random.choice(fate.times))),
        "currency_code": like.currency_code,
        "expected_close_on": close_on,
        "is_committed": state is DealState.WON and random.random() < 0.5,
        "source": random.choices(SOURCES, fate.sources)[0],
        "campaign": CAMPAIGN if began.month in SPRING and random.random() < 0.4 else None,
        "country_code": customer.country_code,
        "language": customer.language,
        "product_id": product.id if product else None,
        "stage_entered_at": last[0],
        "is_overridden": False,
        "created_at": began,
        "updated_at": last[0],
    }
    story.deals.append(deal)
    story.paths[deal["id"]] = path
    story.moves.extend(_moves(company, deal, path))
    story.tags.extend(
        {"opportunity_id": deal["id"], "tag_id": company.tags[tag]}
        for tag, share in fate.tags.items()
        if random.random() < share
    )
    return deal


def _moves(
    company: Company, deal: Mapping[str, Any], path: Sequence[tuple[datetime, int]]
) -> Iterator[dict[str, Any]]:
    before: tuple[datetime, int] | None = None
    for at, place in path:
        yield {
            "id": new_id(),
            "opportunity_id": deal["id"],
            "at": at,
            "from_stage_id": company.stages[before[1]].id if before else None,
            "to_stage_id": company.stages[place].id,
            "from_state": DealState.OPEN.value if before else None,
            "to_state": DealState.OPEN.value,
            "seconds_in_stage": int((at - before[0]).total_seconds()) if before else None,
            "user_id": deal["owner_id"],
        }
        before = at, place


def _close(story: Story, deal: dict[str, Any], at: datetime, stage_id: UUID) -> None:
    is_won = stage_id == story.company.stages[-1].id
    state = DealState.WON if is_won else DealState.LOST
    story.moves.append(
        {
            "id": new_id(),
            "opportunity_id": deal["id"],
            "at": at,
            "from_stage_id": deal["stage_id"],
            "to_stage_id": stage_id,
            "from_state": DealState.OPEN.value,
            "to_state": state.value,
            "seconds_in_stage": int((at - deal["stage_entered_at"]).total_seconds()),
            "user_id": deal["owner_id"],
        }
    )
    deal.update(
        state=state.value,
        stage_id=stage_id,
        closed_at=at,
        stage_entered_at=at,
        updated_at=at,
        probability=Decimal(1 if is_won else 0),
    )


def _plan(story: Story, deal: Mapping[str, Any]) -> None:
    kind, summary = story.random.choice(STEPS)
    day = story.company.today + timedelta(days=story.random.randint(-4, 16))
    activity = {
        "id": new_id(),
        "customer_id": deal["customer_id"],
        "type": kind,
        "summary": summary,
        "due_at": _at(story.random, day),
        "owner_id": deal["owner_id"],
        "done_at": None,
        "done_by_id": None,
    }
    story.activities.append(activity)
    story.steps.append(
        {
            "activity_id": activity["id"],
            "opportunity_id": deal["id"],
            "sequence_step_id": None,
        }
    )


def _path(
    random: Random, began: datetime, ended: datetime, stages: int
) -> list[tuple[datetime, int]]:
    """Return when each of the first stages was entered."""
    places = [
        place for place in range(stages) if place in (0, stages - 1) or random.random() > 0.15
    ]
    spans = sorted(random.uniform(0.05, 0.95) for _ in places[1:])
    length = ended - began
    return [(began, 0), *zip((began + length * span for span in spans), places[1:], strict=True)]


def _fitting(weights: Sequence[int], count: int) -> list[int]:
    """Return as many weights as there are stages, the last one again where they do not do."""
    return [weights[min(place, len(weights) - 1)] for place in range(count)]


def _at(random: Random, day: date) -> datetime:
    return datetime.combine(day, time(8), UTC) + timedelta(minutes=random.randrange(540))


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))


def _write(uow: UnitOfWork, story: Story) -> None:
    connection = uow.connection()
    insert_rows(connection, Opportunity, story.deals)
    insert_rows(connection, OpportunityMove, story.moves)
    insert_rows(connection, OpportunityTag, story.tags)
    insert_rows(connection, ScoreOverride, story.overrides)
    save_engagement(uow, activities=story.activities)
    insert_rows(connection, NextStep, story.steps)
    _audit(uow, story)


def _audit(uow: UnitOfWork, story: Story) -> None:
    from crm_core.entities.system import AuditEntry

    rows = [
        audit_row(
            uow.actor,
            "create",
            Opportunity.__entity__,
            deal["id"],
            deal["customer_id"],
            {name: [None, plain_value(deal[name])] for name in ("name", "owner_id", "state")},
            deal["created_at"],
        )
        for deal in story.deals
    ]
    insert_rows(uow.connection(), AuditEntry, rows)
