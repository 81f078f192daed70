"""Finding the one customer a person means."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_core.entities import Backend, Binding, Customer
from crm_core.errors import CrmError, InputError, NotFoundError, PermissionDeniedError
from crm_core.services.contact_details import add_address
from crm_core.services.lookup import resolve_customer_id

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def with_key(company, key, name, **values):
    with company.writing() as uow:
        uow.add(Customer(id=UUID(key), name=name, created_at=NOW, updated_at=NOW, **values))
    return UUID(key)


def bind(company, backend, remote_id, local_id, *, entity="customer"):
    with company.writing() as uow:
        known = {b.name: b for b in uow.session.query(Backend)}
        owner = known.get(backend) or uow.add(
            Backend(name=backend, type="odoo", config={}, created_at=NOW, updated_at=NOW)
        )
        uow.flush()
        uow.add(
            Binding(
                backend_id=owner.id,
                entity=entity,
                remote_id=remote_id,
                local_id=local_id,
                digest=b"",
                snapshot={},
                synced_at=NOW,
            )
        )


def found(company, text, login="rita"):
    with company.acting(login) as uow:
        return resolve_customer_id(uow, text)


def test_whole_ids_prefixes_and_references_lead_to_the_customer(company):
    acme = with_key(company, "0198aaaa11117000800000000000000a", "Acme", reference="K-17")
    for text in (str(acme), acme.hex, str(acme).upper(), "0198aaaa", "0198-aaaa-1111", " K-17 "):
        assert found(company, text) == acme


def test_a_prefix_that_fits_several_lists_them(company):
    with_key(company, "0198aaaa11117000800000000000000a", "Acme")
    other = with_key(company, "0198aaaa11117000800000000000000b", "O'Brien")
    with pytest.raises(InputError) as caught:
        found(company, "0198aaaa")
    assert caught.value.code == "core.customer.ambiguous"
    assert "O'Brien" in caught.value.message
    assert len(caught.value.details["candidates"]) == 2
    assert found(company, other.hex) == other


def test_an_exact_reference_wins_over_a_prefix(company):
    with_key(company, "0198aaaa11117000800000000000000a", "Acme")
    other = with_key(company, "0298aaaa11117000800000000000000b", "Other", reference="0198aaaa")
    assert found(company, "0198aaaa") == other


def test_remote_ids_lead_to_customers_also_through_addresses(company):
    acme = with_key(company, "0198aaaa11117000800000000000000a", "Acme")
    bind(company, "main", "7", acme)
    with company.writing() as uow:
        address_id = add_address(uow, acme, {"use": "delivery", "city": "Porto"}).id
    bind(company, "main", "8", address_id, entity="address")
    bind(company, "main", "9", uuid4(), entity="product")
    bind(company, "other", "7", uuid4(), entity="product")
    assert found(company, "main:7") == acme
    assert found(company, "main:8") == acme
    for text in ("main:9", "other:7", "none:7", "main:", ":7"):
        with pytest.raises(NotFoundError):
            found(company, text)


def test_what_one_may_not_see_looks_like_what_is_not_there(company):
    from crm_core.access import Actor, Reach
    from crm_core.persistence.unit_of_work import unit_of_work

    acme = company.customer("Acme", reference="K-1", owner="olga")
    bind(company, "main", "7", acme)
    own = Actor(company.user_id("eva"), "eva", {"core.customer.view": Reach.OWN})
    told = set()
    for text in (str(acme), acme.hex[:30], "K-1", "main:7", "main:8"):
        with unit_of_work(company.database, actor=own) as uow:
            with pytest.raises(NotFoundError) as caught:
                resolve_customer_id(uow, text)
            told.add(caught.value.message.replace(repr(text), "X"))
    assert len(told) == 1


def test_without_the_right_to_view_it_says_so(company):
    with pytest.raises(PermissionDeniedError):
        found(company, "anything", login="nora")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text())
def test_any_text_is_found_or_refused_in_words(sqlite_company, text):
    with pytest.raises(CrmError):
        found(sqlite_company, text, login=None)
