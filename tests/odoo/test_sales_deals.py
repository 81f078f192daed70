"""Deals go to a real Odoo and come from it; so do price lists and payment terms."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_sales.models import (
    DealState,
    Opportunity,
    OpportunityMove,
    PriceList,
    PriceListRule,
)
from crm_sales.services.opportunities import (
    add_opportunity,
    edit_opportunity,
    lose_opportunity,
    move_opportunity,
    reopen_opportunity,
)
from crm_sales.services.pipelines import default_pipeline, live_stages
from selling import Selling
from selling_odoo import admin, customer_id, options, products, selling

__all__ = ["admin", "customer_id", "options", "products", "selling"]

pytestmark = pytest.mark.slow


def test_deals_go_both_ways(selling: Selling, admin: Any, customer_id: UUID) -> None:
    def act(uow: Any) -> UUID:
        made = add_opportunity(
            uow, customer_id, "Deal Ω", expected_amount=Decimal(1000), currency_code="USD",
            tags=["Zeta"],
        )  # fmt: skip
        return made.id  # type: ignore[no-any-return]

    deal_id: UUID = selling.write(act)
    in_zloty = selling.write(
        lambda uow: add_opportunity(
            uow, customer_id, "In zloty", expected_amount=Decimal(5), currency_code="PLN"
        )
    ).id
    selling.run()
    remote = selling.remote_id("sales_opportunity", deal_id)

    lost_reason = admin.field("crm.lead", "lost_reason", "lost_reason_id")

    def there() -> dict[str, Any]:
        fields = ["name", "stage_id", "active", "probability", "automated_probability"]
        fields += [lost_reason, "expected_revenue", "tag_ids", "type"]
        [row] = admin.rows(
            "crm.lead", [("id", "=", remote)], fields, context={"active_test": False}
        )
        return row  # type: ignore[no-any-return]

    row = there()
    assert (row["stage_id"][1], row["expected_revenue"], row["type"]) == (
        "New",
        1000,
        "opportunity",
    )
    stages = {
        each.name: each.id
        for each in selling.read(lambda uow: live_stages(uow, default_pipeline(uow).id))
    }
    selling.write(lambda uow: move_opportunity(uow, deal_id, stages["Qualified"]))
    # The other side changes other fields at the same time.
    admin.write("crm.lead", [remote], {"expected_revenue": 1500, "date_deadline": "2027-01-31"})
    selling.run()
    assert there()["stage_id"][1] == "Qualified"
    deal = selling.deal(deal_id)
    assert (deal.expected_amount, deal.currency_code) == (Decimal(1500), "USD")
    assert str(deal.expected_close_on) == "2027-01-31"
    probability = deal.probability

    # Lost there: with a reason that is not known here yet.
    [reason] = admin.create("crm.lost.reason", [{"name": "Πολύ ακριβό"}])
    admin.execute("crm.lead", "action_set_lost", [remote], **{lost_reason: reason})
    selling.run()
    deal = selling.deal(deal_id)
    assert (deal.state, deal.closed_at is not None) == (DealState.LOST, True)
    # Reopened here, which brings it back there and lets Odoo reckon again.
    selling.write(lambda uow: reopen_opportunity(uow, deal_id))
    selling.run()
    row = there()
    assert row["active"]
    assert row["probability"] == row["automated_probability"] != 0
    assert not row[lost_reason]
    # Lost here.
    selling.write(lambda uow: lose_opportunity(uow, deal_id, reason_code="price"))
    selling.run()
    row = there()
    assert (row["active"], row["probability"]) == (False, 0)
    selling.write(lambda uow: reopen_opportunity(uow, deal_id))
    selling.run()
    # Won there; a move as any other.
    admin.execute("crm.lead", "action_set_won", [remote])
    selling.run()
    deal = selling.deal(deal_id)
    assert (deal.state, deal.probability, probability != 1) == (DealState.WON, 1, True)
    moves = select(OpportunityMove.to_state).where(OpportunityMove.opportunity_id == deal_id)
    states = selling.read(lambda uow: list(uow.scalars(moves.order_by(OpportunityMove.at))))
    assert states == ["open", "open", "lost", "open", "lost", "open", "won"]
    assert "sales_opportunity" not in selling.run().pushed
    other = selling.deal(in_zloty)
    assert (other.expected_amount, other.currency_code) == (Decimal(5), "PLN")


def test_deals_of_theirs_come_here_and_unknown_stages_stand_aside(
    selling: Selling, admin: Any, customer_id: UUID
) -> None:
    selling.run()
    partner = selling.remote_id("customer", customer_id)
    [tag] = admin.create("crm.tag", [{"name": "Βόρεια"}])
    base = {"type": "opportunity", "partner_id": partner}
    [qualified] = admin.search("crm.stage", [("name", "=", "Qualified")])
    [own] = admin.create("crm.stage", [{"name": "Somewhere", "sequence": 9}])
    values = {"name": "Theirs", "stage_id": qualified, "tag_ids": [(6, 0, [tag])]}
    theirs, _lead, _odd = admin.create(
        "crm.lead",
        [
            {**base, **values, "expected_revenue": 7},
            {**base, "name": "A lead", "type": "lead"},
            {**base, "name": "Odd", "stage_id": own},
        ],
    )
    report = selling.run()
    assert report.state == "partly"
    own = select(Opportunity).where(Opportunity.customer_id == customer_id)
    deals = selling.read(lambda uow: list(uow.scalars(own)))
    assert [(each.name, each.expected_amount) for each in deals] == [("Theirs", 7)]
    # Both change the name: by its master Odoo wins; tags of both stay.
    deal_id = deals[0].id
    selling.write(
        lambda uow: edit_opportunity(uow, deal_id, {"name": "Ours", "tags": ["Βόρεια", "Zeta"]})
    )
    [south] = admin.create("crm.tag", [{"name": "Νότια"}])
    admin.write("crm.lead", [theirs], {"name": "Theirs still", "tag_ids": [(4, south)]})
    selling.run()
    assert selling.deal(deal_id).name == "Theirs still"
    [row] = admin.rows("crm.lead", [("id", "=", theirs)], ["name", "tag_ids"])
    tags = admin.rows("crm.tag", [("id", "in", row["tag_ids"])], ["name"])
    assert {each["name"] for each in tags} == {"Βόρεια", "Νότια", "Zeta"}
    # Our stage that they do not have stands aside with what to do, and goes when it is there.
    stages = {
        each.name: each.id
        for each in selling.read(lambda uow: live_stages(uow, default_pipeline(uow).id))
    }
    selling.write(lambda uow: move_opportunity(uow, deal_id, stages["Negotiation"]))
    assert selling.run().state == "partly"
    [row] = admin.rows("crm.lead", [("id", "=", theirs)], ["stage_id"])
    assert row["stage_id"][1] == "Qualified", "it stays as it was"
    admin.create("crm.stage", [{"name": "Negotiation", "sequence": 50}])
    selling.run(retry=True)
    [row] = admin.rows("crm.lead", [("id", "=", theirs)], ["stage_id"])
    assert row["stage_id"][1] == "Negotiation"


def test_price_lists_and_terms_come_as_they_are(
    selling: Selling, admin: Any, products: list[str]
) -> None:
    selling.run()
    mug = selling.product(products[0])
    named = [("name", "=", products[0])]
    [variant] = admin.rows("product.product", named, ["product_tmpl_id"])
    item = {
        "applied_on": "1_product",
        "product_tmpl_id": variant["product_tmpl_id"][0],
        "compute_price": "formula",
        "base": "list_price",
        "price_discount": 12.5,
        "price_round": 0.05,
        "price_surcharge": -0.01,
        "min_quantity": 10,
        "date_start": "2026-01-01 00:00:00",
    }
    values = {"name": "Contract", "item_ids": [(0, 0, item)]}
    [made] = admin.create("product.pricelist", [values])
    selling.run()
    wanted = select(PriceListRule).join(PriceList, PriceList.id == PriceListRule.price_list_id)
    [rule] = selling.read(lambda uow: list(uow.scalars(wanted.where(PriceList.name == "Contract"))))
    assert (rule.target, rule.product_id, rule.method) == ("product", mug, "formula")
    assert (rule.percent, rule.rounding, rule.surcharge) == (
        Decimal("12.5"), Decimal("0.05"), Decimal("-0.01"),
    )  # fmt: skip
    assert (rule.min_quantity, rule.starts_at) == (10, datetime(2026, 1, 1, tzinfo=UTC))
    admin.execute("product.pricelist", "unlink", [made])
    selling.run(sweep=True)
    gone = select(PriceList.archived_at).where(PriceList.name == "Contract")
    assert selling.read(lambda uow: uow.scalar(gone)) is not None
