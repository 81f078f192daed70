"""What the words that are kept in the database are called by people."""

from __future__ import annotations

from collections.abc import Mapping

from crm_core.messages import Message, p, say, t

LABELS: Mapping[str, Mapping[str, Message]] = {
    "kind": {"person": t("Person"), "company": t("Company")},
    "stage": {
        "prospect": p("stage of a customer", "Prospect"),
        "active": p("stage of a customer", "Active"),
        "loyal": p("stage of a customer", "Loyal"),
        "lapsed": p("stage of a customer", "Lapsed"),
    },
    "contact": {
        "email": t("E-mail"),
        "phone": t("Phone"),
        "mobile": t("Mobile"),
        "fax": t("Fax"),
        "web": t("Website"),
        "messenger": t("Messenger"),
    },
    "reach": {
        "none": p("reach of a right", "None"),
        "own": p("reach of a right", "Own"),
        "team": p("reach of a right", "Team"),
        "all": p("reach of a right", "All"),
    },
}
"""By topic, then by the word kept; a word that stands nowhere is shown as it is."""


def label(word: str | None, topic: str) -> str:
    """Return what people read for a word kept, such as ``prospect`` of the topic ``stage``."""
    if not word:
        return "–"
    known = LABELS.get(topic, {}).get(word)
    return say(known) if known is not None else word.replace("_", " ")
