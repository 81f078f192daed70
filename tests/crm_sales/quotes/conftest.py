"""Offers of an office: products, a deal and an offer of it, in short words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from crm_core.entities import Product
from crm_core.entities.system import Setting
from crm_sales.services.opportunities import add_opportunity
from crm_sales.services.pricing.offer_rules import change_offer_rules
from crm_sales.services.quote_documents import offer as documents
from crm_sales.services.quote_sending import send_quote
from crm_sales.services.quotes.editing import add_quote
from crm_sales.services.quotes.lines import add_line
from crm_sales.services.quotes.view import quote_view

SITE = "https://crm.example.com"
GOODS = {"TABLE": "100", "LAMP": "30", "WHITE": "5", "BLACK": "7"}


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


@pytest.fixture
def site(office: Any) -> None:
    """The address of this site is known."""
    office.write(lambda uow: uow.add(Setting(key="web.base_url", value=SITE)))


@pytest.fixture
def offer(offers: Any, site: None) -> Any:
    """A draft with a table, a lamp to choose in addition, and one of two colours."""
    ids = {name: offers.product(name, price) for name, price in GOODS.items()}
    quote_id = offers.quote()
    offers.line(quote_id, ids["TABLE"], quantity="2", tax_percent="24")
    lamp = offers.line(quote_id, ids["LAMP"], role="option", is_chosen=False, tax_percent="24")
    colour = {"role": "alternative", "group": "Colour", "tax_percent": "24"}
    white = offers.line(quote_id, ids["WHITE"], is_chosen=True, **colour)
    black = offers.line(quote_id, ids["BLACK"], is_chosen=False, **colour)
    return SimpleNamespace(id=quote_id, lamp=lamp, white=white, black=black, products=ids)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents are not drawn, which takes its time."""
    monkeypatch.setattr(documents, "draw_pdf", lambda *_args: b"%PDF-1.7 drawn")


@pytest.fixture
def sent(offers: Any, offer: Any, undrawn: None) -> Any:
    """That offer, sent by mail; ``token`` is its link's."""
    done = offers.act(send_quote, offer.id)
    offer.link, offer.token = done.link, done.link.rpartition("/")[2]
    return offer
