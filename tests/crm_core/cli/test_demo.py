from __future__ import annotations

import pytest
from sqlalchemy import func, select

from crm_core.access import system_actor
from crm_core.entities import Customer, Interaction
from crm_core.entities.consent import Consent, ProfileValue
from crm_core.entities.interaction import Activity, Channel
from crm_core.persistence.unit_of_work import unit_of_work

SMALL = ("--customers", "80", "--today", "2026-11-20")


def test_it_works_in_a_folder_of_its_own_and_shows_a_customer(bare_crm, monkeypatch):
    monkeypatch.setenv("CRM_DATABASE_URL", f"sqlite:///{bare_crm.folder / 'mine.sqlite'}")
    monkeypatch.setenv("CRM_USER", "nobody")
    result = bare_crm("demo", *SMALL)
    assert result.exit_code == 0, result.output
    assert "Try next" in result.stdout
    assert [path.name for path in bare_crm.folder.iterdir()] == ["crm-demo"]
    assert {path.name for path in (bare_crm.folder / "crm-demo").iterdir()} >= {
        "crm.sqlite",
        "crm.toml",
        "back-office",
    }

    monkeypatch.delenv("CRM_DATABASE_URL")
    monkeypatch.delenv("CRM_USER")
    monkeypatch.chdir(bare_crm.folder / "crm-demo")
    (backend,) = bare_crm.json("backend", "list")["items"]
    assert (backend["name"], backend["run_state"], backend["set_aside"]) == ("demo", "done", 0)
    (run,) = bare_crm.json("sync", "history")["items"]
    created = {name: count["created"] for name, count in run["counts"]["entities"].items()}
    assert min(created[name] for name in ("customer", "order", "invoice", "payment")) > 0


def test_run_again_it_syncs_again(bare_crm):
    first = bare_crm.json("demo", "--path", "here", *SMALL)
    second = bare_crm.json("demo", "--path", "here", *SMALL)
    assert first["customer_id"] == second["customer_id"]
    assert first["folder"] == str(bare_crm.folder / "here")


def test_a_folder_with_other_things_in_it_is_refused(bare_crm):
    (bare_crm.folder / "notes.txt").write_text("mine")
    error = bare_crm.error("demo", "--path", ".", code=2)
    assert error["code"] == "core.demo.folder"
    assert [path.name for path in bare_crm.folder.iterdir()] == ["notes.txt"]


@pytest.fixture
def demo(bare_crm, monkeypatch):
    """A small demo, as it says it is, with the command line in its folder."""
    told = bare_crm.json("demo", *SMALL)
    bare_crm.folder /= "crm-demo"
    bare_crm.database_url = f"sqlite:///{bare_crm.folder / 'crm.sqlite'}"
    monkeypatch.chdir(bare_crm.folder)
    return bare_crm, told


def test_what_it_says_to_try_can_be_tried(demo):
    crm, told = demo
    picks = {pick["what"]: pick for pick in told["items"]}
    assert list(picks) == [
        "the best customer",
        "has overdue invoices",
        "lapsed",
        "in Greek",
        "in Persian",
    ]
    assert len({pick["id"] for pick in picks.values()}) == 5
    for pick in picks.values():
        shown = crm.json("customer", "show", pick["reference"])
        assert shown["customer"]["name"] == pick["name"]
    assert crm.json("customer", "show", picks["lapsed"]["id"])["customer"]["stage"] == "lapsed"
    assert (
        crm.json("customer", "show", picks["in Persian"]["id"])["customer"]["language"] == "fa-IR"
    )
    assert crm.json("activity", "list", "--overdue")["items"]
    assert crm("sync", "status").exit_code == 0


def test_people_noted_things_on_every_channel(demo):
    crm, _ = demo
    with unit_of_work(crm.database, actor=system_actor("test")) as uow:
        assert uow.scalar(select(func.count(Customer.id))) == 80
        assert set(uow.scalars(select(Interaction.channel).distinct())) == set(Channel)
        for model in (Consent, ProfileValue, Activity):
            assert uow.scalar(select(func.count(model.id))) > 20
        stages = set(uow.scalars(select(Customer.stage).distinct()))
    assert stages == {"prospect", "active", "loyal", "lapsed"}
    assert crm("audit", "verify").exit_code == 0


def test_the_same_day_tells_the_same_story(bare_crm):
    told = [bare_crm.json("demo", "--path", name, *SMALL)["items"] for name in ("a", "b")]
    names = [[(pick["what"], pick["reference"], pick["name"]) for pick in each] for each in told]
    assert names[0] == names[1]
