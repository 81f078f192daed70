"""Sending offers and writing answers down: by command and at the desk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from crm_core.cli.main import crm
from crm_core.entities import QueuedMail
from crm_sales.models import Quote, QuoteAnswer
from crm_sales.services.quote_documents import fonts

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])


def test_the_panel_sends_and_writes_the_answer_down(office: Any, offer: Any, undrawn: None, web):
    desk, path = web("employee"), f"/sales/sending/{offer.id}"
    assert desk.get(f"{path}/document").response.data == b"%PDF-1.7 drawn"
    back = {"back": "/"}
    wrong = desk.post(f"{path}/send", {"channel": "email", "to": "nobody", **back})
    assert "nobody" in desk.follow(wrong).words
    sent = desk.follow(desk.post(f"{path}/send", {"channel": "link", **back}))
    assert "shown only this once" in sent.words
    made = desk.follow(desk.post(f"{path}/link", back))
    for page in (sent, made):
        [link] = [field.get("value") for field in page.all("main//input[@readonly]")]
        assert link.startswith("https://crm.example.com/sales/offer/")
    assert "/sales/offer/" not in desk.get("/").html
    assert "2 links are no good" in desk.follow(desk.post(f"{path}/revoke", back)).words
    said = {"signed_by": "Ελένη", "choose": "true", "chosen": [str(offer.white)], **back}
    assert "accepted" in desk.follow(desk.post(f"{path}/accept", said)).words
    late = desk.post(f"{path}/decline", {"signed_by": "A", "reason": "B", **back})
    assert "was accepted by Ελένη" in desk.follow(late).words
    assert office.read(lambda uow: uow.get(Quote, offer.id).state) == "accepted"


def test_a_spoken_yes_takes_the_offer_as_it_stands(office: Any, sent: Any, web):
    desk, path = web("employee"), f"/sales/sending/{sent.id}/accept"
    said = desk.follow(desk.post(path, {"signed_by": "Ελένη", "back": "/"}))
    assert "Written down: accepted." in said.words
    assert office.read(lambda uow: uow.get(Quote, sent.id).state) == "accepted"


def test_who_may_not_is_refused(office: Any, sent: Any, web):
    for login in ("outsider", "readonly"):
        before = office.rows()
        for what in ("send", "link", "revoke", "accept", "decline"):
            fields = {"channel": "link", "signed_by": "A", "reason": "B", "back": "/"}
            web(login).post(f"/sales/sending/{sent.id}/{what}", fields)
        assert office.rows() == before, login
    assert web("outsider").get(f"/sales/sending/{sent.id}/document").status == 404


@pytest.fixture
def run(office: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """``crm sales quote …`` on this office's database: what it tells, or its error's output."""
    monkeypatch.setenv("CRM_DATABASE_URL", office.application.config.database_url)
    monkeypatch.setenv("CRM_USER", "admin")
    monkeypatch.setenv("CRM_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("CRM_LOG_FILE", str(tmp_path / "crm.log"))

    def run(*words: str, code: int = 0) -> Any:
        result = CliRunner().invoke(crm, ["sales", "quote", *words, "--json"])
        assert result.exit_code == code, result.output
        return json.loads(result.output)["data"] if code == 0 else result.output

    return run


def test_commands_do_the_same(office: Any, offer: Any, undrawn: None, run, tmp_path):
    number = office.read(lambda uow: uow.get(Quote, offer.id).number)
    sent = run("send", number)
    assert sent["to"] == "northquux@example.com"
    assert office.read(lambda uow: uow.scalars(select(QueuedMail.text)).one()).count(sent["link"])
    assert run("link", number)["link"] != sent["link"]
    assert run("revoke-link", number)["revoked"] == 2
    path = tmp_path / "offer.pdf"
    assert run("pdf", number, "--out", str(path))["size_bytes"] == path.stat().st_size
    run("accept", number, "--by", "A", "--take", "9", code=2)
    assert run("accept", number, "--by", "A", "--take", "4")["state"] == "accepted"
    assert office.read(lambda uow: uow.get(QuoteAnswer, offer.id).chosen) == [str(offer.black)]
    run("decline", number, "--by", "A", "--reason", "No", code=1)


def test_the_doctor_says_what_documents_lack(office: Any, run, monkeypatch: pytest.MonkeyPatch):
    """By the hook crm_collect_lacks."""
    monkeypatch.setattr(fonts, "_folders", list)
    fonts.faces.cache_clear()
    told = CliRunner().invoke(crm, ["doctor"]).output
    fonts.faces.cache_clear()
    assert "fonts-dejavu-core" in told


def test_programs_do_it_over_the_api(office: Any, offer: Any, undrawn: None, web):
    path, desk = f"/api/v1/sales/offers/{offer.id}", web("employee")

    def post(rest: str, body: Any = None, by: Any = desk) -> Any:
        return by.call("POST", path + rest, body)

    document = desk.call("GET", f"{path}/document")
    assert document.response.mimetype == "application/pdf"
    wrong = post("/send", {"channel": "pigeon"})
    assert (wrong.status, wrong.response.json["errors"][0]["field"]) == (400, "channel")
    sent = post("/send", {}).response.json
    assert sent.get("to") == "northquux@example.com", sent
    assert post("/links").response.json["link"] != sent["link"]
    assert desk.call("DELETE", f"{path}/links").response.json == {"revoked": 2}
    for login in ("outsider", "readonly"):
        refused = post("/accept", {"signed_by": "Me"}, web(login))
        assert refused.status in (403, 404)
    said = {"signed_by": "Ελένη", "chosen": [str(offer.black)]}
    told = post("/accept", said).response.json
    assert (told["state"], told["answer"]["name"]) == ("accepted", "Ελένη")
    again = post("/refuse", {"signed_by": "B", "reason": "No"})
    assert again.status == 409
    assert again.response.json["code"] == "sales.quote.answered"
