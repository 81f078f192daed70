"""Two customers become one: what survives, what follows, and who may."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from crm_core.entities import (
    Activity,
    Address,
    Attachment,
    AuditEntry,
    Backend,
    Binding,
    Consent,
    ContactPoint,
    Customer,
    CustomerMerge,
    CustomerTag,
    Interaction,
    OutboxEvent,
    Ownership,
    ProfileValue,
    Relationship,
    Transaction,
)
from crm_core.errors import (
    InputError,
    NotFoundError,
    PermissionDeniedError,
    RuleViolationError,
    StaleVersionError,
)
from crm_core.persistence.base import Base
from crm_core.persistence.customer_references import customer_columns
from crm_core.services.activities import add_activity
from crm_core.services.consents import current_consents, record_consent
from crm_core.services.contact_details import add_address
from crm_core.services.customer_merge import merge_customers
from crm_core.services.customer_merge_rows import FOLLOWING, RULES, STAYING
from crm_core.services.customer_unmerge import unmerge_customers
from crm_core.services.customers import archive_customer, edit_customer, restore_customer
from crm_core.services.interactions import log_interaction
from crm_core.services.lookup import resolve_customer, resolve_customer_id, survivors
from crm_core.services.ownership import assign_owner
from crm_core.services.profile import define_attribute, set_profile_value
from crm_core.services.relationships import relate_customers
from crm_core.services.search import search_customers
from crm_core.testing.factories import make_invoice


def new(company, name, login="anna", **values):
    with company.writing(login) as uow:
        from crm_core.services.customers import create_customer

        return create_customer(uow, {"kind": "company", "name": name, **values}).id


def merge(company, keep, drop, login="anna", **options):
    with company.writing(login) as uow:
        return merge_customers(uow, keep, drop, **options).id


def rows(company, model, **where):
    with company.acting() as uow:
        return list(uow.session.query(model).filter_by(**where))


def test_a_field_survives_by_rule_or_by_choice(company):
    keep = new(company, "Acme", vat="EL094014201", note="ours")
    drop = new(company, "ACME Ltd", reference="K-2", note="theirs", stage="active")
    merge(company, keep, drop, choices={"note": "drop"}, reason="same firm")
    [survivor] = rows(company, Customer, id=keep)
    assert (survivor.name, survivor.reference, survivor.note) == ("Acme", "K-2", "theirs")
    assert survivor.stage == "active"
    [dropped] = rows(company, Customer, id=drop)
    assert dropped.merged_into_id == keep
    assert dropped.archived_at is not None
    assert (dropped.name, dropped.reference) == ("ACME Ltd", "K-2")


def test_everything_follows(company):
    keep, drop = new(company, "Acme"), new(company, "ACME Ltd", tags=["vip"])
    third = new(company, "Third")
    with company.writing("anna") as uow:
        log_interaction(uow, drop, channel="phone", direction="inbound", subject="Hello")
        add_activity(uow, drop, type="call", due_at=uow.now)
        record_consent(uow, drop, purpose="news", channel="email", status="given", evidence="form")
        relate_customers(uow, drop, "subsidiary_of", third)
        make_invoice(uow, drop)
        uow.add(
            Attachment(
                customer_id=drop,
                entity_type="customer",
                entity_id=str(drop),
                file_name="a.pdf",
                content_type="x",
                size_bytes=1,
                sha256="0",
                created_at=uow.now,
            )
        )
    merge(company, keep, drop)
    for model in (Interaction, Activity, Consent, Transaction, CustomerTag, Attachment):
        assert len(rows(company, model, customer_id=keep)) == 1, model
        assert rows(company, model, customer_id=drop) == []
    assert rows(company, Attachment)[0].entity_id == str(keep)
    [tie] = rows(company, Relationship)
    assert (tie.from_customer_id, tie.to_customer_id) == (keep, third)
