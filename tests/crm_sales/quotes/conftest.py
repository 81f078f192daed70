"""Offers of an office: products, a deal and an offer of it, in short words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from crm_core.entities import Product
from crm_sales.services.opportunities import add_opportunity
from crm_sales.services.pricing.offer_rules import change_offer_rules
from crm_sales.services.quotes.editing import add_quote
from crm_sales.services.quotes.lines import add_line
from crm_sales.services.quotes.view import quote_view


class Offers:
    """What tests of offers do again and again."""

    def __init__(self, office: Any) -> None:
        self.office = office

    def product(self, reference: str = "TABLE", price: Any = "100", **values: Any) -> UUID:
        """Add a product, by its reference named ``Table``, in euros."""
        values = {
            "name": reference.capitalize(),
            "reference": reference,
            "category": "All / Goods",
            "unit": "Units",
            "list_price": price,
            "currency_code": "EUR",
            "refreshed_at": datetime.now(UTC),
            **values,
        }
        return self.office.write(lambda uow: uow.add(Product(**values)).id)

    def deal(self, owner: str = "employee") -> UUID:
        """Add a deal of this user's own customer."""
        customer_id = UUID(self.office.customer(owner))
        return self.office.write(lambda uow: add_opportunity(uow, customer_id, "A shop").id, owner)

    def quote(self, owner: str = "employee", **values: Any) -> UUID:
        """Make an offer of a new deal."""
        deal_id = self.deal(owner)
        return self.office.write(lambda uow: add_quote(uow, deal_id, **values).id, owner)

    def line(self, quote_id: UUID, product_id: UUID, by: str = "employee", **values: Any) -> UUID:
        """Add a line to an offer."""
        return self.office.write(
            lambda uow: add_line(uow, quote_id, product_id=product_id, **values).id, by
        )

    def rules(self, **document: Any) -> None:
        """Set what the company says of its offers."""
        self.office.write(lambda uow: change_offer_rules(uow, document))

    def view(self, quote_id: UUID, by: str = "employee") -> dict[str, Any]:
        """Look at an offer."""
        return self.office.read(lambda uow: quote_view(uow, quote_id), by)

    def act(self, service: Callable[..., Any], *args: Any, by: str = "employee", **kw: Any) -> Any:
        """Call a service as somebody, and commit."""
        return self.office.write(lambda uow: service(uow, *args, **kw), by)


@pytest.fixture
def offers(office) -> Offers:
    """Offers in an office."""
    return Offers(office)
