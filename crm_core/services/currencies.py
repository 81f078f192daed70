"""Currencies, their dated rates, and turning one amount into another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

from babel.core import get_global
from babel.numbers import get_currency_name, get_currency_precision, get_currency_symbol
from sqlalchemy import and_, func, or_, select

from crm_core.entities.commerce import Currency, CurrencyRate
from crm_core.errors import InputError, NotFoundError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork

EDIT = "core.settings.edit"


class UnknownCurrencyError(InputError, ValueError):
    """Not an ISO 4217 code; a ValueError too, so that parsers can tell their own message."""

    default_code = "core.currency.unknown"


@dataclass(frozen=True, slots=True)
class Converted:
    """An amount in another currency, and from when the oldest rate used is."""

    amount: Decimal
    rate_on: date


@dataclass(frozen=True, slots=True)
class RateTable:
    """The rates that held on one day: ``(currency, base) -> (date, units per unit of base)``."""

    on: date
    rates: Mapping[tuple[str, str], tuple[date, Decimal]]

    def convert(self, amount: Decimal, from_code: str, to_code: str) -> Converted | None:
        """Return ``amount`` in another currency, rounded half up; None where no rate leads there.

        Tried: a rate between the two either way, then through a base that both have a rate to.
        """
        if from_code == to_code:
            return Converted(amount, self.on)
        bases = [to_code, from_code, *sorted({base for _, base in self.rates})]
        for base in bases:
            first, second = self._rate(from_code, base), self._rate(to_code, base)
            if first is not None and second is not None:
                exact = amount * second[1] / first[1]
                return Converted(rounded(exact, to_code), min(first[0], second[0]))
        return None

    def _rate(self, code: str, base: str) -> tuple[date, Decimal] | None:
        return (self.on, Decimal(1)) if code == base else self.rates.get((code, base))


def rounded(amount: Decimal, code: str) -> Decimal:
    """Return ``amount`` with as many decimal places as the currency has, rounded half up."""
    places = Decimal(1).scaleb(-get_currency_precision(code))
    return amount.quantize(places, rounding=ROUND_HALF_UP)


def checked_code(text: str) -> str:
    """Return an ISO 4217 code in capitals; raises UnknownCurrencyError."""
    code = text.strip().upper()
    if code not in _iso_codes():
        raise UnknownCurrencyError(
            t("{text!r} is not a currency: give a code of ISO 4217, such as EUR.", text=text),
            details={"currency": text},
        )
    return code


def ensure_currency(uow: UnitOfWork, code: str) -> Currency:
    """Return a currency, adding it under the name and symbol Babel knows where it is missing."""
    code = checked_code(code)
    found = uow.find(Currency, code)
    if found is not None:
        return found
    symbol = get_currency_symbol(code, locale="en")
    currency = uow.add(
        Currency(
            code=code,
            name=get_currency_name(code, locale="en"),
            symbol=None if symbol == code else symbol,
            decimal_places=get_currency_precision(code),
        )
    )
    uow.flush()
    return currency


def set_rate(uow: UnitOfWork, code: str, base_code: str, on: date, rate: Decimal) -> CurrencyRate:
    """Say how many units of ``code`` one unit of ``base_code`` buys from ``on`` onwards.

    Raises:
        InputError: The rate is not positive, or both currencies are the same.
    """
    uow.actor.require(EDIT)
    code, base_code = checked_code(code), checked_code(base_code)
    if not rate.is_finite() or rate <= 0 or code == base_code:
        raise InputError(
            t(
                "The rate {rate} from {base_code} to {code} will not do: give a positive number "
                "between two currencies.",
                rate=rate,
                base_code=base_code,
                code=code,
            ),
            code="core.currency.rate",
        )
    ensure_currency(uow, code)
    ensure_currency(uow, base_code)
    found: CurrencyRate | None = uow.scalar(
        select(CurrencyRate).where(
            CurrencyRate.currency_code == code,
            CurrencyRate.base_code == base_code,
            CurrencyRate.on == on,
        )
    )
    if found is not None:
        found.rate = rate
        return found
    return uow.add(CurrencyRate(currency_code=code, base_code=base_code, on=on, rate=rate))


def rates_on(uow: UnitOfWork, codes: Iterable[str], on: date) -> RateTable:
    """Return the rates that held on a day for these currencies, in one statement."""
    wanted = sorted(set(codes))
    concerned = or_(CurrencyRate.currency_code.in_(wanted), CurrencyRate.base_code.in_(wanted))
    latest = (
        select(
            CurrencyRate.currency_code,
            CurrencyRate.base_code,
            func.max(CurrencyRate.on).label("on"),
        )
        .where(CurrencyRate.on <= on, concerned)
        .group_by(CurrencyRate.currency_code, CurrencyRate.base_code)
        .subquery()
    )
    statement = select(
        CurrencyRate.currency_code, CurrencyRate.base_code, CurrencyRate.on, CurrencyRate.rate
    ).join(
        latest,
        and_(
            CurrencyRate.currency_code == latest.c.currency_code,
            CurrencyRate.base_code == latest.c.base_code,
            CurrencyRate.on == latest.c.on,
        ),
    )
    rows = uow.execute(statement)
    return RateTable(on, {(r.currency_code, r.base_code): (r.on, r.rate) for r in rows})


def convert(uow: UnitOfWork, amount: Decimal, from_code: str, to_code: str, on: date) -> Converted:
    """Return an amount in another currency at the rate that held on a day.

    Raises:
        NotFoundError: No rate leads from one to the other on that day.
    """
    from_code, to_code = checked_code(from_code), checked_code(to_code)
    converted = rates_on(uow, (from_code, to_code), on).convert(amount, from_code, to_code)
    if converted is None:
        raise NotFoundError(
            t(
                "No rate leads from {from_code} to {to_code} on {on}: enter one, or sync with the "
                "back office that keeps them.",
                from_code=from_code,
                to_code=to_code,
                on=on,
            ),
            code="core.currency.no_rate",
            details={"from": from_code, "to": to_code, "on": on.isoformat()},
        )
    return converted


@cache
def _iso_codes() -> frozenset[str]:
    return frozenset(get_global("all_currencies"))
