"""Asking a remote what a plugin's records would cost, before they are written there for good."""

from __future__ import annotations

from uuid import UUID

from crm_core.persistence.bulk import chunked
from crm_core.sync.apply.plugin import PluginApplier
from crm_core.sync.context import SyncContext
from crm_core.sync.protocol import Draft, Priced, PricingBackend
from crm_core.sync.push_reasons import NOT_THERE, NOT_THERE_TOLD
from crm_core.sync.tell import Told

BATCH = 50
"""Questions at a time: a remote may have to make each record to answer."""


def answer_questions(context: SyncContext, entity: str) -> None:
    """Ask what a plugin wants to know, outside any transaction, and hand it the answers."""
    applier, remote = context.appliers[entity], context.remote
    if not (isinstance(applier, PluginApplier) and isinstance(remote, PricingBackend)):
        return
    with context.reading() as uow:
        asked = applier.asked(uow)
    for chunk in chunked(asked, BATCH):
        with context.reading() as uow:
            told = applier.tell(uow, context.backend_id, chunk, {})
        answers = _answers(context, remote, entity, told)
        with context.keeping() as uow:
            applier.answered(uow, answers)


def _answers(
    context: SyncContext, remote: PricingBackend, entity: str, told: dict[UUID, Told]
) -> dict[UUID, Priced]:
    found = {
        key: Priced(str(key), None, NOT_THERE, NOT_THERE_TOLD)
        for key, each in told.items()
        if each.waits_for
    }
    ready = [key for key in told if key not in found]
    shaped = remote.shaped(entity, [told[key].values for key in ready])
    drafts = [
        Draft(str(key), f"{context.prefix}{entity}_asked_{key.hex}", told[key].label, values)
        for key, values in zip(ready, shaped, strict=True)
    ]
    answers = remote.price(entity, drafts) if drafts else ()
    return found | {UUID(answer.key): answer for answer in answers}
