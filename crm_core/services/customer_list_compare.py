"""What each kind of field in a list can be asked, and the SQL that asks it.

Only what holds is put into SQL; "is not", "none" and "empty" are the opposites of "is", "any" and
"filled", so that customers without a value are among those whose value is not such and such.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Float, and_, cast, func, literal, or_, select

from crm_core.entities.user import User
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.customer_list_query import MOST_VALUES, SEVERAL, VALUELESS, Operator
from crm_core.services.settings import Settings, load_settings

TEXT, CHOICE, USER, TAGS, COUNTRY = "text", "choice", "user", "tags", "country"
NUMBER, DATE, MOMENT, YES_NO, MONEY = "number", "date", "moment", "yes_no", "money"

_O = Operator
_EQUAL = (_O.IS, _O.IS_NOT, _O.ANY, _O.NONE)
_THERE = (_O.EMPTY, _O.FILLED)
_IN_TIME = (_O.IS, _O.BEFORE, _O.AFTER, _O.BETWEEN, *_THERE)
OPERATORS: Mapping[str, tuple[Operator, ...]] = {
    TEXT: (*_EQUAL, _O.CONTAINS, _O.STARTS_WITH, *_THERE),
    CHOICE: (*_EQUAL, *_THERE),
    USER: (*_EQUAL, *_THERE),
    TAGS: (*_EQUAL, *_THERE),
    COUNTRY: (*_EQUAL, *_THERE),
    NUMBER: (_O.IS, _O.IS_NOT, _O.MORE_THAN, _O.LESS_THAN, _O.BETWEEN, *_THERE),
    DATE: _IN_TIME,
    MOMENT: _IN_TIME,
    YES_NO: (_O.IS,),
    MONEY: _THERE,
}
OPPOSITES = {_O.IS_NOT: _O.IS, _O.NONE: _O.ANY, _O.EMPTY: _O.FILLED}
ME = "me"
"""Stands for whoever looks at the list."""
LONGEST_VALUE = 500
_TODAY = re.compile(r"today(?:([+-])(\d{1,4}))?")
_YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass
class Asking:
    """Who asks, and what "today" is for them."""

    uow: UnitOfWork

    @cached_property
    def settings(self) -> Settings:
        """Of this database; read when first needed."""
        return load_settings(self.uow)

    @cached_property
    def zone(self) -> ZoneInfo:
        """Whose days count: the company's."""
        return ZoneInfo(self.settings.time_zone)

    @cached_property
    def today(self) -> date:
        """The present day there."""
        return self.uow.now.astimezone(self.zone).date()

    def day(self, text: str) -> date:
        """Return the day that ``2026-03-31``, ``today`` or ``today-30`` means; ValueError else."""
        found = _TODAY.fullmatch(text)
        if found is None:
            return date.fromisoformat(text)
        days = int(found[2] or 0)
        try:
            return self.today + timedelta(days=-days if found[1] == "-" else days)
        except OverflowError:
            raise ValueError(text) from None

    def span(self, text: str) -> tuple[datetime, datetime]:
        """Return the first moment of a day, or of a moment, and the first one after it."""
        try:
            day = self.day(text)
        except ValueError:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                raise
            return moment, moment + timedelta(microseconds=1)
        return self._midnight(day), self._midnight(day + timedelta(days=1))

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time.min, self.zone).astimezone(UTC)


def refused(field: str, title: str, message: str, **details: Any) -> InputError:
    """Return the error for a filter that does not fit its field."""
    return InputError(
        t("{field} ({title}): {message}", field=field, title=title, message=message),
        code="core.list.filter",
        details={"field": field, **details},
    )


def checked_operator(kind: str, field: str, title: str, operator: str, count: int) -> Operator:
    """Return an operator that a field of this kind knows, with as many values as it takes.

    Raises:
        InputError: It does not, or there are too many values or too few.
    """
    known = OPERATORS[kind]
    found = next((each for each in known if each == operator), None)
    if found is None:
        names = ", ".join(known)
        message = t("cannot be asked {operator!r}; ask {names}.", operator=operator, names=names)
        raise refused(field, title, message, operators=[each.value for each in known])
    if found in VALUELESS:
        fits = count == 0
    elif found is Operator.BETWEEN:
        fits = count == 2
    else:
        fits = count == 1 or (found in SEVERAL and 1 <= count <= MOST_VALUES)
    if not fits:
        message = t("{operator} does not take {count} values.", operator=found.value, count=count)
        raise refused(field, title, message)
    return found


