"""One line of the report, and what it says of the state of things."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from crm_core.messages import t

OK, WARN, FAIL = "ok", "warn", "fail"
CLOCK_SLACK = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: what was looked at, ``ok``, ``warn`` or ``fail``, and what to do."""

    name: str
    state: str
    message: str
    advice: str = ""


def clock_finding(gap: timedelta, what: str) -> Finding:
    """Say whether a clock and this machine's are far apart."""
    if gap > CLOCK_SLACK:
        message = t(
            "{what} is {seconds} s away from this machine's.",
            what=what,
            seconds=int(gap.total_seconds()),
        )
        return Finding("clock", WARN, message, t("Let both follow a time server (NTP)."))
    return Finding("clock", OK, t("{what} agrees with this machine's.", what=what))
