"""The page behind the link of an offer: open to whoever has it, and to nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select, update

from crm_sales.models import Quote, QuoteAnswer, QuoteLink, QuoteQuestion
from crm_sales.services.quote_links import revoke_links
from crm_sales.services.quotes.versions import withdraw_quote

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])


@pytest.fixture
def at_once() -> Iterator[None]:
    """No time passes: who is slowed down has to wait a second, which a busy machine may take."""
    with time_machine.travel(datetime.now(UTC), tick=False):
        yield


@pytest.fixture
def page(sent: Any, web: Any) -> Any:
    """A browser in which nobody is signed in, and the path of the offer."""
    browser = web()
    path = f"/sales/offer/{sent.token}"

    class Customer:
        def get(self, rest: str = "", **options: Any) -> Any:
            return browser.get(path + rest, **options)

        def send(self, what: str, **fields: Any) -> Any:
            return browser.post(f"{path}/{what}", fields)

    return Customer()


def accepting(sent: Any, **more: Any) -> dict[str, Any]:
    chosen = {"choose": "1", "chosen": [str(sent.lamp)], "either-1": str(sent.black)}
    return {"name": "Ελένη", "agreed": "yes", "total": "293.8800", **chosen, **more}


def test_it_shows_the_offer_and_nothing_else(office, sent, page):
    offers_row = office.read(lambda uow: uow.get(Quote, sent.id))
    before = office.rows()
    shown = page.get()
    assert shown.status == 200, shown.words
    for word in (offers_row.number, "Table", "Lamp", "Black", "€254.20", "Northquux"):
        assert word in shown.words, word
    for secret in ("Southquux", "Menu", "Find a customer", str(sent.id)):
        assert secret not in shown.html, secret
    assert shown.response.headers["X-Robots-Tag"].startswith("noindex")
    assert shown.response.headers["Cache-Control"] == "no-store"
    assert len(shown.queries) <= 15, len(shown.queries)
    assert page.get("/document").response.data == b"%PDF-1.7 drawn"
    assert office.rows() == before, "looking changed something"


def test_the_total_follows_what_is_chosen(sent, page):
    chosen = f"?choose=1&chosen={sent.lamp}&either-1={sent.black}"
    assert "€293.88" in page.get(chosen).words
    wrong = page.get(f"?choose=1&chosen={sent.lamp}")
    assert wrong.status == 422
    assert "Choose one of Colour" in wrong.words
    assert "€254.20" in wrong.words
    assert page.get("?choose=1&chosen=nonsense&either-1=%00").status == 422


def test_it_is_accepted_as_chosen_once(office, sent, page):
    missing = page.send("accept", **accepting(sent, name=""))
    assert missing.status == 422
    unticked = accepting(sent)
    del unticked["agreed"]
    assert "Tick that you accept" in page.send("accept", **unticked).words
    other = page.send("accept", **accepting(sent, total="254.20"))
    assert other.status == 409
    assert "€293.88" in other.words
    done = page.send("accept", **accepting(sent))
    assert done.status == 303
    answer = office.read(lambda uow: uow.scalars(select(QuoteAnswer)).one())
    assert (answer.name, answer.user_id) == ("Ελένη", None)
    assert answer.link_id is not None
    after = page.get()
    assert "Accepted by Ελένη" in after.words
    assert "€293.88" in after.words
    assert "Accept the offer" not in after.words
    again = page.send("accept", **accepting(sent, name="Boris"))
    assert again.status == 409
    assert "was accepted by Ελένη" in again.words


def test_it_is_refused_with_a_reason_and_asked_about(office, sent, page):
    asked = page.send("ask", name="Eleni", text="<script>alert(1)</script>?")
    assert asked.status == 303
    question = office.read(lambda uow: uow.scalars(select(QuoteQuestion)).one())
    assert question.text == "<script>alert(1)</script>?"
    unsaid = page.send("refuse", name="Eleni", reason=" ")
    assert unsaid.status == 422
    assert "Eleni" in unsaid.html
    assert page.send("refuse", name="<b>Eleni</b>", reason="Too dear").status == 303
    after = page.get()
    assert "Refused by <b>Eleni</b>." in after.words
    assert "<b>Eleni" not in after.html
    assert "Table" not in after.words
    assert page.get("/document").status == 404


def test_a_form_of_elsewhere_is_refused(office, sent, web):
    path = f"/sales/offer/{sent.token}/accept"
    assert web().post(path, accepting(sent), csrf="").status == 403
    foreign = {"headers": {"Origin": "https://evil.example"}}
    assert web().post(path, accepting(sent), **foreign).status == 403
    assert office.read(lambda uow: uow.get(Quote, sent.id).state) == "sent"


@pytest.mark.usefixtures("noon")
def test_it_says_when_it_is_over(offers, office, sent, page):
    past = datetime.now(UTC).date() - timedelta(days=2)
    office.write(lambda uow: uow.execute(update(Quote).values(valid_until_on=past)))
    over = page.get()
    assert "has expired" in over.words
    assert "Table" not in over.words
    late = page.send("accept", **accepting(sent))
    assert late.status == 409
    assert "has expired" in late.words
    office.write(
        lambda uow: uow.execute(update(Quote).values(valid_until_on=datetime.now(UTC).date()))
    )
    offers.act(withdraw_quote, sent.id)
    assert "was withdrawn" in page.get().words


def test_a_link_that_leads_nowhere_says_so_and_is_slowed_down(offers, sent, page, web, at_once):
    offers.act(revoke_links, sent.id)
    assert page.get().status == 404
    assert page.send("accept", **accepting(sent)).status == 404
    statuses = [web().get(f"/sales/offer/{n:043}").status for n in range(30)]
    assert statuses[0] == 404
    assert statuses[-1] == 429


def test_answers_are_slowed_down(sent, page, at_once):
    statuses = [page.send("refuse", name="", reason="").status for _ in range(35)]
    assert (statuses[0], statuses[-1]) == (422, 429)


def test_looking_is_noted_once_when_a_script_says_so(office, sent, page):
    assert page.send("opened").status == 204
    seen = office.read(lambda uow: uow.scalars(select(QuoteLink.opened_at)).one())
    assert seen is not None
    assert page.send("opened").status == 204
    assert office.read(lambda uow: uow.scalars(select(QuoteLink.opened_at)).one()) == seen


@pytest.mark.parametrize(("language", "direction"), [("fa", "rtl"), ("el", "ltr")])
def test_it_speaks_the_customer_s_language(office, sent, page, language, direction):
    office.write(lambda uow: uow.execute(update(Quote).values(language=language)))
    shown = page.get(headers={"Accept-Language": "sl"})
    assert f'lang="{language}" dir="{direction}"' in shown.html
    assert ("۲۵۴٫۲۰" in shown.html) == (language == "fa")
