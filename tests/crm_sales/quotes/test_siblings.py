"""Several offers of one deal: the customer takes one; none is ordered beside it silently."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from crm_core.entities import User
from crm_core.entities.system import AuditEntry
from crm_core.errors import RuleViolationError
from crm_sales.errors import OfferClosedError
from crm_sales.models import OrderState, Quote, QuoteAnswer, QuoteOrder, QuoteQuestion, QuoteState
from crm_sales.services.calendar_feed import feed_address
from crm_sales.services.moves import reopen_opportunity
from crm_sales.services.order_stories import order_story
from crm_sales.services.quote_answers import accept_quote, ask_about_quote
from crm_sales.services.quote_links import make_link
from crm_sales.services.quote_orders import SECOND, order_quote, retry_order
from crm_sales.services.quotes.editing import add_quote
from crm_sales.services.quotes.lines import add_line
from crm_sales.services.quotes.versions import withdraw_quote


def sibling(office: Any, sent: Any, state: str = "sent") -> UUID:
    """Make another offer of the same deal, that counts as sent."""

    def act(uow: Any) -> UUID:
        deal_id = uow.get(Quote, sent.id).opportunity_id
        quote = add_quote(uow, deal_id)
        add_line(uow, quote.id, product_id=sent.products["LAMP"])
        quote.state = state
        return quote.id  # type: ignore[no-any-return]

    return office.write(act)  # type: ignore[no-any-return]


def quote(office: Any, quote_id: UUID) -> Quote:
    return office.read(lambda uow: uow.get(Quote, quote_id))  # type: ignore[no-any-return]


def test_what_is_open_beside_an_accepted_offer_is_closed(office, sent, web):
    others = {each: sibling(office, sent, each) for each in ("draft", "sent", "refused")}
    office.write(lambda uow: accept_quote(uow, sent.id, signed_by="Eleni"))
    found = {name: quote(office, each) for name, each in others.items()}
    assert {name: each.state for name, each in found.items()} == {
        "draft": "withdrawn",
        "sent": "withdrawn",
        "refused": "refused",
    }
    assert [found[name].instead_id for name in ("sent", "refused")] == [sent.id, None]
    with pytest.raises(OfferClosedError, match="another offer for the same was accepted"):
        office.write(lambda uow: accept_quote(uow, others["sent"], signed_by="Boris"))
    page = web("employee").get(f"/sales/quotes/{others['sent']}")
    assert f"{quote(office, sent.id).number} was accepted instead" in page.words
    assert len(page.queries) <= 15


def test_of_two_offers_accepted_at_once_one_is_taken(office, sent):
    other = sibling(office, sent)
    start, refused = threading.Barrier(2), []

    def accept(quote_id: UUID) -> None:
        start.wait()
        try:
            office.write(lambda uow: accept_quote(uow, quote_id, signed_by="Anna"))
        except OfferClosedError as error:
            refused.append((quote_id, error.code))

    both = [threading.Thread(target=accept, args=(each,)) for each in (sent.id, other)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    ((slower, code),) = refused
    assert code == "sales.quote.instead"
    answered = office.read(lambda uow: uow.scalars(select(QuoteAnswer.quote_id)).all())
    assert set(answered) == {sent.id, other} - {slower}
    assert quote(office, slower).state == QuoteState.WITHDRAWN


def test_a_second_order_of_a_deal_takes_a_reason(office, sent, web):
    """A deal that was opened again, with a new offer that is accepted, too."""
    office.write(lambda uow: accept_quote(uow, sent.id, signed_by="Eleni"))
    office.write(lambda uow: order_quote(uow, sent.id))
    deal_id = quote(office, sent.id).opportunity_id
    office.write(lambda uow: reopen_opportunity(uow, deal_id), "employee")
    other = sibling(office, sent)
    office.write(lambda uow: accept_quote(uow, other, signed_by="Eleni"))
    held = office.write(lambda uow: order_quote(uow, other))
    assert (held.state, held.problem_code) == (OrderState.REFUSED, SECOND)
    with pytest.raises(RuleViolationError, match="was ordered already"):
        office.write(lambda uow: retry_order(uow, other), "employee")
    page = web("employee").get(f"/sales/quotes/{other}")
    assert "Why the customer wants both" in page.words
    path = f"/sales/orders/{other}/retry"
    assert web("employee").post(path, {"beside": " "}).status == 409
    assert web("readonly").post(path, {"beside": "Both"}).status == 403
    assert web("employee").post(path, {"beside": "One for each shop"}).status == 303
    story = office.read(lambda uow: order_story(uow, other), "employee")["order"]
    assert (story["state"], story["beside_reason"]) == ("waiting", "One for each shop")
    assert not story["is_second"]
    told = office.read(lambda uow: uow.scalars(select(AuditEntry)).all())
    assert any("One for each shop" in str(each.changes) for each in told)


def test_an_order_that_is_not_coming_stands_in_nobodys_way(office, sent):
    office.write(lambda uow: accept_quote(uow, sent.id, signed_by="Eleni"))
    office.write(lambda uow: order_quote(uow, sent.id))
    gone = {"state": OrderState.CANCELLED}
    office.write(lambda uow: uow.execute(update(QuoteOrder).values(**gone)))
    deal_id = quote(office, sent.id).opportunity_id
    office.write(lambda uow: reopen_opportunity(uow, deal_id), "employee")
    other = sibling(office, sent)
    office.write(lambda uow: accept_quote(uow, other, signed_by="Eleni"))
    assert office.write(lambda uow: order_quote(uow, other)).state == OrderState.WAITING


@pytest.mark.usefixtures("noon")
@pytest.mark.parametrize("kind", ["sqlite"])
def test_what_is_over_takes_no_question_and_says_whom_to_write_to(offers, office, sent, web):
    path = f"/sales/offer/{sent.token}"
    asking = {"name": "Eleni", "text": "When?"}
    office.write(
        lambda uow: uow.execute(
            update(User).where(User.login == "employee").values(email="ed@shop.example")
        )
    )
    today = datetime.now(UTC).date()
    office.write(
        lambda uow: uow.execute(update(Quote).values(valid_until_on=today - timedelta(days=2)))
    )
    browser = web()
    late = browser.post(f"{path}/ask", asking)
    assert late.status == 409
    assert "is over, so nobody reads questions" in late.words
    assert "ed@shop.example" in browser.get(path).words
    office.write(lambda uow: uow.execute(update(Quote).values(valid_until_on=today)))
    office.write(lambda uow: uow.execute(update(User).values(email=None)))
    offers.act(withdraw_quote, sent.id)
    assert "Call us and ask for" in browser.post(f"{path}/ask", asking).words
    office.write(lambda uow: uow.execute(update(User).values(is_enabled=False)))
    with pytest.raises(OfferClosedError, match="Answer the mail that it came with"):
        office.write(lambda uow: ask_about_quote(uow, sent.id, **asking))
    assert office.read(lambda uow: uow.scalars(select(QuoteQuestion)).all()) == []


@pytest.mark.parametrize("kind", ["sqlite"])
def test_offers_and_calendars_are_at_one_site(office, sent):
    link = office.write(lambda uow: make_link(uow, sent.id)[1])
    feed = office.read(lambda uow: feed_address(uow, "secret"), "employee")
    assert link.startswith("https://crm.example.com/sales/offer/")
    assert feed == "https://crm.example.com/sales/calendar/feed/secret.ics"
