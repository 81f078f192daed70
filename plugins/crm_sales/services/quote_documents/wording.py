"""From what a document holds to a page in HTML, in the customer's language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from babel.numbers import format_decimal
from jinja2 import Environment, StrictUndefined

from crm_core.locale_format import Place
from crm_core.messages import FIGURES, RIGHT_TO_LEFT, SOURCE, spoken, translations

FOLDER = "templates/sales/document"
MOST_DECIMALS = 6
_STRONG, _RIGHT = ("L", "R", "AL"), ("R", "AL")
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control signs, among them those that have a text written in the other direction."""


def style() -> str:
    """Return the style of the page."""
    return _file("offer.css")


def page_of(
    content: Mapping[str, Any], *, language: str | None, currency_code: str, decimals: int
) -> str:
    """Return the page of an offer; whatever stands in its content is text, never markup.

    Args:
        content: What the template names.
        language: BCP 47 tag; English where it is none of the product's.
        currency_code: Of all amounts.
        decimals: How many decimal places the currency has.
    """
    known = spoken(language) or SOURCE
    place = Place.of(language if language and spoken(language) else SOURCE)

    def figure(value: Decimal, most: int) -> str:
        least = min(decimals, most)
        pattern = f"#,##0.{'0' * least}{'#' * (most - least)}".rstrip(".")
        way: Any = {"locale": place.locale, "numbering_system": "default"}
        return format_decimal(value, pattern, **way).translate(FIGURES.get(known, {}))

    environment = _environment(known).overlay()
    shown: dict[str, Callable[[Any], Any]] = {
        "amount": lambda value: figure(value, decimals),
        "day": place.day,
        "direction": _direction,
        "money": lambda value: place.money(value, currency_code),
        "number": place.number,
        "percents": lambda value: place.share(value / 100),
        "price": lambda value: figure(value, MOST_DECIMALS),
    }
    environment.filters = environment.filters | shown
    direction = "rtl" if known in RIGHT_TO_LEFT else "ltr"
    template = environment.from_string(_file("offer.html"))
    return template.render(**_clean(content), language=known, direction=direction)


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    catalogue = translations(language, ("crm_sales", "crm_core"))
    environment.install_gettext_translations(catalogue, newstyle=True)  # type: ignore[attr-defined]
    return environment


def _direction(text: str) -> str:
    """Return in which direction a text runs: that of its first letter."""
    kinds = (unicodedata.bidirectional(letter) for letter in text)
    return "rtl" if next((kind for kind in kinds if kind in _STRONG), "L") in _RIGHT else "ltr"


def _clean(value: Any) -> Any:
    """Leave out of all texts what cannot be seen and yet changes how the rest is read."""
    if isinstance(value, str):
        return _UNSEEN.sub("", value)
    if isinstance(value, Mapping):
        return {name: _clean(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value


@cache
def _file(name: str) -> str:
    return files("crm_sales").joinpath(FOLDER, name).read_text(encoding="utf-8")
