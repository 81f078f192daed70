"""``crm sales quote``: an offer from draft to approval, and the settings by file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from crm_core.access import system_actor
from crm_core.entities import Product
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.testing.factories import make_customer
from crm_sales.models import Opportunity
from crm_sales.services.opportunities import add_opportunity


@pytest.fixture(scope="session")
def crm_plugins() -> tuple[str, ...]:
    """What is enabled."""
    return ("sales",)


@pytest.fixture
def deal_id(crm_database) -> str:
    """A deal, and a table and a chair to sell."""
    with unit_of_work(crm_database, actor=system_actor("test"), write=True) as uow:
        for reference, price in (("TABLE", "100"), ("CHAIR", "25.5")):
            uow.add(
                Product(
                    name=reference.capitalize(),
                    reference=reference,
                    list_price=price,
                    currency_code="EUR",
                    refreshed_at=datetime.now(UTC),
                )
            )
        deal = add_opportunity(uow, make_customer(uow).id, "A shop")
        uow.commit()
    return str(deal.id)


def test_an_offer_from_draft_to_the_next_version(crm_command, deal_id, tmp_path: Path):
    def told(*arguments: str) -> dict:
        result = crm_command("sales", "quote", *arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.output)["data"]

    settings = tmp_path / "offers.toml"
    settings.write_text(
        'bundles = []\n[limits]\nadmin = 100\n[[price_lists]]\nname = "Trade"\n'
        'currency = "EUR"\nis_default = true\n[[price_rules]]\nprice_list = "Trade"\n'
        'method = "percent"\npercent = 10\nmin_quantity = 4\n',
        encoding="utf-8",
    )
    parts = told("settings", "import", str(settings))["parts"]
    assert parts == ["limits", "bundles", "price_lists", "price_rules"]
    number = told("add", deal_id, "--valid-until", "2099-12-31", "--note", "χωρίς βιασύνη")[
        "number"
    ]
    told("line", "add", number, "--section", "Έπιπλα")
    told("line", "add", number, "TABLE", "--quantity", "1")
    told("line", "add", number, "CHAIR", "--quantity", "4", "--discount", "5")
    told("line", "add", number, "TABLE", "--option", "--text", "One more")
    view = told("show", number)
    assert [line["unit_price"] for line in view["lines"]] == [
        None, "100.000000", "22.950000", "100.000000",
    ]  # fmt: skip
    assert view["untaxed_amount"] == "187.2100"
    told("line", "edit", number, "4", "--take")
    told("line", "move", number, "4", "--by", "-2")
    told("line", "remove", number, "3")
    assert told("show", number)["untaxed_amount"] == "187.2100"
    assert told("submit", number)["state"] == "approved"
    assert told("edit", number, "--terms", "Net")["state"] == "draft"
    assert told("revise", number)["number"] == f"{number}-2"
    listed = json.loads(crm_command("sales", "quote", "list", "--json").output)["data"]
    states = {item["number"]: item["state"] for item in listed["items"]}
    assert states == {number: "withdrawn", f"{number}-2": "draft"}
    people = crm_command("sales", "quote", "show", f"{number}-2")
    assert people.exit_code == 0
    assert "€187.21" in people.output


def test_what_is_wrong_is_said(crm_command, deal_id):
    added = json.loads(crm_command("sales", "quote", "add", deal_id, "--json").output)["data"]
    for arguments, said in (
        (("show", "Q1999-1"), "There is no offer"),
        (("line", "add", added["number"], "SOFA"), "There is no product"),
        (("line", "add", added["number"], "TABLE", "--quantity", "-1"), "will not do"),
        (("line", "remove", added["number"], "9"), "no line 9"),
        (("submit", added["number"]), "has no products"),
        (("approve", added["number"]), "does not wait for approval"),
        (("edit", added["number"], "--valid-until", "soon"), "no day"),
        (("settings", "import", "missing.toml"), "cannot be read"),
    ):
        result = crm_command("sales", "quote", *arguments)
        assert result.exit_code in (1, 2), result.output
        assert said in result.output
        assert "Traceback" not in result.output


def test_settings_go_out_and_come_in(crm_command, deal_id, tmp_path: Path):
    path = tmp_path / "offers.toml"
    path.write_text(
        '[limits]\nemployee = 7.5\n[[floors]]\nproduct = "TABLE"\nprice = 60\ncurrency = "EUR"\n'
        '[[rules]]\nkind = "requires"\nproduct = "TABLE"\nother_product = "CHAIR"\n'
        'reason = "κανείς δεν στέκεται"\n'
        '[[bundles]]\nname = "Set"\npercent = 5\nparts = [["TABLE", "1"], ["CHAIR", 4]]\n'
        '[[bands]]\nname = "Good"\npercent = 3\nmost_days_to_pay = 20\n',
        encoding="utf-8",
    )
    assert crm_command("sales", "quote", "settings", "import", path).exit_code == 0
    out = tmp_path / "again.toml"
    assert crm_command("sales", "quote", "settings", "export", "--out", out).exit_code == 0
    first = crm_command("sales", "quote", "settings", "export").output
    assert crm_command("sales", "quote", "settings", "import", out).exit_code == 0
    assert crm_command("sales", "quote", "settings", "export").output == first
    for wrong, said in (
        ("[limits]\nkng = 5\n", "no role kng"),
        ("[limits]\nemployee = 500\n", "limits"),
        ('[[bundles]]\nname = "X"\nparts = [["TABLE", 1]]\n', "either a price or a percentage"),
        ('[[floors]]\nproduct = "SOFA"\npercent_of_list = 5\n', "no such products: SOFA"),
        ("= nonsense", "no TOML"),
        ("[surprise]\nx = 1\n", "surprise"),
    ):
        path.write_text(wrong, encoding="utf-8")
        result = crm_command("sales", "quote", "settings", "import", path)
        assert result.exit_code == 2, result.output
        assert said in result.output
    assert crm_command("sales", "quote", "settings", "export").output == first


def test_a_customer_is_given_a_price_list(crm_command, crm_database, deal_id, tmp_path: Path):
    path = tmp_path / "lists.toml"
    path.write_text(
        '[[price_lists]]\nname = "Usual"\ncurrency = "EUR"\nis_default = true\n'
        '[[price_lists]]\nname = "Friends"\ncurrency = "EUR"\nis_open = true\n'
        '[[price_rules]]\nprice_list = "Friends"\nmethod = "percent"\npercent = 20\n',
        encoding="utf-8",
    )
    assert crm_command("sales", "quote", "settings", "import", path).exit_code == 0
    with unit_of_work(crm_database, actor=system_actor("test")) as uow:
        customer = str(uow.get(Opportunity, UUID(deal_id)).customer_id)
    give = ("sales", "quote", "settings", "price-list", customer)
    assert "Friends holds" in crm_command(*give, "Friends").output
    assert crm_command(*give, "Nothing").exit_code == 2
    made = json.loads(crm_command("sales", "quote", "add", deal_id, "--json").output)["data"]
    shown = crm_command("sales", "quote", "show", made["number"]).output
    assert "Friends" in shown
    assert "Taken back" in crm_command(*give, "Friends", "--take-back").output
