"""Deals, for the back office and from it.

Stages go by name. Who wins a field is the engine's; here each change becomes what a person's would
be: a move is a move, with its time and its events. The probability is no part of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import User
from crm_core.errors import InputError
from crm_core.ids import new_id
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_hooks.contributions import IncomingRecord, WordChange
from crm_sales.models import DealState, LossReason, Opportunity, Pipeline, Stage
from crm_sales.services.opportunities import (
    add_opportunity,
    assign_opportunity,
    edit_opportunity,
    place_opportunity,
    tags_of,
)
from crm_sales.services.pipelines import default_pipeline

_NOT_IN_CODES = re.compile(r"[^a-z0-9]+")


def ids(uow: UnitOfWork) -> Sequence[UUID]:
    """Return the open deals; closed ones are told of when they change."""
    is_open = Opportunity.state == DealState.OPEN
    found: Sequence[UUID] = uow.scalars(
        select(Opportunity.id).where(is_open).order_by(Opportunity.id)
    ).all()
    return found


def read(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, Mapping[str, Any]]:
    """Return deals as neutral records, by id."""
    columns = ("id", "name", "customer_id", "owner_id", "state", "expected_amount", "currency_code")
    statement = (
        select(
            *(getattr(Opportunity, name) for name in columns),
            Opportunity.expected_close_on,
            Stage.name.label("stage"),
            LossReason.name.label("reason"),
        )
        .join(Stage, Stage.id == Opportunity.stage_id)
        .outerjoin(LossReason, LossReason.id == Opportunity.loss_reason_id)
        .where(Opportunity.id.in_(list(ids)))
    )
    tags = tags_of(uow, ids)
    return {
        row.id: {
            "name": row.name,
            "customer_ref": row.customer_id,
            "owner_ref": row.owner_id,
            "stage": row.stage,
            "state": row.state,
            "loss_reason": row.reason,
            "expected_amount": _money(row.expected_amount, row.currency_code),
            "expected_close_on": row.expected_close_on and row.expected_close_on.isoformat(),
            "tags": sorted(tags.get(row.id, ())),
        }
        for row in uow.execute(statement)
    }


def apply(uow: UnitOfWork, records: Sequence[IncomingRecord]) -> Sequence[UUID]:
    """Take over deals that are new or changed over there."""
    stages = _Stages(uow)
    bound = [record.local_id for record in records if record.local_id]
    known = {deal.id: deal for deal in _deals(uow, bound)}
    written = []
    for record in records:
        deal = known.get(record.local_id) if record.local_id else None
        if deal is None:
            deal = _added(uow, record.values, stages)
        else:
            _changed(uow, deal, record.values)
            _placed(uow, deal, record.values, stages)
        written.append(deal.id)
    return written


class _Stages:
    """The stages of all pipelines by name, looked up once a batch."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._default = default_pipeline(uow)
        live = select(Stage).where(Stage.archived_at.is_(None)).order_by(Stage.position)
        self._stages: Sequence[Stage] = uow.scalars(live).all()
        codes = select(Pipeline.id, Pipeline.code).where(Pipeline.archived_at.is_(None))
        self.codes = {row.id: row.code for row in uow.execute(codes)}

    def named(self, name: str, pipeline_id: UUID | None) -> Stage:
        """Return the stage of this name: of the deal's pipeline, for a new deal of any.

        Raises:
            InputError: There is none.
        """
        alike = [
            stage
            for stage in self._stages
            if stage.name.strip().casefold() == name.strip().casefold()
            and pipeline_id in (None, stage.pipeline_id)
            and stage.pipeline_id in self.codes
        ]
        if not alike:
            raise InputError(
                t(
                    "The stage {stage} is not known here: add it to a pipeline, or move the deal "
                    "to another one over there.",
                    stage=name,
                ),
                code="sales.sync.stage",
            )
        return min(alike, key=lambda stage: stage.pipeline_id != self._default.id)


