"""Offers that went out: mailed, looked at by a link, accepted, refused, asked about, expired."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from crm_core.access import system_actor
from crm_core.entities import Activity, Interaction, QueuedMail, QueuedMailFile
from crm_core.entities.system import AuditEntry, Setting
from crm_core.errors import (
    InputError,
    NotFoundError,
    PermissionDeniedError,
    RuleViolationError,
    StaleVersionError,
)
from crm_sales.errors import (
    ChoiceChangedError,
    OfferAnsweredError,
    OfferClosedError,
    OfferLinkGoneError,
)
from crm_sales.models import Opportunity, Quote, QuoteAnswer, QuoteDocument, QuoteLink, QuoteState
from crm_sales.services.quote_answers import (
    accept_quote,
    ask_about_quote,
    expire_quotes,
    refuse_quote,
)
from crm_sales.services.quote_documents.offer import document_of
from crm_sales.services.quote_links import make_link, offer_of_link, revoke_links
from crm_sales.services.quote_sending import send_quote
from crm_sales.services.quotes.editing import edit_quote
from crm_sales.services.quotes.versions import revise_quote


def state(office: Any, quote_id: UUID) -> str:
    return office.read(lambda uow: uow.get(Quote, quote_id).state)


def test_it_is_mailed_with_its_document_and_logged(offers, office, sent):
    with office.application.unit_of_work(system_actor("test")) as uow:
        mail = uow.scalars(select(QueuedMail)).one()
        file = uow.scalars(select(QueuedMailFile)).one()
        kept = uow.get(QuoteDocument, sent.id)
        logged = uow.scalars(select(Interaction).where(Interaction.about_id == sent.id)).one()
        quote = uow.get(Quote, sent.id)
        link = uow.scalars(select(QuoteLink)).one()
        told = str(uow.scalars(select(AuditEntry.changes)).all())
    assert mail.to_address == "northquux@example.com"
    assert quote.number in mail.subject
    assert sent.link in mail.text
    assert sent.link.startswith("https://crm.example.com/sales/offer/")
    assert mail.expires_at >= mail.made_at + timedelta(days=29)
    assert (file.file_name, file.content) == (f"{quote.number}.pdf", kept.content)
    assert (logged.channel, logged.direction) == ("email", "outbound")
    assert quote.state == "sent"
    assert quote.sent_at is not None
    assert sent.token not in told
    assert link.token_hash.hex() not in told


def test_what_was_sent_stays_what_it_was(offers, office, sent):
    assert office.read(lambda uow: document_of(uow, sent.id)).content == b"%PDF-1.7 drawn"
    with pytest.raises(RuleViolationError):
        offers.act(edit_quote, sent.id, {"terms": "Others"})
    again = offers.act(send_quote, sent.id, to="other@example.com")
    assert again.address == "other@example.com"
    assert again.link != sent.link
    assert office.read(lambda uow: len(uow.scalars(select(QuoteLink)).all())) == 2


def test_a_document_of_before_a_change_is_not_sent(offers, office, offer, undrawn):
    drawn = office.read(lambda uow: document_of(uow, offer.id), "employee")
    offers.act(edit_quote, offer.id, {"terms": "Within a week"})
    with pytest.raises(StaleVersionError, match="was changed"):
        offers.act(send_quote, offer.id, document=drawn)
    assert state(office, offer.id) == "draft"


def test_what_keeps_an_offer_from_being_sent(offers, office, offer, undrawn):
    with pytest.raises(InputError, match="email, link or post"):
        offers.act(send_quote, offer.id, channel="pigeon")
    with pytest.raises(InputError):
        offers.act(send_quote, offer.id, to="nobody")
    office.write(lambda uow: uow.delete(uow.get(Setting, "web.base_url")))
    with pytest.raises(RuleViolationError, match=r"web\.base_url"):
        offers.act(send_quote, offer.id)
    assert offers.act(send_quote, offer.id, channel="post").link is None
    assert state(office, offer.id) == "sent"


def test_one_above_the_limit_is_approved_first(offers, office, offers_limit, undrawn):
    with pytest.raises(RuleViolationError, match="ask for its approval") as refused:
        offers.act(send_quote, offers_limit)
    assert refused.value.code == "sales.quote.unapproved"
    assert state(office, offers_limit) == "draft"


@pytest.fixture
def offers_limit(offers: Any, site: None) -> UUID:
    """An offer with half taken off, which no employee may by themselves."""
    quote_id = offers.quote()
    offers.line(quote_id, offers.product(), discount_percent="50")
    return quote_id


def test_who_may_neither_send_nor_answer_nor_revoke(offers, office, sent):
    for login in ("outsider", "readonly"):
        for act in (
            lambda uow: send_quote(uow, sent.id),
            lambda uow: make_link(uow, sent.id),
            lambda uow: revoke_links(uow, sent.id),
            lambda uow: accept_quote(uow, sent.id, signed_by="Me"),
            lambda uow: refuse_quote(uow, sent.id, signed_by="Me", reason="No"),
        ):
            with pytest.raises((PermissionDeniedError, NotFoundError)):
                office.write(act, login)
    with pytest.raises((PermissionDeniedError, NotFoundError)):
        office.read(lambda uow: document_of(uow, sent.id), "outsider")
    assert office.read(lambda uow: document_of(uow, sent.id), "readonly").content
    assert state(office, sent.id) == "sent"


def test_what_is_chosen_is_what_is_accepted(offers, office, sent):
    total = (Decimal(200) + 30 + 7) * Decimal("1.24")
    chosen = [sent.lamp, sent.black]
    with pytest.raises(ChoiceChangedError, match=f"{total:.2f}"):
        offers.act(accept_quote, sent.id, signed_by="Ελένη", chosen=chosen, seen_total=Decimal(1))
    offers.act(accept_quote, sent.id, signed_by="Ελένη", chosen=chosen, seen_total=total)
    view = offers.view(sent.id)
    assert (view["state"], view["total_amount"]) == ("accepted", total)
    assert {line["id"] for line in view["lines"] if not line["is_chosen"]} == {sent.white}
    answer = office.read(lambda uow: uow.get(QuoteAnswer, sent.id))
    assert (answer.name, answer.total_amount, answer.is_accepted) == ("Ελένη", total, True)
    assert answer.user_id == office.known.users["employee"]
    assert set(answer.chosen) == {str(each) for each in chosen}


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (lambda sent: [sent.lamp], "Choose one of Colour"),
        (lambda sent: [sent.white, sent.black], "Choose one of Colour"),
        (lambda sent: [sent.white, uuid4()], "no choice of this offer"),
    ],
)
def test_a_choice_that_will_not_do_is_refused(offers, office, sent, chosen, message):
    with pytest.raises(InputError, match=message):
        offers.act(accept_quote, sent.id, signed_by="Eleni", chosen=chosen(sent))
    assert state(office, sent.id) == "sent"


def test_a_choice_that_excludes_another_says_why(offers, office, sent):
    rule = {"kind": "excludes", "product": "LAMP", "other_product": "BLACK", "reason": "It burns"}
    offers.rules(rules=[rule])
    with pytest.raises(RuleViolationError, match="It burns"):
        offers.act(accept_quote, sent.id, signed_by="Eleni", chosen=[sent.lamp, sent.black])


def test_refusing_leaves_the_owner_something_to_do(offers, office, sent):
    offers.act(refuse_quote, sent.id, signed_by="O'Neil", reason="Too <b>dear</b>")
    with office.application.unit_of_work(system_actor("test")) as uow:
        activity = uow.scalars(select(Activity).where(Activity.note == "Too <b>dear</b>")).one()
        logged = uow.scalars(select(Interaction.body).where(Interaction.direction == "inbound"))
        assert "Too <b>dear</b>" in logged.all()
    assert activity.owner_id == office.known.users["employee"]
    assert state(office, sent.id) == "refused"
    with pytest.raises(OfferAnsweredError, match="refused by O'Neil"):
        offers.act(accept_quote, sent.id, signed_by="Eleni")


def test_a_question_is_something_to_do_up_to_a_number(offers, office, sent):
    with pytest.raises(InputError):
        office.write(lambda uow: ask_about_quote(uow, sent.id, name=" ", text="Q?"))
    for number in range(20):
        office.write(lambda uow, n=number: ask_about_quote(uow, sent.id, name="A", text=f"Q{n}?"))
    with pytest.raises(RuleViolationError, match="Many questions"):
        office.write(lambda uow: ask_about_quote(uow, sent.id, name="A", text="Q?"))
    notes = office.read(lambda uow: uow.scalars(select(Activity.note)).all())
    assert {f"Q{n}?" for n in range(20)} <= set(notes)


def test_of_two_who_accept_at_once_one_is_told_who_was_quicker(office, sent):
    start, told = threading.Barrier(2), []

    def accept(name: str) -> None:
        start.wait()
        try:
            office.write(lambda uow: accept_quote(uow, sent.id, signed_by=name))
        except OfferAnsweredError as error:
            told.append((name, error.message))

    both = [threading.Thread(target=accept, args=(name,)) for name in ("Anna", "Boris")]
    for each in both:
        each.start()
    for each in both:
        each.join()
    answer = office.read(lambda uow: uow.scalars(select(QuoteAnswer)).one())
    ((slower, message),) = told
    assert {slower, answer.name} == {"Anna", "Boris"}
    assert f"accepted by {answer.name}" in message


def test_one_that_has_expired_is_accepted_by_nobody_even_before_it_is_closed(office, sent):
    office.write(
        lambda uow: uow.execute(
            update(Quote).values(valid_until_on=datetime.now(UTC).date() - timedelta(2))
        )
    )
    with pytest.raises(OfferClosedError, match="has expired") as refused:
        office.write(lambda uow: accept_quote(uow, sent.id, signed_by="Eleni"))
    assert refused.value.code == "sales.quote.expired"
    assert office.write(expire_quotes) == 1
    assert office.write(expire_quotes) == 0
    assert state(office, sent.id) == QuoteState.EXPIRED
    with pytest.raises(OfferClosedError, match="has expired"):
        office.write(lambda uow: accept_quote(uow, sent.id, signed_by="Eleni"))


def test_a_new_version_takes_the_place_of_the_old_one(offers, office, sent):
    newer = offers.act(revise_quote, sent.id)
    with pytest.raises(OfferClosedError, match="withdrawn"):
        office.write(lambda uow: accept_quote(uow, sent.id, signed_by="Eleni"))
    with pytest.raises(OfferClosedError):
        office.write(lambda uow: accept_quote(uow, newer.id, signed_by="Eleni"))


def test_a_link_is_good_until_it_is_revoked_or_long_over(offers, office, sent):
    look = lambda uow: offer_of_link(uow, sent.token)[0].id  # noqa: E731
    assert office.read(look) == sent.id
    long_ago = datetime.now(UTC).date() - timedelta(days=100)
    office.write(lambda uow: uow.execute(update(Quote).values(valid_until_on=long_ago)))
    with pytest.raises(OfferLinkGoneError):
        office.read(look)
    office.write(
        lambda uow: uow.execute(update(Quote).values(valid_until_on=datetime.now(UTC).date()))
    )
    assert offers.act(revoke_links, sent.id) == 1
    assert offers.act(revoke_links, sent.id) == 0
    for token in (sent.token, "x" * 43, "", "\udcff", "a" * 5_000):
        with pytest.raises(OfferLinkGoneError):
            office.read(lambda uow, token=token: offer_of_link(uow, token))


def test_a_leaver_s_offer_can_be_answered_all_the_same(offers, office, sent):
    from crm_core.entities import User

    office.write(
        lambda uow: uow.execute(
            update(User).where(User.login == "employee").values(is_enabled=False)
        )
    )
    office.write(lambda uow: refuse_quote(uow, sent.id, signed_by="Eleni", reason="Too late"))
    owner = office.read(
        lambda uow: uow.scalars(select(Activity.owner_id).where(Activity.note == "Too late")).one()
    )
    assert owner is None
    assert office.read(lambda uow: uow.scalars(select(Opportunity.state)).first()) == "open"
