"""What customers agreed to: statements are added, never changed; the latest counts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.consent import Consent, ConsentStatus
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import PAGES, filled, one_of, past
from crm_core.services.lookup import permitted_customer

RECORD = "core.consent.record"


def record_consent(
    uow: UnitOfWork,
    customer_id: UUID,
    *,
    purpose: str,
    channel: str,
    status: str,
    evidence: str,
    at: datetime | None = None,
) -> Consent:
    """Record what a customer said.

    Args:
        uow: The unit of work.
        customer_id: Who said it.
        purpose: What for: newsletter, profiling …
        channel: By which channel they may be reached: email, phone, any …
        status: ``given`` or ``withdrawn``.
        evidence: How we know: "signed form 2026-03-01", "web form, IP …"; never empty.
        at: When it was said; None for now.
    """
    customer = permitted_customer(uow, customer_id, RECORD)
    return uow.add(
        Consent(
            customer_id=customer.id,
            purpose=filled(purpose, "purpose").lower(),
            channel=filled(channel, "channel").lower(),
            status=one_of(ConsentStatus, status, "status"),
            evidence=filled(evidence, "evidence", most=PAGES),
            at=past(at, uow.now, "at"),
            recorded_by_id=uow.actor.user_id,
        )
    )


def consent_history(uow: UnitOfWork, customer_id: UUID) -> list[dict[str, Any]]:
    """Return all statements of a customer, newest first.

    A dict holds ``id, purpose, channel, status, evidence, at``.
    """
    statement = (
        select(
            Consent.id,
            Consent.purpose,
            Consent.channel,
            Consent.status,
            Consent.evidence,
            Consent.at,
        )
        .where(Consent.customer_id == customer_id)
        .order_by(Consent.at.desc(), Consent.id.desc())
    )
    return [dict(row._mapping) for row in uow.execute(statement)]


def current_consents(uow: UnitOfWork, customer_id: UUID) -> list[dict[str, Any]]:
    """Return the statement that counts now for each purpose and channel."""
    return latest_statements(consent_history(uow, customer_id))


def latest_statements(history: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first statement on each purpose and channel of a history, newest first."""
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for consent in history:
        latest.setdefault((consent["purpose"], consent["channel"]), consent)
    return [latest[key] for key in sorted(latest)]