def parsed(
    asking: Asking,
    kind: str,
    field: str,
    title: str,
    values: Sequence[str],
    choices: Sequence[str] = (),
) -> list[Any]:
    """Return the values of a filter as its kind of field holds them.

    Raises:
        InputError: One is none; the message says what one looks like.
    """
    for value in values:
        if len(value) > LONGEST_VALUE or "\x00" in value:
            message = t("takes at most {most} letters, and no NUL.", most=LONGEST_VALUE)
            raise refused(field, title, message)
    if kind == USER:
        return _users(asking, field, title, values)
    return [_parsed(asking, kind, field, title, value, choices) for value in values]


def _parsed(
    asking: Asking, kind: str, field: str, title: str, text: str, choices: Sequence[str]
) -> Any:
    try:
        if kind == CHOICE and choices:
            return next(each for each in choices if each.casefold() == text.casefold())
        if kind == COUNTRY:
            return text.upper()
        if kind == NUMBER:
            return _number(text)
        if kind == DATE:
            return asking.day(text)
        if kind == MOMENT:
            return asking.span(text)
        return _YES_NO[text.lower()] if kind == YES_NO else text
    except StopIteration:
        message = t("there is no {value!r}; choose of {choices}.", value=text, choices=choices)
    except (ValueError, KeyError, OverflowError):
        message = t("{value!r} will not do; write it like {example}.", value=text, **_LIKE[kind])
    raise refused(field, title, message, value=text, choices=list(choices))


_LIKE: Mapping[str, Mapping[str, str]] = {
    NUMBER: {"example": "12.5"},
    DATE: {"example": "2026-03-31, today, today-30"},
    MOMENT: {"example": "2026-03-31, today, today-30, 2026-03-31T12:00:00Z"},
    YES_NO: {"example": "yes, no"},
}


def _number(text: str) -> float:
    number = float(text)
    if number - number != 0:  # infinite, or none
        raise ValueError(text)
    return number


def _users(asking: Asking, field: str, title: str, logins: Sequence[str]) -> list[UUID | None]:
    wanted = sorted({login.lower() for login in logins} - {ME})
    rows = asking.uow.execute(
        select(User.id, func.lower(User.login).label("login")).where(
            func.lower(User.login).in_(wanted)
        )
    )
    known: dict[str, UUID | None] = {row.login: row.id for row in rows}
    known[ME] = asking.uow.actor.user_id
    for login in logins:
        if login.lower() not in known:
            message = t("there is no user {login!r}.", login=login)
            raise refused(field, title, message, value=login)
    return [known[login.lower()] for login in logins]


def holds(
    kind: str, expression: Any, operator: Operator, values: Sequence[Any]
) -> ColumnElement[bool]:
    """Return the SQL that an expression is as asked; ``operator`` is none of the opposites."""
    found: ColumnElement[bool]
    if operator is Operator.FILLED:
        found = expression.is_not(None)
        return found
    if kind == YES_NO:
        found = expression if values[0] else ~expression
        return found
    if kind in (DATE, MOMENT):
        return _in_time(kind, expression, operator, values)
    if kind == NUMBER:
        return _measured(expression, operator, values)
    if operator is Operator.CONTAINS:
        return or_(*(expression.like(f"%{each}%", escape="/") for each in _cases(values[0])))
    if operator is Operator.STARTS_WITH:
        return or_(*(expression.like(f"{each}%", escape="/") for each in _cases(values[0])))
    found = expression == values[0] if operator is Operator.IS else expression.in_(values)
    return found


def _in_time(
    kind: str, expression: ColumnElement[Any], operator: Operator, values: Sequence[Any]
) -> ColumnElement[bool]:
    day = timedelta(days=1)
    spans = values if kind == MOMENT else [(value, value + day) for value in values]
    found: ColumnElement[bool]
    if operator is Operator.BEFORE:
        found = expression < spans[0][0]
    elif operator is Operator.AFTER:
        found = expression >= spans[0][1]
    else:
        found = and_(expression >= spans[0][0], expression < spans[-1][1])
    return found


def _measured(
    expression: ColumnElement[Any], operator: Operator, values: Sequence[float]
) -> ColumnElement[bool]:
    number = cast(expression, Float)
    given = [literal(value, Float) for value in values]
    if operator is Operator.MORE_THAN:
        return number > given[0]
    if operator is Operator.LESS_THAN:
        return number < given[0]
    return number.between(given[0], given[-1])


def _cases(text: str) -> list[str]:
    """Return a text in the cases that it may stand in, made safe for LIKE.

    Both databases are asked the same way: SQLite's LIKE knows the cases of Latin letters alone,
    PostgreSQL's none.
    """
    escaped = re.sub(r"([/%_])", r"/\1", text)
    return list(dict.fromkeys((escaped, escaped.lower(), escaped.upper(), escaped.title())))
