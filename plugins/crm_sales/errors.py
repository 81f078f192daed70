"""What can go wrong in sales that a caller may want to tell apart."""

from __future__ import annotations

from crm_core.errors import DuplicateError, RuleViolationError


class MoveRefusedError(RuleViolationError):
    """A deal may not go to a stage; ``details`` name what is missing and where it may go."""

    default_code = "sales.move.refused"


class DealClosedError(RuleViolationError):
    """A deal is won or lost, and this takes an open one."""

    default_code = "sales.opportunity.closed"


class KnownCustomerError(DuplicateError):
    """A lead would become a second customer where one that is surely the same is known."""

    default_code = "sales.lead.known_customer"
