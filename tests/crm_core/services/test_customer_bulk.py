"""The writer of many customers: what it writes, what it leaves alone, and how often it asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, func, select

from crm_core.entities import (
    Address,
    AuditEntry,
    ContactPoint,
    Customer,
    CustomerTag,
    Ownership,
    Tag,
    User,
)
from crm_core.persistence.database import Database
from crm_core.search.index import ENTRIES
from crm_core.services.customer_bulk import CustomerDraft, SaveResult, save_customers

EMAIL = {"kind": "email", "value": "Anna@example.com", "normalized": "anna@example.com"}
PHONE = {"kind": "phone", "value": "210 1234567", "normalized": "+302101234567"}
ADDRESS = {"use": "main", "street": "Ermou 1", "city": "Athens", "country_code": "GR"}


def save(company: Any, *drafts: CustomerDraft, **options: Any) -> SaveResult:
    with company.writing("anna") as uow:
        return save_customers(uow, drafts, **options)


def rows(company: Any, model: Any, customer_id: UUID, *names: str) -> list[tuple[Any, ...]]:
    columns = [getattr(model, name) for name in names]
    with company.acting() as uow:
        found = uow.execute(select(*columns).where(model.customer_id == customer_id))
        return sorted((tuple(row) for row in found), key=str)


def audit(company: Any, customer_id: UUID) -> list[tuple[str, Any]]:
    with company.acting() as uow:
        statement = select(AuditEntry.action, AuditEntry.changes).order_by(AuditEntry.id)
        found = uow.execute(statement.where(AuditEntry.customer_id == customer_id))
        return [tuple(row) for row in found]


def whole_draft(company: Any) -> CustomerDraft:
    with company.writing() as uow:
        tag = uow.add(Tag(name="VIP"))
    return CustomerDraft(
        {"name": "Anna", "kind": "person", "owner_id": company.user_id("eva")},
        [EMAIL, PHONE],
        [ADDRESS],
        [tag.id],
    )


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Collect the statements a database runs."""
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(database.engine, "before_cursor_execute", note)


def test_a_new_customer_with_all_that_hangs_on_it(company: Any) -> None:
    draft = whole_draft(company)
    result = save(company, draft)
    (customer_id,) = result.ids
    assert (result.created, result.updated, result.unchanged) == (1, 0, 0)
    assert result.changed == {customer_id}
    with company.acting() as uow:
        customer = uow.get(Customer, customer_id)
        assert (customer.name, customer.kind, customer.stage) == ("Anna", "person", "prospect")
        assert customer.version == 1
        assert customer.created_at == customer.updated_at
    assert rows(company, ContactPoint, customer_id, "position", "value", "normalized") == [
        (0, "Anna@example.com", "anna@example.com"),
        (1, "210 1234567", "+302101234567"),
    ]
    assert rows(company, Address, customer_id, "use", "street", "region") == [
        ("main", "Ermou 1", None)
    ]
    assert rows(company, CustomerTag, customer_id, "tag_id") == [(draft.tag_ids[0],)]
    assert rows(company, Ownership, customer_id, "user_id", "until_at", "changed_by") == [
        (company.user_id("eva"), None, "anna")
    ]
    ((action, changes),) = audit(company, customer_id)
    assert action == "create"
    assert changes == {
        "name": [None, "Anna"],
        "kind": [None, "person"],
        "stage": [None, "prospect"],
        "owner_id": [None, str(company.user_id("eva"))],
        "contact_points": [
            None,
            [
                {"kind": "email", "value": "Anna@example.com"},
                {"kind": "phone", "value": "210 1234567"},
            ],
        ],
        "addresses": [None, [ADDRESS]],
        "tags": [None, [str(draft.tag_ids[0])]],
    }


def test_the_search_entry_equals_a_rebuilt_one(company: Any) -> None:
    from crm_core.search.index import rebuild

    result = save(company, whole_draft(company), CustomerDraft({"name": "Ζωή"}))
    draft = CustomerDraft({"reference": "Z9"}, [PHONE], customer_id=result.ids[1])
    save(company, draft)

    def entries() -> list[Any]:
        with company.acting() as uow:
            return sorted(map(tuple, uow.connection().execute(select(ENTRIES))), key=str)

    before = entries()
    with company.writing() as uow:
        rebuild(uow.connection())
    assert len(before) == 2
    assert entries() == before


