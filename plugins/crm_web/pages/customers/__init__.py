"""Customers: the list, the card, and all that is done to one of them."""

from crm_web.pages.customers import (
    adding,
    card,
    files,
    happenings,
    identity,
    listing,
    merging,
    people,
    profile,
    reach,
)
from crm_web.pages.customers.area import pages

__all__ = [
    "adding",
    "card",
    "files",
    "happenings",
    "identity",
    "listing",
    "merging",
    "pages",
    "people",
    "profile",
    "reach",
]
