"""What a deal's score is made of, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import literal, select, union_all

from crm_core.access import Reach
from crm_core.entities import Product, Tag, Team, User
from crm_core.locale_format import nearest_locale
from crm_core.messages import Message, n, p, spoken_language, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import Opportunity, Stage
from crm_sales.permissions import OPPORTUNITY_VIEW
from crm_sales.services.scoring.bayes import (
    EVERYBODY,
    LEAST_OF,
    PRODUCT,
    STAGE,
    TAG,
    Part,
    Score,
)
from crm_sales.services.scoring.deals import DealReader, Override
from crm_sales.services.scoring.scorer import Scorer, scorer_of
from crm_sales.services.scoring.training import refused, told

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
_NAMED: Mapping[str, Any] = {
    "stage": Stage,
    "product": Product,
    "tag": Tag,
    "team": Team,
    "user": User,
}


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
    score, said = scorer.score(deals[0]), deals[0].override
    names = _names(uow, score, said)
    explained: dict[str, Any] = {
        "id": opportunity.id,
        "name": opportunity.name,
        "state": opportunity.state,
        "version": opportunity.version,
        "probability": opportunity.probability,
        "override": said and {**said._asdict(), "who": names.get(("user", str(said.user_id)))},
        "score": score.probability if score else None,
        "refusal": None if score else _refusal(uow, scorer, opportunity.team_id),
        "team": None,
        "won": 0,
        "lost": 0,
        "base": None,
        "parts": [],
    }
    return explained | _told(score, names) if score else explained


def _refusal(uow: UnitOfWork, scorer: Scorer, team_id: UUID | None) -> str | None:
    """Return why there is no score, with numbers of the deal's team alone for who sees no more."""
    if uow.actor.reach(OPPORTUNITY_VIEW) is Reach.ALL:
        refusal: str | None = told(scorer)["refusal"]
        return refusal
    group = scorer.groups.get(str(team_id))
    return refused(scorer, *(group.deals if group else (0, 0)))


def _told(score: Score, names: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    parts = sorted(score.parts, key=lambda part: -_strength(part))
    return {
        "team": None if score.group == EVERYBODY else names.get(("team", score.group)),
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


def _names(
    uow: UnitOfWork, score: Score | None, said: Override | None
) -> dict[tuple[str, str], str]:
    """Return what values, the team and who overrode are called, in the language being spoken."""
    locale = nearest_locale(spoken_language())
    wanted = [(part.variable, part.value) for part in score.parts] if score else []
    found = {key: _plain_name(*key, locale) for key in wanted}
    if score and score.group != EVERYBODY:
        wanted.append(("team", score.group))
    if said and said.user_id:
        wanted.append(("user", str(said.user_id)))
    selects = [
        select(literal(kind).label("kind"), model.id, model.name).where(
            model.id.in_([UUID(value) for name, value in wanted if name == kind])
        )
        for kind, model in _NAMED.items()
        if any(name == kind for name, _ in wanted)
    ]
    if selects:
        rows = uow.execute(union_all(*selects))
        found.update({(row.kind, str(row.id)): row.name for row in rows})
    return found


def _plain_name(variable: str, value: str, locale: Any) -> str:
    if variable == "country":
        return str(locale.territories.get(value.upper(), value))
    if variable == "language":
        return str(locale.languages.get(value, value))
    if variable in ("email", "phone"):
        return QUALITIES[value]
    if variable == "amount":
        low, _, high = value.partition("-")
        if not high:
            return t("from {low}", low=int(low))
        return t("{low} to {high}", low=int(low), high=int(high))
    return value


def _words(part: Part) -> Message:
    count = part.won + part.lost
    if part.factor is None:
        if part.variable == TAG and part.why_not == "few":
            return n(
                "{count} closed deal bears it; a tag counts from {least} on.",
                "{count} closed deals bear it; a tag counts from {least} on.",
                count,
                least=LEAST_OF[TAG],
            )
        if part.variable == PRODUCT and part.why_not == "few":
            return n(
                "{count} closed deal was about it; a product counts from {least} on.",
                "{count} closed deals were about it; a product counts from {least} on.",
                count,
                least=LEAST_OF[PRODUCT],
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
