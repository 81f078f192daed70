"""Odoo's values as neutral ones. Everything here is pure and cheap: it runs for every field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from html.parser import HTMLParser
from typing import Any

from crm_core.entities.customer import ContactPointKind
from crm_core.messages import t

_SEPARATORS = re.compile(r"[,;\n]")
_ANGLES = re.compile(r"<([^<>]*)>")
_SPACES = re.compile(r"[ \t]+")
_BLANK_LINES = re.compile(r"\n{3,}")
_SCRIPTS = {"latin": "Latn", "latn": "Latn", "cyrillic": "Cyrl", "cyrl": "Cyrl"}
_BLOCKS = {"p", "div", "br", "li", "tr", "ul", "ol", "table", "blockquote", "hr"} | {
    f"h{level}" for level in range(1, 7)
}


def text(value: Any) -> str | None:
    """Return text without blanks around it; None for absent and blank."""
    return (value.strip() or None) if value else None


def first_text(*values: Any) -> str | None:
    """Return the first of several texts that is there."""
    return next((found for value in values if (found := text(value))), None)


def required_text(value: Any) -> str:
    """Return text; raises ValueError when there is none."""
    found = text(value)
    if found is None:
        raise ValueError(t("it is empty"))
    return found


def number_text(value: Any) -> str | None:
    """Return a document's number; None for the slash that drafts bear."""
    found = text(value)
    return None if found == "/" else found


def flag(value: Any) -> bool:
    """Return whether a boolean is set."""
    return bool(value)


def archived(active: Any) -> bool:
    """Return whether ``active`` is off."""
    return not active


def whole(value: Any) -> int:
    """Return an integer."""
    return int(value)


def plain(value: Any) -> Any:
    """Return what a lookup gave, with False as None."""
    return value or None


def reference(value: Any) -> str | None:
    """Return a many-to-one's id as text."""
    return str(value) if value else None


def reference_if_other(value: Any, own: Any) -> str | None:
    """Return the id as text unless it is ``own``."""
    return str(value) if value and value != own else None


def references(value: Sequence[int]) -> list[str]:
    """Return a many-to-many's ids as sorted texts."""
    return sorted(map(str, value)) if value else []


def day(value: Any) -> str | None:
    """Return the date of a date or of a UTC moment, as ISO text."""
    return value[:10] if value else None


def _decimal_text(value: Any, places: int) -> str | None:
    if value is False or value is None:
        return None
    shown = str(value)  # the shortest text that reads back as this float
    _, point, fraction = shown.partition(".")
    if len(fraction) > places or "e" in shown or "E" in shown:
        unit = Decimal(1).scaleb(-places)
        shown = format(Decimal(shown).quantize(unit, ROUND_HALF_UP), "f")
        point = "."
    if point:
        shown = shown.rstrip("0").removesuffix(".")
    return "0" if shown in ("-0", "") else shown


def money(value: Any) -> str | None:
    """Return an amount as the shortest decimal text, at most four places, no float noise."""
    return _decimal_text(value, 4)


def quantity(value: Any) -> str | None:
    """Return a quantity, price, rate or percentage: at most six places."""
    return _decimal_text(value, 6)


def constant(value: Any) -> Callable[..., Any]:
    """Return a converter that gives ``value`` whatever Odoo says."""

    def convert(*_: Any) -> Any:
        return value

    return convert


def choice(table: Mapping[Any, Any]) -> Callable[[Any], Any]:
    """Return a converter that looks a selection up; an unknown one sets the record aside."""

    def convert(value: Any) -> Any:
        try:
            return table[value]
        except KeyError:
            raise ValueError(t("{value!r} is not known here", value=value)) from None

    return convert


@lru_cache(maxsize=512)
def language(value: Any) -> str | None:
    """Return a locale code as a BCP 47 tag: ``el_GR`` → ``el-GR``, ``sr@latin`` → ``sr-Latn``."""
    if not value:
        return None
    locale, _, modifier = value.partition("@")
    tongue, _, place = locale.partition("_")
    script = _SCRIPTS.get(modifier.lower(), "")
    variant = "" if script else modifier
    return "-".join(part for part in (tongue, script, place, variant) if part)


def emails(value: Any) -> list[str]:
    """Return the addresses of an e-mail field, which people fill with several.

    Splits at commas and semicolons, takes what stands in angle brackets, and drops parts that are
    no address when others are. A field without any address is one value, as it was typed.
    """
    whole_field = text(value)
    if whole_field is None:
        return []
    if not _SEPARATORS.search(whole_field) and "<" not in whole_field:
        return [whole_field]
    found = []
    for part in _SEPARATORS.split(whole_field):
        inner = _ANGLES.search(part)
        address = (inner.group(1) if inner else part).strip()
        if "@" in address:
            found.append(address)
    return list(dict.fromkeys(found)) or [whole_field]


def contact_points(
    email: Any, phone: Any, mobile: Any, fax: Any, website: Any
) -> list[dict[str, str]]:
    """Return all ways to reach a partner, in the order they are shown."""
    points = [{"kind": ContactPointKind.EMAIL.value, "value": item} for item in emails(email)]
    for kind, value in (("phone", phone), ("mobile", mobile), ("fax", fax), ("website", website)):
        if value and (shown := value.strip()):
            points.append({"kind": kind, "value": shown})
    return points


def lines_of_text(value: Any) -> str | None:
    """Return plain text of several lines."""
    return (value.strip() or None) if value else None


class _TextOnly(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag in ("script", "style"):
            self._hidden += 1
        elif tag in _BLOCKS:
            self.parts.append("\n- " if tag == "li" else "\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._hidden = max(0, self._hidden - 1)
        elif tag in _BLOCKS and tag not in ("br", "li"):
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data.replace("\n", " "))


def html_text(value: Any) -> str | None:
    """Return HTML as plain text: blocks become lines, tags go, entities are resolved."""
    if not value:
        return None
    parser = _TextOnly()
    parser.feed(value)
    parser.close()
    joined = "".join(parser.parts).replace("\u00a0", " ")
    tidy = "\n".join(_SPACES.sub(" ", line).strip() for line in joined.split("\n"))
    return _BLANK_LINES.sub("\n\n", tidy).strip() or None
