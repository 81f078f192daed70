"""What follows by itself from offers, as the system: the caller commits."""

from __future__ import annotations

from crm_core.persistence.unit_of_work import UnitOfWork


def expire(uow: UnitOfWork) -> None:
    """Close offers whose last day is over without an answer."""
    from crm_sales.services.quote_answers import expire_quotes

    expire_quotes(uow)
