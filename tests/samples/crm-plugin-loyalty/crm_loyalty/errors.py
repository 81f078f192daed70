"""What can go wrong here, beside what the core raises."""

from __future__ import annotations

from crm_core.errors import DuplicateError, RuleViolationError


class NumberTakenError(DuplicateError):
    """Another card bears this number."""

    default_code = "loyalty.card.number_taken"


class CardHeldError(DuplicateError):
    """The customer has a card that is still good; nobody has two."""

    default_code = "loyalty.card.held"


class CardEndedError(RuleViolationError):
    """The card is no longer good."""

    default_code = "loyalty.card.ended"


class TooFewPointsError(RuleViolationError):
    """There are fewer points on the card than are to be redeemed."""

    default_code = "loyalty.points.too_few"
