"""A shop that sold some things together."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import delete, select, update

from crm_core.entities.commerce import Product, Transaction, TransactionLine
from crm_core.services.ownership import assign_owner
from crm_core.testing.factories import make_customer, make_order
from crm_sales.models import Opportunity, Pipeline, Stage
from crm_sales.services.cross_sell.counting import count_affinities


class Shop(dict[str, Any]):
    """Products by name."""

    @staticmethod
    def buy(uow: Any, customer_id: Any, *product_ids: Any, **values: Any) -> Transaction:
        """Have a customer order products."""
        return buy(uow, customer_id, *product_ids, **values)


def product(uow, name, **values):
    values = {"is_sold": True, "refreshed_at": uow.now, "reference": name.upper()} | values
    return uow.add(Product(name=name, **values)).id


def buy(uow, customer_id, *product_ids, **values):
    order = make_order(uow, customer_id, **values)
    uow.flush()
    for position, product_id in enumerate(product_ids):
        uow.add(
            TransactionLine(
                transaction_id=order.id,
                position=position,
                kind="product",
                product_id=product_id,
                quantity=Decimal(1),
            )
        )
    uow.flush()
    return order


@pytest.fixture
def shop(office):
    """Eight who bought a desk, six of them a lamp too; twenty who bought a pen."""

    def fill(uow):
        uow.execute(delete(Transaction))
        ids = {name: product(uow, name) for name in ("desk", "lamp", "pen", "rug", "relic")}
        uow.flush()
        for number in range(28):
            customer = make_customer(uow, f"Buyer {number}")
            assign_owner(uow, customer.id, office.known.users["outsider"])
            if number >= 8:
                buy(uow, customer.id, ids["pen"])
            else:
                lamp = [ids["lamp"], ids["relic"]] if number < 6 else []
                buy(uow, customer.id, ids["desk"], *lamp)
                buy(uow, customer.id, ids["desk"])
        buy(uow, office.known.customers["employee"], ids["desk"])
        uow.execute(update(Product).values(archived_at=uow.now).where(Product.id == ids["relic"]))
        return ids

    ids = office.write(fill)
    office.write(count_affinities)
    return Shop(ids)


@pytest.fixture
def deal_of(office: Any, shop: Shop) -> Callable[[str], Any]:
    """Add an open deal about desks with the customer of somebody; returns its id."""

    def add(owner: str) -> Any:
        def write(uow: Any) -> Any:
            values = {
                "name": "Desks",
                "customer_id": office.known.customers[owner],
                "pipeline_id": uow.scalar(select(Pipeline.id)),
                "stage_id": uow.scalar(select(Stage.id).limit(1)),
                "owner_id": office.known.users[owner],
                "currency_code": "EUR",
                "product_id": shop["desk"],
                "stage_entered_at": uow.now,
                "created_at": uow.now,
                "updated_at": uow.now,
            }
            return uow.add(Opportunity(**values)).id

        return office.write(write)

    return add


@pytest.fixture
def cli(office: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Type a command of ``crm sales`` as the administrator; it has to do well."""
    from crm_core.cli.main import crm

    monkeypatch.setenv("CRM_DATABASE_URL", office.application.config.database_url)
    monkeypatch.setenv("CRM_USER", "admin")

    def typed(*arguments: Any) -> Any:
        result = CliRunner().invoke(crm, ["sales", *map(str, arguments)])
        assert result.exit_code == 0, result.output
        return result

    return typed
