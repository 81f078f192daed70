"""Decisions on leads in words: what was tried, why each was passed over, who got it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.user import User
from crm_core.messages import Message, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.models import LeadDecision, Outcome, Way
from crm_sales.permissions import LEAD_VIEW
from crm_sales.services.assignment.choosing import plain

WAYS: Mapping[str, Message] = {
    Way.ROUND_ROBIN: t("in turn"),
    Way.WEIGHTED: t("in turn, by weight"),
    Way.LEAST_LOADED: t("to whoever has fewest open leads"),
}
_MISFITS: Mapping[str, Callable[[str], Message]] = {
    "country": lambda what: t("the country is {what}", what=what),
    "postal_code": lambda what: t("the postal code is {what}", what=what),
    "product": lambda what: t("the product is {what}", what=what),
    "category": lambda what: t("the category is {what}", what=what),
    "language": lambda what: t("the language is {what}", what=what),
    "source": lambda what: t("the source is {what}", what=what),
    "amount": lambda what: t("the expected amount is {what}", what=what),
    "rate": lambda what: t("no exchange rate is known for {what}", what=what),
}
NOT_SAID = t("not said")


def list_decisions(uow: UnitOfWork, lead_id: UUID) -> list[dict[str, Any]]:
    """Return what was decided on a lead, the latest first.

    Returns:
        Dicts of ``at, tried_at, tries, outcome, rule_name, user_name, by_name, summary, lines``;
        the last two in words.
    """
    uow.actor.require(LEAD_VIEW)
    rows = uow.execute(
        select(
            LeadDecision.id,
            LeadDecision.at,
            LeadDecision.tried_at,
            LeadDecision.tries,
            LeadDecision.outcome,
            LeadDecision.rule_name,
            LeadDecision.user_id,
            LeadDecision.by_id,
            LeadDecision.steps,
        )
        .where(LeadDecision.lead_id == lead_id)
        .order_by(LeadDecision.id.desc())
    ).all()
    names = names_in(uow, rows)
    return [
        {
            **{name: value for name, value in row._mapping.items() if not name.endswith("_id")},
            "user_name": names.get(str(row.user_id)),
            "by_name": names.get(str(row.by_id)),
            "summary": summary(row.outcome, row.rule_name, row.steps, names.get(str(row.user_id))),
            "lines": [line for step in row.steps for line in _lines(step, names)],
        }
        for row in rows
    ]


def told_briefly(uow: UnitOfWork, leads: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return leads as ``list_leads`` gives them, with ``why`` in a sentence; steps left out."""
    uow.actor.require(LEAD_VIEW)
    told = []
    for lead in leads:
        plain = {name: value for name, value in lead.items() if not name.startswith("decision_")}
        outcome, rule = lead["decision_outcome"], lead["decision_rule"]
        steps, user = lead["decision_steps"], lead["owner_name"]
        told.append({**plain, "why": outcome and summary(outcome, rule, steps, user)})
    return told


def conditions_of(rule: Mapping[str, Any]) -> list[Message]:
    """Return what a rule, as ``list_rules`` gives it, asks of a lead."""
    kinds: Mapping[str, Callable[[str], Message]] = {
        "countries": lambda what: t("country {what}", what=what),
        "postal_prefixes": lambda what: t("postal code {what}…", what=what),
        "products": lambda what: t("product {what}", what=what),
        "categories": lambda what: t("category {what}", what=what),
        "languages": lambda what: t("language {what}", what=what),
        "sources": lambda what: t("source {what}", what=what),
    }
    told = [say_(", ".join(rule[name])) for name, say_ in kinds.items() if rule[name]]
    code = rule["currency_code"] or ""
    if rule["least_amount"] is not None:
        told.append(t("from {amount} {code}", amount=plain(rule["least_amount"]), code=code))
    if rule["most_amount"] is not None:
        told.append(t("up to {amount} {code}", amount=plain(rule["most_amount"]), code=code))
    return told


def names_in(uow: UnitOfWork, decisions: Iterable[Any]) -> dict[str, str]:
    """Return the names of all people in decisions, by id as text."""
    uow.actor.require(LEAD_VIEW)
    ids: set[str] = set()
    for decision in decisions:
        ids |= {str(key) for key in (decision.user_id, decision.by_id) if key}
        for step in decision.steps or ():
            ids |= {step.get("owner") or "", step.get("taker") or ""}
            for person in step.get("people", ()):
                ids |= {person["user"], person.get("for") or ""}
    wanted = sorted(UUID(text) for text in ids if text)
    if not wanted:
        return {}
    rows = uow.execute(select(User.id, User.name).where(User.id.in_(wanted)))
    return {str(row.id): row.name for row in rows}


def summary(outcome: str, rule: str | None, steps: Any, user: str | None) -> Message:
    """Return why a lead is where it is, in a sentence."""
    if outcome == Outcome.BY_RULE:
        return t("{user}, by the rule {rule}", user=user or "?", rule=rule or "?")
    if outcome == Outcome.BY_OWNER:
        return t("{user}, for the customer", user=user or "?")
    if outcome == Outcome.BY_HAND:
        return t("{user}, by hand", user=user or "?")
    if outcome == Outcome.RELEASED:
        return t("{user} gave it back", user=user or "?")
    fitting = [step["rule"] for step in steps or () if "rule" in step and "misfit" not in step]
    if fitting:
        return t("Nobody is free by the rule {rule}", rule=fitting[-1])
    if any("rule" in step for step in steps or ()):
        return t("No rule fits")
    return t("There are no rules")


def _lines(step: Mapping[str, Any], names: Mapping[str, str]) -> list[Message]:
    """Return what became of one rule, a line for it and one for each person."""
    if "misfit" in step:
        found = step["misfit"]
        why = _MISFITS[found["code"]](NOT_SAID if found["is"] is None else found["is"])
        return [t("{rule}: does not fit, {why}.", rule=step["rule"], why=why)]
    lines = [_person(person, names) for person in step.get("people", ())]
    taker = step.get("taker")
    if "owner" in step:
        head = t("{user} answers for the customer.", user=_name(names, step["owner"]))
    else:
        head = t("{rule}: fits, {way}.", rule=step["rule"], way=WAYS.get(step["way"], step["way"]))
    if taker:
        return [head, *lines, t("{user} gets it.", user=_name(names, taker))]
    return [head, *lines, *([] if lines else [t("Nobody belongs to it.")])]


def _person(person: Mapping[str, Any], names: Mapping[str, str]) -> Message:
    user = _name(names, person["user"])
    code = person["code"]
    if code == "away":
        until = date.fromisoformat(person["until"])
        if person.get("for"):
            other = _name(names, person["for"])
            return t(
                "{user} is away until {until}: {other} stands in.",
                user=user,
                until=until,
                other=other,
            )
        return t("{user} is away until {until}.", user=user, until=until)
    if code == "full":
        return t("{user} has had {most} today.", user=user, most=person["most"])
    if code == "opted_out":
        return t("{user} takes no leads.", user=user)
    if code == "gave_back":
        return t("{user} gave it back.", user=user)
    if code == "no_right":
        return t("{user} may not work on leads.", user=user)
    return t("{user} is disabled.", user=user)


def _name(names: Mapping[str, str], key: str) -> str:
    return names.get(key, "?")
