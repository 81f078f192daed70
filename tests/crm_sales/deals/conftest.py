"""Deals of an office: short words for what tests do again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_sales.models import Opportunity, Stage
from crm_sales.services.opportunities import add_opportunity


@pytest.fixture
def deal(office) -> Callable[..., UUID]:
    """Add a deal: ``deal("employee", "A shop", expected_amount=…)`` with that user's customer."""

    def added(owner: str = "employee", name: str = "A shop", **values: Any) -> UUID:
        customer_id = UUID(office.customer(owner))
        return office.write(lambda uow: add_opportunity(uow, customer_id, name, **values).id, owner)

    return added


@pytest.fixture
def stage(office) -> Callable[[str], UUID]:
    """The id of a stage of the default pipeline, by its code."""
    return lambda code: office.read(
        lambda uow: uow.scalar(select(Stage.id).where(Stage.code == code))
    )


@pytest.fixture
def stored(office) -> Callable[[UUID], Opportunity]:
    """A deal as it stands in the database."""
    return lambda deal_id: office.read(lambda uow: uow.get(Opportunity, deal_id))
