"""Accepted offers become orders of the back office once, are watched, and end as they should."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from crm_core.cli.main import crm
from crm_core.errors import NotFoundError, PermissionDeniedError, RuleViolationError
from crm_core.services.settings import set_setting
from crm_core.sync.failpoints import armed
from crm_sales.models import (
    OrderState,
    PaymentTerm,
    PriceList,
    PriceListRule,
    QuoteState,
    TaxSource,
)
from crm_sales.services.order_stories import order_story
from crm_sales.services.quote_orders import confirm_order, order_quote, retry_order
from crm_sales.services.quote_tax import answer_tax, ask_tax
from crm_sales.services.quotes.lines import add_line

EQUAL = {"untaxed_amount": "72.80", "tax_amount": "0", "total_amount": "72.8"}


def test_prices_and_terms_come_from_the_back_office(shop: Any) -> None:
    [term] = shop.read(
        lambda uow: list(uow.scalars(select(PaymentTerm).where(PaymentTerm.name == "30 days")))
    )
    [prices] = shop.read(lambda uow: list(uow.scalars(select(PriceList))))
    assert prices.is_default, "the first of its currency, where none is"
    rules = shop.read(lambda uow: list(uow.scalars(select(PriceListRule))))
    assert (term.name, term.days, prices.name) == ("30 days", 30, "Retail")
    told = sorted((rule.method, rule.product_id) for rule in rules)
    assert told == [("fixed", shop.product("Mug ☕")), ("percent", None)], "99 is not there yet"


@pytest.mark.parametrize("kind", ["sqlite"])
def test_the_desk_says_which_price_lists_tell_no_price(shop: Any, web: Any) -> None:
    desk = "/sync/of/erp/mapping"
    assert "Prices by cost" not in web("admin").get(desk).words
    rules = [{"target": "all", "method": "formula", "base": "cost", "percent": "-30"}]
    shop.answer("sales_price_list", "5", rules=json.dumps(rules))
    shop.run()
    page = web("admin").get(desk)
    assert "work prices out from the cost" in page.words
    assert "1 rule" in page.words
    assert len(page.queries) <= 15


def test_an_accepted_offer_is_ordered_and_its_story_comes_back(
    shop: Any, accepted: UUID, customer_id: UUID
) -> None:
    quote = shop.quote(accepted)
    assert shop.deal(quote.opportunity_id).state == "won"
    assert (shop.order(accepted).state, shop.sheet("sales_order")) == ("waiting", [])

    shop.run()

    [row] = shop.sheet("sales_order")
    [head, mugs, _lamp] = json.loads(row["lines"])
    assert (head["kind"], head["description"]) == ("section", "Home")
    assert (mugs["product_ref"], mugs["quantity"], mugs["unit_price"]) == ("11", "2", "12.35")
    assert (row["offer"], mugs["discount_percent"]) == (quote.number, "7.5")
    people = {each["id"] for each in shop.sheet("customers")}
    assert row["customer_ref"] in people, "the customer went first"

    shop.answer("sales_order", row["id"], number="SO1", state="draft", currency="EUR", **EQUAL)
    shop.run()
    assert shop.order(accepted).state == OrderState.DRAFT
    assert shop.run().pushed == {}, "nothing is sent twice"

    shop.answer("sales_order", row["id"], state="confirmed", is_confirmed="yes")
    shop.run()
    assert shop.order(accepted).state == OrderState.CONFIRMED
    assert shop.quote(accepted).state == QuoteState.ORDERED
    story = shop.read(lambda uow: order_story(uow, accepted))
    assert (story["order"]["number"], story["order"]["differences"]) == ("SO1", [])
    assert shop.tasks(customer_id) == []


@pytest.mark.parametrize("kind", ["sqlite"])
def test_equal_sums_are_confirmed_by_themselves_where_that_is_wanted(
    shop: Any, accepted: UUID
) -> None:
    shop.write(lambda uow: set_setting(uow, "sales.order_confirm", "yes"))
    shop.run()
    [row] = shop.sheet("sales_order")
    shop.answer("sales_order", row["id"], number="SO1", state="draft", currency="EUR", **EQUAL)
    shop.run()
    assert shop.order(accepted).state == OrderState.CONFIRMING
    shop.run()
    [row] = shop.sheet("sales_order")
    assert row["is_confirmed"] == "yes"


def test_other_sums_are_shown_and_not_confirmed_before_somebody_accepts_them(
    shop: Any, office: Any, accepted: UUID, customer_id: UUID
) -> None:
    shop.write(lambda uow: set_setting(uow, "sales.order_confirm", "yes"))
    shop.run()
    [row] = shop.sheet("sales_order")
    theirs = {**EQUAL, "tax_amount": "0.01", "total_amount": "72.81"}
    shop.answer("sales_order", row["id"], number="SO1", state="draft", currency="EUR", **theirs)
    shop.run()
    shop.run()

    assert shop.order(accepted).state == OrderState.DIFFERENT
    assert shop.sheet("sales_order")[0]["is_confirmed"] == "no"
    [task] = shop.tasks(customer_id)
    assert "72.81" in task.note
    assert "72.80" in task.note
    told = shop.read(lambda uow: order_story(uow, accepted))["order"]["differences"]
    assert [(each["field"], each["theirs"]) for each in told] == [
        ("tax_amount", Decimal("0.01")),
        ("total_amount", Decimal("72.81")),
    ]
    total = Decimal("72.81")
    with pytest.raises(RuleViolationError, match="72.81"):
        office.write(lambda uow: confirm_order(uow, accepted), "employee")
    with pytest.raises(PermissionDeniedError):
        office.write(lambda uow: confirm_order(uow, accepted, accept_total=total), "employee")
    with pytest.raises(RuleViolationError):
        office.write(lambda uow: confirm_order(uow, accepted, accept_total=Decimal(70)), "manager")
    office.write(lambda uow: confirm_order(uow, accepted, accept_total=total), "manager")
    shop.relay()
    # Changed once more before it went out: what was accepted is not this.
    shop.answer("sales_order", row["id"], total_amount="80")
    shop.run()
    assert shop.sheet("sales_order")[0]["is_confirmed"] == "no"
    assert shop.order(accepted).state == OrderState.DIFFERENT
    office.write(lambda uow: confirm_order(uow, accepted, accept_total=Decimal(80)), "manager")
    shop.run()
    assert shop.sheet("sales_order")[0]["is_confirmed"] == "yes"
    shop.answer("sales_order", row["id"], state="confirmed")
    shop.run()
    assert shop.tasks(customer_id) == [], "it is done with"


@pytest.mark.parametrize("kind", ["sqlite"])
def test_an_offer_is_ordered_once_whoever_asks_and_however_often(
    shop: Any, office: Any, accepted: UUID
) -> None:
    first = shop.order(accepted).created_at
    shop.write(lambda uow: order_quote(uow, accepted))
    assert shop.order(accepted).created_at == first
    with pytest.raises(RuleViolationError, match="not refused"):
        office.write(lambda uow: retry_order(uow, accepted), "employee")
    for login in ("outsider", "readonly"):
        with pytest.raises((NotFoundError, PermissionDeniedError)):
            office.write(lambda uow: retry_order(uow, accepted), login)
    shop.run()
    shop.run(full=True)
    assert len(shop.sheet("sales_order")) == 1


@pytest.mark.parametrize("kind", ["sqlite"])
def test_what_is_not_sold_any_more_is_told_before_anything_is_sent(
    shop: Any, office: Any, customer_id: UUID
) -> None:
    owner_id = office.actor("employee").user_id
    quote_id = shop.offer(customer_id, ("Mug ☕", "1", "5", "0"), owner_id=owner_id)
    (shop.folder / "products.csv").write_text("id,name\n12,Λάμπα\n")
    shop.run(accept_vanished=True)
    shop.accept(quote_id)
    assert shop.order(quote_id).state == OrderState.REFUSED
    [task] = shop.tasks(customer_id)
    assert task.owner_id == owner_id
    assert "Mug ☕ is not sold any more" in task.note
    with pytest.raises(RuleViolationError, match="not sold"):
        office.write(lambda uow: retry_order(uow, quote_id), "employee")
    assert shop.sheet("sales_order") == []


@pytest.mark.parametrize("kind", ["sqlite"])
def test_an_order_that_is_refused_is_a_task_and_goes_again(
    shop: Any, office: Any, accepted: UUID, customer_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crm_core.sync.protocol import Written
    from crm_files.backend import FilesBackend

    kept = FilesBackend.create

    def refusing(self: Any, entity: str, drafts: Any) -> Any:
        if entity != "sales_order":
            return kept(self, entity, drafts)
        return [Written(draft.key, None, "x.blocked", "Eleni is blocked.") for draft in drafts]

    monkeypatch.setattr(FilesBackend, "create", refusing)
    shop.run()
    shop.run(retry=True)
    order = shop.order(accepted)
    assert (order.state, order.problem) == (OrderState.REFUSED, "Eleni is blocked.")
    [task] = shop.tasks(customer_id)
    assert "Eleni is blocked." in task.note
    assert "send the order again" in task.note
    monkeypatch.setattr(FilesBackend, "create", kept)
    office.write(lambda uow: retry_order(uow, accepted), "employee")
    shop.run()
    [row] = shop.sheet("sales_order")
    shop.answer("sales_order", row["id"], number="SO1", state="draft", currency="EUR", **EQUAL)
    shop.run()
    assert (shop.order(accepted).state, shop.tasks(customer_id)) == (OrderState.DRAFT, [])
    # Deleted over there: told, and never made again by itself.
    (shop.folder / "sales_order.csv").write_text(",".join(row) + "\n")
    shop.run()
    shop.run()
    assert shop.order(accepted).state == OrderState.GONE
    assert next(each.summary for each in shop.tasks(customer_id)).endswith("is gone")
    assert shop.sheet("sales_order") == []


def test_pages_tell_the_story_and_take_decisions(
    shop: Any, office: Any, web: Any, accepted: UUID
) -> None:
    shop.run()
    [row] = shop.sheet("sales_order")
    theirs = {**EQUAL, "tax_amount": "0.01", "total_amount": "72.81"}
    shop.answer("sales_order", row["id"], number="SO1", state="draft", currency="EUR", **theirs)
    shop.run()
    deal = f"/sales/deals/{shop.quote(accepted).opportunity_id}"
    quote = f"/sales/quotes/{accepted}"
    for path in (deal, quote):
        page = web("employee").get(path)
        assert page.status == 200
        assert len(page.queries) <= 15
        for said in ("SO1", "Other sums than ours", "72.81", "72.80"):
            assert said in page.words
    assert web("outsider").get(quote).status == 404
    confirm = f"/sales/orders/{accepted}/confirm"
    for login, status in (("employee", 403), ("readonly", 403), ("outsider", 404)):
        assert web(login).post(confirm, {"accept_total": "72.81"}).status == status
    assert web("manager").post(confirm, {"accept_total": "72.80"}).status == 409
    answer = web("manager").post(confirm, {"accept_total": "72.81", "back": quote})
    assert answer.status == 303
    assert "Being confirmed" in web("manager").get(quote).words
    assert web("employee").post(f"/sales/orders/{accepted}/retry").status == 409


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_tax_is_asked_for_and_the_answer_is_dropped_when_the_offer_changed(
    shop: Any, office: Any, web: Any, customer_id: UUID
) -> None:
    owner_id = office.actor("employee").user_id
    quote_id = shop.offer(customer_id, ("Mug ☕", "2", "5", "0"), owner_id=owner_id)
    quote = f"/sales/quotes/{quote_id}"
    assert "The tax is an estimate" in web("employee").get(quote).words
    assert web("readonly").post(f"/sales/orders/{quote_id}/tax").status == 403
    assert web("employee").post(f"/sales/orders/{quote_id}/tax").status == 303
    assert "was asked" in web("employee").get(quote).words
    sums = {"untaxed_amount": "10", "tax_amount": "2.4", "total_amount": "12.4"}
    told = {**sums, "lines": [sums]}

    def changed(uow: Any) -> None:
        add_line(uow, quote_id, kind="note", description="more")

    shop.write(changed)
    shop.write(lambda uow: answer_tax(uow, quote_id, told))
    assert shop.quote(quote_id).tax_source == TaxSource.ESTIMATE
    assert "changed meanwhile" in web("employee").get(quote).words
    shop.write(lambda uow: ask_tax(uow, quote_id))
    shop.write(lambda uow: answer_tax(uow, quote_id, None, "May not delete drafts."))
    assert "May not delete drafts." in web("employee").get(quote).words
    shop.write(lambda uow: ask_tax(uow, quote_id))
    shop.write(
        lambda uow: answer_tax(uow, quote_id, {**sums, "lines": [sums, dict.fromkeys(sums)]})
    )
    found = shop.quote(quote_id)
    assert (found.tax_source, found.total_amount) == (TaxSource.ERP, Decimal("12.4"))
    assert "what the back office worked out" in web("employee").get(quote).words
    shop.accept(quote_id)
    with pytest.raises(RuleViolationError, match="was sent"):
        office.write(lambda uow: ask_tax(uow, quote_id), "employee")


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize(
    "point", ["push.marked_sent", "push.created", "push.bound", "push.before_settling"]
)
def test_killed_on_the_way_it_makes_one_order(shop: Any, accepted: UUID, point: str) -> None:
    shop.run(entities=["customer"])

    def kill(reached: str) -> None:
        if reached == point:
            raise Killed

    with armed(kill), pytest.raises(Killed):
        shop.run(entities=["sales_order"])
    shop.run()
    [row] = shop.sheet("sales_order")
    shop.answer("sales_order", row["id"], number="SO1", state="draft", currency="EUR", **EQUAL)
    shop.run()
    assert len(shop.sheet("sales_order")) == 1
    assert shop.order(accepted).state == OrderState.DRAFT


@pytest.mark.parametrize("kind", ["sqlite"])
def test_commands_show_send_again_and_confirm(
    shop: Any, accepted: UUID, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CRM_DATABASE_URL", shop.application.config.database_url)
    monkeypatch.setenv("CRM_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("CRM_LOG_FILE", str(tmp_path / "crm.log"))
    number = shop.quote(accepted).number

    def typed(*words: str, who: str = "manager", code: int = 0) -> Any:
        arguments = ["sales", "quote", *words, "--as", who, "--json"]
        result = CliRunner().invoke(crm, arguments)
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)["data"] if code == 0 else result.output

    assert typed("order", number)["order"]["state"] == "waiting"
    typed("reorder", number, code=1)
    typed("tax", number, code=1)
    shop.run()
    [row] = shop.sheet("sales_order")
    theirs = {**EQUAL, "total_amount": "73"}
    shop.answer("sales_order", row["id"], number="SO1", state="draft", currency="EUR", **theirs)
    shop.run()
    typed("confirm", number, "--accept-total", "seven", code=2)
    typed("confirm", number, code=1)
    typed("confirm", number, "--accept-total", "73", who="employee", code=1)
    assert typed("confirm", number, "--accept-total", "73")["state"] == "confirming"
    told = CliRunner().invoke(crm, ["sales", "quote", "order", number, "--as", "manager"])
    assert "Being confirmed" in told.output
    assert "Traceback" not in told.output
