"""What stands in the way of an order is told to each in their own language."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from crm_core.entities.interaction import Activity
from crm_core.entities.user import User
from crm_core.messages import Message, say
from crm_core.services.interactions import list_interactions
from crm_core.services.settings import set_setting
from crm_sales.models import OrderState

WHY = "Mug ☕ is not sold any more"


@pytest.fixture
def refused(shop: Any, office: Any, customer_id: UUID) -> UUID:
    """An offer of a Persian speaker's whose product is gone when it is to be ordered."""
    owner_id = office.actor("employee").user_id

    def persian(uow: Any) -> None:
        uow.get(User, owner_id).language = "fa-IR"

    office.write(persian)
    quote_id = shop.offer(customer_id, ("Mug ☕", "1", "5", "0"), owner_id=owner_id)
    (shop.folder / "products.csv").write_text("id,name\n12,Λάμπα\n")
    shop.run(accept_vanished=True)
    shop.accept(quote_id)
    return quote_id


def test_each_reader_is_told_in_their_language(shop: Any, web: Any, refused: UUID) -> None:
    order = shop.order(refused)
    assert order.state == OrderState.REFUSED
    assert type(order.problem) is Message
    assert order.problem.startswith(WHY)
    for login, language in (("manager", "el"), ("employee", "fa")):
        browser = web(login)
        browser.post("/account/preferences", {"language": language, "theme": "auto"})
        page = browser.get(f"/sales/quotes/{refused}")
        assert say(order.problem, language) != order.problem
        assert say(order.problem, language).split(".")[0] in page.words
        assert WHY not in page.words
    assert WHY in web("admin").get(f"/sales/quotes/{refused}").words


def test_what_is_to_be_done_about_it_is_written_for_who_does_it(
    shop: Any, office: Any, refused: UUID
) -> None:
    order = shop.order(refused)
    task = office.read(lambda uow: uow.get(Activity, order.activity_id))
    assert say(order.problem, "fa") in task.note
    assert WHY not in task.note
    assert "not taken" not in task.summary
    assert shop.quote(refused).number in task.summary


def test_what_happened_with_a_customer_is_written_in_the_companys_language(
    shop: Any, office: Any, customer_id: UUID
) -> None:
    office.write(lambda uow: set_setting(uow, "language", "el-GR"))
    quote_id = shop.offer(customer_id, ("Mug ☕", "1", "5", "0"))
    shop.accept(quote_id)
    number = shop.quote(quote_id).number
    [told] = [
        each["subject"]
        for each in office.read(lambda uow: list_interactions(uow, customer_id)).items
        if number in each["subject"]
    ]
    assert "accepted" not in told
    assert "offer" not in told.lower()
