"""Counting anew who buys what, unattended."""

from __future__ import annotations

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.services.cross_sell.counting import count_affinities


def count(uow: UnitOfWork) -> None:
    """Count which products the same customers buy."""
    count_affinities(uow)
