"""What is done with many customers of the list at once: changes, and files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from uuid import UUID

from flask import send_file
from werkzeug.wrappers import Response

from crm_core.errors import InputError
from crm_core.messages import n, t
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.services.customer_bulk_edit import (
    BulkChanges,
    BulkReport,
    Chosen,
    edit_listed,
    edit_many,
)
from crm_core.services.customer_export import EXPORT
from crm_core.services.customer_list_export import export_list
from crm_core.services.customer_list_query import parse_list_query
from crm_web.pages.customers.area import pages
from crm_web.pages.customers.listing import back_to_list
from crm_web.sdk.request import Request

NOBODY = "-"
"""Stands for nobody in the list of owners; an empty choice leaves them."""


@pages.post("/bulk", right=CUSTOMER_VIEW)
def change_many(request: Request) -> Response:
    """Change those chosen, or all that the list shows, and say what was refused."""
    text = request.form.get("query", "")
    changes = _changes(request)
    if request.form.get("all"):
        # Transactions of its own, some hundred customers each: this request's has not begun.
        report = edit_listed(
            request.application.database, request.uow.actor, parse_list_query(text), changes
        )
    else:
        report = BulkReport()
        report.add(edit_many(request.uow, _chosen(request), changes))
    done = report.counts["done"]
    message = n("{count} customer is changed.", "{count} customers are changed.", done)
    if report.refused:
        page = request.render(
            "web/customers/refused.html",
            message=message,
            refused=report.refused,
            back=back_to_list(text),
        )
        return Response(page, mimetype="text/html")
    request.notices.append(("done", message))
    return Response(status=303, headers={"Location": back_to_list(text)})


@pages.post("/export", right=EXPORT)
def export(request: Request) -> Response:
    """Send those chosen as a file, or where none are, just what the list shows."""
    query = parse_list_query(request.form.get("query", ""))
    kind = request.form.get("format", "csv")
    if kind not in ("csv", "xlsx", "vcf"):
        raise InputError(t("Choose CSV, Excel or vCard."), code="core.export.format")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"customers.{kind}"
        is_whole = "chosen" not in request.form
        only = None if is_whole else [each.customer_id for each in _chosen(request)]
        export_list(
            request.application.database, request.uow.actor, query, path, format=kind, only=only
        )
        stream = path.open("rb")  # stays readable once the folder is gone
    return send_file(stream, as_attachment=True, download_name=path.name)


def _chosen(request: Request) -> list[Chosen]:
    chosen = []
    for told in request.form.getlist("chosen"):
        key, _, version = told.partition(":")
        try:
            chosen.append(Chosen(UUID(key), int(version) if version else None))
        except ValueError:
            raise InputError(
                t("What was chosen is damaged: load the list again."), code="web.chosen"
            ) from None
    if not chosen:
        raise InputError(t("Choose some customers first."), code="web.none_chosen")
    return chosen


def _changes(request: Request) -> BulkChanges:
    owner = request.form.get("owner") or None
    archive = {"archive": True, "restore": False}.get(request.form.get("archive", ""))
    return BulkChanges(
        owner="" if owner == NOBODY else owner,
        stage=request.form.get("stage") or None,
        add_tags=_names(request.form.get("add_tags", "")),
        remove_tags=_names(request.form.get("remove_tags", "")),
        archive=archive,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.replace("،", ",").split(",") if name.strip())
