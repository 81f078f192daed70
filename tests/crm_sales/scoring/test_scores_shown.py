"""Scores as people and programs see them: pages, commands, the API; all tell the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from crm_core.cli.main import crm
from crm_sales.models import Opportunity
from crm_sales.services.scoring.calibration import calibrate_scores
from crm_sales.services.scoring.training import train_scores


@pytest.fixture
def typed(office, monkeypatch, tmp_path):
    """Type a command as a user: ``typed("employee", "score", "show", deal_id)``."""
    config = office.application.config
    monkeypatch.setenv("CRM_DATABASE_URL", config.database_url)
    monkeypatch.setenv("CRM_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("CRM_LOG_FILE", str(tmp_path / "crm.log"))

    def run(login, *arguments):
        monkeypatch.setenv("CRM_USER", login)
        return CliRunner().invoke(crm, ["sales", "score", *map(str, arguments)])

    return run


def test_calibration_is_told_alike_everywhere(office, web, past, typed):
    past(days=200)
    past(days=30)
    office.write(train_scores)
    found = office.read(calibrate_scores, "manager")
    page = web("manager").get("/sales/scores")
    assert page.status == 200, page.words
    assert len(page.queries) <= 15
    assert "80 deals closed since" in page.words
    assert len(page.all("circle")) == 2
    assert len(page.all("tbody/tr")) == 10
    told = json.loads(web("manager").call("GET", "/api/v1/sales/scores/calibration").html)
    command = typed("manager", "calibration", "--json")
    assert command.exit_code == 0, command.output
    for other in (told, json.loads(command.stdout)["data"]):
        assert other["brier"] == pytest.approx(found["brier"])
        assert [each["count"] for each in other["bins"]] == [e["count"] for e in found["bins"]]
    assert "Brier score" in typed("manager", "calibration").stdout
    assert typed("manager", "calibration", "--since", "2999-01-01").exit_code == 2
    for since, said in (("nonsense", "Give a day"), ("2999-01-01", "lies in the future")):
        refused = web("manager").get(f"/sales/scores?since={since}")
        assert refused.status == 422
        assert said in refused.words


def test_training_is_for_those_who_set_the_module_up(office, web, past, deal, typed):
    deal_id = deal(source="web")
    past()
    assert web("employee").post("/sales/scores/train").status == 403
    assert typed("employee", "train").exit_code == 1
    manager = web("manager")
    done = manager.post("/sales/scores/train")
    assert done.status == 303
    assert "Counted 40 won and 40 lost deals" in manager.follow(done).words
    statement = select(Opportunity.probability).where(Opportunity.id == deal_id)
    assert office.read(lambda uow: uow.scalar(statement)) > 0.5
    told = typed("manager", "train", "--json")
    assert json.loads(told.stdout)["data"] | {"variables": 0} == {
        "won": 40,
        "lost": 40,
        "least": 50,
        "is_enough": True,
        "refusal": None,
        "variables": 0,
        "scored": 1,
    }


def test_a_deal_tells_its_score_and_takes_a_persons_word(office, web, past, deal, typed):
    past()
    office.write(train_scores)
    deal_id = deal(source="fair", tags=["seldom"])
    path = f"/sales/scores/deals/{deal_id}"
    page = web("employee").get(path)
    assert page.status == 200, page.words
    assert len(page.queries) <= 15
    assert "the odds are 3.0 times as bad" in page.words
    assert page.all("svg[@class='score-bar']")
    shown = typed("employee", "show", str(deal_id)[:18])
    assert "the odds are 3.0 times as bad" in " ".join(shown.stdout.split())
    employee = web("employee")
    wrong = employee.post(f"{path}/override", {"percent": "120", "reason": "Sure", "version": "1"})
    assert wrong.status == 422
    assert "From 0.01 to 99.99" in wrong.words
    said = {"percent": "62.5", "reason": "<b>They</b> told me", "version": "1"}
    done = employee.post(f"{path}/override", said)
    assert done.status == 303, done.words
    page = employee.follow(done)
    assert "Eleni Employee says 62" in page.words
    assert "<b>They</b>" not in page.html
    stale = employee.post(f"{path}/override", said)
    assert stale.status == 412
    assert "employee changed" in stale.words
    assert web("readonly").get(path).status == 200
    assert web("readonly").post(f"{path}/override", said).status == 403
    assert web("outsider").get(path).status == 404
    assert web("outsider").post(f"{path}/override", said).status == 404
    assert typed("employee", "override", deal_id, "--drop").exit_code == 0
    assert typed("employee", "override", deal_id).exit_code == 2
    assert typed("employee", "override", deal_id, "60%", "--why", "Sure").exit_code == 0


def test_the_api_explains_and_overrides(office, web, past, deal):
    past()
    office.write(train_scores)
    deal_id = deal(source="web")
    path = f"/api/v1/sales/scores/deals/{deal_id}"
    told = json.loads(web("employee").call("GET", path).html)
    assert told["team"] == "North"
    assert told["probability"] == told["score"]
    factors = {part["variable"]: part["factor"] for part in told["parts"]}
    assert factors["source"] == pytest.approx(30.1 / 10.1, rel=0.01)
    body = {"percent": "30", "reason": "Budget is gone"}
    put = web("employee").call(
        "PUT", f"{path}/override", body, **{"If-Match": f'"{told["version"]}"'}
    )
    assert put.status == 200, put.html
    assert (
        web("employee").call("PUT", f"{path}/override", body, **{"If-Match": '"1"'}).status == 412
    )
    said = json.loads(web("employee").call("GET", path).html)
    assert (said["probability"], said["override"]["who"]) == ("0.3000", "Eleni Employee")
    assert datetime.fromisoformat(said["override"]["at"]) <= datetime.now(UTC)
    assert web("outsider").call("GET", path).status == 404
    assert web("outsider").call("DELETE", f"{path}/override").status == 404
    assert web("employee").call("DELETE", f"{path}/override").status == 204
    assert web("employee").call("DELETE", f"{path}/override").status == 404
