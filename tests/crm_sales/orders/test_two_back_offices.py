"""Two back offices that are written to: an order goes to one of them, or waits to be told which."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from crm_core.entities import Backend, Binding
from crm_core.errors import InputError, RuleViolationError
from crm_core.services.settings import set_setting
from crm_sales.models import OrderState, PriceList, QuoteOrder
from crm_sales.services.order_backends import NOT_CHOSEN
from crm_sales.services.quote_orders import retry_order
from crm_sales.services.quote_tax import ask_tax
from selling import Selling

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])


class Second(Selling):
    """Another back office: a folder without anything in it."""

    def __init__(self, application: Any, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        super().__init__(application, "files", name="second", path=str(folder))


@pytest.fixture
def second(office: Any, shop: Any, tmp_path: Path) -> Second:
    """A second back office that is written to."""
    return Second(office.application, tmp_path / "second")


def orders(*shops: Any) -> list[int]:
    """Return how many orders each has, after each has run twice."""
    for _ in range(2):
        for shop in shops:
            shop.run()
    return [
        len((shop.folder / "sales_order.csv").read_text().splitlines()[1:])
        if (shop.folder / "sales_order.csv").exists()
        else 0
        for shop in shops
    ]


def offer(shop: Any, office: Any, customer_id: UUID, **header: Any) -> UUID:
    owner_id = office.actor("employee").user_id
    made: UUID = shop.offer(customer_id, ("Λάμπα", "1", "49.95", "0"), owner_id=owner_id, **header)
    return made


def own_list(shop: Any) -> UUID:
    """A price list of nobody's but ours."""
    made: UUID = shop.write(lambda uow: uow.add(PriceList(name="Ours", currency_code="EUR")).id)
    return made


def test_it_goes_where_its_price_list_came_from(shop, second, office, customer_id):
    quote_id = offer(shop, office, customer_id)
    shop.accept(quote_id)
    assert shop.order(quote_id).backend_id == shop.backend.id
    assert orders(second, shop) == [0, 1]


def test_it_goes_where_its_products_are_known(shop, second, office, customer_id):
    quote_id = offer(shop, office, customer_id, price_list_id=own_list(shop))
    shop.accept(quote_id)
    assert orders(second, shop) == [0, 1]


def test_nobody_gets_it_until_one_is_named(shop, second, office, customer_id):
    lamp = {"entity": "product", "local_id": shop.product("Λάμπα"), "remote_id": "12"}
    told = {"digest": b"", "synced_at": datetime.now(UTC)}
    shop.write(lambda uow: uow.add(Binding(backend_id=second.backend.id, **lamp, **told)))
    quote_id = offer(shop, office, customer_id, price_list_id=own_list(shop))
    with pytest.raises(RuleViolationError, match="several back offices"):
        office.write(lambda uow: ask_tax(uow, quote_id), "employee")
    shop.accept(quote_id)
    held = shop.order(quote_id)
    assert (held.state, held.problem_code) == (OrderState.REFUSED, NOT_CHOSEN)
    assert "several back offices (erp, second)" in held.problem
    [task] = shop.tasks(customer_id)
    assert "sales.order_backend" in task.note
    assert orders(shop, second) == [0, 0]
    with pytest.raises(InputError, match="set up: erp, second"):
        office.write(lambda uow: set_setting(uow, "sales.order_backend", "third"))
    office.write(lambda uow: set_setting(uow, "sales.order_backend", "second"))
    office.write(lambda uow: retry_order(uow, quote_id), "employee")
    shop.relay()
    assert orders(shop, second) == [0, 1]


def test_one_that_was_sent_stays_where_it_is(shop, second, office, customer_id):
    quote_id = offer(shop, office, customer_id)
    shop.accept(quote_id)
    assert orders(shop, second) == [1, 0]
    office.write(lambda uow: set_setting(uow, "sales.order_backend", "second"))
    shop.write(lambda uow: setattr(uow.get(QuoteOrder, quote_id), "state", OrderState.REFUSED))
    office.write(lambda uow: retry_order(uow, quote_id), "employee")
    shop.relay()
    assert orders(shop, second) == [1, 0]


def test_the_named_one_has_to_be_written_to(shop, second, office, customer_id):
    office.write(lambda uow: set_setting(uow, "sales.order_backend", "second"))
    key = second.backend.id
    second.write(lambda uow: setattr(uow.get(Backend, key), "plan_accepted_at", None))
    quote_id = offer(shop, office, customer_id)
    shop.accept(quote_id)
    assert "which is gone or not written to" in shop.order(quote_id).problem
    assert orders(shop) == [0]
