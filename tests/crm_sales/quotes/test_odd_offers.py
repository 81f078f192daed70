"""Offers under odd input and at odd moments."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import update

from crm_core.entities import Address
from crm_core.errors import InputError, RuleViolationError
from crm_core.outbox.relay import relay
from crm_sales.models import Opportunity, Quote
from crm_sales.services.moves import lose_opportunity
from crm_sales.services.quote_answers import accept_quote
from crm_sales.services.quote_documents.content import offer_content
from crm_sales.services.quote_sending import send_quote
from crm_sales.services.quotes.approval import submit_quote
from crm_sales.services.quotes.editing import edit_quote

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])


def test_probe_validity(offers: Any, offer: Any) -> None:
    with pytest.raises(InputError):
        offers.act(edit_quote, offer.id, {"valid_until_on": date.max})


@pytest.mark.parametrize("typed", ["1E+9999999", "1E-99999999", "1E+900000", "1E-900000"])
def test_probe_numbers(offers: Any, offer: Any, typed: str) -> None:
    for field in ("quantity", "unit_price", "discount_percent"):
        with pytest.raises(InputError) as refused:
            offers.line(offer.id, offer.products["TABLE"], **{field: typed})
        assert len(refused.value.message) < 500


def test_probe_sums(offers: Any, offer: Any) -> None:
    for _ in range(20):
        try:
            offers.line(
                offer.id, offer.products["TABLE"], quantity="1000000", unit_price="100000000"
            )
        except (InputError, RuleViolationError):
            break


@pytest.mark.parametrize("total", ["sNaN", "NaN", "Infinity", "1E+9999999"])
def test_probe_total(sent: Any, web: Any, total: str) -> None:
    fields = {"name": "x", "agreed": "yes", "total": total}
    page = web().post(f"/sales/offer/{sent.token}/accept", fields)
    assert page.status in (409, 422, 303), page.words


def test_probe_archived_address(offers: Any, office: Any, offer: Any) -> None:
    now = datetime.now(UTC)

    def add(uow: Any) -> None:
        customer_id = uow.get(Quote, offer.id).customer_id
        for street, archived in (("Old Road 1", now), ("New Road 2", None)):
            uow.add(
                Address(
                    customer_id=customer_id, use="main", street=street, archived_at=archived,
                    position=0,
                )
            )
            uow.flush()

    office.write(add)
    said = office.read(lambda uow: offer_content(uow, offer.id), "employee")
    assert "Old Road 1" not in said["address"], said["address"]


def test_probe_lost(offers: Any, office: Any, sent: Any) -> None:
    deal_id = office.read(lambda uow: uow.get(Quote, sent.id).opportunity_id)
    offers.act(lose_opportunity, deal_id, reason_code="price")
    offers.act(accept_quote, sent.id, signed_by="Anna")
    handlers = list(office.application.plugins.event_handlers.values())
    report = relay(office.application.database, handlers)
    assert report.failed == 0, report
    assert office.read(lambda uow: uow.get(Opportunity, deal_id).state) == "won"


def test_probe_floor_now(offers: Any, offer: Any, undrawn: Any) -> None:
    offers.act(submit_quote, offer.id)
    offers.rules(floors=[{"product": "TABLE", "price": "150", "currency": "EUR"}])
    with pytest.raises(RuleViolationError):
        offers.act(send_quote, offer.id)
