"""The rights that the services ask for, and who has them at first."""

from __future__ import annotations

from crm_hooks.contributions import Right

VIEW = "loyalty.card.view"
ISSUE = "loyalty.card.issue"
END = "loyalty.card.end"
CREDIT = "loyalty.points.credit"
REDEEM = "loyalty.points.redeem"
APPOINT = "loyalty.steward.appoint"

_EVERYONE = (("employee", "all"), ("manager", "all"), ("readonly", "all"))
_STAFF = (("employee", "all"), ("manager", "all"))
_MANAGERS = (("manager", "all"),)

RIGHTS = (
    Right(VIEW, "See loyalty cards", _EVERYONE),
    Right(ISSUE, "Issue loyalty cards", _STAFF),
    Right(END, "End loyalty cards", _MANAGERS),
    Right(CREDIT, "Credit loyalty points", _STAFF),
    Right(REDEEM, "Redeem loyalty points", _STAFF),
    Right(APPOINT, "Say who answers for customers of a tag", _MANAGERS),
)
