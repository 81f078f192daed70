"""What can go wrong in sales that a caller may want to tell apart."""

from __future__ import annotations

from crm_core.errors import ConflictError, DuplicateError, NotFoundError, RuleViolationError


class MoveRefusedError(RuleViolationError):
    """A deal may not go to a stage; ``details`` name what is missing and where it may go."""

    default_code = "sales.move.refused"


class DealClosedError(RuleViolationError):
    """A deal is won or lost, and this takes an open one."""

    default_code = "sales.opportunity.closed"


class KnownCustomerError(DuplicateError):
    """A lead would become a second customer where one that is surely the same is known."""

    default_code = "sales.lead.known_customer"


class OfferLinkGoneError(NotFoundError):
    """A link leads to no offer: it was revoked, is too old, or never was one."""

    default_code = "sales.quote_link.gone"


class OfferClosedError(RuleViolationError):
    """An offer takes no answer: it was not sent, has expired, or was withdrawn."""

    default_code = "sales.quote.not_open"


class OfferAnsweredError(ConflictError):
    """Somebody answered an offer before; the message says who, what and when."""

    default_code = "sales.quote.answered"


class ChoiceChangedError(ConflictError):
    """What was chosen comes to another sum than the one that was seen."""

    default_code = "sales.quote.total_changed"
