"""How an alert reads as mail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def subject_of(content: dict[str, Any]) -> str:
    """Return a mail's subject."""
    if content.get("is_test"):
        return f"CRM: test of the alerts of {content['backend']}"
    if content["began"]:
        return f"CRM: {_words(content['began'][0])} ({content['backend']})"
    return f"CRM: {content['backend']} has recovered"


def text_of(content: dict[str, Any]) -> str:
    """Return a mail's text."""
    name = content["backend"]
    lines = [f"Back office {name}, {content['at'][:16].replace('T', ' ')} UTC", ""]
    for heading, key in (("New:", "began"), ("Over:", "ended"), ("Still:", "standing")):
        lines += [f"{heading} {_words(each)}" for each in content[key]]
    if content.get("is_test"):
        lines.append("This is a test: alerts of this back office arrive here.")
    return "\n".join([*lines, "", f"See: crm sync status {name}", ""])


_TROUBLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "failed": lambda each: f"a sync failed with {each['code']}",
    "conflicts": lambda each: f"{each['count']} open conflicts, alert from {each['limit']} on",
    "set_aside": lambda each: f"{each['count']} records set aside, alert from {each['limit']} on",
}


def _words(trouble: dict[str, Any]) -> str:
    return _TROUBLES[trouble["trouble"]](trouble)
