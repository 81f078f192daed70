from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_core.errors import InputError
from crm_core.locale_format import Place
from crm_core.messages import LANGUAGES

AT = datetime(2026, 3, 31, 21, 30, tzinfo=UTC)
EARLIEST, LATEST = datetime(1900, 1, 3), datetime(2199, 12, 29)  # noqa: DTZ001  hypothesis asks for it
languages = st.sampled_from([*LANGUAGES, "el-GR", "fa-IR", "sl-SI"])


def plain(text: str) -> str:
    """The text with ASCII digits and blanks, without marks of direction."""
    kept = (char for char in text if unicodedata.category(char) != "Cf")
    return "".join(" " if char.isspace() else str(unicodedata.decimal(char, char)) for char in kept)


@pytest.mark.parametrize(
    ("language", "number", "money", "percent", "moment"),
    [
        ("en", "-1,234.5", "€1,234.50", "26%", "Mar 31, 2026, 11:30 PM"),
        ("el", "-1.234,5", "1.234,50 €", "26%", "31 Μαρ 2026, 11:30 μ.μ."),
        ("pl", "-1 234,5", "1 234,50 €", "26%", "31 mar 2026, 23:30"),
        ("ru", "-1 234,5", "1 234,50 €", "26 %", "31 мар. 2026 г., 23:30"),
        ("sl", "-1.234,5", "1.234,50 €", "26 %", "31. mar. 2026, 23:30"),
        ("fa", "-1٬234٫5", "€ 1٬234٫50", "26٪", "11 فروردین 1405، 23:30"),
    ],
)
def test_each_language_has_its_way(language, number, money, percent, moment):
    place = Place.of(language, "Europe/Ljubljana")
    assert plain(place.number(Decimal("-1234.5"))).replace("−", "-") == number
    assert plain(place.money(Decimal("1234.5"), "EUR")) == money
    assert plain(place.percent(0.256)) == percent
    assert plain(place.moment(AT)) == moment


def test_persian_has_its_digits_and_its_calendar():
    place = Place.of("fa", "Asia/Tehran")
    assert place.number(120) == "۱۲۰"
    assert place.day(date(2026, 3, 21)) == "۱ فروردین ۱۴۰۵"
    assert place.day(date(2025, 3, 20)) == "۳۰ اسفند ۱۴۰۳"  # a leap year's last day
    assert place.clock(AT) == "۱:۰۰"
    assert place.exact(AT) == "۱۲ فروردین ۱۴۰۵ ۰۱:۰۰:۰۰ +۰۳:۳۰"
    assert place.ago(AT - timedelta(hours=2), AT) == "۲ ساعت پیش"


def test_a_currency_that_is_told_by_letters_stands_apart_from_the_figures():
    assert plain(Place.of("en").money(Decimal("1234.5"), "PLN")) == "PLN 1,234.50"
    assert Place.of("en").money(Decimal("1234.5"), "EUR") == "€1,234.50"


@pytest.mark.parametrize(
    ("minutes", "told"),
    [(1, "1 minute"), (60, "1 hour"), (90, "90 minutes"), (1_440, "1 day"), (10_080, "7 days")],
)
def test_a_length_of_time_is_told_in_its_largest_whole_unit(minutes, told):
    assert Place.of("en").span(minutes) == told


def test_months_countries_and_languages_are_called_by_their_names():
    place = Place.of("fa")
    assert place.month(date(2026, 11, 5)) == "نوامبر ۲۰۲۶"
    assert (place.country("ir"), place.tongue("fa-IR")) == ("ایران", "فارسی")
    assert (place.country("??"), place.tongue("tlh-x")) == ("??", Place.of("fa").tongue("tlh"))


def test_what_is_not_there_is_not_shown():
    place = Place.of("en")
    assert place.moment(None) is None
    assert place.day(None) is None
    assert place.money(None, "EUR") is None


