"""A deal's way through its pipeline: moving, winning, losing and reopening it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.errors import InputError, NotFoundError
from crm_core.events import MOST_IDS, RecordsChanged
from crm_core.messages import joined, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import LINE, filled, optional
from crm_sales.errors import DealClosedError, MoveRefusedError
from crm_sales.events import (
    OpportunityLost,
    OpportunityMoved,
    OpportunityReopened,
    OpportunityWon,
)
from crm_sales.models import (
    Competitor,
    DealState,
    LossReason,
    Opportunity,
    OpportunityMove,
    Stage,
    StageMove,
)
from crm_sales.permissions import CONFIGURE, OPPORTUNITY_EDIT, OPPORTUNITY_VIEW
from crm_sales.services.opportunity_access import expect_unchanged, permitted_opportunity
from crm_sales.services.pipelines import live_stages, won_stage
from crm_sales.services.probability import refresh_probability
from crm_sales.services.stage_checks import missing_for, titles_of


def move_opportunity(
    uow: UnitOfWork, opportunity_id: UUID, stage_id: UUID, *, expected_version: int | None = None
) -> Opportunity:
    """Bring an open deal to another stage of its pipeline; to the last one is to win it.

    Raises:
        DealClosedError: It is won or lost.
        MoveRefusedError: The stage is none of those it may go to, or the deal lacks what the
            stage asks for; ``details`` hold ``allowed`` and ``missing``.
        StaleVersionError: Somebody changed the deal since.
    """
    deal = _open(uow, opportunity_id, expected_version)
    stage = _stage_of(uow, deal, stage_id)
    if stage.is_won:
        return _won(uow, deal, stage, None)
    if stage.id != deal.stage_id:
        _require_way(uow, deal, stage)
        left = deal.stage_id
        _enter(uow, deal, stage.id, DealState.OPEN)
        uow.record(OpportunityMoved(deal.id, deal.customer_id, left, stage.id))
    return deal


def win_opportunity(
    uow: UnitOfWork,
    opportunity_id: UUID,
    *,
    note: str | None = None,
    expected_version: int | None = None,
) -> Opportunity:
    """Close a deal as won; what the last stage asks for has to be there.

    Raises:
        DealClosedError: It is won or lost already.
        MoveRefusedError: See :func:`move_opportunity`.
    """
    deal = _open(uow, opportunity_id, expected_version)
    return _won(uow, deal, won_stage(uow, deal.pipeline_id), note)


def lose_opportunity(
    uow: UnitOfWork,
    opportunity_id: UUID,
    *,
    reason_code: str,
    competitor: str | None = None,
    note: str | None = None,
    expected_version: int | None = None,
) -> Opportunity:
    """Close a deal as lost; it stays in the stage where it was.

    Args:
        uow: A writing unit of work.
        opportunity_id: Which.
        reason_code: Of a loss reason.
        competitor: Who got it; one that is not known yet is added.
        note: What is to be learned from it.
        expected_version: The version that was read; None to close whatever is there.

    Raises:
        NotFoundError: There is no such reason.
        InputError: The reason asks for a competitor.
        DealClosedError: It is won or lost already.
    """
    deal = _open(uow, opportunity_id, expected_version)
    reason = _reason(uow, reason_code)
    rival = optional(competitor, "competitor", most=LINE)
    if reason.needs_competitor and rival is None:
        raise InputError(
            t("{reason}: say to which competitor.", reason=reason.name),
            code="sales.opportunity.competitor",
        )
    deal.loss_reason_id = reason.id
    deal.competitor_id = _competitor_id(uow, rival) if rival else None
    _close(uow, deal, deal.stage_id, DealState.LOST, note)
    return deal


def reopen_opportunity(
    uow: UnitOfWork, opportunity_id: UUID, *, expected_version: int | None = None
) -> Opportunity:
    """Open a closed deal again, in the stage from which it was closed.

    Raises:
        DealClosedError: It is open.
    """
    deal = permitted_opportunity(uow, opportunity_id, OPPORTUNITY_EDIT)
    expect_unchanged(uow, deal, expected_version)
    if deal.state == DealState.OPEN:
        raise DealClosedError(
            t("The deal {deal} is open already.", deal=deal.name), code="sales.opportunity.open"
        )
    _reopen(uow, deal, _stage_before(uow, deal))
    return deal


def place_opportunity(
    uow: UnitOfWork,
    opportunity_id: UUID,
    *,
    state: str,
    stage_id: UUID | None = None,
    reason_code: str | None = None,
    at: datetime | None = None,
) -> Opportunity:
    """Put a deal where another system says it stands, whatever the stages ask for.

    Args:
        uow: A writing unit of work.
        opportunity_id: Which.
        state: A ``DealState``.
        stage_id: Of an open deal; None for where it is.
        reason_code: Of a lost one; None for no reason.
        at: When it was closed; now when None.
    """
    uow.actor.require(CONFIGURE)
    deal = permitted_opportunity(uow, opportunity_id, OPPORTUNITY_EDIT)
    if state == DealState.OPEN:
        if deal.state != DealState.OPEN:
            _reopen(uow, deal, stage_id or _stage_before(uow, deal))
        elif stage_id is not None and stage_id != deal.stage_id:
            left = deal.stage_id
            _enter(uow, deal, stage_id, DealState.OPEN)
            uow.record(OpportunityMoved(deal.id, deal.customer_id, left, stage_id))
    elif deal.state != state:
        closing = DealState(state)
        is_won = closing is DealState.WON
        stage = won_stage(uow, deal.pipeline_id).id if is_won else stage_id or deal.stage_id
        deal.loss_reason_id = _reason(uow, reason_code).id if reason_code and not is_won else None
        deal.competitor_id = None if is_won else deal.competitor_id
        _close(uow, deal, stage, closing, None, at)
    return deal


def resettle_opportunities(uow: UnitOfWork, from_stage_id: UUID, to_stage_id: UUID) -> int:
    """Bring open deals from a stage that is archived to another, and return how many.

    At most a thousand at a time, so call it until it returns 0.
    """
    uow.actor.require(CONFIGURE)
    standing = select(Opportunity).where(
        Opportunity.stage_id == from_stage_id, Opportunity.state == DealState.OPEN
    )
    deals = uow.scalars(standing.order_by(Opportunity.id).limit(MOST_IDS)).all()
    for deal in deals:
        _step(uow, deal, to_stage_id, DealState.OPEN)
        uow.record(OpportunityMoved(deal.id, deal.customer_id, from_stage_id, to_stage_id))
    if deals:
        refresh_probability(uow, deals)
        uow.record(RecordsChanged(Opportunity.__entity__, tuple(deal.id for deal in deals)))
    uow.flush()
    return len(deals)


def next_stages(
    uow: UnitOfWork, opportunity: Opportunity, stages: Sequence[Stage] | None = None
) -> Sequence[Stage]:
    """Return the stages to which an open deal may go from where it stands, in their order.

    Args:
        uow: The unit of work.
        opportunity: The deal.
        stages: Those of its pipeline that are not archived, for who has them at hand.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    if stages is None:
        stages = live_stages(uow, opportunity.pipeline_id)
    named = set(
        uow.scalars(
            select(StageMove.to_stage_id).where(StageMove.from_stage_id == opportunity.stage_id)
        )
    )
    return [
        stage
        for stage in stages
        if stage.id != opportunity.stage_id and (not named or stage.id in named)
    ]


