"""Where the reader is: moments, days and money as they write them, moments as they type them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.numbers import format_currency

from crm_core.errors import InputError

if TYPE_CHECKING:
    from crm_core.persistence.unit_of_work import UnitOfWork
    from crm_core.services.settings import Settings

_AHEAD = re.compile(r"\+(\d{1,5})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_YEARS = range(1900, 2200)
"""What lies outside is a slip, and near the calendar's ends cannot be told in every zone."""


@dataclass(frozen=True, slots=True)
class Place:
    """A time zone and a language."""

    zone: ZoneInfo
    locale: Locale

    def moment(self, at: datetime | None) -> str | None:
        """Return a moment in the reader's zone, to the minute."""
        if at is None:
            return None
        clock = format_time(at, "short", tzinfo=self.zone, locale=self.locale)
        return f"{self.day(at.astimezone(self.zone).date())}, {clock}"

    def day(self, on: date | None) -> str | None:
        """Return a day."""
        return None if on is None else format_date(on, "medium", locale=self.locale)

    def money(self, amount: Decimal | None, currency_code: str) -> str | None:
        """Return an amount with its currency."""
        if amount is None:
            return None
        return str(format_currency(amount, currency_code, locale=self.locale))

    def typed_moment(self, text: str, now: datetime) -> datetime:
        """Return the moment a person typed; without a zone it is the reader's.

        Understood are ``2026-03-31``, ``2026-03-31 14:30``, ISO 8601 with a zone, ``today``,
        ``tomorrow``, and ``+3h``, ``+2d``, ``+1w`` from now. A day alone means its noon.

        Raises:
            InputError: It is none of these.
        """
        try:
            moment = self._moment(text.strip(), now)
            if moment.year not in _YEARS:
                raise ValueError(moment.year)
        except (ValueError, OverflowError):
            raise InputError(
                f"{text!r} is no moment; write it like 2026-03-31 14:30, tomorrow, or +2d.",
                code="core.moment_invalid",
            ) from None
        return moment

    def _moment(self, text: str, now: datetime) -> datetime:
        word = text.lower()
        ahead = _AHEAD.fullmatch(word)
        if ahead:
            return now + timedelta(**{_UNITS[ahead[2]]: int(ahead[1])})
        if word in ("today", "tomorrow"):
            today = now.astimezone(self.zone).date()
            return self._noon(today + timedelta(days=word == "tomorrow"))
        if len(word) == len("2026-03-31"):
            return self._noon(date.fromisoformat(word))
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=self.zone)

    def _noon(self, on: date) -> datetime:
        return datetime.combine(on, time(12), self.zone)


def place_of(uow: UnitOfWork, settings: Settings) -> Place:
    """Return where the actor is: their own zone and language, else the company's."""
    from crm_core.entities.user import User

    user = uow.find(User, uow.actor.user_id) if uow.actor.user_id else None
    zone = (user and user.time_zone) or settings.time_zone
    language = (user and user.language) or settings.language
    return Place(ZoneInfo(zone), _locale(language))


def _locale(language: str) -> Locale:
    """Return the nearest language that is known, the plain one where the region is not."""
    for tag in (language, language.partition("-")[0], "en"):
        try:
            return Locale.parse(tag, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale("en")
