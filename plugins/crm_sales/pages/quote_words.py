"""What the words of offers are called by people."""

from __future__ import annotations

from collections.abc import Mapping

from crm_core.messages import Message, p, t

STATES: Mapping[str, Message] = {
    "draft": p("state of an offer", "Draft"),
    "waiting": p("state of an offer", "Waits for approval"),
    "approved": p("state of an offer", "Approved"),
    "sent": p("state of an offer", "Sent"),
    "accepted": p("state of an offer", "Accepted"),
    "refused": p("state of an offer", "Refused"),
    "expired": p("state of an offer", "Expired"),
    "withdrawn": p("state of an offer", "Withdrawn"),
    "ordered": p("state of an offer", "Ordered"),
}
TONES: Mapping[str, str] = {
    "waiting": "warn",
    "approved": "info",
    "sent": "accent",
    "accepted": "good",
    "ordered": "good",
    "refused": "bad",
    "expired": "bad",
}
ROLES: Mapping[str, Message] = {
    "normal": p("line of an offer", "Part of the offer"),
    "option": p("line of an offer", "Option"),
    "alternative": p("line of an offer", "Alternative"),
}
DECISIONS: Mapping[str, Message] = {
    "waiting": p("of an approval", "waits"),
    "approved": p("of an approval", "approved"),
    "refused": p("of an approval", "refused"),
    "withdrawn": p("of an approval", "no longer asked"),
}
FILTERS: Mapping[str, Message] = {
    "": t("All"),
    "draft": t("Drafts"),
    "waiting": t("Waiting"),
    "approved": t("To be sent"),
    "sent": t("Sent"),
    "accepted": t("Accepted"),
}
