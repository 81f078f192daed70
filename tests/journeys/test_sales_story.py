"""The demo company's sales by command: a leaver who comes back, and scores held to account."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from crm_core.access import system_actor
from crm_core.bootstrap import Application
from crm_core.cli.main import crm
from crm_core.config import load_config
from crm_core.entities import Activity, Customer
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import Lead, Opportunity, Quote

pytestmark = pytest.mark.slow

OWNED = (Customer, Activity, Lead, Opportunity, Quote)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo company of 1,500 customers, on a day that does not move."""
    path: Path = tmp_path_factory.mktemp("demo") / "shop"
    environment = {"CRM_CONFIG_HOME": str(path.parent), "CRM_DATABASE_URL": ""}
    words = ["demo", "--path", str(path), "--customers", "1500", "--today", "2026-11-20"]
    done = CliRunner().invoke(crm, words, env=environment)
    assert done.exit_code == 0, done.output
    return path


@pytest.fixture
def typed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Type a command of the module in the demo's folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CRM_CONFIG_HOME", str(folder.parent))
    monkeypatch.delenv("CRM_DATABASE_URL", raising=False)

    def run(*words: Any, code: int = 0) -> Any:
        done = CliRunner().invoke(crm, ["sales", *map(str, words), "--json"])
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)["data"] if code == 0 else done.stderr

    return run


def owners(folder: Path) -> dict[str, dict[Any, Any]]:
    """Who has what."""
    flags = {"database_url": f"sqlite:///{folder / 'crm.sqlite'}"}
    application = Application(load_config(flags, {"CRM_CONFIG_HOME": str(folder)}, folder))

    def all_of(uow: UnitOfWork, model: Any) -> dict[Any, Any]:
        return {row.id: row.owner_id for row in uow.execute(select(model.id, model.owner_id))}

    try:
        with application.unit_of_work(system_actor("test")) as uow:
            return {model.__entity__: all_of(uow, model) for model in OWNED}
    finally:
        application.close()


def test_a_leaver_hands_over_and_comes_back(typed: Any, folder: Path, tmp_path: Path) -> None:
    before = owners(folder)
    to = ("--to", "maryam", "--rule", "country=GR:alice")
    planned = typed("handover", "give", "eleni", *to, "--dry-run")["counts"]
    assert owners(folder) == before
    given = typed("handover", "give", "eleni", *to, "--note", "Leaves in May")
    assert given["counts"] == planned
    kinds = {each["kind"]: sum(each["people"].values()) for each in planned}
    assert set(kinds) >= {"customer", "activity", "sales_opportunity", "sales_lead"}
    after = owners(folder)
    moved = {
        name: sum(held != after[name][key] for key, held in had.items())
        for name, had in before.items()
    }
    assert moved == {name: kinds.get(name, 0) for name in before}
    packs = tmp_path / "packs.csv"
    assert typed("handover", "packs", "eleni", packs)["lines"] > kinds["customer"]

    undone = typed("handover", "undo", "eleni", "--yes")
    assert sum(undone["back"].values()) == sum(kinds.values())
    assert undone["left"] == []
    assert owners(folder) == before
    assert "undone already" in typed("handover", "undo", given["id"], "--yes", code=1)


def test_scores_are_held_to_account(typed: Any) -> None:
    told = typed("score", "calibration", "--since", "2026-06-01")
    assert told["refusal"] is None
    assert told["tested"] > 200
    assert told["skill"] > 0.2, "better than always saying the share of won deals"
    counted = [each for each in told["bins"] if each["count"] >= 15]
    assert len(counted) > 3
    off = [abs(each["predicted"] - each["observed"]) for each in counted]
    assert max(off) < 0.25, counted
    assert sum(each["count"] for each in told["bins"]) == told["tested"]
