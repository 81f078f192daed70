"""Targets: who may set which, and what a file of them says."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from crm_core.errors import InputError, NotFoundError, PermissionDeniedError, StaleVersionError
from crm_sales.services.forecast.periods import period_of
from crm_sales.services.forecast.show import show_forecast
from crm_sales.services.forecast.statements import Question
from crm_sales.services.forecast.targets import (
    import_targets,
    list_targets,
    remove_target,
    set_target,
)

from .conftest import TODAY

MONTH = period_of(TODAY)
QUARTER = period_of(MONTH.first_on, "quarter")


def put(office, login=None, amount="1000", period="month", **given):
    return office.write(
        lambda uow: set_target(uow, period=period, amount=Decimal(amount), **given), login
    )


def aim(office, login, by="person", period=MONTH, **asked):
    told = office.read(lambda uow: show_forecast(uow, Question((period,), by, **asked)), login)
    return {row.name: row.figures.target_amount for row in told.rows}


def test_who_may_set_whose(office):
    put(office, "manager", user="employee")
    put(office, "manager", team="North")
    with pytest.raises(PermissionDeniedError):
        put(office, "employee", user="employee")
    with pytest.raises(PermissionDeniedError):
        put(office, "readonly", user="employee")
    for beyond in ({"user": "outsider"}, {"team": "South"}, {}):
        with pytest.raises(PermissionDeniedError):
            put(office, "manager", **beyond)
    kept = put(office, "admin", user="outsider")
    with pytest.raises(NotFoundError):
        office.write(lambda uow: remove_target(uow, kept.id), "manager")


def test_who_sees_which(office):
    for given in ({"user": "employee"}, {"user": "outsider"}, {"team": "North"}, {}):
        put(office, "admin", **given)

    def seen(login):
        page = office.read(list_targets, login)
        return {each["user"] or each["team"] or "company" for each in page.items}

    assert seen("employee") == {"employee"}
    assert seen("manager") == {"employee", "North"}
    assert seen("readonly") == {"employee", "outsider", "North", "company"}
    assert aim(office, "outsider") == {"Oskar Outsider": 1000}


def test_a_total_takes_the_companys_own_or_those_of_persons(office):
    put(office, amount="300", user="employee")
    put(office, amount="500", user="manager")
    assert aim(office, "admin", "none") == {"": 800}
    put(office, amount="1500")
    assert aim(office, "admin", "none") == {"": 1500}
    assert aim(office, "manager", "none") == {"": 800}
    put(office, amount="700", team="North")
    assert aim(office, "manager", "team") == {"North": 700}
    assert aim(office, "admin", "none", user_id=office.known.users["manager"]) == {"": 500}


def test_a_quarters_own_target_counts_for_those_of_its_months(office):
    for first in QUARTER.months:
        put(office, amount="100", period=period_of(first).code, user="employee")
    assert aim(office, "employee", period=QUARTER) == {"Eleni Employee": 300}
    put(office, amount="250", period=QUARTER.code, user="employee")
    assert aim(office, "employee", period=QUARTER) == {"Eleni Employee": 250}
    assert aim(office, "employee") == {"Eleni Employee": 100}


def test_two_who_change_it_at_once(office):
    first = put(office, user="employee", amount="1")
    put(office, user="employee", amount="2", expected_version=first.version)
    with pytest.raises(StaleVersionError):
        put(office, user="employee", amount="3", expected_version=first.version)
    with pytest.raises(StaleVersionError):
        office.write(lambda uow: remove_target(uow, first.id, expected_version=first.version))
    assert aim(office, "employee") == {"Eleni Employee": 2}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"amount": "-1"}, "sales.target.amount"),
        ({"amount": "NaN"}, "sales.target.amount"),
        ({"amount": "1e30"}, "sales.target.amount"),
        ({"period": "soon"}, "sales.forecast.period"),
        ({"user": "employee", "team": "North"}, "sales.target.holder"),
        ({"currency_code": "XX1"}, "core.currency.unknown"),
    ],
)
@pytest.mark.parametrize("kind", ["sqlite"])
def test_what_will_not_do_is_refused(office, given, code):
    with pytest.raises(InputError) as caught:
        put(office, **given)
    assert caught.value.code == code


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_file_sets_all_or_nothing(office, tmp_path: Path):
    path = tmp_path / "targets.csv"
    path.write_text(
        "Period;User;Team;Amount;Currency\n2026-Q4;employee;;12000.5;EUR\n2026-11;;North;7;PLN\n"
    )
    assert office.write(lambda uow: import_targets(uow, path), "manager") == 2
    assert office.write(lambda uow: import_targets(uow, path), "manager") == 2
    page = office.read(list_targets, "manager")
    assert [(each["period"], each["amount"]) for each in page.items] == [
        ("2026-11", 7),
        ("2026-Q4", Decimal("12000.5")),
    ]
    path.write_text(
        "period,user,amount\n2026-12,employee,5\n2026-12,nobody,many\n2026-99,employee,5\n"
    )
    with pytest.raises(InputError) as caught:
        office.write(lambda uow: import_targets(uow, path), "manager")
    assert caught.value.details["faults"] == 2
    assert "line 3" in caught.value.message
    assert "line 4" in caught.value.message
    assert len(office.read(list_targets, "manager").items) == 2
    path.write_text("month,amount\n2026-12,5\n")
    with pytest.raises(InputError, match="has the columns"):
        office.write(lambda uow: import_targets(uow, path), "manager")
