"""Pages of deals, the board and pipelines, as people use them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from io import BytesIO

import pytest
from sqlalchemy import select

from crm_sales.models import LossReason, Opportunity
from crm_sales.services.opportunities import edit_opportunity
from crm_sales.services.pipeline_design import design_pipeline, export_pipeline
from crm_sales.services.stage_checks import CHECKS, REQUIRED_FIELDS

MOST_QUERIES = 15


def test_the_board_moves_and_refuses(office, web, deal, stage, stored):
    deal_id = deal(name="O'Brien & Söhne", expected_amount=Decimal(1_500))
    board = web("employee").get("/sales/board/")
    assert board.status == 200
    assert "O'Brien & Söhne" in board.words
    assert "€1,500.00" in board.words
    assert len(board.queries) <= MOST_QUERIES
    version = stored(deal_id).version
    sent = {"deal": str(deal_id), f"version-{deal_id}": str(version)}
    mover = web("employee")
    page = mover.post("/sales/board/move", {**sent, "stage": str(stage("qualified"))})
    assert page.status == 303
    assert "stands in Qualified now" in mover.follow(page).words
    stale = mover.post("/sales/board/move", {**sent, "stage": str(stage("proposition"))})
    assert stale.status == 412
    assert "employee changed" in stale.words
    for form in ({}, {"deal": "x", "stage": "y"}, {"deal": str(deal_id)}):
        assert mover.post("/sales/board/move", form).status == 422
    told = mover.post(
        "/sales/board/move",
        {"deal": str(deal_id), "stage": str(stage("won"))},
        headers={"Accept": "application/json"},
    )
    assert told.response.json == {"message": "O'Brien & Söhne is won."}
    again = mover.post(
        "/sales/board/move",
        {"deal": str(deal_id), "stage": str(stage("new"))},
        headers={"Accept": "application/json"},
    )
    assert again.status == 409
    assert "reopen it first" in again.response.json["message"]


@pytest.mark.parametrize("kind", ["sqlite"])
def test_who_sees_what_on_the_board(web, deal, stage):
    deal_id = deal(name="Nordwind")
    assert "Nordwind" in web("manager").get("/sales/board/").words
    seen = web("readonly").get("/sales/board/")
    assert "Nordwind" in seen.words
    assert "Bring here" not in seen.words
    assert "Nordwind" not in web("outsider").get("/sales/board/").words
    move = {"deal": str(deal_id), "stage": str(stage("won"))}
    assert web("outsider").post("/sales/board/move", move).status == 404
    assert web("readonly").post("/sales/board/move", move).status == 403
    for path in ("", "/edit", "/win", "/lose", "/owner"):
        assert web("outsider").get(f"/sales/deals/{deal_id}{path}").status == 404
    assert web("outsider").get("/sales/deals/").words.count("Nordwind") == 0


def test_a_deal_is_added_changed_and_closed(office, web, stored):
    browser = web("employee")
    customer = office.customer("employee")
    form = browser.get(f"/sales/deals/new?customer={customer}")
    assert form.status == 200
    sent = {"customer_id": customer, "name": "Κήπος", "currency_code": "EUR"}
    wrong = browser.post("/sales/deals/new", {**sent, "expected_amount": "many"})
    assert wrong.status == 422
    assert "Κήπος" in wrong.response.text
    page = browser.post(
        "/sales/deals/new", {**sent, "expected_amount": "99.90", "tags": "hot, big"}
    )
    assert page.status == 303, page.words
    card = browser.follow(page)
    assert "€99.90" in card.words
    assert len(card.queries) <= MOST_QUERIES
    key = page.location.rpartition("/")[2]
    edit = browser.get(f"/sales/deals/{key}/edit")
    assert "big, hot" in edit.response.text
    office.write(lambda uow: edit_opportunity(uow, key_of(key), {"name": "Garten"}), "manager")
    version = {"version": "1", "currency_code": "EUR"}
    stale = browser.post(f"/sales/deals/{key}/edit", {**version, "name": "Mine", "note": "n"})
    assert stale.status == 412
    assert "manager changed name" in stale.words
    assert "Garten" in stale.words
    assert 'value="Mine"' in stale.response.text
    fresh = {"version": str(stored(key_of(key)).version), "currency_code": "EUR"}
    saved = browser.post(f"/sales/deals/{key}/edit", {**fresh, "name": "Mine"})
    assert saved.status == 303
    lost = browser.post(f"/sales/deals/{key}/lose", {"reason": "competitor"})
    assert lost.status == 422
    assert "to which competitor" in lost.words
    gone = browser.post(f"/sales/deals/{key}/lose", {"reason": "competitor", "competitor": "Ωμέγα"})
    assert "Ωμέγα" in browser.follow(gone).words
    assert "Mine" in browser.get("/sales/deals/?state=lost").words
    again = browser.post(f"/sales/deals/{key}/reopen", {})
    assert again.status == 303
    won = browser.post(f"/sales/deals/{key}/win", {"note": "good"})
    assert stored(key_of(key)).state == "won"
    assert "Open again" in browser.follow(won).words
    given = browser.post(f"/sales/deals/{key}/owner", {"owner": str(office.known.users["manager"])})
    assert given.location.endswith("/sales/deals")
    assert browser.get(f"/sales/deals/{key}").status == 404


def key_of(text: str):
    from uuid import UUID

    return UUID(text)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_customer_is_found_by_name(office, web):
    browser = web("employee")
    sent = {"name": "A", "currency_code": "EUR"}
    assert browser.get("/sales/deals/new").status == 200
    none = browser.post("/sales/deals/new", {**sent, "customer": "nobody at all"})
    assert none.status == 422
    assert "No customer is found" in none.words
    several = browser.post("/sales/deals/new", {**sent, "customer": "Παπαδόπουλος"})
    assert "Several fit" in several.words
    named = {**sent, "customer": "Northquux Παπαδόπουλος & Sons"}
    assert browser.post("/sales/deals/new", named).status == 303


def test_deals_stand_on_the_customer_and_on_home(office, web, deal):
    deal(name="Segelboot", expected_amount=Decimal(7))
    card = web("employee").get(f"/customers/{office.customer('employee')}")
    assert "Segelboot" in card.words
    assert "Segelboot" in web("employee").get("/").words
    assert "Segelboot" not in web("manager").get("/").words


@pytest.mark.parametrize("kind", ["sqlite"])
def test_lists_filter(web, deal):
    for number in range(3):
        deal(name=f"boat {number}", expected_close_on=date(2027, 1, number + 1))
    browser = web("employee")
    page = browser.get("/sales/deals/?whose=mine&q=boat&pipeline=sales&stage=new")
    assert page.words.count("boat") >= 3
    assert len(page.queries) <= MOST_QUERIES
    assert browser.get("/sales/deals/?q=zzz").words.count("No deal here") == 1
    for wrong in ("state=never", "owner=x", "cursor=x"):
        assert browser.get(f"/sales/deals/?{wrong}").status == 422
    assert browser.get("/sales/deals/?stage=x").status == 404


@pytest.mark.parametrize("kind", ["sqlite"])
def test_pipelines_are_designed_by_hand(office, web):
    browser = web("manager")
    assert web("employee").get("/sales/pipelines/").status == 403
    assert web("employee").get("/sales/pipelines/sales").status == 200
    assert browser.get("/sales/pipelines/").status == 200
    made = browser.post(
        "/sales/pipelines/new", {"code": "service", "name": "Σέρβις", "team": "North"}
    )
    assert made.status == 303, made.words
    assert "Σέρβις" in browser.follow(made).words
    twice = browser.post("/sales/pipelines/new", {"code": "service", "name": "x"})
    assert twice.status == 422
    stage = {
        "code": "visit",
        "name": "Visit",
        "probability": "30",
        "required_fields": ["contact", "expected_amount"],
        "checks": ["quote_sent"],
        "moves_to": ["won"],
    }
    wrong = browser.post("/sales/pipelines/service/stages/new", {**stage, "probability": "300"})
    assert wrong.status == 422
    assert browser.get("/sales/pipelines/service/stages/new").status == 200
    assert browser.post("/sales/pipelines/service/stages/new", stage).status == 303
    shown = browser.get("/sales/pipelines/service")
    assert "an offer that was sent" in shown.words
    browser.post("/sales/pipelines/service/stages/visit/place", {"way": "up"})
    design = office.read(lambda uow: export_pipeline(uow, "service"))
    assert [each["code"] for each in design["stages"]] == ["new", "visit", "offered", "won"]
    stage_page = browser.get("/sales/pipelines/service/stages/visit")
    assert stage_page.status == 200
    refused = browser.post("/sales/pipelines/service/stages/won/place", {"way": "up"})
    assert refused.status == 422
    gone = browser.post("/sales/pipelines/service/stages/visit/archive", {"target": "offered"})
    assert gone.status == 303
    assert (
        browser.post("/sales/pipelines/service/edit", {"name": "S", "is_default": "true"}).status
        == 303
    )
    assert browser.post("/sales/pipelines/service/archive", {}).status == 409
    assert browser.post("/sales/pipelines/sales/archive", {}).status == 303


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_file_goes_out_and_comes_in(office, web):
    browser = web("manager")
    content = browser.get("/sales/pipelines/sales/file").response.data
    changed = content.replace(b'"Negotiation"', '"Διαπραγμάτευση"'.encode())
    done = browser.post("/sales/pipelines/import", {"file": (BytesIO(changed), "p.toml")})
    assert done.status == 303, done.words
    assert "Διαπραγμάτευση" in browser.follow(done).words
    for bad in (b"\xff", b"code = 'x'", content.replace(b"is_won = true", b"")):
        refused = browser.post("/sales/pipelines/import", {"file": (BytesIO(bad), "p.toml")})
        assert refused.status == 422
    lines = "price | Too dear\nrival | A competitor | +\n"
    browser.post("/sales/pipelines/endings", {"reasons": lines, "competitors": "Acme\n\nΩμέγα"})
    kept = office.read(
        lambda uow: uow.execute(
            select(LossReason.code, LossReason.needs_competitor)
            .where(LossReason.archived_at.is_(None))
            .order_by(LossReason.code)
        ).all()
    )
    assert [tuple(row) for row in kept] == [("price", False), ("rival", True)]
    assert office.read(lambda uow: uow.scalars(select(Opportunity.id)).all()) == []


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_demanding_pipeline_costs_no_more_queries(office, web, deal):
    def demand(uow) -> None:
        design = export_pipeline(uow, "sales")
        for each in design["stages"][1:]:
            each["required_fields"] = sorted(REQUIRED_FIELDS)
            each["checks"] = sorted(CHECKS)
        design_pipeline(uow, design)

    office.write(demand)
    page = web("employee").get(f"/sales/deals/{deal()}")
    assert "an offer that was sent" in page.html
    assert len(page.queries) <= MOST_QUERIES
    board = web("employee").get("/sales/board/")
    assert len(board.queries) <= MOST_QUERIES
