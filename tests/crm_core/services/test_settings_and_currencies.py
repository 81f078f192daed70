"""Settings of a database, currencies and their rates."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_core.entities import Currency
from crm_core.errors import InputError, NotFoundError, PermissionDeniedError
from crm_core.services.currencies import (
    RateTable,
    convert,
    ensure_currency,
    rates_on,
    rounded,
    set_rate,
)
from crm_core.services.settings import Settings, load_settings, set_setting

DAY = date(2026, 3, 1)


def test_settings_have_defaults_and_are_kept(company):
    with company.acting("rita") as uow:
        assert load_settings(uow) == Settings()
    with company.writing("anna") as uow:
        for key, text, kept in (
            ("company", " Καλή ΑΕ ", "Καλή ΑΕ"),
            ("base_currency", "gbp", "GBP"),
            ("time_zone", "Europe/Athens", "Europe/Athens"),
            ("language", "el_GR", "el-GR"),
            ("phone_region", "gr", "GR"),
        ):
            assert set_setting(uow, key, text) == kept
        set_setting(uow, "company", "Other")
    with company.acting("rita") as uow:
        settings = load_settings(uow)
        assert (settings.company, settings.base_currency) == ("Other", "GBP")
        assert uow.get(Currency, "GBP").symbol == "£"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("company", " "),
        ("base_currency", "EURO"),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", "../etc/passwd"),
        ("time_zone", ""),
        ("language", "klingon"),
        ("phone_region", "Greece"),
        ("installation_id", "7"),
    ],
)
def test_wrong_settings_are_refused(sqlite_company, key, text):
    with sqlite_company.writing() as uow, pytest.raises(InputError) as caught:
        set_setting(uow, key, text)
    assert caught.value.code == "core.setting.invalid"


def test_unknown_settings_and_missing_rights_are_told(sqlite_company):
    with sqlite_company.writing() as uow, pytest.raises(NotFoundError):
        set_setting(uow, "colour", "red")
    with sqlite_company.writing("maria") as uow, pytest.raises(PermissionDeniedError):
        set_setting(uow, "company", "x")


def test_the_rate_of_the_day_is_used(company):
    with company.writing() as uow:
        set_rate(uow, "USD", "EUR", date(2026, 1, 1), Decimal("1.25"))
        set_rate(uow, "USD", "EUR", date(2026, 2, 1), Decimal("1.5"))
        set_rate(uow, "USD", "EUR", date(2026, 2, 1), Decimal("1.6"))
        set_rate(uow, "JPY", "EUR", date(2026, 1, 15), Decimal(160))
    with company.acting("rita") as uow:

        def result(amount, source, target, on=DAY):
            converted = convert(uow, Decimal(amount), source, target, on)
            return str(converted.amount), converted.rate_on

        assert result("160", "USD", "EUR") == ("100.00", date(2026, 2, 1))
        assert result("125", "usd", "eur", date(2026, 1, 31)) == ("100.00", date(2026, 1, 1))
        assert result("10", "EUR", "USD") == ("16.00", date(2026, 2, 1))
        assert result("1.6", "USD", "JPY") == ("160", date(2026, 1, 15))
        assert result("7.123", "EUR", "EUR") == ("7.123", DAY)
        for source, target, on in (("USD", "EUR", date(2025, 1, 1)), ("USD", "CHF", DAY)):
            with pytest.raises(NotFoundError) as caught:
                convert(uow, Decimal(1), source, target, on)
            assert caught.value.code == "core.currency.no_rate"
        assert len(rates_on(uow, ["USD"], DAY).rates) == 1


@pytest.mark.parametrize("rate", ["0", "-1", "NaN", "Infinity"])
def test_wrong_rates_are_refused(sqlite_company, rate):
    with sqlite_company.writing() as uow, pytest.raises(InputError):
        set_rate(uow, "USD", "EUR", DAY, Decimal(rate))


def test_unknown_currencies_are_refused(sqlite_company):
    with sqlite_company.writing() as uow, pytest.raises(InputError) as caught:
        ensure_currency(uow, "ZZZZ")
    assert caught.value.code == "core.currency.unknown"


AMOUNTS = st.decimals(-(10**9), 10**9, places=2)
RATES = st.decimals("0.001", "10000", places=6)


@given(AMOUNTS, RATES)
def test_there_and_back_stays_within_a_unit_of_rounding(amount, rate):
    table = RateTable(DAY, {("USD", "EUR"): (DAY, rate)})
    there = table.convert(amount, "EUR", "USD").amount
    back = table.convert(there, "USD", "EUR").amount
    assert abs(back - amount) <= Decimal("0.005") / rate + Decimal("0.005")


@given(AMOUNTS)
def test_halves_are_rounded_away_from_zero(amount):
    assert rounded(amount, "EUR") == amount
    assert abs(rounded(amount.to_integral_value() + Decimal("0.5"), "JPY")) >= 0
    assert rounded(Decimal("0.005"), "EUR") == Decimal("0.01")
    assert rounded(Decimal("-0.005"), "EUR") == Decimal("-0.01")
