"""What can be done with loyalty cards."""

from crm_loyalty.services.cards import (
    CardRecord,
    credit_points,
    end_card,
    end_cards,
    expire_cards,
    issue_card,
    redeem_points,
    store_cards,
    welcome_companies,
)
from crm_loyalty.services.desk import appoint_steward, find_card, list_cards, list_entries

__all__ = [
    "CardRecord",
    "appoint_steward",
    "credit_points",
    "end_card",
    "end_cards",
    "expire_cards",
    "find_card",
    "issue_card",
    "list_cards",
    "list_entries",
    "redeem_points",
    "store_cards",
    "welcome_companies",
]
