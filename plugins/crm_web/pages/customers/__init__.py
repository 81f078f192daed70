"""Customers: the list, the card, and all that is done to one of them."""

from crm_web.pages.customers import (
    adding,
    bulk,
    card,
    files,
    happenings,
    identity,
    listing,
    merging,
    people,
    profile,
    reach,
    timeline,
    views,
)
from crm_web.pages.customers.area import pages

__all__ = [
    "adding",
    "bulk",
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
    "timeline",
    "views",
]
