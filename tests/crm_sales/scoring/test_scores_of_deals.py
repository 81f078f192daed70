"""Scores of deals: kept up with each change, explained, overridden, and who may do what."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_core.errors import InputError, NotFoundError, PermissionDeniedError, StaleVersionError
from crm_core.services.settings import set_setting
from crm_sales.errors import DealClosedError
from crm_sales.jobs.scores import rescore
from crm_sales.models import Opportunity, ScoreFrequency, Stage
from crm_sales.services.opportunities import (
    edit_opportunity,
    lose_opportunity,
    move_opportunity,
    reopen_opportunity,
    win_opportunity,
)
from crm_sales.services.scoring.explaining import explain_score
from crm_sales.services.scoring.overrides import drop_override, override_probability
from crm_sales.services.scoring.training import train_scores, training_of


def probability(office, deal_id: UUID) -> Decimal:
    return office.read(
        lambda uow: uow.scalar(select(Opportunity.probability).where(Opportunity.id == deal_id))
    )


def frequencies(office) -> set[tuple]:
    columns = ("group", "variable", "value", "won", "lost")
    statement = select(*(getattr(ScoreFrequency, name) for name in columns))
    return set(office.read(lambda uow: [tuple(row) for row in uow.execute(statement)]))


def stage_id(office, code: str) -> UUID:
    return office.read(lambda uow: uow.scalar(select(Stage.id).where(Stage.code == code)))


def test_too_few_deals_are_told_and_the_stage_counts(office, deal):
    deal_id = deal(source="web")
    assert probability(office, deal_id) == Decimal("0.1")
    told = office.read(lambda uow: explain_score(uow, deal_id), "employee")
    assert told["score"] is None
    assert "It takes 50, with 10 of either kind" in told["refusal"]
    office.write(lambda uow: move_opportunity(uow, deal_id, stage_id(office, "proposition")))
    assert probability(office, deal_id) == Decimal("0.5")


def test_a_score_follows_what_it_is_made_of_at_once(office, deal, past):
    past()
    told = office.write(train_scores)
    assert (told["won"], told["lost"], told["is_enough"]) == (40, 40, True)
    web, fair, nothing = deal(source="web"), deal(source="fair"), deal()
    assert probability(office, web) > probability(office, nothing) > probability(office, fair)
    before = probability(office, fair)
    office.write(lambda uow: edit_opportunity(uow, fair, {"source": "web"}), "employee")
    assert probability(office, fair) == probability(office, web)
    office.write(
        lambda uow: move_opportunity(uow, fair, stage_id(office, "proposition")), "employee"
    )
    assert probability(office, fair) > probability(office, web) > before


def test_a_score_tells_what_it_is_made_of(office, deal, past):
    past()
    office.write(train_scores)
    deal_id = deal(source="fair", tags=["seldom"])
    told = office.read(lambda uow: explain_score(uow, deal_id), "employee")
    assert (told["team"], told["won"], told["lost"], told["base"]) == ("North", 40, 40, 0.5)
    assert told["score"] == told["probability"]
    fair = next(part for part in told["parts"] if part["variable"] == "source")
    assert fair["words"] == "Of 40 closed deals with it 10 were won: the odds are 3.0 times as bad."
    unseen = told["parts"][-1]
    assert (unseen["value"], unseen["counts"]) == ("seldom", False)
    assert unseen["words"] == "No closed deal had it, so it does not count."
    factors = [part["factor"] for part in told["parts"] if part["counts"]]
    strengths = [max(factor, 1 / factor) for factor in factors]
    assert strengths == sorted(strengths, reverse=True)


def test_counting_deal_by_deal_is_the_same_as_counting_all(office, deal, past):
    past()
    office.write(train_scores)
    won, lost = deal(source="web", tags=["big"]), deal(source="fair", expected_amount=Decimal(900))
    office.write(lambda uow: win_opportunity(uow, won), "employee")
    office.write(lambda uow: lose_opportunity(uow, lost, reason_code="price"), "employee")
    assert (probability(office, won), probability(office, lost)) == (1, 0)
    after = frequencies(office)
    assert ("*", "deal", "", 41, 41) in after
    assert ("*", "amount", "500-2000", 0, 1) in after
    office.write(train_scores)
    assert frequencies(office) == after
    for deal_id in (won, lost):
        office.write(lambda uow, key=deal_id: reopen_opportunity(uow, key), "employee")
    assert ("*", "deal", "", 40, 40) in frequencies(office)
    assert not any(variable == "amount" for _, variable, *_ in frequencies(office))
    office.write(train_scores)
    assert ("*", "deal", "", 40, 40) in frequencies(office)


def test_a_language_counts_wherever_it_is_spoken(office, deal, past):
    """A form says ``el``, an ERP ``el-GR``: customers who speak Greek all the same."""
    past()
    office.write(train_scores)
    for tag in ("el", "el-GR", "el-CY"):
        won = deal(source="web", language=tag)
        office.write(lambda uow, key=won: win_opportunity(uow, key), "employee")
    lost = deal(source="web", language="pl")
    office.write(lambda uow: lose_opportunity(uow, lost, reason_code="price"), "employee")
    assert ("*", "language", "el", 3, 0) in frequencies(office)
    assert not any(value.startswith("el-") for _, _, value, *_ in frequencies(office))
    spoken = [probability(office, deal(source="web", language=tag)) for tag in ("el", "el-GR")]
    assert spoken[0] == spoken[1] > probability(office, deal(source="web"))


def test_a_team_with_too_few_deals_is_scored_by_all(office, deal, past):
    past("outsider")
    office.write(train_scores)
    told = office.read(lambda uow: explain_score(uow, deal(source="web")), "employee")
    assert (told["team"], told["won"]) == (None, 40)
    own = office.read(lambda uow: explain_score(uow, deal("outsider", source="web")), "outsider")
    assert own["team"] == "South"


def test_open_deals_are_scored_again_by_what_was_closed_since(office, deal, past):
    deals = [deal(source="web"), deal(source="fair")]
    past()
    office.write(train_scores)
    assert {probability(office, each) for each in deals} == {Decimal("0.1")}
    rescore(office.application.database)
    web, fair = (probability(office, each) for each in deals)
    assert web > Decimal("0.5") > fair
    version = office.read(lambda uow: uow.get(Opportunity, deals[0]).version)
    assert version == 1, "a score that follows is no change that somebody made"


def test_variables_are_chosen_by_the_company(office, deal, past):
    past()
    office.write(train_scores)
    web, fair = deal(source="web"), deal(source="fair")
    office.write(lambda uow: set_setting(uow, "sales.score_variables", "stage"))
    rescore(office.application.database)
    assert probability(office, web) == probability(office, fair)
    with pytest.raises(InputError, match="shoe_size is nothing that a score is made of"):
        office.write(lambda uow: set_setting(uow, "sales.score_variables", "stage shoe_size"))
    for bad in ("-5", "many", "1.5", "²"):
        with pytest.raises(InputError, match="whole amounts"):
            office.write(lambda uow, bad=bad: set_setting(uow, "sales.score_bands", bad))
    assert office.write(lambda uow: set_setting(uow, "sales.score_bands", "90, 7 0")) == ["7", "90"]


def test_a_persons_word_stays_until_a_person_drops_it(office, deal, past):
    past()
    office.write(train_scores)
    deal_id = deal(source="fair")
    score = probability(office, deal_id)
    office.write(
        lambda uow: override_probability(uow, deal_id, Decimal("85.5"), "Ο κύριος Ο'Νιλ υπόσχεται"),
        "employee",
    )
    office.write(lambda uow: edit_opportunity(uow, deal_id, {"source": "web"}), "employee")
    rescore(office.application.database)
    assert probability(office, deal_id) == Decimal("0.855")
    told = office.read(lambda uow: explain_score(uow, deal_id), "employee")
    assert told["override"]["who"] == "Eleni Employee"
    assert told["override"]["reason"] == "Ο κύριος Ο'Νιλ υπόσχεται"
    assert told["score"] > score
    office.write(lambda uow: lose_opportunity(uow, deal_id, reason_code="price"), "employee")
    with pytest.raises(DealClosedError):
        office.write(lambda uow: override_probability(uow, deal_id, Decimal(50), "x"), "employee")
    office.write(lambda uow: reopen_opportunity(uow, deal_id), "employee")
    assert probability(office, deal_id) == Decimal("0.855")
    office.write(lambda uow: drop_override(uow, deal_id), "employee")
    told = office.read(lambda uow: explain_score(uow, deal_id), "employee")
    assert told["override"] is None
    assert told["probability"] == told["score"]
    with pytest.raises(NotFoundError, match="Nobody set"):
        office.write(lambda uow: drop_override(uow, deal_id), "employee")


def test_whose_word_counts(office, deal):
    deal_id = deal()

    def say(login, percent="60", **more):
        return office.write(
            lambda uow: override_probability(uow, deal_id, Decimal(percent), "Sure", **more), login
        )

    for percent in ("0", "100", "-3", "12.345", "NaN", "Infinity"):
        with pytest.raises(InputError):
            say("employee", percent)
    with pytest.raises(InputError):
        office.write(lambda uow: override_probability(uow, deal_id, Decimal(5), "  "), "employee")
    with pytest.raises(StaleVersionError):
        say("employee", expected_version=7)
    with pytest.raises(NotFoundError):
        say("outsider")
    with pytest.raises(PermissionDeniedError):
        say("readonly")
    say("manager")
    with pytest.raises(PermissionDeniedError, match="Mara Manager set the probability"):
        say("employee")
    with pytest.raises(PermissionDeniedError, match="Mara Manager set the probability"):
        office.write(lambda uow: drop_override(uow, deal_id), "employee")
    office.write(lambda uow: drop_override(uow, deal_id), "manager")
    say("employee")
    with pytest.raises(NotFoundError):
        office.read(lambda uow: explain_score(uow, deal_id), "outsider")
    for login in ("employee", "readonly"):
        with pytest.raises(PermissionDeniedError):
            office.write(train_scores, login)
        with pytest.raises(PermissionDeniedError):
            office.read(training_of, login)


def test_deals_closed_by_two_at_once_are_both_counted(office, deal, past):
    past()
    office.write(train_scores)
    deals = {login: deal(login, source="web", tags=["big"]) for login in ("employee", "manager")}
    meet = Barrier(2, timeout=60)

    def win(login):
        meet.wait()
        office.write(lambda uow: win_opportunity(uow, deals[login]), login)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(win, deals))
    assert {("*", "deal", "", 42, 40), ("*", "source", "web", 32, 10)} <= frequencies(office)
