"""Deals: adding, changing and assigning them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from crm_core.entities import OutboxEvent
from crm_core.errors import (
    InputError,
    NotFoundError,
    PermissionDeniedError,
    RuleViolationError,
    StaleVersionError,
)
from crm_core.services.customer_merge import merge_customers
from crm_core.services.customers import archive_customer
from crm_sales.models import Opportunity
from crm_sales.services.moves import list_moves
from crm_sales.services.opportunities import (
    add_opportunity,
    assign_opportunity,
    edit_opportunity,
    move_opportunity,
    tags_of,
)


def test_a_deal_is_added_with_all_that_is_known_of_it(office, deal, stored):
    deal_id = deal(
        name=" Παραγγελία 'Ν' ",
        expected_amount=Decimal("1234.565"),
        currency_code="eur",
        expected_close_on=date(2027, 1, 31),
        source="Fair",
        tags=["big", "hot", "big"],
    )
    kept = stored(deal_id)
    assert kept.name == "Παραγγελία 'Ν'"
    assert kept.expected_amount == Decimal("1234.57")
    assert (kept.currency_code, kept.state, kept.source) == ("EUR", "open", "Fair")
    assert kept.owner_id == office.known.users["employee"]
    assert kept.team_id is not None
    assert kept.probability == Decimal("0.1")
    assert office.read(lambda uow: tags_of(uow, [deal_id])) == {deal_id: ["big", "hot"]}
    (opened,) = office.read(lambda uow: list_moves(uow, deal_id), "employee")
    assert (opened["from_state"], opened["to_state"], opened["to_stage"]) == (None, "open", "New")
    names = office.read(lambda uow: uow.scalars(select(OutboxEvent.name)).all())
    assert {"sales.opportunity.added", "core.record.changed"} <= set(names)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_yen_have_no_decimals(deal, stored):
    deal_id = deal(expected_amount=Decimal("1000.5"), currency_code="JPY")
    assert stored(deal_id).expected_amount == Decimal(1001)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "  "},
        {"name": "x" * 251},
        {"expected_amount": Decimal(-1)},
        {"expected_amount": Decimal("NaN")},
        {"expected_amount": Decimal("1e13")},
        {"currency_code": "XYZ"},
        {"expected_close_on": date(1900, 1, 1)},
        {"tags": [""]},
        {"stage_code": "won"},
    ],
)
@pytest.mark.parametrize("kind", ["sqlite"])
def test_what_cannot_be_is_refused(office, deal, wrong):
    with pytest.raises(InputError):
        deal(**{"name": "A shop", **wrong})
    assert office.read(lambda uow: uow.scalars(select(Opportunity.id)).all()) == []


@pytest.mark.parametrize("kind", ["sqlite"])
def test_ids_that_are_guessed_name_nothing(office, deal):
    foreign = UUID(office.customer("employee"))
    for wrong in ({"contact_id": foreign}, {"product_id": uuid4()}, {"lead_id": uuid4()}):
        with pytest.raises(NotFoundError):
            deal("outsider", **wrong)
    with pytest.raises(NotFoundError):
        office.write(lambda uow: add_opportunity(uow, foreign, "Mine"), "outsider")
    with pytest.raises(InputError, match="name a person"):
        deal(contact_id=UUID(office.customer("manager")))
    with pytest.raises(NotFoundError, match="proposition"):
        deal(stage_code="nowhere")
    with pytest.raises(NotFoundError, match="sales"):
        deal(pipeline_code="nowhere")


@pytest.mark.parametrize("kind", ["sqlite"])
def test_an_archived_customer_gets_no_deal(office, deal):
    customer_id = UUID(office.customer("employee"))
    office.write(lambda uow: archive_customer(uow, customer_id))
    with pytest.raises(RuleViolationError, match="restore it first"):
        deal()


@pytest.mark.parametrize("kind", ["sqlite"])
def test_who_sees_and_changes_a_deal(office, deal):
    deal_id = deal("manager")

    def rename(login: str) -> Opportunity:
        return office.write(lambda uow: edit_opportunity(uow, deal_id, {"name": login}), login)

    assert rename("manager").name == "manager"
    for login in ("employee", "outsider"):
        with pytest.raises(NotFoundError):
            rename(login)
    with pytest.raises(PermissionDeniedError):
        rename("readonly")
    assert office.read(lambda uow: uow.get(Opportunity, deal_id).name, "readonly") == "manager"
    with pytest.raises(PermissionDeniedError):
        office.write(lambda uow: add_opportunity(uow, uuid4(), "x"), "readonly")


def test_changes_are_saved_and_cleared(office, deal, stored):
    deal_id = deal(expected_amount=Decimal(5), note="call back", tags=["a"])
    changes = {"expected_amount": None, "note": "", "is_committed": True, "tags": ["b"]}
    office.write(lambda uow: edit_opportunity(uow, deal_id, changes), "employee")
    kept = stored(deal_id)
    assert (kept.expected_amount, kept.note, kept.is_committed) == (None, None, True)
    assert office.read(lambda uow: tags_of(uow, [deal_id])) == {deal_id: ["b"]}
    event = office.read(
        lambda uow: uow.scalars(
            select(OutboxEvent).where(OutboxEvent.name == "sales.opportunity.changed")
        ).one()
    )
    assert set(event.payload["fields"]) == {"expected_amount", "note", "is_committed", "tags"}
    for wrong in ({"name": ""}, {"state": "won"}, {"customer_id": str(uuid4())}):
        with pytest.raises(InputError):
            office.write(lambda uow, wrong=wrong: edit_opportunity(uow, deal_id, wrong), "employee")


def test_whoever_is_late_hears_who_changed_what(office, deal, stage):
    deal_id = deal()
    read = office.read(lambda uow: uow.get(Opportunity, deal_id).version, "employee")
    office.write(lambda uow: move_opportunity(uow, deal_id, stage("qualified")), "manager")
    for late in (
        lambda uow: edit_opportunity(uow, deal_id, {"name": "B"}, expected_version=read),
        lambda uow: move_opportunity(uow, deal_id, stage("proposition"), expected_version=read),
    ):
        with pytest.raises(StaleVersionError, match="manager changed stage_id") as caught:
            office.write(late, "employee")
        assert caught.value.details["changes"][-1]["login"] == "manager"


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_deal_is_handed_to_somebody_else(office, deal, stored):
    deal_id = deal()
    manager = office.known.users["manager"]
    office.write(lambda uow: assign_opportunity(uow, deal_id, manager), "employee")
    assert stored(deal_id).owner_id == manager
    with pytest.raises(NotFoundError):
        office.write(lambda uow: assign_opportunity(uow, deal_id, manager), "employee")


@pytest.mark.parametrize("kind", ["sqlite"])
def test_deals_go_with_a_customer_who_is_merged(office, deal, stored):
    deal_id = deal()
    keep, drop = (UUID(office.customer(owner)) for owner in ("manager", "employee"))
    office.write(lambda uow: merge_customers(uow, keep, drop))
    assert stored(deal_id).customer_id == keep
    with pytest.raises(RuleViolationError, match="merged"):
        deal()