@pytest.mark.parametrize(
    ("language", "past", "future", "listed"),
    [
        ("en", "2 hours ago", "in 3 days", "a, b, and c"),
        ("el", "πριν από 2 ώρες", "σε 3 ημέρες", "a, b και c"),
        ("pl", "2 godziny temu", "za 3 dni", "a, b i c"),
        ("ru", "2 часа назад", "через 3 дня", "a, b и c"),
        ("sl", "pred 2 urama", "čez 3 dni", "a, b in c"),
        ("fa", "2 ساعت پیش", "3 روز دیگر", "a، b، و c"),
    ],
)
def test_times_from_now_and_lists_in_words(language, past, future, listed):
    place = Place.of(language)
    assert plain(place.ago(AT - timedelta(hours=2, minutes=20), AT)) == past
    assert plain(place.ago(AT + timedelta(days=3), AT)) == future
    assert plain(place.items(["a", "b", "c"])) == listed


def test_a_tag_that_is_not_known_falls_back_to_the_language_and_to_english():
    assert Place.of("el-XX").locale.language == "el"
    assert str(Place.of("xx").locale) == "en"


def test_a_persian_day_is_typed_as_it_is_read():
    place = Place.of("fa-IR", "Asia/Tehran")
    noon = datetime(2026, 3, 31, 12, tzinfo=place.zone)
    for text in ("1405/01/11", "۱۴۰۵/۱/۱۱", "2026-03-31", "۲۰۲۶-۰۳-۳۱"):
        assert place.typed_moment(text, AT) == noon
    at = datetime(2026, 3, 31, 14, 30, tzinfo=place.zone)
    assert place.typed_moment("۱۴۰۵-۰۱-۱۱ ۱۴:۳۰", AT) == at
    for text in ("1405/13/01", "1404/12/30", "1405/01/32"):
        with pytest.raises(InputError, match="no moment"):
            place.typed_moment(text, AT)
    with pytest.raises(InputError, match="no moment"):
        Place.of("el").typed_moment("1405-01-11", AT)


@given(
    languages,
    st.decimals(
        allow_nan=False, allow_infinity=False, places=3, min_value=-(10**12), max_value=10**12
    ),
)
def test_no_digit_of_a_number_is_lost(language, value):
    shown = plain(Place.of(language).number(value))
    digits = [char for char in shown if char.isdecimal()]
    expected = [char for char in f"{value.normalize():f}" if char.isdecimal()]
    assert digits == expected


@given(
    languages,
    st.datetimes(EARLIEST, LATEST),
    st.sampled_from(["UTC", "Asia/Tehran", "Europe/Athens", "America/St_Johns"]),
)
def test_a_moment_shows_the_day_and_minute_of_its_zone(language, at, zone):
    place, at = Place.of(language, zone), at.replace(tzinfo=UTC)
    there = at.astimezone(place.zone)
    shown = plain(place.exact(at))
    assert f"{there:%H:%M:%S}" in shown
    assert plain(place.moment(at)).startswith(plain(place.day(there.date())))
    if place.locale.language != "fa":
        assert str(there.year) in shown
    for char in place.moment(at):
        assert not (place.locale.language == "fa" and char in "0123456789")


@given(st.dates(date(1900, 1, 2), date(2199, 12, 30)))
def test_a_persian_reader_can_type_every_day_they_see(day):
    from jdatetime import date as jalali

    there = jalali.fromgregorian(date=day)
    place = Place.of("fa")
    typed = place.typed_moment(f"{there.year}/{there.month:02}/{there.day:02}", AT)
    assert typed.date() == day
    assert str(there.year) in plain(place.day(day))


@given(language=languages, day=st.dates())
def test_every_day_can_be_shown_however_great_a_slip_it_is(language: str, day: date) -> None:
    assert Place.of(language, "Europe/Ljubljana").day(day)


@pytest.mark.parametrize(
    ("language", "typed", "number"),
    [
        ("pl", "12,5", "12.5"),
        ("pl", "-1 234,5", "-1234.5"),
        ("sl", "1.000,5", "1000.5"),
        ("fa", "۱٬۲۳۴٫۵", "1234.5"),
        ("en", "1,000.5", "1000.5"),
        ("el", " 12.5 ", "12.5"),
        ("en", "1,2", "1,2"),
        ("en", "many", "many"),
    ],
)
def test_numbers_are_read_as_the_reader_writes_them(language, typed, number):
    assert Place.of(language, "UTC").typed_number(typed) == number
