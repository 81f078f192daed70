"""What has happened with the demo company's best customer, beyond what its ERP knows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from crm_core.services.activities import add_activity, complete_activity
from crm_core.services.consents import record_consent
from crm_core.services.interactions import log_interaction
from crm_core.services.profile import define_attribute, set_profile_value

if TYPE_CHECKING:
    from uuid import UUID

    from crm_core.persistence.unit_of_work import UnitOfWork

INTERACTIONS = (
    # days ago, channel, direction, subject, body
    (250, "visit", "outbound", "First visit on the island", "Wants white towels only."),
    (178, "email", "inbound", "Six towels arrived torn", "Asked for a credit note; agreed."),
    (85, "phone", "inbound", "Order for September by telephone", None),
    (31, "email", "outbound", "Reminder: INV-2026-0311", None),
    (6, "phone", "outbound", "Nobody answered", "Try Νίκος Αθανασίου instead."),
)
PROFILE = (
    # code, title, type, choices, is it personal, value
    ("way_of_paying", "Way of paying", "choice", ("bank transfer", "card", "cash"), False, "card"),
    ("temperament", "Temperament", "text", None, True, "Direct; likes figures first"),
    ("rooms", "Rooms", "number", None, False, "64"),
)


def tell_story(uow: UnitOfWork, customer_id: UUID) -> None:
    """Log contacts on several channels, plan what is next, record consents and preferences."""
    now = uow.now
    for days, channel, direction, subject, body in INTERACTIONS:
        log_interaction(
            uow,
            customer_id,
            channel=channel,
            direction=direction,
            subject=subject,
            body=body,
            at=now - timedelta(days=days),
        )
    done = add_activity(
        uow,
        customer_id,
        type="call",
        due_at=now - timedelta(days=6),
        summary="Ask about the open invoice",
    )
    uow.flush()
    complete_activity(uow, done.id)
    for days, kind, summary in (
        (-2, "call", "Agree on a date for the rest of INV-2026-0311"),
        (9, "visit", "Show the walnut trays"),
    ):
        due_at = now + timedelta(days=days)
        add_activity(uow, customer_id, type=kind, due_at=due_at, summary=summary)
    for channel, status in (("email", "given"), ("phone", "given"), ("phone", "withdrawn")):
        record_consent(
            uow,
            customer_id,
            purpose="marketing",
            channel=channel,
            status=status,
            evidence="Signed form of the first visit" if status == "given" else "Told by phone",
            at=now - timedelta(days=250 if status == "given" else 30),
        )
    for code, title, kind, choices, is_personal, value in PROFILE:
        define_attribute(
            uow, code, title=title, type=kind, choices=choices, is_personal=is_personal
        )
        set_profile_value(uow, customer_id, code, value)
