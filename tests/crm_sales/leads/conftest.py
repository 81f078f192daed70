"""Leads of people in an office, and rules that give them to each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest

from crm_core.outbox.relay import relay
from crm_sales.models import Lead
from crm_sales.services.assignment.rules import import_rules
from crm_sales.services.leads.arriving import add_lead


@pytest.fixture
def heard(office) -> Callable[[], None]:
    """Have handlers hear of all that happened."""

    def run() -> None:
        handlers = list(office.application.plugins.event_handlers.values())
        report = relay(office.application.database, handlers)
        assert report.failed == report.dead == 0, report

    return run


@pytest.fixture
def lead(office) -> Callable[..., UUID]:
    """Take a lead in: ``lead("Anna", login="employee", owner="employee", company="Acme")``."""

    def added(
        name: str = "Anna", *, login: str | None = None, owner: str | None = None, **values: Any
    ) -> UUID:
        owner_id = office.known.users[owner] if owner else None
        act = lambda uow: add_lead(uow, {"name": name, **values}, owner_id=owner_id).id  # noqa: E731
        return office.write(act, login)

    return added


@pytest.fixture
def owner(office) -> Callable[[UUID], str | None]:
    """Return the login of who has a lead."""

    def of(lead_id: UUID) -> str | None:
        owner_id = office.read(lambda uow: uow.get(Lead, lead_id).owner_id)
        return next((k for k, v in office.known.users.items() if v == owner_id), None)

    return of


@pytest.fixture
def rules(office) -> Callable[..., Any]:
    """Set all rules: ``rules({"name": "All", "targets": [{"user": "employee"}]})``."""

    def be(*all_: dict[str, Any], person: Sequence[dict[str, Any]] = ()) -> Any:
        return office.write(
            lambda uow: import_rules(uow, {"rule": list(all_), "person": list(person)})
        )

    return be