def list_moves(uow: UnitOfWork, opportunity_id: UUID) -> list[dict[str, Any]]:
    """Return the moves of a deal, the first first.

    A dict holds ``id, at, from_stage, to_stage, from_state, to_state, seconds_in_stage, who``.
    """
    from sqlalchemy.orm import aliased

    from crm_core.entities import User

    uow.actor.require(OPPORTUNITY_VIEW)
    left, entered = aliased(Stage), aliased(Stage)
    statement = (
        select(
            OpportunityMove.id,
            OpportunityMove.at,
            left.name.label("from_stage"),
            entered.name.label("to_stage"),
            OpportunityMove.from_state,
            OpportunityMove.to_state,
            OpportunityMove.seconds_in_stage,
            User.name.label("who"),
        )
        .outerjoin(left, left.id == OpportunityMove.from_stage_id)
        .join(entered, entered.id == OpportunityMove.to_stage_id)
        .outerjoin(User, User.id == OpportunityMove.user_id)
        .where(OpportunityMove.opportunity_id == opportunity_id)
        .order_by(OpportunityMove.at, OpportunityMove.id)
    )
    return [dict(row._mapping) for row in uow.execute(statement)]


def _open(uow: UnitOfWork, opportunity_id: UUID, expected_version: int | None) -> Opportunity:
    deal = permitted_opportunity(uow, opportunity_id, OPPORTUNITY_EDIT)
    expect_unchanged(uow, deal, expected_version)
    if deal.state != DealState.OPEN:
        told = (
            t("The deal {deal} is won: reopen it first.", deal=deal.name)
            if deal.state == DealState.WON
            else t("The deal {deal} is lost: reopen it first.", deal=deal.name)
        )
        raise DealClosedError(told, details={"id": str(deal.id), "state": deal.state})
    return deal


