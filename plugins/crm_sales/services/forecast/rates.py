"""Rates of today: the forecast is told in the base currency by them, past periods too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.currencies import RateTable, rates_on
from crm_core.services.settings import company_day, load_settings
from crm_sales.permissions import FORECAST_VIEW


@dataclass(frozen=True, slots=True)
class BaseRates:
    """What leads to the base currency today.

    Attributes:
        base: The base currency.
        today: In the company's time zone.
        table: The rates.
    """

    base: str
    today: date
    table: RateTable

    def amount(self, amount: Decimal, code: str) -> Decimal | None:
        """Return an amount in the base currency; None without a rate."""
        told = self.table.convert(amount, code, self.base)
        return told.amount if told else None


def base_rates(uow: UnitOfWork, codes: Iterable[str]) -> BaseRates:
    """Return the rates that lead from some currencies to the base one today."""
    uow.actor.require(FORECAST_VIEW)
    settings = load_settings(uow)
    base, wanted = settings.base_currency, set(codes)
    today = company_day(uow)
    if wanted <= {base}:
        return BaseRates(base, today, RateTable(today, {}))
    return BaseRates(base, today, rates_on(uow, wanted | {base}, today))
