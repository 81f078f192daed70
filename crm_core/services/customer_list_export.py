"""Writing just what a list shows to a file: the same customers, columns and order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from crm_core.access import Actor
from crm_core.messages import say, t
from crm_core.persistence.bulk import PARAMETERS
from crm_core.persistence.database import Database
from crm_core.persistence.paging import MAXIMUM_LIMIT
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.customer_export import (
    Progress,
    Rows,
    checked_format,
    exporting,
    write_export,
)
from crm_core.services.customer_list import list_page, listed_ids
from crm_core.services.customer_list_query import ListQuery, list_text
from crm_core.services.customer_rows import rows_of
from crm_core.services.places import place_of
from crm_core.services.settings import load_settings

TAGS_APART = "; "


def export_list(
    database: Database,
    actor: Actor,
    query: ListQuery,
    out_path: Path,
    *,
    format: str | None = None,
    only: Sequence[UUID] | None = None,
    on_progress: Progress = lambda done: None,
) -> int:
    """Write what a query lists, as far as the actor may export it, to a file; return how many.

    CSV and Excel hold what the list shows: the columns under their titles and what is chosen by
    its title, in the reader's language, moments in the reader's time zone. A vCard holds all there
    is of a customer, as every export does. Customers are read a thousand at a time.

    Args:
        database: From which.
        actor: Whose scope counts; stands in the audit.
        query: Filters, text, order and columns.
        out_path: The file; one that is there is replaced when all went well.
        format: ``csv``, ``xlsx`` or ``vcf``; None goes by the file's ending.
        only: Of the list just these, if any are given.
        on_progress: Called with the number of customers done.

    Raises:
        InputError: The query cannot be asked, or the customers do not fit the format.
        PermissionDeniedError: The actor may not export.
        ConfigurationError: The file cannot be written.
    """
    reader = exporting(actor)
    chosen = checked_format(out_path, format)
    text = list_text(query)
    if chosen == "vcf":
        rows = _whole(database, reader, query, only)
        return write_export(database, actor, out_path, chosen, [], rows, on_progress, text)
    with unit_of_work(database, actor=reader) as uow:
        columns = list_page(uow, query, limit=1).columns
        zone = place_of(uow, load_settings(uow)).zone
    headings = _distinct({column.name: say(column.title) for column in columns})
    told = {
        column.name: {value: say(title) for value, title in column.choices} for column in columns
    }
    rows = _shown(database, reader, query, headings, told, zone, only)
    names = list(headings.values())
    return write_export(database, actor, out_path, chosen, names, rows, on_progress, text)


def _shown(
    database: Database,
    actor: Actor,
    query: ListQuery,
    headings: Mapping[str, str],
    told: Mapping[str, Mapping[Any, str]],
    zone: ZoneInfo,
    only: Sequence[UUID] | None,
) -> Rows:
    cursor: str | None = None
    while True:
        with unit_of_work(database, actor=actor) as uow:
            page = list_page(uow, query, limit=MAXIMUM_LIMIT, cursor=cursor, only=only)
        for item in page.items:
            cells = {
                heading: cell(item[name], zone, told[name]) for name, heading in headings.items()
            }
            yield item["id"], cells
        cursor = page.next_cursor
        if cursor is None:
            return


def _whole(database: Database, actor: Actor, query: ListQuery, only: Sequence[UUID] | None) -> Rows:
    after: UUID | None = None
    while True:
        with unit_of_work(database, actor=actor) as uow:
            ids = listed_ids(uow, query, after=after, limit=PARAMETERS, only=only)
            rows = rows_of(uow, ids)
        yield from rows
        if len(ids) < PARAMETERS:
            return
        after = ids[-1]


def cell(value: Any, zone: ZoneInfo, titles: Mapping[Any, str]) -> str:
    """Return a value of the list as text for a table; of those that are chosen, its title."""
    if isinstance(value, str):
        return titles.get(value, value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return say(t("yes") if value else t("no"))
    if isinstance(value, datetime):
        return value.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return TAGS_APART.join(_part(each) for each in value)
    return str(value)


def _part(each: Any) -> str:
    if isinstance(each, Mapping):  # money
        amount = each["open_amount"]
        cents = round(amount, 2)
        return f"{cents if cents == amount else amount} {each['currency_code']}"
    return str(each)


def _distinct(titles: Mapping[str, str]) -> dict[str, str]:
    """Return the heading of each column; of two with one title, the later says its name too."""
    seen: set[str] = set()
    found = {}
    for name, title in titles.items():
        found[name] = f"{title} ({name})" if title in seen else title
        seen.add(title)
    return found
