"""Making sure that a currency named by a document exists."""

from __future__ import annotations

from collections.abc import Iterable

from babel.numbers import UnknownCurrencyError, get_currency_name, get_currency_precision
from sqlalchemy import select

from crm_core.entities.commerce import Currency
from crm_core.persistence.unit_of_work import UnitOfWork


def ensure_currencies(uow: UnitOfWork, codes: Iterable[str | None]) -> None:
    """Create the currencies of this batch that are not here, such as ones the ERP has archived."""
    wanted = {code for code in codes if code}
    if not wanted:
        return
    known = set(uow.scalars(select(Currency.code).where(Currency.code.in_(sorted(wanted)))))
    for code in sorted(wanted - known):
        uow.add(Currency(code=code, name=_name(code), decimal_places=get_currency_precision(code)))
    uow.flush()


def _name(code: str) -> str:
    try:
        return get_currency_name(code, locale="en")
    except UnknownCurrencyError:
        return code
