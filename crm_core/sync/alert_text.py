"""How an alert reads as mail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crm_core.messages import joined, n, t


def subject_of(content: dict[str, Any]) -> str:
    """Return a mail's subject."""
    if content.get("is_test"):
        return t("CRM: test of the alerts of {backend}", backend=content["backend"])
    if content["began"]:
        trouble = _words(content["began"][0])
        return t("CRM: {trouble} ({backend})", trouble=trouble, backend=content["backend"])
    return t("CRM: {backend} has recovered", backend=content["backend"])


def text_of(content: dict[str, Any]) -> str:
    """Return a mail's text."""
    name = content["backend"]
    at = content["at"][:16].replace("T", " ")
    lines: list[str] = [t("Back office {name}, {at} UTC", name=name, at=at), ""]
    for heading, key in ((t("New:"), "began"), (t("Over:"), "ended"), (t("Still:"), "standing")):
        lines += [joined((heading, _words(each))) for each in content[key]]
    if content.get("is_test"):
        lines.append(t("This is a test: alerts of this back office arrive here."))
    return joined([*lines, "", t("See: crm sync status {name}", name=name), ""], "\n")


_TROUBLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "failed": lambda each: t("a sync failed with {code}", code=each["code"]),
    "out_of_step": lambda each: n(
        "not in step since it was confirmed: {count} kind of records cannot be read",
        "not in step since it was confirmed: {count} kinds of records cannot be read",
        each["count"],
    ),
    "conflicts": lambda each: n(
        "{count} open conflict, alert from {limit} on",
        "{count} open conflicts, alert from {limit} on",
        each["count"],
        limit=each["limit"],
    ),
    "set_aside": lambda each: n(
        "{count} record set aside, alert from {limit} on",
        "{count} records set aside, alert from {limit} on",
        each["count"],
        limit=each["limit"],
    ),
}


def _words(trouble: dict[str, Any]) -> str:
    return _TROUBLES[trouble["trouble"]](trouble)
