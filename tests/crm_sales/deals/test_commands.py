"""``crm sales deal`` and ``crm sales pipeline``."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from crm_core.access import system_actor
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.testing.factories import make_customer


@pytest.fixture(scope="session")
def crm_plugins() -> tuple[str, ...]:
    """What is enabled."""
    return ("sales",)


@pytest.fixture
def customer_id(crm_database) -> str:
    with unit_of_work(crm_database, actor=system_actor("test"), write=True) as uow:
        customer = make_customer(uow)
        uow.commit()
    return str(customer.id)


def test_a_deal_from_beginning_to_end(crm_command, customer_id):
    def told(*arguments: str) -> dict:
        result = crm_command("sales", "deal", *arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.output)["data"]

    added = told("add", customer_id, "Ποδήλατα", "--amount", "1200.5", "--tag", "hot")
    key = added["id"]
    told("edit", key, "--close", "2027-03-31", "--committed", "--tags", "hot,big")
    told("move", key, "proposition")
    shown = told("show", key)
    assert (shown["stage_code"], shown["tags"]) == ("proposition", ["big", "hot"])
    assert Decimal(shown["expected_amount"]) == Decimal("1200.50")
    assert (shown["is_committed"], len(shown["moves"])) == (True, 2)
    assert shown["allowed"] == ["new", "qualified", "negotiation", "won"]
    (listed,) = told("list", "--mine", "--stage", "proposition")["items"]
    assert listed["id"] == key
    assert told("lose", key, "--reason", "price", "--note", "too dear")["state"] == "lost"
    assert told("list")["items"] == []
    assert told("list", "--state", "lost")["items"][0]["id"] == key
    assert told("reopen", key)["state"] == "open"
    assert told("win", key[:13])["state"] == "won"
    people = crm_command("sales", "deal", "show", key)
    assert people.exit_code == 0
    assert "Ποδήλατα" in people.output


def test_what_is_wrong_is_said(crm_command, customer_id):
    added = crm_command("sales", "deal", "add", customer_id, "A shop", "--json")
    key = json.loads(added.output)["data"]["id"]
    for arguments, told in (
        (("move", key, "nowhere"), "There is no stage 'nowhere'"),
        (("show", "12345678"), "There is no deal '12345678'"),
        (("edit", key, "--amount", "much"), "The deal cannot be taken as it is"),
        (("edit", key, "--close", "31.12.2027"), "The deal cannot be taken as it is"),
        (("lose", key, "--reason", "x"), "There is no loss reason 'x'"),
        (("assign", key, "nobody"), "nobody"),
        (("list", "--stage", "x"), "There is no stage"),
    ):
        result = crm_command("sales", "deal", *arguments)
        assert result.exit_code == 2
        assert told in result.output


def test_a_pipeline_goes_out_and_comes_in(crm_command, tmp_path: Path):
    path = tmp_path / "sales.toml"
    assert crm_command("sales", "pipeline", "export", "sales", "--out", path).exit_code == 0
    text = path.read_text(encoding="utf-8")
    assert crm_command("sales", "pipeline", "export", "sales").output == text
    again = crm_command("sales", "pipeline", "import", path)
    assert "nothing changes" in again.output
    text = text.replace('name = "Qualified"', 'name = "Ελεγμένα"')
    path.write_text(text, encoding="utf-8")
    dry = crm_command("sales", "pipeline", "import", path, "--dry-run")
    assert "qualified changes: name" in dry.output
    assert "Ελεγμένα" not in crm_command("sales", "pipeline", "show", "sales").output
    assert crm_command("sales", "pipeline", "import", path).exit_code == 0
    assert "Ελεγμένα" in crm_command("sales", "pipeline", "show", "sales").output
    listed = json.loads(crm_command("sales", "pipeline", "list", "--json").output)["data"]["items"]
    assert [(each["code"], each["stages"]) for each in listed] == [("sales", 5)]
    path.write_text(text.replace("is_won = true", "is_won = false"), encoding="utf-8")
    refused = crm_command("sales", "pipeline", "import", path)
    assert refused.exit_code == 2
    assert "it is the last" in refused.output
    assert crm_command("sales", "pipeline", "import", tmp_path / "none").exit_code == 2
    assert "price" in crm_command("sales", "pipeline", "reasons").output