def _stage_of(uow: UnitOfWork, deal: Opportunity, stage_id: UUID) -> Stage:
    stage = uow.get(Stage, stage_id)
    if stage.pipeline_id != deal.pipeline_id or stage.archived_at is not None:
        raise InputError(
            t(
                "{stage} is no stage of the pipeline of {deal}: choose one that is.",
                stage=stage.name,
                deal=deal.name,
            ),
            code="sales.move.stage",
        )
    return stage


def _require_way(uow: UnitOfWork, deal: Opportunity, stage: Stage) -> None:
    allowed = next_stages(uow, deal)
    missing = missing_for(uow, deal, stage)
    is_allowed = stage.id in {each.id for each in allowed}
    told: list[str] = []
    if not is_allowed:
        told.append(
            t(
                "{deal} may not go to {stage} from where it stands, only to: {allowed}.",
                deal=deal.name,
                stage=stage.name,
                allowed=joined([each.name for each in allowed], ", "),
            )
        )
    if missing:
        told.append(
            t(
                "{deal} cannot come to {stage} yet, it needs: {missing}.",
                deal=deal.name,
                stage=stage.name,
                missing=joined(titles_of(missing), ", "),
            )
        )
    if told:
        raise MoveRefusedError(
            joined(told),
            details={
                "id": str(deal.id),
                "missing": list(missing),
                "allowed": [{"id": str(s.id), "code": s.code, "name": s.name} for s in allowed],
            },
        )


def _won(uow: UnitOfWork, deal: Opportunity, stage: Stage, note: str | None) -> Opportunity:
    _require_way(uow, deal, stage)
    _close(uow, deal, stage.id, DealState.WON, note)
    return deal


def _close(
    uow: UnitOfWork,
    deal: Opportunity,
    stage_id: UUID,
    state: DealState,
    note: str | None,
    at: datetime | None = None,
) -> None:
    deal.closed_at = at or uow.now
    deal.closing_note = optional(note, "note")
    _enter(uow, deal, stage_id, state)
    event = OpportunityWon if state is DealState.WON else OpportunityLost
    uow.record(event(deal.id, deal.customer_id, deal.closed_at))


def _reopen(uow: UnitOfWork, deal: Opportunity, stage_id: UUID) -> None:
    deal.closed_at = deal.closing_note = deal.loss_reason_id = deal.competitor_id = None
    _enter(uow, deal, stage_id, DealState.OPEN)
    uow.record(OpportunityReopened(deal.id, deal.customer_id))


def _enter(uow: UnitOfWork, deal: Opportunity, stage_id: UUID, state: DealState) -> None:
    """Make a move that the caller has checked."""
    _step(uow, deal, stage_id, state)
    refresh_probability(uow, [deal])
    uow.record(RecordsChanged(Opportunity.__entity__, (deal.id,)))


def _step(uow: UnitOfWork, deal: Opportunity, stage_id: UUID, state: DealState) -> None:
    now = uow.now
    uow.add(
        OpportunityMove(
            opportunity_id=deal.id,
            at=now,
            from_stage_id=deal.stage_id,
            to_stage_id=stage_id,
            from_state=deal.state,
            to_state=state.value,
            seconds_in_stage=max(0, int((now - deal.stage_entered_at).total_seconds())),
            user_id=uow.actor.user_id,
        )
    )
    deal.stage_id, deal.state = stage_id, state.value
    deal.stage_entered_at = deal.updated_at = now


def _stage_before(uow: UnitOfWork, deal: Opportunity) -> UUID:
    """Return where the deal stood when it was closed, or its first stage if that is gone."""
    stages = live_stages(uow, deal.pipeline_id)
    stood: UUID | None = uow.scalar(
        select(OpportunityMove.from_stage_id)
        .where(OpportunityMove.opportunity_id == deal.id, OpportunityMove.to_state == deal.state)
        .order_by(OpportunityMove.at.desc(), OpportunityMove.id.desc())
        .limit(1)
    )
    there = {stage.id for stage in stages if not stage.is_won}
    return stood if stood in there else stages[0].id


def _reason(uow: UnitOfWork, code: str) -> LossReason:
    reasons = uow.scalars(select(LossReason).where(LossReason.archived_at.is_(None))).all()
    for reason in reasons:
        if reason.code == code.strip():
            return reason  # type: ignore[no-any-return]
    raise NotFoundError(
        t(
            "There is no loss reason {code!r}; known are {reasons}.",
            code=code,
            reasons=", ".join(sorted(reason.code for reason in reasons)),
        ),
        code="sales.loss_reason.not_found",
    )


def _competitor_id(uow: UnitOfWork, name: str) -> UUID:
    name = filled(name, "competitor")
    found: UUID | None = uow.scalar(select(Competitor.id).where(Competitor.name == name))
    if found is None:
        found = uow.add(Competitor(name=name)).id
        uow.flush()
    return found
