"""The list of customers: its columns, filters, order and pages; the query string is the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flask import url_for
from werkzeug.wrappers import Response

from crm_core.errors import InputError
from crm_core.messages import n, say, t
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.services import customers as customers_service
from crm_core.services import ownership, tags
from crm_core.services.customer_export import EXPORT
from crm_core.services.customer_list import (
    DEFAULT_COLUMNS,
    DEFAULT_SORT,
    ListColumnInfo,
    ListCount,
    count_listed,
    list_columns,
    list_options,
    list_page,
)
from crm_core.services.customer_list_fields import PROFILE
from crm_core.services.customer_list_query import (
    ListFilter,
    ListQuery,
    list_query,
    list_text,
    parse_list_query,
)
from crm_core.services.saved_views import list_views
from crm_web.pages.customers.area import pages
from crm_web.pages.customers.filtering import CHOSEN, address, chips_of, form_for, made_filter
from crm_web.pages.customers.profile import shown_value
from crm_web.pages.customers.reach import link_of
from crm_web.sdk.pages import Menu
from crm_web.sdk.request import Request

LIST_PAGE = "web/customers/list.html"
OWN = frozenset({"cursor", "before", "add", "edit"})
"""Arguments of the page that are no part of the query."""
MOST_OPTIONS = 500
MOST_BEFORE = 20
"""Pages that an address leads back over one by one."""


def query_of(request: Request) -> ListQuery:
    """Return what the address asks for."""
    pairs = request.args.items(multi=True)
    return list_query((name, value) for name, value in pairs if name not in OWN)


@pages.get("/", right=CUSTOMER_VIEW, menu=Menu(t("Customers"), icon="people", position=20))
def customers(request: Request) -> Response | str:
    """Show the list."""
    views = list_views(request.uow)
    if not request.args:
        chosen = next((view for view in views if view["is_default"]), None)
        if chosen:
            return _sent_to(address(parse_list_query(chosen["query"])))
    query = query_of(request)
    columns = {each.name: each for each in list_columns(request.uow)}
    users = list_options(request.uow, "owner", limit=MOST_OPTIONS)
    context = _around(request, query, columns, views) | {"users": users}
    context["chips"] = chips_of(query, columns, {"owner": dict(users)})
    try:
        page = list_page(request.uow, query, cursor=request.args.get("cursor") or None)
        count = count_listed(request.uow, query)
    except InputError as error:
        return request.refuse(LIST_PAGE, error.http_status, error=error, page=None, **context)
    _tell_profile(page.columns, page.items)
    return request.render(
        LIST_PAGE,
        error=None,
        page=page,
        count=_counted(count),
        headings=_headings(query, page.columns),
        titles={each.name: dict(each.choices) for each in page.columns},
        link_of=link_of,
        older=page.next_cursor and address(query, cursor=page.next_cursor, before=_walked(request)),
        newer=_newer(request, query),
        **context,
    )


def _around(
    request: Request,
    query: ListQuery,
    columns: Mapping[str, ListColumnInfo],
    views: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Return what stands around the list, whether it can be shown or not."""
    actor = request.uow.actor
    adding = columns.get(request.args.get("add", ""))
    form = None
    if adding is not None and adding.operators:
        options = (
            list_options(request.uow, adding.name) if adding.kind in CHOSEN - {"yes_no"} else ()
        )
        form = form_for(request, query, adding, options)
    return {
        "query_text": list_text(query),
        "text": query.text or "",
        "filterable": [each for each in columns.values() if each.operators],
        "filter_form": form,
        "tabs": _tabs(query, views),
        "here": address(query),
        "plain": address(replace(query, filters=(), text=None)),
        "may": {
            "create": actor.may(customers_service.CREATE),
            "export": actor.may(EXPORT),
            "assign": actor.may(ownership.ASSIGN),
            "edit": actor.may(tags.EDIT),
            "archive": actor.may(customers_service.ARCHIVE),
        },
    }


