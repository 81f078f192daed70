"""Deals: lists of them, and one with its way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_core.errors import ConflictError, CrmError, InputError, RuleViolationError
from crm_core.messages import t
from crm_sales.models import DealState, Opportunity
from crm_sales.pages.board import key_in
from crm_sales.permissions import OPPORTUNITY_EDIT, OPPORTUNITY_VIEW
from crm_sales.services.moves import list_moves, next_stages
from crm_sales.services.opportunities import (
    move_opportunity,
    reopen_opportunity,
)
from crm_sales.services.opportunity_list import (
    DealFilter,
    in_base_currency,
    list_opportunities,
    show_opportunity,
    sums_of_customers,
)
from crm_sales.services.pipelines import (
    list_pipelines,
    live_stages,
    pipeline_named,
    stage_named,
)
from crm_sales.services.stage_checks import missing_by_stage, titles_of
from crm_web.sdk import Menu, Pages, Request

pages = Pages("sales_deals", "crm_sales", title=t("Deals"), prefix="/sales/deals")

SHOWN = 5
CARD = "sales_deals.deal"


@pages.get("/", right=OPPORTUNITY_VIEW, menu=Menu(t("Deals"), "money", "sales", 20))
def deals(request: Request) -> str:
    """List deals, those that close soonest first."""
    args = request.args
    state = args.get("state") or DealState.OPEN.value
    stage_code, pipeline_code = args.get("stage"), args.get("pipeline")
    is_narrow = bool(stage_code or pipeline_code)
    pipeline = pipeline_named(request.uow, pipeline_code or None) if is_narrow else None
    stage = stage_named(request.uow, pipeline.id, stage_code) if pipeline and stage_code else None
    mine = request.viewer.user_id if args.get("whose") == "mine" and request.viewer else None
    wanted = DealFilter(
        customer_id=key_in(request, "customer"),
        owner_id=mine or key_in(request, "owner"),
        team_id=key_in(request, "team"),
        pipeline_id=pipeline.id if pipeline else None,
        stage_id=stage.id if stage else None,
        state=None if state == "all" else state,
        text=(args.get("q") or "").strip() or None,
    )
    sort = "close" if state == DealState.OPEN else "newest"
    page = list_opportunities(request.uow, wanted, sort=sort, cursor=args.get("cursor") or None)
    return request.render(
        "sales/deals/list.html",
        page=page,
        state=state,
        stage=stage,
        pipeline=pipeline,
        pipelines=list_pipelines(request.uow),
        args={name: value for name, value in args.items() if value and name != "cursor"},
        may_edit=request.may(OPPORTUNITY_EDIT),
    )


@pages.get("/<uuid:opportunity_id>", right=OPPORTUNITY_VIEW, shows="sales_opportunity")
def deal(request: Request, opportunity_id: UUID) -> str:
    """Show a deal: what is known of it, the way it went, and where it may go."""
    return _card(request, opportunity_id)


@pages.post("/<uuid:opportunity_id>/move", right=OPPORTUNITY_EDIT)
def move(request: Request, opportunity_id: UUID) -> Any:
    """Bring a deal to another stage, or say why it may not go there."""
    stage_id = key_in(request, "stage")
    return _done(
        request,
        opportunity_id,
        lambda version: move_opportunity(
            request.uow, opportunity_id, stage_id or UUID(int=0), expected_version=version
        ),
    )


@pages.post("/<uuid:opportunity_id>/reopen", right=OPPORTUNITY_EDIT)
def reopen(request: Request, opportunity_id: UUID) -> Any:
    """Open a closed deal again."""
    return _done(
        request,
        opportunity_id,
        lambda version: reopen_opportunity(request.uow, opportunity_id, expected_version=version),
    )


@pages.panel("customer", t("Deals"), right=OPPORTUNITY_VIEW, position=10)
def of_customer(request: Request, customer_id: UUID) -> str:
    """Show a customer's deals, the open ones first."""
    uow = request.uow
    newest = list_opportunities(uow, DealFilter(customer_id), sort="newest", limit=SHOWN)
    found = sorted(newest.items, key=lambda each: each["state"] != "open")
    if not found and not request.may(OPPORTUNITY_EDIT):
        return ""
    if newest.next_cursor:
        wanted = DealFilter(customer_id, state="open")
        still_open = list_opportunities(uow, wanted, sort="newest", limit=SHOWN).items
        found = list(still_open) or found
        count, sums = sums_of_customers(uow, [customer_id]).get(customer_id, (0, {}))
    else:  # these are all: no need to ask again
        count, sums = _summed([each for each in found if each["state"] == "open"])
    return request.render(
        "sales/deals/panel.html",
        deals=found,
        count=count,
        amounts=sums,
        base_currency=request.settings.base_currency,
        base_amount=in_base_currency(uow, [sums])[0],
        customer_id=customer_id,
        may_edit=request.may(OPPORTUNITY_EDIT),
    )


def _summed(deals: Sequence[Mapping[str, Any]]) -> tuple[int, dict[str, Decimal]]:
    sums: dict[str, Decimal] = {}
    for each in deals:
        if each["expected_amount"] is not None:
            code = each["currency_code"]
            sums[code] = sums.get(code, Decimal(0)) + each["expected_amount"]
    return len(deals), sums


@pages.panel("home", t("My deals"), right=OPPORTUNITY_EDIT, position=20)
def mine(request: Request) -> str:
    """Show the open deals of whoever looks, those that close soonest first."""
    assert request.viewer is not None
    wanted = DealFilter(owner_id=request.viewer.user_id, state="open")
    page = list_opportunities(request.uow, wanted, limit=SHOWN)
    if not page.items:
        return ""
    return request.render("sales/deals/mine.html", page=page)


def version_read(request: Request) -> int | None:
    """Return the version of the record that the form was opened with, None for any."""
    version = request.form.get("version", "")
    return int(version) if version.isdecimal() else None


def _card(request: Request, opportunity_id: UUID, error: CrmError | None = None) -> str:
    uow = request.uow
    record = uow.get(Opportunity, opportunity_id)
    found = show_opportunity(uow, record.id)
    stages = live_stages(uow, record.pipeline_id)
    may_edit = bool(
        request.actor and request.actor.may_for_owner(OPPORTUNITY_EDIT, record.owner_id)
    )
    ways = next_stages(uow, record, stages) if record.state == DealState.OPEN else []
    return request.render(
        "sales/deals/deal.html",
        deal=found,
        stages=stages,
        allowed={stage.id for stage in ways},
        missing={
            key: titles_of(names) for key, names in missing_by_stage(uow, record, ways).items()
        },
        moves=list_moves(uow, opportunity_id),
        may_edit=may_edit,
        error=error,
        now=uow.now,
    )


def _done(request: Request, opportunity_id: UUID, act: Callable[[int | None], Opportunity]) -> Any:
    try:
        changed = act(version_read(request))
        request.uow.flush()
    except (InputError, ConflictError, RuleViolationError) as error:
        page = _card(request, opportunity_id, error)
        return page, error.http_status
    return request.done(t("Saved."), to=CARD, opportunity_id=changed.id)
