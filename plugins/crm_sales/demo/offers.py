"""Offers of the demo company's open deals."""

from __future__ import annotations

from crm_core.persistence.unit_of_work import UnitOfWork


def tell_offers(uow: UnitOfWork) -> None:
    """Write offers."""
