"""Numbers, money, days and moments as a reader writes them, and moments as they type them.

A Persian reader gets Persian digits and the Jalali calendar, and may type both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time, format_timedelta
from babel.lists import format_list
from babel.numbers import (
    NumberFormatError,
    format_currency,
    format_decimal,
    format_percent,
    parse_decimal,
)

from crm_core.errors import InputError
from crm_core.messages import FIGURES, t

_AHEAD = re.compile(r"\+(\d{1,5})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_CLOSE = re.compile(r"(?<=[^\W\d_])(?=\d)")
_YEARS = range(1900, 2200)
"""What lies outside is a slip, and near the calendar's ends cannot be told in every zone."""
JALALI = frozenset({"fa"})
"""Languages whose readers count days by the Jalali calendar."""
_BEFORE_JALALI = 622
"""The year its first began in; slips such as 0026-03-01 lie before it."""
_JALALI_DAY = re.compile(r"(1[2-5]\d\d)[-/](\d{1,2})[-/](\d{1,2})")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader is: a time zone, and a language with its country's habits."""

    zone: ZoneInfo
    locale: Locale

    @classmethod
    def of(cls, language: str, zone: str = "UTC") -> Place:
        """Return the place for a language tag such as ``el`` or ``de-AT`` and a zone's name."""
        return cls(ZoneInfo(zone), nearest_locale(language))

    def number(self, value: float | Decimal) -> str:
        """Return a number with all its decimals, its thousands grouped."""
        return self._figures(format_decimal(value, decimal_quantization=False, **self._way))

    def percent(self, share: float | Decimal) -> str:
        """Return a share of one as a percentage without decimals."""
        shown = self._figures(format_percent(share, **self._way))
        return shown.replace("%", "٪") if self.locale.language == "fa" else shown

    def share(self, share: float | Decimal) -> str:
        """Return a share of one as a percentage with all its decimals."""
        shown = self._figures(format_percent(share, decimal_quantization=False, **self._way))
        return shown.replace("%", "٪") if self.locale.language == "fa" else shown

    def money(self, amount: Decimal | None, currency_code: str) -> str | None:
        """Return an amount with its currency."""
        if amount is None:
            return None
        shown = format_currency(amount, currency_code, **self._way)
        return self._figures(_CLOSE.sub("\N{NO-BREAK SPACE}", shown))

    def span(self, minutes: int) -> str:
        """Return a length of time in its largest unit that is whole: "5 minutes", "1 day"."""
        whole = next(count for count in (24 * 60, 60, 1) if minutes % count == 0)
        # No larger unit reaches as many, so none is told rounded.
        length = timedelta(minutes=minutes)
        shown = format_timedelta(length, threshold=minutes / whole, locale=self.locale)
        return self._figures(shown)

    def month(self, on: date) -> str:
        """Return the month of the common calendar that a day lies in, with its year."""
        return self._figures(format_skeleton("yMMMM", on, locale=self.locale))

    def country(self, code: str) -> str:
        """Return what people call a country; an unknown code as it is."""
        return str(self.locale.territories.get(code.upper(), code))

    def tongue(self, tag: str) -> str:
        """Return what people call a language such as ``sl-SI``; an unknown tag as it is."""
        return str(self.locale.languages.get(tag.partition("-")[0].lower(), tag))

    def day(self, on: date | None) -> str | None:
        """Return a day."""
        if on is None:
            return None
        if self.locale.language in JALALI and on.year > _BEFORE_JALALI:
            return self._figures(_jalali_day(on))
        return format_date(on, "medium", locale=self.locale)

    def clock(self, at: time | datetime) -> str:
        """Return a time of day, to the minute; a moment's in the reader's zone."""
        zone = self.zone if isinstance(at, datetime) else None
        return self._figures(format_time(at, "short", tzinfo=zone, locale=self.locale))

    def moment(self, at: datetime | None) -> str | None:
        """Return a moment in the reader's zone, to the minute."""
        if at is None:
            return None
        comma = "،" if self.locale.language == "fa" else ","
        return f"{self.day(at.astimezone(self.zone).date())}{comma} {self.clock(at)}"

    def exact(self, at: datetime) -> str:
        """Return a moment to the second with its distance from UTC, in the reader's zone."""
        there = at.astimezone(self.zone)
        offset = f"{there:%z}"
        seconds = self._figures(f"{there:%H:%M:%S}")
        return f"{self.day(there.date())} {seconds} {self._figures(f'{offset[:3]}:{offset[3:5]}')}"

    def ago(self, at: datetime, now: datetime) -> str:
        """Return how far a moment is from now, in its largest unit: "2 hours ago", "in 3 days"."""
        return self._figures(
            format_timedelta(at - now, add_direction=True, locale=self.locale, threshold=1)
        )

    def items(self, parts: Sequence[str]) -> str:
        """Return a list in words: "a, b and c"."""
        return format_list(list(parts), locale=self.locale)

    def typed_number(self, text: str) -> str:
        """Return a number that a person typed as ``12.5``, however their language writes it.

        Digits may be of any script. What is no number is returned as it is.
        """
        plain = _plain_digits(text.strip()).replace("٬", "").replace("٫", ".")
        try:
            return str(Decimal(plain))
        except InvalidOperation:
            written = plain.replace(" ", "\N{NO-BREAK SPACE}")
        try:
            return str(parse_decimal(written, self.locale, strict=True))
        except NumberFormatError:
            return text

    def typed_moment(self, text: str, now: datetime) -> datetime:
        """Return the moment a person typed; without a zone it is the reader's.

        Understood are ``2026-03-31``, ``2026-03-31 14:30``, ISO 8601 with a zone, ``today``,
        ``tomorrow``, and ``+3h``, ``+2d``, ``+1w`` from now. A day alone means its noon. A Persian
        reader may write Jalali days: ``1405/01/11``. Digits may be of any script.

        Raises:
            InputError: It is none of these.
        """
        try:
            moment = self._moment(_plain_digits(text.strip()), now)
            if moment.year not in _YEARS:
                raise ValueError(moment.year)
        except (ValueError, OverflowError):
            raise InputError(
                t(
                    "{text!r} is no moment; write it like 2026-03-31 14:30, tomorrow, or +2d.",
                    text=text,
                ),
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
        if self.locale.language in JALALI:
            text = _JALALI_DAY.sub(_gregorian_day, text, count=1)
        if len(text) == len("2026-03-31"):
            return self._noon(date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=self.zone)

    def _noon(self, on: date) -> datetime:
        return datetime.combine(on, time(12), self.zone)

    @property
    def _way(self) -> dict[str, Any]:
        return {"locale": self.locale, "numbering_system": "default"}

    def _figures(self, text: str) -> str:
        digits = FIGURES.get(self.locale.language)
        return text.translate(digits) if digits else text


@cache
def nearest_locale(language: str) -> Locale:
    """Return the nearest language that is known, the plain one where the region is not."""
    for tag in (language, language.partition("-")[0], "en"):
        try:
            return Locale.parse(tag, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale("en")


def _plain_digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(char, char)) for char in text)


def _jalali_day(on: date) -> str:
    from jdatetime import date as jalali

    there = jalali.fromgregorian(date=on)
    return f"{there.day} {jalali.j_months_fa[there.month - 1]} {there.year}"


def _gregorian_day(match: re.Match[str]) -> str:
    from jdatetime import date as jalali

    gregorian: date = jalali(*map(int, match.groups())).togregorian()
    return gregorian.isoformat()
