"""What the walk of every route needs to know of the sales module: records, and what is sent.

Everything of an owner's carries their mark, as in ``web_office``. ``sold`` goes to ``offices`` as
``more``; ``told`` tells ``web_walk`` of the routes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

import access_walk
import web_walk
from crm_core.access import system_actor
from crm_core.bootstrap import Application
from crm_core.entities import Product
from crm_core.entities.system import Setting
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.users import actor_for_login
from crm_sales.models import (
    HandedItem,
    Handover,
    PriceFloor,
    PriceList,
    Quote,
    QuoteAnswer,
    QuoteApproval,
    QuoteDocument,
    QuoteQuestion,
    QuoteState,
)
from crm_sales.permissions import RIGHTS
from crm_sales.services.assignment.people import add_absence
from crm_sales.services.assignment.rules import import_rules, rule_named
from crm_sales.services.calendar_feed import add_feed
from crm_sales.services.forecast.targets import set_target
from crm_sales.services.leads.arriving import add_lead
from crm_sales.services.next_steps import plan_step
from crm_sales.services.opportunities import add_opportunity, win_opportunity
from crm_sales.services.quote_links import make_link, revoke_links
from crm_sales.services.quotes.editing import add_quote
from crm_sales.services.quotes.lines import add_line
from crm_sales.services.scoring.overrides import override_probability
from web_office import MARKS, ROLES, Known
from web_walk import BODIES, FORMS, IN_BODY, sends, takes

AREA = "sales_"
PUBLIC = {
    *(f"sales_offer.{name}" for name in ("show", "document", "opened", "accept", "refuse", "ask")),
    "sales_calendar.feed",
}
"""Routes that open without signing in: no others may."""
FREE = "manager"
"""Whose are, of what nobody owns, records that a person always has: absences, targets."""


def sold(application: Application, known: Known) -> None:
    """Give every owner a lead, deals, steps, offers and more."""
    with application.unit_of_work(system_actor("test"), write=True) as uow:
        uow.add(Setting(key="web.base_url", value="https://crm.example.com"))
        uow.add(
            Product(
                name="A table of everybody",
                reference="TABLE",
                category="All / Goods",
                unit="Units",
                list_price="100",
                currency_code="EUR",
                refreshed_at=datetime.now(UTC),
            )
        )
        import_rules(uow, {"rule": [{"name": "None of them", "is_active": False}]})
        rule = rule_named(uow, "None of them")
        floor_id = uow.scalar(select(PriceFloor.id))
        usual = uow.add(PriceList(name="Usual", currency_code="EUR", is_default=True))
        rules_of_offers = {"part": "floors", "item_id": floor_id, "price_list_id": usual.id}
        rules_of_offers["currency_code"] = "EUR"
        for owner, mark in MARKS.items():
            known.records[owner] |= {"rule_id": rule.id, "code": "sales", "stage": "new"}
            known.records[owner] |= rules_of_offers
            known.records[owner] |= sold_to(uow, known, owner, mark)
        uow.commit()
    for login in ROLES:
        with application.unit_of_work(actor_for(application, login), write=True) as uow:
            token, feed = add_feed(uow, f"Calendar of {login} alone")
            known.own[login] |= {"feed_id": feed.id, "feed_token": token}
            uow.commit()


def actor_for(application: Application, login: str) -> Any:
    """Return whom services act for when this user is signed in."""
    with application.unit_of_work(system_actor("test")) as uow:
        return actor_for_login(uow, login, origin="web")


def sold_to(
    uow: UnitOfWork, known: Known, owner: str, mark: str, *, days: int = 0
) -> dict[str, Any]:
    """Add to what an owner's customer has, and return it as paths name it.

    What there is but once a day is so many days later.
    """
    customer_id, user_id = known.customers[owner], known.users.get(owner)
    lead = add_lead(
        uow,
        {
            "name": f"{mark} lead",
            "company": f"{mark} works",
            "email": f"lead.{mark.lower()}@example.com",
            "request": f"{mark} asks",
            "source": f"{mark} fair",
            "expected_amount": "4310.70",
        },
        owner_id=user_id,
    )
    deal = _deal(uow, customer_id, user_id, mark)
    override_probability(uow, deal.id, Decimal("43.1"), f"{mark} reason")
    won = _deal(uow, customer_id, user_id, f"{mark} won")
    win_opportunity(uow, won.id, note=f"{mark} lesson")
    due_at = uow.now + timedelta(days=1)
    step = plan_step(uow, deal.id, type="call", due_at=due_at, summary=f"{mark} step")
    holder = owner or FREE
    today = uow.now.date()
    away_on = today + timedelta(days=10 + days + 40 * list(MARKS).index(owner))
    absence = add_absence(uow, known.users[holder], away_on, away_on)
    month = f"{away_on:%Y-%m}"
    target = set_target(uow, period=month, amount=Decimal(43107 + days), user=holder)
    return {
        "lead_id": lead.id,
        "opportunity_id": deal.id,
        "activity_id": step.id,
        "absence_id": absence.id,
        "target_id": target.id,
        "handover_id": _handover(uow, known.users[holder], customer_id, mark).id,
        **_offers(uow, deal.id, mark, known.users[holder]),
    }


def _deal(uow: UnitOfWork, customer_id: UUID, user_id: UUID | None, mark: str) -> Any:
    return add_opportunity(
        uow,
        customer_id,
        f"{mark} deal",
        owner_id=user_id,
        expected_amount=Decimal("4310.70"),
        expected_close_on=uow.now.date() + timedelta(days=20),
        source=f"{mark} fair",
        campaign=f"{mark} campaign",
        note=f"{mark} note",
    )


def _handover(uow: UnitOfWork, leaver_id: UUID, customer_id: UUID, mark: str) -> Handover:
    made: Handover = uow.add(
        Handover(
            leaver_id=leaver_id,
            made_by="admin",
            note=f"{mark} leaves",
            counts={"customer": 1},
            created_at=uow.now,
            updated_at=uow.now,
        )
    )
    uow.flush()
    uow.add(
        HandedItem(
            handover_id=made.id,
            kind="customer",
            record_id=customer_id,
            title=f"{mark} customer",
            customer_id=customer_id,
            to_user_id=leaver_id,
        )
    )
    return made


def _offers(uow: UnitOfWork, deal_id: UUID, mark: str, user_id: UUID) -> dict[str, Any]:
    """One that was sent, with a question; one that waits for approval; one that was accepted."""
    sent, line = _offer(uow, deal_id, mark)
    sent.state, sent.sent_at = QuoteState.SENT, uow.now
    uow.add(
        QuoteDocument(
            quote_id=sent.id,
            language="en",
            made_at=uow.now,
            sha256="0" * 64,
            content=f"%PDF-1.7 {mark}".encode(),
        )
    )
    uow.add(QuoteQuestion(quote_id=sent.id, at=uow.now, name=f"{mark} buyer", text=f"{mark}?"))
    revoked = make_link(uow, sent.id)[1]
    revoke_links(uow, sent.id)
    link = make_link(uow, sent.id)[1]
    waiting, _ = _offer(uow, deal_id, mark, discount_percent=Decimal(40))
    waiting.state = QuoteState.WAITING
    uow.add(
        QuoteApproval(
            quote_id=waiting.id, asked_by_id=user_id, asked_at=uow.now, percent=Decimal(40)
        )
    )
    accepted, _ = _offer(uow, deal_id, mark)
    accepted.state, accepted.sent_at, accepted.answered_at = QuoteState.ACCEPTED, uow.now, uow.now
    uow.add(QuoteAnswer(quote_id=accepted.id, is_accepted=True, at=uow.now, name=f"{mark} buyer"))
    uow.flush()
    return {
        "quote_id": sent.id,
        "line_id": line.id,
        "waiting_quote_id": waiting.id,
        "offer_token": link.rpartition("/")[2],
        "revoked_token": revoked.rpartition("/")[2],
    }


def _offer(uow: UnitOfWork, deal_id: UUID, mark: str, **values: Any) -> tuple[Quote, Any]:
    quote = add_quote(uow, deal_id, terms=f"{mark} terms", note=f"{mark} note")
    product_id = uow.scalar(select(Product.id).where(Product.reference == "TABLE"))
    line = add_line(
        uow,
        quote.id,
        product_id=product_id,
        description=f"{mark} table",
        tax_percent="24",
        **values,
    )
    uow.flush()
    return quote, line


def _by(endpoints: str, field: str, record: str, /, **more: Any) -> None:
    """Say that routes are sent the id of an owner's record."""
    for endpoint in endpoints.split():
        IN_BODY[endpoint] = "core.customer.view" if record == "customer_id" else ""
        sent = BODIES if endpoint.startswith("api-") else FORMS
        sent[endpoint] = lambda known, owner: {field: _of(known, owner, record), **more}