def test_the_same_again_writes_nothing(company: Any) -> None:
    draft = whole_draft(company)
    first = save(company, draft)
    draft.customer_id = first.ids[0]
    with statements(company.database) as seen:
        again = save(company, draft)
    assert (again.created, again.updated, again.unchanged) == (0, 0, 1)
    assert again.ids == first.ids
    assert not again.changed
    assert len(audit(company, draft.customer_id)) == 1
    assert not [text for text in seen if text.startswith(("INSERT", "UPDATE", "DELETE"))]


def test_a_change_touches_only_what_differs(company: Any) -> None:
    draft = whole_draft(company)
    (customer_id,) = save(company, draft).ids
    kept = dict(rows(company, ContactPoint, customer_id, "value", "id"))
    new_email = {"kind": "email", "value": "ANNA@example.com", "normalized": "anna@example.com"}
    web = {"kind": "website", "value": "a.gr", "normalized": "a.gr"}
    result = save(
        company,
        CustomerDraft(
            {"note": "hello", "name": "Anna"},
            [new_email, web],
            [{**ADDRESS, "street": "Ermou 2"}],
            [],
            customer_id,
        ),
    )
    assert (result.created, result.updated, result.unchanged) == (0, 1, 0)
    after = dict(rows(company, ContactPoint, customer_id, "value", "id"))
    assert after["ANNA@example.com"] == kept["Anna@example.com"], "the row stays, its value moves"
    assert set(after) == {"ANNA@example.com", "a.gr"}
    with company.acting() as uow:
        customer = uow.get(Customer, customer_id)
        assert customer.version == 2
        assert customer.note == "hello"
        assert customer.updated_at > customer.created_at
    _, changes = audit(company, customer_id)[-1]
    assert changes["note"] == [None, "hello"]
    assert changes["addresses"] == [[ADDRESS], [{**ADDRESS, "street": "Ermou 2"}]]
    assert changes["tags"] == [[str(draft.tag_ids[0])], []]
    assert [each["value"] for each in changes["contact_points"][1]] == ["ANNA@example.com", "a.gr"]
    assert set(changes) == {"note", "addresses", "tags", "contact_points"}


def test_none_leaves_alone_and_an_empty_list_clears(company: Any) -> None:
    (customer_id,) = save(company, whole_draft(company)).ids
    save(company, CustomerDraft({"note": "x"}, customer_id=customer_id))
    assert len(rows(company, ContactPoint, customer_id, "id")) == 2
    assert len(rows(company, Address, customer_id, "id")) == 1
    save(company, CustomerDraft({}, [], [], [], customer_id))
    assert rows(company, ContactPoint, customer_id, "id") == []
    assert rows(company, Address, customer_id, "id") == []
    assert rows(company, CustomerTag, customer_id, "tag_id") == []


def test_labels_stay_where_a_draft_says_nothing_of_them(company: Any) -> None:
    (customer_id,) = save(company, CustomerDraft({"name": "A"}, [{**EMAIL, "label": "home"}])).ids
    result = save(company, CustomerDraft({}, [EMAIL], customer_id=customer_id))
    assert result.unchanged == 1
    save(company, CustomerDraft({}, [{**EMAIL, "label": None}], customer_id=customer_id))
    assert rows(company, ContactPoint, customer_id, "label") == [(None,)]


def test_another_order_is_a_change(company: Any) -> None:
    (customer_id,) = save(company, CustomerDraft({"name": "A"}, [EMAIL, PHONE])).ids
    assert save(company, CustomerDraft({}, [PHONE, EMAIL], customer_id=customer_id)).updated == 1
    assert rows(company, ContactPoint, customer_id, "position", "kind") == [
        (0, "phone"),
        (1, "email"),
    ]