def _deals(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[Opportunity]:
    found: Sequence[Opportunity] = uow.scalars(
        select(Opportunity).where(Opportunity.id.in_(ids))
    ).all()
    return found


def _added(uow: UnitOfWork, values: Mapping[str, Any], stages: _Stages) -> Opportunity:
    stage = stages.named(values["stage"], None)
    tags = values.get("tags")
    deal = add_opportunity(
        uow,
        values["customer_ref"],
        values["name"],
        pipeline_code=stages.codes[stage.pipeline_id],
        owner_id=_enabled(uow, values.get("owner_ref")),
        tags=sorted(tags.added) if tags else (),
        expected_close_on=_day(values.get("expected_close_on")),
        **_amount(values.get("expected_amount")),
    )
    _placed(uow, deal, values, stages)
    return deal


def _changed(uow: UnitOfWork, deal: Opportunity, values: Mapping[str, Any]) -> None:
    changes: dict[str, Any] = {}
    if values.get("name"):
        changes["name"] = values["name"]
    if "expected_amount" in values:
        changes |= _amount(values["expected_amount"])
    if "expected_close_on" in values:
        changes["expected_close_on"] = _day(values["expected_close_on"])
    words: WordChange | None = values.get("tags")
    if words is not None:
        carried = set(tags_of(uow, [deal.id]).get(deal.id, ()))
        changes["tags"] = sorted((carried - words.dropped) | words.added)
    if values.get("customer_ref") and values["customer_ref"] != deal.customer_id:
        deal.customer_id, deal.contact_id, deal.updated_at = values["customer_ref"], None, uow.now
    if changes:
        edit_opportunity(uow, deal.id, changes)
    if "owner_ref" in values:
        owner_id = _enabled(uow, values["owner_ref"])
        if owner_id is not None or values["owner_ref"] is None:
            assign_opportunity(uow, deal.id, owner_id)


def _placed(uow: UnitOfWork, deal: Opportunity, values: Mapping[str, Any], stages: _Stages) -> None:
    """Put a deal where it stands over there."""
    if not values.keys() & {"stage", "state", "loss_reason"}:
        return
    state = values.get("state") or deal.state
    stage_id = None
    if values.get("stage") and state != DealState.WON:
        stage_id = stages.named(values["stage"], deal.pipeline_id).id
    reason = _reason(uow, values["loss_reason"]) if values.get("loss_reason") else None
    # The reason is set here: one that is no longer in use here is good enough over there.
    place_opportunity(uow, deal.id, state=state, stage_id=stage_id)
    if reason is not None and deal.state == DealState.LOST:
        deal.loss_reason_id = reason.id


def _reason(uow: UnitOfWork, name: str) -> LossReason:
    """Return the reason of this name; one that is not known here yet is added."""
    reasons: Sequence[LossReason] = uow.scalars(select(LossReason)).all()
    wanted = name.strip().casefold()
    for reason in reasons:
        if wanted in (reason.name.strip().casefold(), reason.code):
            return reason
    code = _NOT_IN_CODES.sub("_", wanted).strip("_")[:40] or "reason"
    if code in {reason.code for reason in reasons}:
        code = f"{code}_{new_id().hex[-8:]}"
    made: LossReason = uow.add(LossReason(code=code, name=name.strip()))
    uow.flush()
    return made


def _enabled(uow: UnitOfWork, user_id: UUID | None) -> UUID | None:
    """Return a user who can work on a deal; one who left cannot."""
    if user_id is None:
        return None
    found: UUID | None = uow.scalar(
        select(User.id).where(User.id == user_id, User.is_enabled.is_(True))
    )
    return found


def _money(amount: Decimal | None, currency: str) -> str | None:
    return None if amount is None else f"{amount.normalize():f} {currency}"


def _amount(told: str | None) -> dict[str, Any]:
    """Return an amount with its currency; the currency stays where there is none any more."""
    amount, _, currency = (told or "").partition(" ")
    if not amount:
        return {"expected_amount": None}
    return {"expected_amount": Decimal(amount), "currency_code": currency}


def _day(told: str | None) -> date | None:
    return date.fromisoformat(told) if told else None