def _of(known: Known, owner: str, name: str) -> str:
    if name == "customer_id":
        return str(known.customers[owner])
    if name == "login":
        return owner or FREE
    return str(known.users[owner or FREE] if name == "user_id" else known.records[owner][name])


def told() -> None:
    """Tell the walk of the module's routes."""
    web_walk.OF_CUSTOMER |= set(
        "lead_id opportunity_id quote_id line_id absence_id target_id handover_id".split()
    )
    web_walk.PERSONAL.add("feed_id")
    web_walk.REVOCABLE.add("feed_id")
    web_walk.HELD_BY_OTHERS |= {right.code for right in RIGHTS}
    web_walk.QUERIES["api-sales_quotes.products"] = "?text=table"
    access_walk.COMPANYS |= {"api-sales_scores.training", "sales_scores.calibration"}
    _forms()
    _bodies()


def _forms() -> None:
    takes("sales_offer.opened", "sales_offer.ask", name="Nobody", text="?")
    takes("sales_offer.accept", "sales_offer.refuse", name="Nobody", reason="no")
    takes("sales_leads.send_new", "sales_leads.send_edit", name="Changed", mine="true")
    takes("sales_leads.qualify", customer="new")
    takes("sales_leads.disqualify", reason="No need")
    takes("sales_leads.reopen", "sales_leads.release", "sales_leads.try_rules")
    FORMS["sales_leads.assign"] = lambda known, _owner: {"user": str(known.users["outsider"])}
    takes("sales_leads.merge", other=web_walk.NOBODYS_ID)
    takes("sales_assignment.send_new", "sales_assignment.send", name="")
    takes("sales_assignment.remove", "sales_assignment.drop_absence")
    _by("sales_assignment.send_person", "user", "user_id", daily_leads="3")
    away = {"from_on": "2199-01-01", "until_on": "2199-01-02"}
    _by("sales_assignment.send_absence", "user", "user_id", **away)
    IN_BODY["sales_board.move"] = ""
    FORMS["sales_board.move"] = lambda known, owner: {
        "deal": _of(known, owner, "opportunity_id"),
        "stage": web_walk.NOBODYS_ID,
    }
    _by("sales_deal_forms.add", "customer", "customer_id", name="Changed", currency_code="EUR")
    takes("sales_deal_forms.save", name="Changed", currency_code="EUR", version="1")
    takes("sales_deal_forms.win", note="Changed")
    takes("sales_deal_forms.lose", reason="price")
    takes("sales_deal_forms.assign", owner="")
    takes("sales_deals.move", stage=web_walk.NOBODYS_ID)
    takes("sales_deals.reopen", "sales_handover.undo", "sales_handover.packs")
    _by("sales_handover.send_new", "leaver", "login", to="outsider", do="hand-over")
    takes("sales_steps.send_plan", type="call", due_at="+2d")
    takes("sales_steps.done", "sales_steps.later", days="1")
    takes("sales_scores.override", percent="12", reason="Changed")
    takes("sales_scores.drop", "sales_scores.train", "sales_cross_sell.count")
    takes("sales_quotes.add", "sales_quotes.revise", "sales_quotes.withdraw")
    takes("sales_quotes.save", "sales_quotes.preview", act="section", text="Changed")
    takes("sales_quotes.approve", "sales_quotes.refuse", reason="Changed")
    takes("sales_quotes.reprice", "sales_orders.retry", "sales_orders.tax", "sales_orders.confirm")
    takes("sales_sending.send", channel="post")
    takes("sales_sending.link", "sales_sending.revoke")
    takes("sales_sending.accept", "sales_sending.decline", signed_by="Changed", reason="Changed")
    takes("sales_quote_forms.send_edit", terms="Changed", version="1")
    takes("sales_quote_forms.set_limits", "sales_quote_forms.set_document", document="=")
    takes("sales_offer_rules.send_new", "sales_offer_rules.send", name="", parts="TABLE")
    takes("sales_offer_rules.remove", "sales_offer_rules.send_open", "sales_offer_rules.take")
    _by("sales_offer_rules.give", "customer", "customer_id", price_list_id=web_walk.NOBODYS_ID)
    takes("sales_calendar.add", title="")
    takes("sales_calendar.revoke")
    takes("sales_forecast.import_file", "sales_forecast.remove")
    IN_BODY["sales_forecast.set_one"] = ""
    FORMS["sales_forecast.set_one"] = lambda _known, owner: {
        "period": "2199-01",
        "holder": f"user:{owner or FREE}",
        "amount": "1",
    }
    takes(*(f"sales_pipelines.{n}" for n in ("take_file", "add", "save", "archive", "endings")))
    takes(*(f"sales_pipelines.{n}" for n in ("add_stage", "save_stage", "place", "archive_stage")))


