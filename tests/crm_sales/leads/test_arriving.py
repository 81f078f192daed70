"""Leads come in by hand and by event, are recognised, and become customers and deals."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from crm_core.entities.customer import ContactPoint, Customer
from crm_core.entities.relationship import Relationship
from crm_core.errors import (
    InputError,
    NotFoundError,
    PermissionDeniedError,
    RuleViolationError,
    StaleVersionError,
)
from crm_core.testing.factories import make_customer
from crm_sales.errors import KnownCustomerError
from crm_sales.events import LeadAsked
from crm_sales.models import Lead, LeadState, Opportunity
from crm_sales.schemas.leads import FIELDS, read_lead
from crm_sales.services.leads.arriving import add_lead, edit_lead
from crm_sales.services.leads.closing import (
    disqualify_lead,
    merge_leads,
    qualify_lead,
    reopen_lead,
)
from crm_sales.services.leads.matching import lead_duplicates
from crm_sales.services.leads.reading import list_leads, show_lead


def test_a_lead_is_kept_as_typed_and_compared_in_one_form(office):
    lead = office.write(
        lambda uow: add_lead(
            uow,
            {
                "name": "  Μαρία O'Παπά ",
                "email": "Maria@Example.COM",
                "phone": "+30 210 123 4567",
                "country_code": "Greece",
                "language": "EL",
                "expected_amount": "1200.505",
                "source": "fair",
            },
            owner_id=office.known.users["employee"],
        ),
        "employee",
    )
    shown = office.read(lambda uow: show_lead(uow, lead.id), "employee")
    assert shown["name"] == "Μαρία O'Παπά"
    assert shown["email"] == "Maria@Example.COM"
    assert lead.email_key == "maria@example.com"
    assert lead.phone_key == "+302101234567"
    assert (shown["country_code"], shown["language"]) == ("GR", "el")
    assert (shown["expected_amount"], shown["currency_code"]) == (Decimal("1200.51"), "EUR")
    assert shown["owner_name"] == "Eleni Employee"


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "name"),
        ({"name": "x" * 251}, "name"),
        ({"name": "A\0B"}, "name"),
        ({"name": "A", "email": "nobody"}, "email"),
        ({"name": "A", "phone": "12"}, "phone"),
        ({"name": "A", "country_code": "Atlantis"}, "country_code"),
        ({"name": "A", "currency_code": "XXQ"}, "currency_code"),
        ({"name": "A", "expected_amount": "-1"}, "expected_amount"),
        ({"name": "A", "expected_amount": "NaN"}, "expected_amount"),
        ({"name": "A", "expected_amount": "1e400"}, "expected_amount"),
        ({"name": "A", "channel": "pigeon"}, "channel"),
        ({"name": "A", "product": "NO-SUCH"}, "product"),
        ({"name": "A", "colour": "red"}, "colour"),
    ],
)
def test_what_will_not_do_is_said_of_its_field(office, values, field):
    with pytest.raises(InputError) as refused:
        office.write(lambda uow: add_lead(uow, values), "employee")
    assert field in refused.value.details["fields"]


def test_who_may_add_see_and_change(office, lead):
    mine = lead(login="employee", owner="employee")
    queued = lead("Waits")
    with pytest.raises(PermissionDeniedError):
        lead(login="readonly")
    with pytest.raises(PermissionDeniedError):  # own reach: not for a colleague
        lead(login="employee", owner="manager")
    with pytest.raises(NotFoundError):
        office.read(lambda uow: show_lead(uow, mine), "outsider")
    seen = {
        login: {row["id"] for row in office.read(lambda uow: list_leads(uow).items, login)}
        for login in ("employee", "manager", "readonly", "outsider")
    }
    assert seen == {
        "employee": {mine},
        "manager": {mine, queued},  # who assigns sees the queue
        "readonly": {mine, queued},
        "outsider": set(),
    }
    with pytest.raises(PermissionDeniedError):
        office.write(lambda uow: edit_lead(uow, mine, {"city": "X"}), "readonly")
    office.write(lambda uow: edit_lead(uow, queued, {"city": "Athens"}), "manager")


def test_a_stale_edit_is_refused(office, lead):
    lead_id = lead(login="employee", owner="employee")
    version = office.read(lambda uow: show_lead(uow, lead_id), "employee")["version"]
    office.write(
        lambda uow: edit_lead(uow, lead_id, {"city": "Athens"}, expected_version=version),
        "employee",
    )
    with pytest.raises(StaleVersionError, match=r"employee changed city\."):
        office.write(
            lambda uow: edit_lead(uow, lead_id, {"city": "Patras"}, expected_version=version),
            "manager",
        )


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_lead_that_other_modules_tell_twice_is_one_and_nothing_is_lost(office, heard):
    told = LeadAsked(
        "marketing.form:17",
        title="Ivan",
        email="not an address",
        product="GONE-1",
        country_code="Poland",
        request="A price, please",
        expected_amount="lots",
    )
    for _ in range(2):
        office.write(lambda uow: uow.record(told))
        heard()
    rows = office.read(lambda uow: list_leads(uow).items)
    assert [(row["name"], row["country_code"]) for row in rows] == [("Ivan", "PL")]
    request = office.read(lambda uow: show_lead(uow, rows[0]["id"]))["request"]
    assert request.splitlines()[0] == "A price, please"
    assert {"email: not an address", "product: GONE-1", "expected_amount: lots"} <= set(
        request.splitlines()
    )


def test_duplicates_are_told_with_their_reasons_among_what_one_may_see(office, lead):
    office.write(
        lambda uow: make_customer(
            uow,
            "Aegean Boats",
            kind="company",
            contact_points=[{"kind": "email", "value": "info@aegean.example"}],
        )
    )
    first = lead("Nikos Ionas", company="Aegean Boats Ltd", email="info@aegean.example")
    second = lead("N. Ionas", owner="outsider", email="info@aegean.example")
    found = office.read(lambda uow: lead_duplicates(uow, first))
    assert (found[0].kind, found[0].name, found[0].verdict) == ("customer", "Aegean Boats", "sure")
    assert "same e-mail address (info@aegean.example)" in found[0].reasons
    assert [each.id for each in found if each.kind == "lead"] == [second]
    seen = office.read(lambda uow: lead_duplicates(uow, first), "manager")
    assert [each.kind for each in seen] == ["customer"]  # the other team's lead is not told


def test_a_lead_becomes_a_company_a_contact_and_a_deal(office, lead):
    lead_id = lead(
        "Zofia Nowak",
        login="employee",
        owner="employee",
        company="Nowak Łodzie",
        email="zofia@nowak.example",
        street="Długa 1",
        city="Gdańsk",
        country_code="PL",
        language="pl",
        expected_amount="5000",
        source="fair",
        campaign="spring",
        request="Ten boats",
    )
    made = office.write(
        lambda uow: qualify_lead(
            uow,
            lead_id,
            contacts=[{"name": "Jan Nowak", "phone": "+48 58 301 00 00"}],
            deal={"name": "Ten boats"},
        ),
        "employee",
    )

    def look(uow):
        company, deal = (
            uow.get(Customer, made.customer_id),
            uow.get(Opportunity, made.opportunity_id),
        )
        tied = select(Relationship.from_customer_id).where(
            Relationship.to_customer_id == company.id
        )
        people = uow.scalars(
            select(Customer.name).where(Customer.id.in_(tied)).order_by(Customer.name)
        ).all()
        email = select(ContactPoint.customer_id).where(
            ContactPoint.normalized == "zofia@nowak.example"
        )
        return company, deal, people, uow.scalar(email), uow.get(Lead, lead_id)

    company, deal, people, mailed, closed = office.read(look, "employee")
    assert (company.kind, company.name, company.language) == ("company", "Nowak Łodzie", "pl")
    assert company.owner_id == deal.owner_id == office.known.users["employee"]
    assert people == ["Jan Nowak", "Zofia Nowak"]
    assert mailed == made.contact_id == deal.contact_id
    assert (deal.expected_amount, deal.source, deal.campaign) == (Decimal(5000), "fair", "spring")
    assert (deal.lead_id, deal.note, deal.name) == (lead_id, "Ten boats", "Ten boats")
    assert (closed.state, closed.customer_id) == (LeadState.QUALIFIED, made.customer_id)
    with pytest.raises(RuleViolationError):  # two at once make one customer
        office.write(lambda uow: qualify_lead(uow, lead_id, is_new=True), "employee")


def test_no_second_customer_is_made_unless_somebody_says_so(office, lead):
    def count(uow):
        return uow.scalar(select(func.count(Customer.id)))

    told = {"company": "Northquux Παπαδόπουλος & Sons", "email": "northquux@example.com"}
    lead_id = lead("Petra", login="employee", owner="employee", **told)
    before = office.read(count)
    with pytest.raises(KnownCustomerError) as refused:
        office.write(lambda uow: qualify_lead(uow, lead_id, deal={}), "employee")
    assert refused.value.details["customers"] == [office.customer("employee")]
    assert office.read(count) == before
    customer_id = UUID(office.customer("employee"))
    made = office.write(
        lambda uow: qualify_lead(uow, lead_id, customer_id=customer_id, deal={}), "employee"
    )
    assert made.customer_id == customer_id
    assert office.read(count) == before + 1  # Petra, the contact
    other = lead("Pavel", login="employee", owner="employee", **told)
    made = office.write(lambda uow: qualify_lead(uow, other, is_new=True), "employee")
    assert made.customer_id != customer_id
    assert made.opportunity_id is None
    with pytest.raises(NotFoundError):
        third = lead(login="employee", owner="employee")
        office.write(lambda uow: qualify_lead(uow, third, customer_id=uuid4()), "employee")


def test_disqualified_with_a_reason_and_opened_again(office, lead):
    lead_id = lead(login="employee", owner="employee")
    with pytest.raises(InputError):
        office.write(lambda uow: disqualify_lead(uow, lead_id, reason=" "), "employee")
    office.write(lambda uow: disqualify_lead(uow, lead_id, reason="No budget"), "employee")
    shown = office.read(lambda uow: show_lead(uow, lead_id), "employee")
    assert (shown["state"], shown["closing_reason"]) == ("disqualified", "No budget")
    with pytest.raises(RuleViolationError):
        office.write(lambda uow: edit_lead(uow, lead_id, {"city": "X"}), "employee")
    office.write(lambda uow: reopen_lead(uow, lead_id), "employee")
    shown = office.read(lambda uow: show_lead(uow, lead_id), "employee")
    assert (shown["state"], shown["closing_reason"]) == ("new", None)


def test_a_lead_is_put_into_another(office, lead):
    keep = lead("Anna", login="employee", owner="employee", request="One")
    drop = office.write(
        lambda uow: (
            add_lead(
                uow,
                {"name": "Ana", "email": "ana@example.org", "request": "Two", "source": "mail"},
                owner_id=office.known.users["employee"],
                arrival_key="mail:1",
            ).id
        ),
        "employee",
    )
    with pytest.raises(InputError):
        office.write(lambda uow: merge_leads(uow, keep, keep), "employee")
    office.write(lambda uow: merge_leads(uow, keep, drop), "employee")
    shown = office.read(lambda uow: show_lead(uow, keep), "employee")
    assert (shown["email"], shown["source"]) == ("ana@example.org", "mail")
    assert shown["request"] == "One\n\nTwo"
    again = office.write(
        lambda uow: add_lead(uow, {"name": "Ana"}, arrival_key="mail:1").id, "employee"
    )
    assert again == keep  # told once more, it is still the one lead


TOLD = st.none() | st.text(max_size=40) | st.integers() | st.just("x" * 300)


@given(st.dictionaries(st.sampled_from(FIELDS), TOLD))
def test_whatever_is_told_is_taken_or_its_fields_are_named(values):
    record, faults = read_lead(values)
    assert set(faults) <= {*values, "name"}
    if not faults:
        assert record["name"]
        assert set(record) <= {*values, "name", "email_key", "phone_key"}
