r"""What a list of customers is asked for: as data, and as the text of a link.

::

    owner=me&stage=any:prospect,active&city=Athens&sort=-created&columns=name,city

Each part is ``field=value``, or ``field=operator:value`` for anything but "is". Operators that take
several values have them separated by commas; a comma within one is written ``\,``. Besides fields
there are ``q`` (free text), ``sort`` (a minus in front for the greatest first) and ``columns``.
Whether there is such a field, and what it can be asked, is checked where the list is read
(``crm_core.services.customer_list_fields``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl, quote, urlencode

from crm_core.errors import InputError
from crm_core.messages import t

MOST_LETTERS = 8_000
MOST_FILTERS = 40
MOST_VALUES = 200
TEXT, SORT, COLUMNS = "q", "sort", "columns"


class Operator(StrEnum):
    """How a field is compared."""

    IS = "is"
    IS_NOT = "is_not"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ANY = "any"
    NONE = "none"
    EMPTY = "empty"
    FILLED = "filled"
    BEFORE = "before"
    AFTER = "after"
    BETWEEN = "between"
    MORE_THAN = "more_than"
    LESS_THAN = "less_than"


SEVERAL = frozenset({Operator.ANY, Operator.NONE, Operator.BETWEEN})
"""Operators that take a list of values."""
VALUELESS = frozenset({Operator.EMPTY, Operator.FILLED})
_PREFIX = re.compile(rf"({'|'.join(sorted(Operator, key=len, reverse=True))}):(.*)", re.DOTALL)
_PART = re.compile(r"((?:\\.|[^\\,])*)(?:,|$)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ListFilter:
    """One condition: ``ListFilter("stage", "any", ("prospect", "active"))``.

    Attributes:
        field: Name of a field of the list.
        operator: A value of ``Operator``.
        values: As text, such as a link holds; none for ``empty`` and ``filled``.
    """

    field: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a list is asked for.

    Attributes:
        filters: All of them must hold.
        text: Free text, found as the search does.
        sort: A field, with a minus in front for the greatest first; None for the name.
        columns: What to show, in order; none for the columns that everybody begins with.
    """

    filters: tuple[ListFilter, ...] = ()
    text: str | None = None
    sort: str | None = None
    columns: tuple[str, ...] = ()


def parse_list_query(text: str) -> ListQuery:
    """Return the query that the text of a link means; see the module.

    Raises:
        InputError: It is too long, or a part of it is none.
    """
    if len(text) > MOST_LETTERS:
        raise InputError(
            t("A list's link has at most {most} characters.", most=MOST_LETTERS),
            code="core.list.too_long",
        )
    try:
        pairs = parse_qsl(text.removeprefix("?"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise InputError(
            t("The list's link is damaged: it holds what is no text."), code="core.list.damaged"
        ) from None
    return list_query(pairs)


def list_query(pairs: Iterable[tuple[str, str]]) -> ListQuery:
    """Return the query that the arguments of a link or form mean; blank ones count for nothing.

    Raises:
        InputError: There are too many, or one of them lacks its values.
    """
    filters: list[ListFilter] = []
    others: dict[str, str] = {}
    for name, value in pairs:
        if not value:
            continue
        if name in (TEXT, SORT, COLUMNS):
            others[name] = value
        else:
            filters.append(_filter(name, value))
    if len(filters) > MOST_FILTERS:
        raise InputError(
            t("A list takes at most {most} filters.", most=MOST_FILTERS),
            code="core.list.too_many_filters",
        )
    columns = tuple(name for name in others.get(COLUMNS, "").split(",") if name)
    return ListQuery(tuple(filters), others.get(TEXT), others.get(SORT), columns)


def list_text(query: ListQuery) -> str:
    """Return the text of a query for a link; :func:`parse_list_query` gives the query back."""
    pairs = [(each.field, _value(each)) for each in query.filters]
    for name, value in (
        (TEXT, query.text),
        (SORT, query.sort),
        (COLUMNS, ",".join(query.columns)),
    ):
        if value:
            pairs.append((name, value))
    return urlencode(pairs, safe=":,@/", quote_via=quote)


def _filter(field: str, text: str) -> ListFilter:
    found = _PREFIX.fullmatch(text)
    if found is None:
        return ListFilter(field, Operator.IS.value, (text,))
    operator, rest = found[1], found[2]
    if operator in VALUELESS:
        values: tuple[str, ...] = ()
    elif operator in SEVERAL:
        values = tuple(_parts(rest))
    else:
        values = (rest,)
    return ListFilter(field, operator, values)


def _value(each: ListFilter) -> str:
    if each.operator in SEVERAL:
        text = ",".join(re.sub(r"([\\,])", r"\\\1", value) for value in each.values)
    else:
        text = "".join(each.values)
    if each.operator == Operator.IS and not _PREFIX.fullmatch(text):
        return text
    return f"{each.operator}:{text}"


def _parts(text: str) -> Iterable[str]:
    place = 0
    while text and place <= len(text):
        found = _PART.match(text, place)
        if found is None:  # a single backslash at the end
            yield text[place:]
            return
        yield _ESCAPED.sub(r"\1", found[1])
        if found.end() == len(text) and not found[0].endswith(","):
            return
        if found.end() == len(text) and found.end(1) < found.end():
            yield ""
            return
        place = found.end()