def _tabs(query: ListQuery, views: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the views as tabs; the one that the address asks for is open."""
    mine = ListQuery(filters=(ListFilter("owner", "is", ("me",)),))
    offered: list[tuple[str, ListQuery, dict[str, Any] | None]] = [
        (t("All"), ListQuery(), None),
        (t("Mine"), mine, None),
        *((view["name"], parse_list_query(view["query"]), view) for view in views),
    ]
    present = _settled(query)
    return [
        {"name": name, "view": view, "address": address(of), "is_open": _settled(of) == present}
        for name, of, view in offered
    ]


def _settled(query: ListQuery) -> ListQuery:
    """Return a query with what counts where nothing is said."""
    return replace(query, sort=query.sort or DEFAULT_SORT, columns=query.columns or DEFAULT_COLUMNS)


def _headings(query: ListQuery, shown: Sequence[ListColumnInfo]) -> list[dict[str, Any]]:
    """Return the columns with where a click on each leads."""
    present = query.sort or DEFAULT_SORT
    told = []
    for column in shown:
        is_up, is_down = present == column.name, present == f"-{column.name}"
        following = f"-{column.name}" if is_up else column.name
        told.append(
            {
                "column": column,
                "address": address(replace(query, sort=following)) if column.is_sortable else None,
                "order": "ascending" if is_up else "descending" if is_down else None,
            }
        )
    return told


def _tell_profile(columns: Sequence[ListColumnInfo], items: Sequence[dict[str, Any]]) -> None:
    """Put what people read in place of profile values as they are kept."""
    for column in columns:
        if column.name.startswith(PROFILE):
            kind = "boolean" if column.kind == "yes_no" else column.kind
            for item in items:
                if item[column.name]:
                    item[column.name] = shown_value(kind, item[column.name])


def _newer(request: Request, query: ListQuery) -> str | None:
    """Return the address of the page before; the first, where more pages lie before than told."""
    if not request.args.get("cursor"):
        return None
    *before, last = request.args.getlist("before") or [""]
    return address(query, cursor=last or None, before=before)


def _walked(request: Request) -> list[str]:
    """Return the cursors of the pages up to this one; the first page has an empty one."""
    return [*request.args.getlist("before"), request.args.get("cursor", "")][-MOST_BEFORE:]


def _counted(count: ListCount) -> str:
    if count.is_more:
        return say(t("more than {count:,} customers", count=count.number))
    return say(n("{count:,} customer", "{count:,} customers", count.number))


@pages.get("/text", right=CUSTOMER_VIEW)
def add_text(request: Request) -> Response:
    """Lead to the list of those in which a text is found."""
    query = parse_list_query(request.args.get("rest", ""))
    return _sent_to(address(replace(query, text=request.args.get("q", "").strip() or None)))


@pages.get("/filter", right=CUSTOMER_VIEW)
def add_filter(request: Request) -> Response:
    """Lead to the list with one filter more."""
    query = parse_list_query(request.args.get("rest", ""))
    field = request.args.get("field", "")
    kinds = {each.name: each.kind for each in list_columns(request.uow)}
    added = made_filter(
        field,
        kinds.get(field, ""),
        request.args.get("operator", ""),
        request.args.getlist("value"),
    )
    filters = (*query.filters, added) if added else query.filters
    return _sent_to(address(replace(query, filters=filters)))


@pages.get("/columns", right=CUSTOMER_VIEW)
def columns(request: Request) -> str:
    """Show the form to choose columns and their order."""
    text = request.args.get("rest", "")
    query = parse_list_query(text)
    known = {each.name: each for each in list_columns(request.uow)}
    chosen = [name for name in query.columns or DEFAULT_COLUMNS if name in known]
    others = [name for name in known if name not in chosen]
    offered = [(known[name], name in chosen) for name in (*chosen, *others)]
    return request.render("web/customers/columns.html", offered=offered, rest=text)


@pages.get("/columns/chosen", right=CUSTOMER_VIEW)
def choose_columns(request: Request) -> Response:
    """Lead to the list with the columns chosen."""
    query = parse_list_query(request.args.get("rest", ""))
    chosen = tuple(dict.fromkeys(request.args.getlist("column")))
    return _sent_to(address(replace(query, columns=() if chosen == DEFAULT_COLUMNS else chosen)))


def _sent_to(path: str) -> Response:
    return Response(status=303, headers={"Location": path})


def back_to_list(text: str) -> str:
    """Return the address of the list for the text of a query that a form carries."""
    try:
        return address(parse_list_query(text))
    except InputError:
        return url_for("customers.customers")
