"""Currencies with their dated rates against the company's currency."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal

from crm_core.messages import t
from crm_odoo.mappings.converters import archived, first_text, quantity, text, whole
from crm_odoo.mappings.model import (
    Derived,
    EntityMapping,
    FieldMapping,
    Need,
    Related,
    Row,
    Surroundings,
)

_INTERNAL = "Internal User (base.group_user)"
_RATE_FIELDS = ("name", "rate", "company_id")


def base_codes(rows: Sequence[Row], around: Surroundings) -> Mapping[int, str]:
    """Return the company's currency for every currency."""
    return {row["id"]: around.company.currency_code for row in rows}


def rates(rows: Sequence[Row], around: Surroundings) -> Mapping[int, list[dict[str, str | None]]]:
    """Return each currency's rates: its units that one unit of the base currency buys.

    Odoo's rates count from whichever currency has 1, which need not be the company's: so each is
    divided by the company currency's own rate of that day, 1 before its first.
    """
    own = _company_rates(rows, around)
    days = sorted(own)

    def against_own(on: str, rate: Decimal) -> str | None:
        place = bisect_right(days, on)
        return quantity(rate / own[days[place - 1]] if place else rate)

    return {
        row["id"]: [
            {"on": on, "rate": against_own(on, rate)}
            for on, rate in sorted(_dated(around.related(row), around.company.id).items())
        ]
        for row in rows
    }


def _company_rates(rows: Sequence[Row], around: Surroundings) -> dict[str, Decimal]:
    company = around.company
    for row in rows:
        if row["id"] == company.currency_id:
            return _dated(around.related(row), company.id)
    found = around.read("res.currency", [company.currency_id], ["rate_ids"])
    rate_ids = [rate_id for row in found for rate_id in row["rate_ids"]]
    return _dated(around.read("res.currency.rate", rate_ids, _RATE_FIELDS), company.id)


def _dated(found: Sequence[Row], company_id: int) -> dict[str, Decimal]:
    """Return rate by day; the company's own goes before one of all companies."""
    dated: dict[str, Decimal] = {}
    for row in sorted(found, key=lambda row: bool(row["company_id"])):
        if row["rate"] and row["company_id"] in (False, company_id):
            dated[row["name"][:10]] = Decimal(str(row["rate"]))
    return dated


CURRENCY = EntityMapping(
    name="currency",
    model="res.currency",
    module="",
    domain=(),
    cursors=("write_date", "rate_ids.write_date"),
    label=("code",),
    needs=(
        Need("res.currency", "currencies", _INTERNAL),
        Need("res.currency.rate", t("exchange rates"), _INTERNAL),
    ),
    requires=("code",),
    fields=(
        FieldMapping("code", "name", text),
        FieldMapping("name", ("full_name|currency_unit_label?", "name"), first_text),
        FieldMapping("symbol", "symbol", text),
        FieldMapping("decimal_places", "decimal_places", whole),
        FieldMapping("archived", "active", archived),
    ),
    related=Related("res.currency.rate", through="rate_ids", remotes=_RATE_FIELDS),
    derived=(Derived("base_code", (), base_codes), Derived("rates", (), rates)),
)
