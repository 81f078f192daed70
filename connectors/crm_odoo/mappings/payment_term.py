"""Payment terms, which Odoo alone writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crm_core.messages import t
from crm_odoo.mappings.converters import archived, lines_of_text, required_text
from crm_odoo.mappings.model import Derived, EntityMapping, FieldMapping, Need, Related, Row
from crm_odoo.mappings.model import Surroundings as Around

_FROM_INVOICE = ("day_after_invoice_date", "days_after", False, None)


def last_days(rows: Sequence[Row], around: Around) -> Mapping[int, int | None]:
    """Return after how many days the last part is due; None where it is not so simply told."""
    return {row["id"]: _days(around.related(row)) for row in rows}


def _days(parts: Sequence[Row]) -> int | None:
    told = [
        part.get("days", part.get("nb_days"))
        for part in parts
        if part.get("option", part.get("delay_type")) in _FROM_INVOICE
    ]
    return max(map(int, told)) if told and len(told) == len(parts) else None


PAYMENT_TERM = EntityMapping(
    name="sales_payment_term",
    model="account.payment.term",
    module="Invoicing",
    domain=(),
    cursors=("write_date", "line_ids.write_date"),
    label=("name",),
    needs=(Need("account.payment.term", t("payment terms"), "Internal User (base.group_user)"),),
    requires=("name",),
    fields=(
        FieldMapping("name", "name", required_text),
        FieldMapping("note", "note", lines_of_text),
        FieldMapping("position", "sequence", int),
        FieldMapping("archived", "active", archived),
    ),
    related=Related(
        "account.payment.term.line",
        through="line_ids",
        remotes=("days|nb_days", "option|delay_type?"),
    ),
    derived=(Derived("days", (), last_days),),
)
