"""Follow-up sequences: which there are, and keeping a deal's steps in line with its stage."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from crm_core.entities import Activity, User
from crm_core.errors import NotFoundError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.activities import add_activity, assign_activities, cancel_activities
from crm_core.services.settings import load_settings, said_for
from crm_sales.models import (
    DealState,
    FollowUpSequence,
    NextStep,
    Opportunity,
    Pipeline,
    SequenceStep,
    Stage,
)
from crm_sales.permissions import CONFIGURE, OPPORTUNITY_EDIT, OPPORTUNITY_VIEW
from crm_sales.schemas.follow_up import load_sequences
from crm_sales.services.pipelines import default_pipeline, pipeline_named, stage_named

MORNING = time(9)
"""When planned steps are due, in the time zone of whoever does them."""
DEFAULTS = (
    ("proposition", "proposition", t("After the offer"), ((3, "call", t("Ask about our offer")),)),
    (
        "negotiation",
        "negotiation",
        t("Towards a decision"),
        ((7, "call", t("Ask for the decision")),),
    ),
)


def list_sequences(uow: UnitOfWork) -> list[dict[str, Any]]:
    """Return the sequences in use, by pipeline and stage.

    Dicts of ``id, code, name, pipeline, stage`` (codes), ``stage_name`` and ``steps``, each
    ``days_after, type, summary, note``.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    rows = uow.execute(
        select(
            FollowUpSequence.id,
            FollowUpSequence.code,
            FollowUpSequence.name,
            Pipeline.code.label("pipeline"),
            Stage.code.label("stage"),
            Stage.name.label("stage_name"),
        )
        .join(Stage, Stage.id == FollowUpSequence.stage_id)
        .join(Pipeline, Pipeline.id == Stage.pipeline_id)
        .where(FollowUpSequence.archived_at.is_(None))
        .order_by(Pipeline.position, Pipeline.id, Stage.position, FollowUpSequence.code)
    )
    found = {row.id: {**row._mapping, "steps": []} for row in rows}
    steps = select(
        SequenceStep.sequence_id,
        SequenceStep.days_after,
        SequenceStep.type,
        SequenceStep.summary,
        SequenceStep.note,
    ).where(SequenceStep.sequence_id.in_(list(found)))
    for row in uow.execute(steps.order_by(SequenceStep.sequence_id, SequenceStep.position)):
        step = dict(row._mapping)
        found[step.pop("sequence_id")]["steps"].append(step)
    return list(found.values())


def save_sequences(uow: UnitOfWork, given: Any) -> list[str]:
    """Make sequences be as given, those of other codes left as they are; return their codes.

    Args:
        uow: A writing unit of work.
        given: ``{"sequences": [{"code", "name", "pipeline", "stage", "steps": [{"days_after",
            "type", "summary", "note"}]}]}``; the default pipeline where none is named.

    Raises:
        InputError: Something in it is wrong; nothing is changed.
        NotFoundError: There is no such pipeline or stage.
    """
    uow.actor.require(CONFIGURE)
    wanted = load_sequences(given)
    codes = [each["code"] for each in wanted]
    statement = select(FollowUpSequence).where(FollowUpSequence.code.in_(codes))
    known = {each.code: each for each in uow.scalars(statement)}
    for each in wanted:
        pipeline = pipeline_named(uow, each["pipeline"])
        stage = stage_named(uow, pipeline.id, each["stage"])
        sequence = known.get(each["code"])
        if sequence is None:
            sequence = FollowUpSequence(code=each["code"], created_at=uow.now)
            uow.add(sequence)
        sequence.name, sequence.stage_id = each["name"], stage.id
        sequence.archived_at, sequence.updated_at = None, uow.now
        uow.flush()
        _set_steps(uow, sequence.id, each["steps"])
    return codes


def archive_sequence(uow: UnitOfWork, code: str) -> FollowUpSequence:
    """Have a sequence plan nothing more; what it planned stays until the deal moves on.

    Raises:
        NotFoundError: There is none with this code.
    """
    uow.actor.require(CONFIGURE)
    statement = select(FollowUpSequence).where(FollowUpSequence.code == code.strip())
    sequence: FollowUpSequence | None = uow.scalar(statement)
    if sequence is None:
        raise NotFoundError(
            t("There is no sequence {code!r}. See crm sales sequence list.", code=code),
            code="sales.sequence.not_found",
        )
    sequence.archived_at = sequence.archived_at or uow.now
    sequence.updated_at = uow.now
    return sequence