def _bodies() -> None:
    away = {"from_on": "2199-01-01", "until_on": "2199-01-02"}
    sends("sales_assignment.set_rules", rule=[])
    sends("sales_assignment.add_rule", "sales_assignment.edit_rule", name="Changed")
    sends("sales_assignment.set_person", daily_leads=3)
    _by("api-sales_assignment.be_away", "user_id", "user_id", **away)
    sends("sales_cross_sell.count", "sales_scores.train", "sales_leads.try_rules")
    _by("api-sales_deals.add", "customer_id", "customer_id", name="Changed")
    sends("sales_deals.change", name="Changed")
    sends("sales_deals.move", stage_id=web_walk.NOBODYS_ID)
    sends("sales_deals.win", "sales_deals.reopen")
    sends("sales_deals.lose", reason_code="price")
    sends("sales_deals.assign", owner_id=None)
    _by("api-sales_forecast.set", "user", "login", period="2199-01", amount="1")
    _by("api-sales_handover.plan api-sales_handover.make", "leaver", "login", to=["outsider"])
    sends("sales_handover.undo", "sales_leads.reopen", "sales_leads.release")
    _by("api-sales_leads.add", "owner_id", "user_id", name="Changed")
    sends("sales_leads.edit", name="Changed")
    sends("sales_leads.qualify", is_new=True)
    sends("sales_leads.disqualify", reason="No need")
    BODIES["api-sales_leads.assign"] = lambda known, _owner: {
        "user_id": str(known.users["outsider"])
    }
    sends("sales_leads.merge", drop_id=web_walk.NOBODYS_ID)
    sends("sales_offer_rules.add_floor", "sales_offer_rules.change_floor", percent_of_list="60")
    sends("sales_offer_rules.add_band", "sales_offer_rules.change_band", name="Kin", percent="1")
    parts = {"name": "Set", "percent": "1", "parts": [["TABLE", "1"]]}
    sends("sales_offer_rules.add_bundle", "sales_offer_rules.change_bundle", **parts)
    sends("sales_offer_rules.open_list", is_open=True)
    sends("sales_offer_rules.give_list", price_list_id=web_walk.NOBODYS_ID)
    sends("sales_offers.send", channel="link")
    sends("sales_offers.add_link")
    sends("sales_offers.accept", signed_by="Changed")
    sends("sales_offers.refuse", signed_by="Changed", reason="Changed")
    sends("sales_pipelines.change", code="default", name="Changed", stages=[])
    sends("sales_pipelines.archive")
    sends("sales_quotes.set_settings", limits={})
    _by("api-sales_quotes.add", "opportunity_id", "opportunity_id")
    sends("sales_quotes.edit", terms="Changed")
    sends("sales_quotes.add_line", kind="section", description="Changed")
    sends("sales_quotes.add_bundle", bundle_id=web_walk.NOBODYS_ID)
    sends("sales_quotes.edit_line", quantity="7")
    sends("sales_quotes.move_line", steps=1)
    sends("sales_quotes.submit", "sales_quotes.approve", "sales_quotes.revise")
    sends("sales_quotes.refuse", "sales_quotes.withdraw", reason="Changed")
    sends("sales_quotes.reprice")
    sends("sales_scores.override", percent="12", reason="Changed")
    step = {"type": "call", "due_at": "2199-01-01T10:00:00Z"}
    _by("api-sales_steps.plan", "opportunity_id", "opportunity_id", **step)
    sends("sales_steps.done")
    sends("sales_steps.postpone", due_at="2199-01-01T10:00:00Z")
    sends("sales_steps.set_sequences", sequences=[])
    sends("sales_steps.add_calendar", title="")
