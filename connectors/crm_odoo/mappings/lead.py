"""Deals: Odoo's opportunities of customers. Its leads, and deals of nobody, are left to Odoo.

The probability stays each side's own, so it is neither read nor written, but for the zero that
makes an archived opportunity a lost one over there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crm_core.messages import t
from crm_odoo.mappings.converters import day, money, plain, reference, required_text
from crm_odoo.mappings.domains import of_customers
from crm_odoo.mappings.model import (
    Deed,
    EntityMapping,
    FieldMapping,
    IfMissing,
    Lookup,
    Need,
    Record,
    Write,
)
from crm_odoo.mappings.written import blankable, folded, one, remote_id

OPEN, WON, LOST = "open", "won", "lost"
_SALES = "User: All Documents (sales_team.group_sale_salesman_all_leads)"
_STAGE = Lookup("crm.stage", "name", folded, if_missing=IfMissing.REFUSED)
_REASON = Lookup("crm.lost.reason", "name", folded, if_missing=IfMissing.LEFT_OUT)
_TAG = Lookup("crm.tag", "name", folded, if_missing=IfMissing.MADE)


def deal_state(active: Any, is_won: Any) -> str:
    """Return whether a deal is lost, which is archived there, won, or open."""
    if not active:
        return LOST
    return WON if is_won else OPEN


def state_fields(state: Any, _: Record) -> Mapping[str, Any]:
    """Return the fields of a deal's state; that it is won its stage says."""
    told = {"active": state != LOST, "stage_id.is_won": state == WON}
    # As Odoo does it itself; were only one of them zero, the deal would count as overridden.
    zero = {"probability": 0, "automated_probability": 0} if state == LOST else {}
    return told | zero


def revenue(amount: Any, currency: Any) -> str | None:
    """Return what a deal is expected to bring; none where nobody said: Odoo then keeps zero."""
    return f"{money(amount)} {currency}" if amount and currency else None


def revenue_fields(value: Any, _: Record) -> Mapping[str, Any]:
    """Return an amount as Odoo keeps it, in the company's currency only."""
    amount, _space, code = (value or "").partition(" ")
    return {"expected_revenue": amount or "0", "company_currency.name": code or None}


def reason_fields(reason: Any, _: Record) -> Mapping[str, Any]:
    """Return why a deal was lost, under the name that the field has in either version."""
    return dict.fromkeys(_REASONS, blankable(reason))


def tag_fields(names: Any, _: Record) -> Mapping[str, Any]:
    """Return the names of a deal's tags; those that are not there yet are made."""
    return {"tag_ids.name": list(names or ())}


def names(value: Any) -> list[str]:
    """Return the names of records in their order."""
    return sorted(str(name).strip() for name in value or () if name)


_REASONS = ("lost_reason.name", "lost_reason_id.name")

OPPORTUNITY = EntityMapping(
    name="sales_opportunity",
    model="crm.lead",
    module="CRM",
    domain=of_customers(("type", "=", "opportunity")),
    cursors=("write_date", "partner_id.write_date", "stage_id.write_date", "tag_ids.write_date"),
    label=("name",),
    needs=(Need("crm.lead", t("deals"), _SALES),),
    requires=("name",),
    fields=(
        FieldMapping("name", "name", required_text, one("name", blankable)),
        FieldMapping("customer_ref", "partner_id", reference, one("partner_id", remote_id)),
        FieldMapping("owner_ref", "user_id", reference, one("user_id", remote_id)),
        FieldMapping("stage", "stage_id.name", plain, one("stage_id.name", blankable, _STAGE)),
        FieldMapping(
            "state",
            ("active", "stage_id.is_won"),
            deal_state,
            Write(state_fields, ("active", "probability", "automated_probability")),
        ),
        FieldMapping(
            "loss_reason",
            "lost_reason.name|lost_reason_id.name",
            plain,
            Write(
                reason_fields,
                ("lost_reason", "lost_reason_id"),
                dict.fromkeys(_REASONS, _REASON),
            ),
        ),
        FieldMapping(
            "expected_amount",
            ("expected_revenue", "company_currency.name"),
            revenue,
            Write(revenue_fields, ("expected_revenue",), currency="company_currency.name"),
        ),
        FieldMapping("expected_close_on", "date_deadline", day, one("date_deadline", blankable)),
        FieldMapping(
            "tags", "tag_ids.name", names, Write(tag_fields, ("tag_ids",), {"tag_ids.name": _TAG})
        ),
    ),
    # Bringing one back also lets Odoo reckon its probability again.
    grants_writing=_SALES,
    deeds=(Deed("state", OPEN, (("active", "=", False),), "action_unarchive"),),
)
