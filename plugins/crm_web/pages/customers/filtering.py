"""Filters of the list: as chips that people read, and as forms that make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from flask import url_for

from crm_core.errors import InputError
from crm_core.messages import Message, n, p, say, t
from crm_core.services.customer_list import ListColumnInfo
from crm_core.services.customer_list_compare import ME
from crm_core.services.customer_list_query import (
    SEVERAL,
    VALUELESS,
    ListFilter,
    ListQuery,
    Operator,
    list_text,
)
from crm_web.sdk.request import Request
from crm_web.shown import place

O = Operator  # noqa: E741
WORDS: Mapping[str, Message] = {
    O.IS: p("filter", "is"),
    O.IS_NOT: p("filter", "is not"),
    O.CONTAINS: p("filter", "contains"),
    O.STARTS_WITH: p("filter", "begins with"),
    O.ANY: p("filter", "is one of"),
    O.NONE: p("filter", "is none of"),
    O.EMPTY: p("filter", "is empty"),
    O.FILLED: p("filter", "is filled in"),
    O.BEFORE: p("filter", "is before"),
    O.AFTER: p("filter", "is after"),
    O.BETWEEN: p("filter", "is between"),
    O.MORE_THAN: p("filter", "is more than"),
    O.LESS_THAN: p("filter", "is less than"),
}
DAYS = (7, 30, 90, 365)
"""The last so many, offered for dates and moments."""
IN_TIME = frozenset({"date", "moment"})
CHOSEN = frozenset({"choice", "user", "tags", "country", "yes_no"})
YES_NO = (("yes", p("filter", "yes")), ("no", p("filter", "no")))


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter as people read it.

    Attributes:
        without: Address of the list without it.
        change: Address of the list with the form to change it.
    """

    title: str
    operator: str
    values: Sequence[str]
    without: str
    change: str


@dataclass(frozen=True, slots=True)
class FilterForm:
    """The form for one filter.

    Attributes:
        kind: Of the field.
        operators: ``(word, what people read)`` pairs.
        options: What can be chosen, as ``(value, title)`` pairs.
        rest: The list's query without this filter, as the text of a link.
    """

    field: str
    title: str
    kind: str
    operators: Sequence[tuple[str, str]]
    options: Sequence[tuple[str, str]]
    operator: str
    values: Sequence[str]
    rest: str


def address(query: ListQuery, **more: Any) -> str:
    """Return the address of the list that a query asks for."""
    text = list_text(query)
    base = url_for("customers.customers", **more)
    joint = "&" if "?" in base else "?"
    # An empty query would lead to the view that one begins with.
    return f"{base}{joint}{text or 'sort=name'}"


def chips_of(
    query: ListQuery,
    columns: Mapping[str, ListColumnInfo],
    titles: Mapping[str, Mapping[str, str]],
) -> list[Chip]:
    """Return the filters of a query as chips.

    Args:
        query: What is asked.
        columns: Fields by name.
        titles: Field to what people read for its values, where more is known than its choices.
    """
    chips = []
    for index, each in enumerate(query.filters):
        column = columns.get(each.field)
        rest = replace(query, filters=query.filters[:index] + query.filters[index + 1 :])
        operator = say(WORDS.get(each.operator, each.operator))
        values = [_read(column, titles.get(each.field, {}), value) for value in each.values]
        if each.operator == O.AFTER and values and each.values[0].startswith("today-"):
            days = each.values[0].removeprefix("today-")
            if days.isdecimal() and len(days) < 10:
                operator, values = say(_last(int(days))), []
        chips.append(
            Chip(
                column.title if column else each.field,
                operator,
                values,
                address(rest),
                address(query, add=each.field, edit=index),
            )
        )
    return chips


def _read(column: ListColumnInfo | None, titles: Mapping[str, str], value: str) -> str:
    if column is None:
        return value
    known = dict(YES_NO) if column.kind == "yes_no" else dict(column.choices)
    if column.kind == "user" and value == ME:
        return say(t("me"))
    if column.kind in IN_TIME:
        return _day(value)
    return say(known.get(value) or titles.get(value) or value)


def _day(value: str) -> str:
    try:
        return place().day(date.fromisoformat(value)) or value
    except ValueError:
        return value


def _last(days: int) -> Message:
    return n("within the last day", "within the last {count} days", days)


def form_for(
    request: Request,
    query: ListQuery,
    column: ListColumnInfo,
    options: Sequence[tuple[str, str]],
) -> FilterForm:
    """Return the form for a filter on a field; of the filter at ``edit``, when it is told."""
    edited, present = request.args.get("edit", ""), None
    for index, each in enumerate(query.filters):
        if edited == str(index):
            present = each
            query = replace(query, filters=query.filters[:index] + query.filters[index + 1 :])
            break
    operators = [(word, say(WORDS[word])) for word in column.operators]
    if column.kind in CHOSEN:  # to be one of several is asked by choosing several
        operators = [pair for pair in operators if pair[0] not in (O.ANY, O.NONE)]
    if column.kind in IN_TIME:
        operators[:0] = [(f"{O.AFTER}:today-{days}", say(_last(days))) for days in DAYS]
    if column.kind == "user":
        options = [(ME, say(t("me"))), *options]
    operator = present.operator if present else operators[0][0]
    if present and present.operator in (O.ANY, O.NONE) and column.kind in CHOSEN:
        operator = O.IS if present.operator == O.ANY else O.IS_NOT
    return FilterForm(
        column.name,
        column.title,
        column.kind,
        operators,
        [(value, say(title)) for value, title in options],
        operator,
        present.values if present else (),
        list_text(query),
    )


def made_filter(field: str, kind: str, operator: str, values: Sequence[str]) -> ListFilter | None:
    """Return the filter that a form asks for; None where nothing was filled in.

    Raises:
        InputError: One end of a range is not filled in.
    """
    given = tuple(value.strip() for value in values if value.strip())
    operator, _, fixed = operator.partition(":")
    if fixed:
        given = (fixed,)
    if operator in VALUELESS:
        return ListFilter(field, operator)
    if not given:
        return None
    if operator == O.BETWEEN and len(given) == 1 and not fixed:
        raise InputError(
            t("Fill in both ends of the range, or ask for what is beyond one."),
            code="web.filter.range",
        )
    if len(given) > 1 and operator not in SEVERAL:
        if kind in CHOSEN:
            operator = {O.IS: O.ANY, O.IS_NOT: O.NONE}.get(operator, operator)  # type: ignore[call-overload]
        # The second end of a range that is none any more was sent along unseen.
        given = given if operator in SEVERAL else given[:1]
    if kind == "number":
        given = tuple(map(place().typed_number, given))
    return ListFilter(field, str(operator), given)