def seed_sequences(uow: UnitOfWork) -> None:
    """See to it that there are sequences for the default pipeline; what is there stays."""
    uow.actor.require(CONFIGURE)
    if uow.scalar(select(func.count(FollowUpSequence.id))):
        return
    pipeline_id = default_pipeline(uow).id
    stages = set(uow.scalars(select(Stage.code).where(Stage.pipeline_id == pipeline_id)))
    sequences = [
        {
            "code": code,
            "name": said_for(uow, name),
            "stage": stage,
            "steps": [
                {"days_after": days, "type": kind, "summary": said_for(uow, summary)}
                for days, kind, summary in steps
            ],
        }
        for code, stage, name, steps in DEFAULTS
        if stage in stages
    ]
    if sequences:
        save_sequences(uow, {"sequences": sequences})


def follow_sequences(uow: UnitOfWork, opportunity_id: UUID) -> None:
    """Have a deal's planned steps be those of the stage that it stands in, however often called.

    What a sequence of another stage planned and nobody did is taken back, as is all of it once the
    deal is closed. Steps that were done are not planned again.
    """
    uow.actor.require(OPPORTUNITY_EDIT)
    deal = uow.find(Opportunity, opportunity_id)
    if deal is None:
        return
    wanted = _steps_of(uow, deal.stage_id) if deal.state == DealState.OPEN else []
    made = uow.execute(
        select(NextStep.sequence_step_id, NextStep.activity_id, Activity.is_open)
        .join(Activity, Activity.id == NextStep.activity_id)
        .where(NextStep.opportunity_id == deal.id, NextStep.sequence_step_id.is_not(None))
    ).all()
    ids = {step.id for step in wanted}
    over = [m.activity_id for m in made if m.is_open and m.sequence_step_id not in ids]
    if over:
        cancel_activities(uow, over)
    missing = [step for step in wanted if step.id not in {m.sequence_step_id for m in made}]
    if missing:
        _plan(uow, deal, missing)


def hand_steps_on(uow: UnitOfWork, opportunity_id: UUID) -> None:
    """Give what sequences planned for a deal to whoever works on it now.

    What a person planned stays whose it is: they said who does it.
    """
    uow.actor.require(OPPORTUNITY_EDIT)
    deal = uow.find(Opportunity, opportunity_id)
    owner = uow.find(User, deal.owner_id) if deal and deal.owner_id else None
    if owner is None or not owner.is_enabled:
        return
    theirs = (
        select(NextStep.activity_id)
        .join(Activity, Activity.id == NextStep.activity_id)
        .where(
            NextStep.opportunity_id == opportunity_id,
            NextStep.sequence_step_id.is_not(None),
            Activity.is_open,
            Activity.owner_id.is_distinct_from(owner.id),
        )
    )
    assign_activities(uow, dict.fromkeys(uow.scalars(theirs).all(), owner.id))


def _plan(uow: UnitOfWork, deal: Opportunity, steps: list[SequenceStep]) -> None:
    owner = uow.find(User, deal.owner_id) if deal.owner_id else None
    zone = ZoneInfo((owner and owner.time_zone) or load_settings(uow).time_zone)
    for step in steps:
        activity = add_activity(
            uow,
            deal.customer_id,
            type=step.type,
            due_at=due_at(deal.stage_entered_at, step.days_after, zone),
            summary=step.summary,
            note=step.note,
            owner_id=owner.id if owner and owner.is_enabled else None,
        )
        uow.flush()
        uow.add(NextStep(activity_id=activity.id, opportunity_id=deal.id, sequence_step_id=step.id))
    uow.flush()


def due_at(entered_at: datetime, days_after: int, zone: ZoneInfo) -> datetime:
    """Return the morning so many days after a deal entered a stage, never before it did."""
    day = entered_at.astimezone(zone).date() + timedelta(days=days_after)
    return max(entered_at, datetime.combine(day, MORNING, zone))


def _steps_of(uow: UnitOfWork, stage_id: UUID) -> list[SequenceStep]:
    statement = (
        select(SequenceStep)
        .join(FollowUpSequence, FollowUpSequence.id == SequenceStep.sequence_id)
        .where(FollowUpSequence.stage_id == stage_id, FollowUpSequence.archived_at.is_(None))
        .order_by(SequenceStep.days_after, SequenceStep.id)
    )
    return list(uow.scalars(statement))


def _set_steps(uow: UnitOfWork, sequence_id: UUID, wanted: list[Mapping[str, Any]]) -> None:
    """Steps keep their identity by position: one that is reworded is not planned again."""
    statement = select(SequenceStep).where(SequenceStep.sequence_id == sequence_id)
    known = {step.position: step for step in uow.scalars(statement)}
    for position, values in enumerate(wanted):
        step = known.pop(position, None)
        if step is None:
            uow.add(SequenceStep(sequence_id=sequence_id, position=position, **values))
            continue
        for name, value in values.items():
            setattr(step, name, value)
    for step in known.values():
        uow.delete(step)
    uow.flush()
