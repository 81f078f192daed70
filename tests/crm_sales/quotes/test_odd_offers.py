"""Offers given odd numbers, and offers at odd moments."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from crm_core.entities import Address
from crm_core.errors import InputError, RuleViolationError
from crm_core.outbox.relay import relay
from crm_core.services.currencies import ensure_currency, set_rate
from crm_sales.models import Opportunity, Quote, QuoteAnswer
from crm_sales.services.moves import lose_opportunity
from crm_sales.services.quote_answers import accept_quote
from crm_sales.services.quote_documents.content import offer_content
from crm_sales.services.quote_sending import send_quote
from crm_sales.services.quotes.approval import submit_quote
from crm_sales.services.quotes.editing import edit_quote

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])


@pytest.mark.parametrize("day", [date.max, date(2200, 1, 1)])
def test_no_offer_is_valid_until_the_end_of_time(offers: Any, offer: Any, day: date) -> None:
    with pytest.raises(InputError) as refused:
        offers.act(edit_quote, offer.id, {"valid_until_on": day})
    assert refused.value.code == "sales.quote.validity"


@pytest.mark.parametrize("typed", ["1E+9999999", "1E-99999999", "1E+900000", "9" * 100_000])
def test_numbers_without_bounds_are_refused_in_short(offers: Any, offer: Any, typed: str) -> None:
    for field in ("quantity", "unit_price", "discount_percent", "tax_percent"):
        with pytest.raises(InputError) as refused:
            offers.line(offer.id, offer.products["TABLE"], **{field: typed})
        assert len(refused.value.message) < 300


@pytest.mark.parametrize("total", ["sNaN", "NaN", "-Infinity"])
def test_what_is_no_total_breaks_nothing(office: Any, sent: Any, web: Any, total: str) -> None:
    fields = {"name": "Anna", "agreed": "yes", "total": total}
    page = web().post(f"/sales/offer/{sent.token}/accept", fields)
    assert page.status in (303, 409), page.words
    assert (office.read(lambda uow: uow.find(QuoteAnswer, sent.id)) is None) == (page.status == 409)


def test_an_offer_goes_to_no_address_that_was_given_up(
    offers: Any, office: Any, offer: Any
) -> None:
    def add(uow: Any) -> None:
        customer_id = uow.get(Quote, offer.id).customer_id
        for street, archived_at in (("Old Road 1", datetime.now(UTC)), ("New Road 2", None)):
            address = Address(customer_id=customer_id, use="main", street=street)
            address.archived_at = archived_at
            uow.add(address)
            uow.flush()

    office.write(add)
    said = office.read(lambda uow: offer_content(uow, offer.id), "employee")
    assert said["address"] == ["New Road 2"]


def test_a_deal_given_up_is_won_by_its_accepted_offer(offers: Any, office: Any, sent: Any) -> None:
    deal_id = office.read(lambda uow: uow.get(Quote, sent.id).opportunity_id)
    offers.act(lose_opportunity, deal_id, reason_code="competitor", competitor="Acme")
    offers.act(accept_quote, sent.id, signed_by="Anna")
    handlers = list(office.application.plugins.event_handlers.values())
    assert relay(office.application.database, handlers).failed == 0
    deal = office.read(lambda uow: uow.get(Opportunity, deal_id))
    assert (deal.state, deal.loss_reason_id, deal.competitor_id) == ("won", None, None)


def test_a_floor_raised_meanwhile_holds(offers: Any, offer: Any, undrawn: None) -> None:
    offers.act(submit_quote, offer.id)
    offers.rules(floors=[{"product": "TABLE", "price": "150", "currency": "EUR"}])
    with pytest.raises(RuleViolationError) as refused:
        offers.act(send_quote, offer.id)
    assert refused.value.code == "sales.quote.below_floor"


def test_without_a_rate_nobody_types_whatever_they_like(offers: Any, office: Any) -> None:
    table = offers.product("TABLE", "100")
    office.write(lambda uow: ensure_currency(uow, "USD"))
    quote_id = offers.quote(currency_code="USD")
    offers.line(quote_id, table, unit_price="1")
    with pytest.raises(RuleViolationError, match="No rate leads from EUR to USD") as refused:
        offers.act(submit_quote, quote_id)
    assert refused.value.code == "sales.quote.no_rate"
    office.write(lambda uow: set_rate(uow, "USD", "EUR", uow.now.date(), Decimal("1.25")))
    with pytest.raises(RuleViolationError) as refused:
        offers.act(submit_quote, quote_id)
    assert refused.value.code == "sales.quote.below_floor"
