"""One timeline of a customer, whatever tables it comes from."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_core.access import Reach
from crm_core.errors import InputError, NotFoundError
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.activities import add_activity, complete_activity
from crm_core.services.interactions import log_interaction
from crm_core.services.timeline import customer_timeline
from crm_core.testing.factories import make_invoice
from crm_hooks.contributions import TimelineEntry, TimelineRequest

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def customer_id(company: Any) -> UUID:
    """With three documents on one day, interactions at its midnight and about it, and one done."""
    customer_id: UUID = company.customer("Μαρία", kind="person", owner="eva")
    with company.writing("maria") as uow:
        for at, channel, subject in (
            (MIDNIGHT - timedelta(days=1), "phone", "Called about %"),
            (MIDNIGHT, "email", "Ερώτηση"),
            (MIDNIGHT, "email", "Answer"),
            (MIDNIGHT + timedelta(hours=5), "phone", "Called again"),
        ):
            direction = "outbound" if subject == "Answer" else "inbound"
            log_interaction(
                uow, customer_id, channel=channel, direction=direction, subject=subject, at=at
            )
        todo = add_activity(uow, customer_id, type="visit", due_at=MIDNIGHT, summary="See her")
        uow.flush()
        complete_activity(uow, todo.id)
        add_activity(uow, customer_id, type="call", due_at=MIDNIGHT)
    with company.writing() as uow:
        for number in ("INV/1", "INV/2", "INV/3"):
            make_invoice(uow, customer_id, number=number, issued_on=date(2026, 3, 2))
        make_invoice(uow, customer_id, number="INV/0", issued_on=date(2026, 3, 1))
    return customer_id


def walked(company: Any, customer_id: UUID, limit: int, **wanted: Any) -> list[TimelineEntry]:
    found: list[TimelineEntry] = []
    cursor = None
    with company.acting("maria") as uow:
        while True:
            page = customer_timeline(
                uow, customer_id, TimelineRequest(**wanted), limit=limit, cursor=cursor
            )
            assert len(page.items) <= limit
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(1, 10))
def test_pages_of_any_size_tell_the_same(company: Any, customer_id: UUID, limit: int) -> None:
    whole = walked(company, customer_id, 99)
    assert walked(company, customer_id, limit) == whole
    assert [each.at for each in whole] == sorted((each.at for each in whole), reverse=True)
    assert sorted(each.title for each in whole) == sorted(
        ["Called about %", "Ερώτηση", "Answer", "Called again", "See her"]
        + [f"INV/{n}" for n in range(4)]
    )


@pytest.mark.parametrize("limit", [1, 99])
def test_filters(company: Any, customer_id: UUID, limit: int) -> None:
    def titles(**wanted: Any) -> list[str]:
        return sorted(each.title for each in walked(company, customer_id, limit, **wanted))

    assert titles(channels=frozenset({"phone"})) == ["Called about %", "Called again"]
    assert titles(direction="outbound") == ["Answer"]
    assert titles(modules=frozenset({"document"}), text="inv/2") == ["INV/2"]
    assert titles(modules=frozenset({"activity"})) == ["See her"]
    assert titles(text="%") == ["Called about %"]
    assert titles(text="ερώτ") == ["Ερώτηση"]
    assert titles(until=MIDNIGHT - timedelta(seconds=1)) == ["Called about %", "INV/0"]
    assert titles(since=MIDNIGHT, until=MIDNIGHT) == [
        "Answer",
        "INV/1",
        "INV/2",
        "INV/3",
        "Ερώτηση",
    ]
    assert titles(since=MIDNIGHT + timedelta(seconds=1), modules=frozenset({"document"})) == []


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_a_day_has_its_own_documents_wherever_it_is_asked_for(
    company: Any, customer_id: UUID, zone: str
) -> None:
    first = datetime.combine(date(2026, 3, 1), time.min, ZoneInfo(zone))
    last = datetime.combine(date(2026, 3, 1), time.max, ZoneInfo(zone))
    documents = frozenset({"document"})
    found = walked(company, customer_id, 1, since=first, until=last, modules=documents)
    assert [each.title for each in found] == ["INV/0"]


def test_what_does_not_fit_is_refused(company: Any, customer_id: UUID) -> None:
    with company.acting("maria") as uow:
        for wrong in (
            TimelineRequest(channels=frozenset({"pigeon"})),
            TimelineRequest(direction="up"),
            TimelineRequest(since=datetime(2026, 1, 1)),  # noqa: DTZ001  that is what is wrong
            TimelineRequest(text="a" * 201),
            TimelineRequest(text="a\x00"),
        ):
            with pytest.raises(InputError):
                customer_timeline(uow, customer_id, wrong)
        for cursor in ("nonsense", "e30", "Ω"):
            with pytest.raises(InputError):
                customer_timeline(uow, customer_id, cursor=cursor)
        with pytest.raises(InputError):
            customer_timeline(uow, customer_id, limit=0)


def test_a_foreign_customer_has_no_timeline(company: Any, customer_id: UUID) -> None:
    olga = company.actor("olga")
    rights = {**olga.rights, "core.customer.view": Reach.OWN}
    object.__setattr__(olga, "rights", rights)
    with unit_of_work(company.database, actor=olga) as uow, pytest.raises(NotFoundError):
        customer_timeline(uow, customer_id)


class _Plugins:
    """Two plugins' answers, one of them wrong."""

    def __init__(self) -> None:
        self.asked: list[TimelineRequest] = []

    def collect(self, hook: str, **arguments: Any) -> list[TimelineEntry]:
        assert hook == "crm_collect_timeline"
        self.asked.append(arguments["wanted"])
        at = MIDNIGHT + timedelta(hours=1)
        entries = [TimelineEntry("paper", UUID(int=n), at, f"Letter {n}") for n in range(3)]
        return [*entries, TimelineEntry("document", UUID(int=9), at, "Not mine to tell")]


def test_entries_of_plugins_are_merged_in_order(company: Any, customer_id: UUID) -> None:
    plugins = _Plugins()
    company.database.hooks = plugins
    for limit in (1, 2, 99):
        whole = [each.title for each in walked(company, customer_id, limit)]
        letters = ["Letter 2", "Letter 1", "Letter 0"]
        assert [title for title in whole if title.startswith("Letter")] == letters
        assert whole.index("Called again") < whole.index("Letter 2") < whole.index("INV/1")
        assert "Not mine to tell" not in whole
    assert {each.limit for each in plugins.asked} == {2, 3, 100}
    assert [each.title for each in walked(company, customer_id, 5, modules=frozenset({"paper"}))]
