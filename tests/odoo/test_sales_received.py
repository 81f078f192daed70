"""From first interest to money received: by command here, by link, and in a real Odoo."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pypdfium2
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from crm_core.cli.main import crm
from crm_core.services.settings import set_setting
from crm_core.services.teams import add_team, add_team_member
from crm_core.services.users import add_user
from crm_sales.models import PriceList
from crm_sales.services.quote_tax import tax_question
from crm_web.app import create_app
from selling import Selling
from selling_odoo import admin, deliver_invoice_and_pay, options, products, selling
from web_desk import Web

__all__ = ["admin", "options", "products", "selling"]

pytestmark = pytest.mark.slow

NAME, COMPANY, DEAL = "Ειρήνη O'Φωκά", "Ξενοδοχείο «Αυγή»", "Mugs for 24 rooms"


@pytest.fixture
def typed(selling: Selling, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Type a command of the module as somebody: ``typed("eleni", "deal", "list")``."""
    monkeypatch.setenv("CRM_DATABASE_URL", selling.application.config.database_url)
    monkeypatch.setenv("CRM_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("CRM_LOG_FILE", str(tmp_path / "crm.log"))

    def run(login: str, *words: Any, code: int = 0) -> Any:
        arguments = ["sales", *map(str, words), "--as", login, "--json"]
        done = CliRunner().invoke(crm, arguments)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)["data"] if code == 0 else done.output

    return run


@pytest.fixture
def people(selling: Selling) -> None:
    """Eleni, who sells, and Mara, who leads her team."""

    def act(uow: Any) -> None:
        add_team(uow, "North")
        for login, role in (("eleni", "employee"), ("mara", "manager")):
            add_user(uow, login, role_codes=[role])
            add_team_member(uow, "North", login)
        set_setting(uow, "web.base_url", "https://crm.example.com")
        set_setting(uow, "sales.order_confirm", "yes")

    selling.write(act)


def words_of(path: Path) -> str:
    with pypdfium2.PdfDocument(path) as document:
        return " ".join(page.get_textpage().get_text_bounded() for page in document)


@pytest.mark.usefixtures("people")
def test_from_first_interest_to_money_received(
    selling: Selling, admin: Any, products: list[str], typed: Any, tmp_path: Path
) -> None:
    selling.run()
    typed("mara", "rule", "set", "Greece", "--country", "GR", "--user", "eleni")
    asked = ("--company", COMPANY, "--country", "GR", "--in", "en", "--source", "Trade fair")
    typed("mara", "lead", "add", NAME, *asked, "--amount", "90", "--currency", "USD")
    [lead] = typed("eleni", "lead", "list", "--mine")["items"]
    assert (lead["name"], lead["why"]) == (NAME, "eleni, by the rule Greece")

    made = typed("eleni", "lead", "qualify", NAME, "--deal", DEAL)
    typed("eleni", "deal", "move", DEAL, "proposition")
    mug, lamp = products
    quote = typed("eleni", "quote", "add", DEAL, "--price-list", _usd(selling))
    typed("eleni", "quote", "line", "add", DEAL, mug, "--quantity", 3, "--discount", 20)
    typed("eleni", "quote", "line", "add", DEAL, lamp, "--option")
    typed("eleni", "quote", "tax", DEAL)
    selling.relay()
    selling.run()
    question = selling.read(lambda uow: tax_question(uow, UUID(quote["id"])))
    assert (question.is_open, question.problem) == (False, None)
    assert typed("eleni", "quote", "show", DEAL)["tax_source"] == "erp"

    assert typed("eleni", "quote", "submit", DEAL)["state"] == "waiting"
    assert "lacks the right" in typed("eleni", "quote", "approve", DEAL, code=1)
    assert "approval" in typed("eleni", "quote", "send", DEAL, "--channel", "link", code=1)
    [waiting] = typed("mara", "quote", "list", "--to-approve")["items"]
    assert typed("mara", "quote", "approve", waiting["number"])["state"] == "approved"
    path = tmp_path / "offer.pdf"
    typed("eleni", "quote", "pdf", DEAL, "--out", path)
    told = words_of(path)
    assert all(word in told for word in (quote["number"], COMPANY, "27.60"))

    link = typed("eleni", "quote", "send", DEAL, "--channel", "link")["link"]
    _accept(selling, link)
    assert typed("eleni", "quote", "show", DEAL)["state"] == "accepted"
    selling.run()
    selling.run()
    origin = ("origin", "=", f"CRM {quote['number']}")
    [order] = admin.rows("sale.order", [origin], ["name", "state", "amount_total", "partner_id"])
    assert (order["state"], order["amount_total"]) == ("sale", 27.6)
    assert order["partner_id"][1] == COMPANY
    assert typed("eleni", "deal", "show", DEAL)["state"] == "won"

    deliver_invoice_and_pay(admin, order["id"])
    selling.run()
    story = typed("eleni", "quote", "order", DEAL)
    assert story["order"]["number"] == order["name"]
    assert story["document"]["delivery_state"] == "full"
    assert [each["open_amount"] for each in story["invoices"]] == ["0.0000"]
    assert story["is_paid"]
    assert typed("eleni", "quote", "show", DEAL)["state"] == "ordered"
    won = typed("eleni", "deal", "list", "--state", "won")["items"]
    assert [each["id"] for each in won] == [made["opportunity_id"]]


def _usd(selling: Selling) -> str:
    names = select(PriceList.name).where(PriceList.currency_code == "USD")
    return str(selling.read(lambda uow: uow.scalars(names.order_by(PriceList.position)).first()))


def _accept(selling: Selling, link: str) -> None:
    """Open an offer's link as its customer does, leave the option, and accept."""
    assert link.startswith("https://crm.example.com/")
    path = urlsplit(link).path
    customer = Web(create_app(selling.application), selling.application)
    shown = customer.get(path)
    assert shown.status == 200, shown.words
    assert "27.60" in shown.words
    sent = {"name": NAME, "agreed": "yes", "total": "27.60", "choose": "1"}
    answered = customer.post(f"{path}/accept", sent)
    assert answered.status == 303, answered.words
    assert f"Accepted by {NAME}" in customer.follow(answered).words
    again = customer.post(f"{path}/accept", sent)
    assert again.status in (303, 409), again.words
    selling.relay()
