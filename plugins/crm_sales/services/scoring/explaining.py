"""What a deal's score is made of, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import Product, Tag, Team, User
from crm_core.locale_format import nearest_locale
from crm_core.messages import Message, n, p, spoken_language, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import Opportunity, ScoreOverride, Stage
from crm_sales.permissions import OPPORTUNITY_VIEW
from crm_sales.services.scoring.bayes import EVERYBODY, LEAST_TAGGED, STAGE, TAG, Part, Score
from crm_sales.services.scoring.deals import DealReader
from crm_sales.services.scoring.scorer import scorer_of
from crm_sales.services.scoring.training import told

TITLES: Mapping[str, Message] = {
    "stage": p("of a pipeline", "Stage"),
    "country": t("Country"),
    "language": t("Language"),
    "source": p("of a deal", "Source"),
    "email": t("E-mail address"),
    "phone": t("Phone number"),
    "product": t("Product"),
    "amount": t("Expected amount"),
    "tag": t("Tag"),
}
QUALITIES: Mapping[str, Message] = {
    "none": p("address or number", "none"),
    "doubtful": p("address or number", "doubtful"),
    "good": p("address or number", "good"),
}
_HARDLY = 1.05
_NAMED: Mapping[str, Any] = {"stage": Stage, "product": Product, "tag": Tag}


def explain_score(uow: UnitOfWork, opportunity_id: UUID) -> dict[str, Any]:
    """Return what the probability of a deal is made of.

    A dict holds ``id``, ``name``, ``state``, ``version``, ``probability`` (kept), ``override``
    (None, or ``probability, reason, who, user_id, at``), ``score`` (of its own; None where too few
    deals are closed), ``refusal`` (why), ``team`` (None for all), ``won`` and ``lost`` (deals that
    it was learnt from), ``base`` (the share of won ones) and ``parts``: dicts of ``variable, title,
    value, won, lost, factor, words, counts``, those that do most first.
    """
    uow.actor.require(OPPORTUNITY_VIEW)
    opportunity = uow.get(Opportunity, opportunity_id)
    reader = DealReader(uow)
    deals = reader.of_ids([opportunity.id])
    scorer = scorer_of(reader, deals)
    score = scorer.score(deals[0])
    explained: dict[str, Any] = {
        "id": opportunity.id,
        "name": opportunity.name,
        "state": opportunity.state,
        "version": opportunity.version,
        "probability": opportunity.probability,
        "override": _override(uow, opportunity.id),
        "score": score.probability if score else None,
        "refusal": None if score else told(scorer)["refusal"],
        "team": None,
        "won": 0,
        "lost": 0,
        "base": None,
        "parts": [],
    }
    return explained | _told(uow, score) if score else explained


def _told(uow: UnitOfWork, score: Score) -> dict[str, Any]:
    names = _value_names(uow, score.parts)
    team = None
    if score.group != EVERYBODY:
        team = uow.scalar(select(Team.name).where(Team.id == UUID(score.group)))
    parts = sorted(score.parts, key=lambda part: -_strength(part))
    return {
        "team": team,
        "won": score.won,
        "lost": score.lost,
        "base": score.won / (score.won + score.lost),
        "parts": [_part_as_told(part, names) for part in parts],
    }


def _part_as_told(part: Part, names: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    return {
        "variable": part.variable,
        "title": TITLES[part.variable],
        "value": names.get((part.variable, part.value), part.value),
        "won": part.won,
        "lost": part.lost,
        "factor": part.factor,
        "words": _words(part),
        "counts": part.factor is not None,
    }


def _value_names(uow: UnitOfWork, parts: Sequence[Part]) -> dict[tuple[str, str], str]:
    """Return what values are called by people, in the language being spoken."""
    locale = nearest_locale(spoken_language())
    found = {(part.variable, part.value): _plain_name(part, locale) for part in parts}
    for variable, model in _NAMED.items():
        ids = [UUID(part.value) for part in parts if part.variable == variable]
        if ids:
            rows = uow.execute(select(model.id, model.name).where(model.id.in_(ids)))
            found.update({(variable, str(row.id)): row.name for row in rows})
    return found


def _plain_name(part: Part, locale: Any) -> str:
    if part.variable == "country":
        return str(locale.territories.get(part.value.upper(), part.value))
    if part.variable == "language":
        return str(locale.languages.get(part.value.partition("-")[0], part.value))
    if part.variable in ("email", "phone"):
        return QUALITIES[part.value]
    if part.variable == "amount":
        low, _, high = part.value.partition("-")
        if not high:
            return t("from {low}", low=int(low))
        return t("{low} to {high}", low=int(low), high=int(high))
    return part.value


def _words(part: Part) -> Message:
    count = part.won + part.lost
    if part.factor is None:
        if part.variable == TAG and part.why_not == "few":
            return n(
                "{count} closed deal bears it; a tag counts from {least} on.",
                "{count} closed deals bear it; a tag counts from {least} on.",
                count,
                least=LEAST_TAGGED,
            )
        return t("No closed deal had it, so it does not count.")
    if part.variable == STAGE:
        seen = n(
            "Of {count} closed deal that came this far {won} was won",
            "Of {count} closed deals that came this far {won} were won",
            count,
            won=part.won,
        )
    else:
        seen = n(
            "Of {count} closed deal with it {won} was won",
            "Of {count} closed deals with it {won} were won",
            count,
            won=part.won,
        )
    if part.factor >= _HARDLY:
        times = round(part.factor, 1 if part.factor >= _TENTHS else 2)
        return t("{seen}: the odds are {times} times as good.", seen=seen, times=times)
    if part.factor <= 1 / _HARDLY:
        times = round(1 / part.factor, 1 if 1 / part.factor >= _TENTHS else 2)
        return t("{seen}: the odds are {times} times as bad.", seen=seen, times=times)
    return t("{seen}: as many as elsewhere.", seen=seen)


_TENTHS = 1.2
"""From here on a figure behind the point tells enough."""


def _strength(part: Part) -> float:
    if part.factor is None:
        return 0.0
    return max(part.factor, 1 / part.factor)


def _override(uow: UnitOfWork, opportunity_id: UUID) -> dict[str, Any] | None:
    row = uow.execute(
        select(
            ScoreOverride.probability,
            ScoreOverride.reason,
            ScoreOverride.user_id,
            User.name.label("who"),
            ScoreOverride.at,
        )
        .outerjoin(User, User.id == ScoreOverride.user_id)
        .where(ScoreOverride.opportunity_id == opportunity_id)
    ).first()
    return dict(row._mapping) if row else None
