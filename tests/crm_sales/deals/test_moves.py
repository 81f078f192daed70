"""Moves: which are allowed, what a stage asks for, and how deals end."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select, update

from crm_core.entities import AuditEntry, OutboxEvent, Product
from crm_core.errors import (
    CrmError,
    InputError,
    NotFoundError,
    PermissionDeniedError,
    StaleVersionError,
)
from crm_sales.errors import DealClosedError, MoveRefusedError
from crm_sales.models import Competitor, Opportunity, Stage
from crm_sales.services.moves import (
    list_moves,
    lose_opportunity,
    move_opportunity,
    next_stages,
    place_opportunity,
    reopen_opportunity,
    win_opportunity,
)
from crm_sales.services.next_steps import plan_step
from crm_sales.services.opportunities import edit_opportunity
from crm_sales.services.pipeline_design import design_pipeline, export_pipeline


def redesign(office, code: str, **values) -> None:
    """Change one stage of the default pipeline."""

    def changed(uow) -> None:
        design = export_pipeline(uow, "sales")
        next(each for each in design["stages"] if each["code"] == code).update(values)
        design_pipeline(uow, design)

    office.write(changed)


def test_every_move_is_timed_and_audited(office, deal, stage, stored):
    deal_id = deal()

    def two_hours_pass(uow) -> None:
        at = uow.now - timedelta(hours=2)
        uow.execute(update(Opportunity).values(stage_entered_at=at))

    office.write(two_hours_pass)
    office.write(lambda uow: move_opportunity(uow, deal_id, stage("negotiation")), "employee")
    assert stored(deal_id).probability == Decimal("0.75")
    _, moved = office.read(lambda uow: list_moves(uow, deal_id), "employee")
    assert (moved["from_stage"], moved["to_stage"]) == ("New", "Negotiation")
    assert 7_200 <= moved["seconds_in_stage"] < 10_800
    assert moved["who"] == "Eleni Employee"
    event = office.read(
        lambda uow: uow.scalars(
            select(OutboxEvent).where(OutboxEvent.name == "sales.opportunity.moved")
        ).one()
    )
    assert event.payload["to_stage_id"] == str(stage("negotiation"))
    audited = office.read(
        lambda uow: uow.scalars(
            select(AuditEntry.changes).where(
                AuditEntry.entity_id == str(deal_id), AuditEntry.action == "update"
            )
        ).all()
    )
    assert any(changes.get("stage_id") for changes in audited)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_only_allowed_moves_are_made(office, deal, stage):
    redesign(office, "new", moves_to=["qualified"])
    deal_id = deal()
    for wrong in ("proposition", "won"):
        with pytest.raises(MoveRefusedError, match="only to: Qualified") as caught:
            office.write(lambda uow, w=wrong: move_opportunity(uow, deal_id, stage(w)), "employee")
        assert [each["code"] for each in caught.value.details["allowed"]] == ["qualified"]
    with pytest.raises(MoveRefusedError):
        office.write(lambda uow: win_opportunity(uow, deal_id), "employee")
    office.write(lambda uow: move_opportunity(uow, deal_id, stage("qualified")), "employee")
    allowed = office.read(
        lambda uow: [s.code for s in next_stages(uow, uow.get(Opportunity, deal_id))]
    )
    assert allowed == ["new", "proposition", "negotiation", "won"]


def test_a_stage_says_what_it_needs(office, deal, stage):
    asked = ["expected_amount", "expected_close_on", "product", "contact", "next_step", "quote"]
    redesign(office, "proposition", required_fields=asked, checks=["quote_sent"])
    deal_id = deal()

    def move() -> list[str]:
        with pytest.raises(MoveRefusedError, match="it needs") as caught:
            office.write(
                lambda uow: move_opportunity(uow, deal_id, stage("proposition")), "employee"
            )
        return caught.value.details["missing"]

    assert move() == [*asked, "quote_sent"]
    contact = office.customer("manager")

    def fill(uow) -> None:
        product = uow.add(Product(name="Bike", kind="goods", refreshed_at=uow.now))
        uow.flush()
        changes = {"expected_amount": 5, "expected_close_on": "2027-01-01"}
        edit_opportunity(uow, deal_id, {**changes, "product_id": product.id})
        uow.get(Opportunity, deal_id).contact_id = UUID(contact)
        plan_step(uow, deal_id, type="call", due_at=uow.now + timedelta(days=1))

    office.write(fill)
    assert move() == ["quote", "quote_sent"]
    redesign(office, "proposition", required_fields=asked[:-1], checks=[])
    office.write(lambda uow: move_opportunity(uow, deal_id, stage("proposition")), "employee")


def test_won_lost_and_open_again(office, deal, stage, stored):
    deal_id = deal(expected_amount=Decimal(10))
    office.write(lambda uow: move_opportunity(uow, deal_id, stage("proposition")), "employee")
    office.write(lambda uow: win_opportunity(uow, deal_id, note="Τιμή"), "employee")
    won = stored(deal_id)
    assert (won.state, won.stage_id, won.probability) == ("won", stage("won"), Decimal(1))
    assert won.closing_note == "Τιμή"
    for act in (
        lambda uow: win_opportunity(uow, deal_id),
        lambda uow: lose_opportunity(uow, deal_id, reason_code="price"),
        lambda uow: move_opportunity(uow, deal_id, stage("new")),
    ):
        with pytest.raises(DealClosedError, match="is won: reopen it first"):
            office.write(act, "employee")
    office.write(lambda uow: reopen_opportunity(uow, deal_id), "employee")
    again = stored(deal_id)
    assert (again.state, again.stage_id, again.closed_at) == ("open", stage("proposition"), None)
    assert again.probability == Decimal("0.5")
    with pytest.raises(DealClosedError, match="open already"):
        office.write(lambda uow: reopen_opportunity(uow, deal_id), "employee")
    office.write(
        lambda uow: lose_opportunity(
            uow, deal_id, reason_code="competitor", competitor=" O'Hara ", note="cheaper"
        ),
        "employee",
    )
    lost = stored(deal_id)
    assert (lost.state, lost.stage_id, lost.probability) == ("lost", stage("proposition"), 0)
    rival = office.read(lambda uow: uow.get(Competitor, lost.competitor_id).name)
    assert rival == "O'Hara"
    states = [m["to_state"] for m in office.read(lambda uow: list_moves(uow, deal_id))]
    assert states == ["open", "open", "won", "open", "lost"]


@pytest.mark.parametrize("kind", ["sqlite"])
def test_losing_takes_a_reason(office, deal):
    deal_id = deal()
    with pytest.raises(NotFoundError, match="known are"):
        office.write(lambda uow: lose_opportunity(uow, deal_id, reason_code="bad luck"), "employee")
    with pytest.raises(InputError, match="to which competitor"):
        office.write(
            lambda uow: lose_opportunity(uow, deal_id, reason_code="competitor"), "employee"
        )


@pytest.mark.parametrize("kind", ["sqlite"])
def test_stages_of_others_are_no_stages_of_a_deal(office, deal, stage, stored):
    other = {
        "code": "service",
        "name": "Service",
        "stages": [
            {"code": "ask", "name": "Ask"},
            {"code": "done", "name": "Done", "is_won": True},
        ],
    }
    office.write(lambda uow: design_pipeline(uow, other))
    foreign = stage("ask")
    deal_id = deal()
    with pytest.raises(InputError, match="no stage of the pipeline"):
        office.write(lambda uow: move_opportunity(uow, deal_id, foreign), "employee")
    there = stored(deal(pipeline_code="service"))
    assert there.stage_id == foreign
    office.write(lambda uow: move_opportunity(uow, there.id, stage("done")), "employee")
    assert stored(there.id).state == "won"


@pytest.mark.parametrize("kind", ["sqlite"])
def test_who_may_move(office, deal, stage):
    deal_id = deal()
    for login, error in (("outsider", NotFoundError), ("readonly", PermissionDeniedError)):
        with pytest.raises(error):
            office.write(lambda uow: move_opportunity(uow, deal_id, stage("qualified")), login)
    office.write(lambda uow: move_opportunity(uow, deal_id, stage("qualified")), "manager")
    with pytest.raises(PermissionDeniedError):
        office.write(lambda uow: place_opportunity(uow, deal_id, state="won"), "employee")


@pytest.mark.parametrize("kind", ["sqlite"])
def test_another_system_puts_deals_where_they_stand(office, deal, stage, stored):
    redesign(office, "won", checks=["quote_accepted"])
    deal_id = deal()
    office.write(lambda uow: place_opportunity(uow, deal_id, state="won"))
    assert stored(deal_id).state == "won"
    office.write(
        lambda uow: place_opportunity(uow, deal_id, state="open", stage_id=stage("qualified"))
    )
    assert stored(deal_id).stage_id == stage("qualified")
    office.write(lambda uow: place_opportunity(uow, deal_id, state="lost", reason_code="price"))
    assert stored(deal_id).state == "lost"


def test_of_two_who_move_at_once_one_moves(office, deal, stage, stored):
    deal_id = deal()
    read = stored(deal_id).version
    outcomes: list[object] = []
    barrier = threading.Barrier(2)

    def move(login: str, code: str) -> None:
        target = stages[code]
        barrier.wait()
        try:
            office.write(
                lambda uow: move_opportunity(uow, deal_id, target, expected_version=read), login
            )
            outcomes.append(target)
        except CrmError as error:
            outcomes.append(error)

    stages = {code: stage(code) for code in ("qualified", "proposition")}
    threads = [
        threading.Thread(target=move, args=args)
        for args in (("employee", "qualified"), ("manager", "proposition"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [each for each in outcomes if not isinstance(each, Exception)]
    (loser,) = [each for each in outcomes if isinstance(each, Exception)]
    assert isinstance(loser, StaleVersionError)
    assert stored(deal_id).stage_id == winner
    assert len(office.read(lambda uow: list_moves(uow, deal_id))) == 2
    assert office.read(lambda uow: uow.get(Stage, winner)).archived_at is None