def test_only_addresses_of_the_uses_named_are_replaced(company: Any) -> None:
    delivery = {"use": "delivery", "street": "Hafen 3"}
    draft = CustomerDraft({"name": "A"}, None, [ADDRESS, delivery])
    (customer_id,) = save(company, draft).ids
    kept = rows(company, Address, customer_id, "use", "id")
    moved = CustomerDraft({}, None, [{"use": "main", "street": "Ermou 9"}], None, customer_id)
    save(company, moved)
    assert rows(company, Address, customer_id, "use", "id") == kept
    assert rows(company, Address, customer_id, "use", "street", "city") == [
        ("delivery", "Hafen 3", None),
        ("main", "Ermou 9", None),
    ]
    save(
        company,
        CustomerDraft({}, None, [], None, customer_id),
        address_uses=frozenset({"delivery"}),
    )
    assert rows(company, Address, customer_id, "use") == [("main",)]


def test_owners_and_their_history(company: Any) -> None:
    eva, tom = company.user_id("eva"), company.user_id("tom")
    (customer_id,) = save(company, CustomerDraft({"name": "A", "owner_id": eva})).ids
    for owner_id in (tom, tom, None):
        save(company, CustomerDraft({"owner_id": owner_id}, customer_id=customer_id))
    with company.acting() as uow:
        history = uow.execute(
            select(Ownership.user_id, Ownership.until_at)
            .where(Ownership.customer_id == customer_id)
            .order_by(Ownership.from_at)
        ).all()
    assert [row.user_id for row in history] == [eva, tom, None]
    assert [row.until_at is None for row in history] == [False, False, True]


def test_two_drafts_for_one_customer_lie_over_each_other(company: Any) -> None:
    (customer_id,) = save(company, CustomerDraft({"name": "A"}, [EMAIL])).ids
    result = save(
        company,
        CustomerDraft({"note": "first", "vat": "X1234"}, [PHONE], customer_id=customer_id),
        CustomerDraft({"note": "second"}, customer_id=customer_id),
    )
    assert result.ids == [customer_id, customer_id]
    assert (result.updated, result.unchanged) == (1, 1)
    with company.acting() as uow:
        customer = uow.get(Customer, customer_id)
        assert (customer.note, customer.vat, customer.version) == ("second", "X1234", 2)
    assert rows(company, ContactPoint, customer_id, "kind") == [("phone",)]


def test_an_unknown_customer_writes_nothing(company: Any) -> None:
    with pytest.raises(KeyError), company.writing() as uow:
        save_customers(
            uow, [CustomerDraft({"name": "A"}), CustomerDraft({}, customer_id=UUID(int=1))]
        )
    with company.acting() as uow:
        assert uow.scalar(select(func.count(Customer.id))) == 0


def test_the_number_of_statements_does_not_grow_with_the_drafts(company: Any) -> None:
    owner_id = company.user_id("eva")
    with company.writing() as uow:
        tag = uow.add(Tag(name="t"))

    def draft(number: int, customer_id: UUID | None) -> CustomerDraft:
        email = f"u{number}@example.com"
        return CustomerDraft(
            {"name": f"Name {number} {customer_id}", "owner_id": owner_id},
            [{"kind": "email", "value": email, "normalized": f"{customer_id}{email}"}],
            [{**ADDRESS, "street": f"{customer_id}"}],
            [] if customer_id else [tag.id],
            customer_id,
        )

    counts = []
    for size in (10, 400):
        with statements(company.database) as creating:
            ids = save(company, *(draft(n, None) for n in range(size))).ids
        with statements(company.database) as updating:
            result = save(company, *(draft(n, key) for n, key in enumerate(ids)))
        assert result.updated == size
        counts.append((Counter(creating), Counter(updating)))
    for few, many in zip(*counts, strict=True):
        assert few.total() == many.total(), (few - many, many - few)


def test_more_than_one_chunk(sqlite_company: Any) -> None:
    result = save(sqlite_company, *(CustomerDraft({"name": f"N{n}"}) for n in range(2_500)))
    assert result.created == len(set(result.ids)) == 2_500
    with sqlite_company.acting() as uow:
        names = dict(uow.execute(select(Customer.id, Customer.name)).all())
        assert [names[key] for key in result.ids] == [f"N{n}" for n in range(2_500)]
        assert uow.scalar(select(func.count(User.id))) > 0
