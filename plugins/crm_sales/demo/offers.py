"""Offers of the demo company's open deals: drafts, and some that are ready to be sent."""

from __future__ import annotations

from random import Random

from sqlalchemy import select

from crm_core.entities import Product
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import DealState, Opportunity, Stage
from crm_sales.services.quotes.approval import submit_quote
from crm_sales.services.quotes.editing import add_quote
from crm_sales.services.quotes.lines import add_line

SEED, OFFERS = 3, 12
FROM_POSITION = 2
"""Deals have an offer from this stage on."""
QUANTITIES, DISCOUNTS = (2, 6, 10, 24), (0, 0, 0, 5)


def tell_offers(uow: UnitOfWork) -> None:
    """Make offers of some deals that are far enough, of what they are about and more."""
    random = Random(SEED)  # noqa: S311  a story, no secret
    deals = uow.execute(
        select(Opportunity.id, Opportunity.product_id)
        .join(Stage, Stage.id == Opportunity.stage_id)
        .where(Opportunity.state == DealState.OPEN.value, Stage.position >= FROM_POSITION)
        .order_by(Opportunity.created_at, Opportunity.id)
        .limit(OFFERS)
    ).all()
    sold = uow.scalars(
        select(Product.id)
        .where(Product.is_sold, Product.archived_at.is_(None), Product.list_price > 0)
        .order_by(Product.reference)
    ).all()
    for number, deal in enumerate(deals):
        quote = add_quote(uow, deal.id)
        first = [deal.product_id] if deal.product_id in sold else []
        for product_id in dict.fromkeys([*first, *random.sample(sold, min(2, len(sold)))]):
            add_line(
                uow,
                quote.id,
                product_id=product_id,
                quantity=random.choice(QUANTITIES),
                discount_percent=random.choice(DISCOUNTS),
            )
        if number % 3 == 0:
            submit_quote(uow, quote.id)
