"""Printing: data to stdout, notes and progress to stderr, nothing from outside left live.

Text that came from outside (a customer's name) must not steer the terminal, so every string passes
through :func:`inert`. Rich is imported only when something is drawn on a terminal.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol
from uuid import UUID

import click

from crm_core.cli.pace import Pace
from crm_core.messages import joined, say, t

LIVE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control and escape characters, and marks that reorder the text around them."""
LIVE_IN_JSON = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
PLAIN_PROGRESS_SECONDS = 5.0


class Advance(Protocol):
    """Told how far long work has come."""

    def __call__(self, done: int, total: int | None, stage: str = "") -> None:
        """Say how much is done, of how much (None: not known), in which stage of the work."""


def inert(value: Any, *, lines: bool = False) -> str:
    """Return ``value`` as text that cannot steer a terminal.

    Args:
        value: Anything; None becomes empty text.
        lines: Keep line breaks; otherwise they become blanks.
    """
    text = "" if value is None else _words(value)
    if lines:
        return "\n".join(LIVE.sub("", line) for line in text.split("\n"))
    return LIVE.sub("", re.sub(r"[\t\r\n\u2028\u2029]+", " ", text))


def json_text(value: Any) -> str:
    """Return ``value`` as JSON on one line, with nothing in it that steers a terminal."""
    text = json.dumps(value, ensure_ascii=False, default=_plain)
    return LIVE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset | tuple | Sequence):
        return list(value)
    return str(value)


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return say(t("yes") if value else t("no"))
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M")
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    return say(value) if isinstance(value, str) else str(value)


def width(text: str) -> int:
    """Return how many columns ``text`` takes on a terminal."""
    return sum(
        0
        if unicodedata.category(char) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(char) in "WF"
        else 1
        for char in text
    )


class Output:
    """Prints for one command.

    Args:
        as_json: Whether data is printed as JSON instead of for people.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def data(self, schema: str, data: Any, draw: Callable[[], object]) -> None:
        """Print a command's result.

        Args:
            schema: Name and version of the JSON form: ``customer.show/1``.
            data: Plain values, dataclasses, UUIDs, times, decimals.
            draw: Prints the same for people, by ``line``, ``fields`` and ``table``.
        """
        if self.as_json:
            click.echo(json_text({"schema": schema, "data": data}))
        else:
            draw()

    def page(
        self,
        schema: str,
        items: Sequence[Mapping[str, Any]],
        next_cursor: str | None,
        columns: Mapping[str, str],
        words: Mapping[str, Callable[[Mapping[str, Any]], str]] | None = None,
    ) -> None:
        """Print one page of a list.

        Args:
            schema: Name and version of the JSON form: ``customer.list/1``.
            items: Each with its ``id``.
            next_cursor: What ``--cursor`` takes for the next page; None on the last.
            columns: Key in an item to the heading people see, for the columns people see.
            words: Key in an item to what people see there, made of the item, where that differs.
        """
        made = words or {}

        def cell(item: Mapping[str, Any], key: str) -> Any:
            return made[key](item) if key in made else item[key]

        def draw() -> None:
            cells = [[cell(item, key) for key in columns] for item in items]
            self.table(list(columns.values()), cells)
            if next_cursor:
                self.note(t("There is more: add --cursor {next_cursor}", next_cursor=next_cursor))

        self.data(schema, {"items": items, "next_cursor": next_cursor}, draw)

    def line(self, text: Any = "", mark: str = "", colour: str | None = None) -> None:
        """Print one line of data, with a coloured mark before it where one is given."""
        if mark:
            click.echo(f"{click.style(mark, fg=colour) if self.colour else mark} {inert(text)}")
        else:
            click.echo(inert(text))

    def heading(self, text: str) -> None:
        """Print a heading, with an empty line before it."""
        click.echo()
        click.echo(click.style(inert(text), bold=True) if self.colour else inert(text))

    def fields(self, pairs: Sequence[tuple[str, Any]], *, indent: int = 0) -> None:
        """Print names and values, one a line, leaving out values that are None or empty."""
        shown = [(inert(name), inert(value, lines=True)) for name, value in pairs if _given(value)]
        broad = max((width(name) for name, _ in shown), default=0)
        for name, value in shown:
            head = " " * indent + name + " " * (broad - width(name) + 2)
            first, *rest = value.split("\n")
            click.echo(head + first)
            for line in rest:
                click.echo(" " * (indent + broad + 2) + line)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Print rows in columns; drawn on a terminal, plain elsewhere."""
        headings = [inert(heading) for heading in headings]
        cells = [[inert(value) for value in row] for row in rows]
        if not cells:
            self.note(t("Nothing found."))
        elif self.colour:
            self._draw_table(headings, cells)
        else:
            self._print_table([headings, *cells])

    def _draw_table(self, headings: Sequence[str], cells: list[list[str]]) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table

        table = Table(*map(escape, headings), box=SIMPLE_HEAD, pad_edge=False)
        for row in cells:
            table.add_row(*map(escape, row))
        Console(highlight=False, emoji=False).print(table)

    def _print_table(self, rows: list[list[str]]) -> None:
        widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            padded = (text + " " * (w - width(text)) for text, w in zip(row, widths, strict=True))
            click.echo("  ".join(padded).rstrip())

    def note(self, text: str) -> None:
        """Tell people something that is not data: on stderr."""
        click.echo(inert(text, lines=True), err=True)

    def warn(self, text: str) -> None:
        """Tell people of something they should look at: on stderr."""
        click.echo(inert(t("Warning: {text}", text=text), lines=True), err=True)

    @contextmanager
    def progress(self, title: str) -> Iterator[Advance]:
        """Show how far long work has come, on stderr.

        Yields:
            A function to be told the number done and the number there is.
        """
        if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
            with _bar(title) as advance:
                yield advance
        else:
            yield _plain_progress(title, self.note)


def _given(value: Any) -> bool:
    return value not in (None, "", [])


@contextmanager
def _bar(title: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    more = (TextColumn("{task.fields[pace]}"), TimeElapsedColumn())
    pace = Pace()
    with Progress(*columns, *more, console=Console(stderr=True)) as progress:
        task = progress.add_task(escape(inert(title)), total=None, pace="")

        def advance(done: int, total: int | None, stage: str = "") -> None:
            label = escape(inert(_label(title, stage)))
            words = inert(pace.words(done, total, stage))
            progress.update(task, description=label, completed=done, total=total, pace=words)

        yield advance


def _plain_progress(title: str, note: Callable[[str], None]) -> Advance:
    told_at, pace = time.monotonic(), Pace()

    def advance(done: int, total: int | None, stage: str = "") -> None:
        nonlocal told_at
        words = pace.words(done, total, stage)
        if time.monotonic() - told_at >= PLAIN_PROGRESS_SECONDS:
            told_at = time.monotonic()
            so_far = t("{done} of {total}", done=done, total=total) if total is not None else done
            told = t("{work}: {so_far}", work=_label(title, stage), so_far=so_far)
            note(joined(filter(None, (told, words)), ", "))

    return advance


def _label(title: str, stage: str) -> str:
    return joined(filter(None, (title, stage)))
