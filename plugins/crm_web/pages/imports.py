"""Importing customers: upload, map the columns, try, import, undo."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO, cast
from uuid import UUID

from flask import g, make_response, send_file
from werkzeug.wrappers import Response

from crm_core.entities.import_job import IMPORT
from crm_core.errors import CrmError, InputError, NotFoundError
from crm_core.messages import t
from crm_core.services.attachments import KeptBytes, keep_bytes, path_of
from crm_core.services.customer_columns import (
    COMPANY,
    CONTACT_KINDS,
    FIELDS,
    MAIN_FIELDS,
    OTHER_FIELDS,
    OTHER_USES,
    OWNER,
    PROFILE,
    TAGS,
    address_column,
    contact_column,
)
from crm_core.services.customer_matching import MATCH_KEYS
from crm_core.services.import_jobs import (
    faults_path,
    list_imports,
    preview_import,
    queue_again,
    queue_import,
    show_import,
    stop_import,
)
from crm_core.services.import_undo import ask_undo
from crm_core.services.profile import list_attributes
from crm_core.services.workers import last_sign
from crm_web.labels import label
from crm_web.sdk.pages import Menu, Pages
from crm_web.sdk.request import Request
from crm_web.services.sessions import csrf_matches, csrf_token

pages = Pages("imports", __name__, title="Import", prefix="/imports")
GOING = ("waiting", "running", "to_undo", "undoing")
ENDINGS = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".xls", ".ods")
CONTACTS_OF_A_KIND = 3


@pages.get("/", right=IMPORT, menu=Menu(t("Import"), icon="import", position=55))
def imports(request: Request) -> str:
    """List the imports, with the form to begin one."""
    return _listed(request)


def _listed(request: Request, error: str = "") -> str:
    page = list_imports(request.uow, limit=30, cursor=request.args.get("cursor"))
    return request.render("web/imports/list.html", page=page, going=GOING, error=error)


@pages.post("/upload", right=IMPORT)
def upload(request: Request) -> Response:
    """Keep a file, and go on to what its columns mean."""
    sent = request.files.get("file")
    name = PurePosixPath(PureWindowsPath((sent.filename if sent else "") or "").name).name[:200]
    if sent is None or not name or Path(name).suffix.lower() not in ENDINGS:
        told = t("Choose a CSV or Excel file.")
        return make_response(_listed(request, told), 422)
    stream = cast("BinaryIO", sent.stream)
    kept = keep_bytes(request.application.config.files_folder, stream)
    return request.to("imports.columns", **_named(kept, name))


def _named(kept: KeptBytes, name: str) -> dict[str, Any]:
    """Return what tells a page of this browser which file is meant, and that it was sent here."""
    about = f"{kept.sha256} {kept.size_bytes} {name}"
    mark = csrf_token(g.cookie_token, f"import:{about}")
    return {"sha": kept.sha256, "size": kept.size_bytes, "file": name, "mark": mark}


def _meant(given: Any) -> tuple[KeptBytes, str]:
    """Return the file that :func:`_named` told of; of nobody else's, whatever they send."""
    sha, size, name = given.get("sha", ""), given.get("size", ""), given.get("file", "")
    if not csrf_matches(g.cookie_token, given.get("mark", ""), f"import:{sha} {size} {name}"):
        raise NotFoundError(
            t("This file is not known any more: upload it again."), code="web.import.unknown"
        )
    return KeptBytes(sha, int(size)), name


@pages.get("/columns", right=IMPORT)
def columns(request: Request) -> Response:
    """Show the first rows of a file, and what each column means."""
    kept, name = _meant(request.args)
    return _mapping(request, kept, name)


def _mapping(
    request: Request, kept: KeptBytes, name: str, error: CrmError | None = None
) -> Response:
    try:
        with _as_file(request, kept, name) as path:
            preview = preview_import(request.uow, path)
    except InputError as told:
        return make_response(_listed(request, told.message), told.http_status)
    form = request.form
    chosen = {
        heading: form.get(f"column-{number}", preview.columns[heading])
        for number, heading in enumerate(preview.headings)
    }
    page = request.render(
        "web/imports/columns.html",
        preview=preview,
        chosen=chosen,
        choices=_choices(request),
        match=form.getlist("match") if form else MATCH_KEYS,
        keys=MATCH_KEYS,
        about=_named(kept, name),
        error=error.message if error else "",
    )
    return make_response(page, error.http_status if error else 200)


@contextmanager
def _as_file(request: Request, kept: KeptBytes, name: str) -> Iterator[Path]:
    """Give a kept file under its own name, whose ending tells what it is."""
    source = path_of(request.application.config.files_folder, kept.sha256)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"import{Path(name).suffix.lower()}"
        path.symlink_to(source.resolve())
        yield path


def _choices(request: Request) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what a column may mean, in groups: its name and what people read."""
    own = [(name, label(name, "field")) for name in (*FIELDS, OWNER, TAGS, COMPANY)]
    contacts = []
    for kind in CONTACT_KINDS:
        for place in range(CONTACTS_OF_A_KIND):
            text = label(kind, "contact")
            told = text if place == 0 else f"{text} {place + 1}"
            contacts.append((contact_column(kind, place).name, told))
    groups: list[tuple[str, list[tuple[str, str]]]] = [
        (t("Customer"), own),
        (t("Ways to reach them"), contacts),
        (t("Main address"), [(name, label(name, "field")) for name in MAIN_FIELDS]),
    ]
    for use in OTHER_USES:
        fields = [(address_column(use, n).name, label(n, "field")) for n in OTHER_FIELDS]
        groups.append((label(use, "address_use"), fields))
    attributes = list_attributes(request.uow)
    profile = [(f"{PROFILE}{each['code']}", str(each["title"])) for each in attributes]
    return [*groups, (t("Profile"), profile)] if profile else groups


@pages.post("/start", right=IMPORT)
def start(request: Request) -> Response:
    """Ask the worker to import a file, or to try it."""
    kept, name = _meant(request.form)
    headings = request.form.getlist("heading")
    mapped = {
        heading: request.form.get(f"column-{number}", "") for number, heading in enumerate(headings)
    }
    try:
        job = queue_import(
            request.uow,
            kept,
            name,
            columns=mapped,
            match=request.form.getlist("match"),
            dry_run=request.form.get("how") != "import",
        )
        request.uow.flush()
    except InputError as error:
        return _mapping(request, kept, name, error)
    return request.to("imports.show", batch_id=job.id)


@pages.get("/<uuid:batch_id>", right=IMPORT)
def show(request: Request, batch_id: UUID) -> str:
    """Show one import: how far it is, what it did, what is wrong with which row."""
    job = show_import(request.uow, batch_id)
    return request.render(
        "web/imports/show.html",
        job=job,
        is_going=job["state"] in GOING,
        may_undo=job["state"] in ("done", "stopped", "failed") and not job["is_dry_run"],
        sign=last_sign(request.uow),
    )


@pages.get("/<uuid:batch_id>/progress", right=IMPORT)
def progress(request: Request, batch_id: UUID) -> Response:
    """Tell a script how far an import is."""
    job = show_import(request.uow, batch_id)
    told = dict(job["progress"] or {})
    if "stage" in told:
        told["stage"] = label(told["stage"], "import_stage")
    return make_response({str(batch_id): {"marker": job["state"], **told}})


@pages.get("/<uuid:batch_id>/faults", right=IMPORT)
def faults(request: Request, batch_id: UUID) -> Response:
    """Return the file of all that was wrong."""
    path = faults_path(request.uow, request.application.config.files_folder, batch_id)
    return send_file(
        path, mimetype="text/csv", as_attachment=True, download_name="faults.csv", max_age=0
    )


@pages.post("/<uuid:batch_id>/go", right=IMPORT)
def go(request: Request, batch_id: UUID) -> Response:
    """Import what was only tried, just as it was tried."""
    job = queue_again(request.uow, batch_id)
    request.uow.flush()
    return request.to("imports.show", batch_id=job.id)


@pages.post("/<uuid:batch_id>/stop", right=IMPORT)
def stop(request: Request, batch_id: UUID) -> Response:
    """Stop an import at its next batch."""
    stop_import(request.uow, batch_id)
    return request.done(t("It stops at its next batch."), to="imports.show", batch_id=batch_id)


@pages.post("/<uuid:batch_id>/undo", right=IMPORT)
def undo(request: Request, batch_id: UUID) -> Response:
    """Ask the worker to undo an import; what was changed since stays as it is."""
    ask_undo(request.uow, batch_id)
    return request.to("imports.show", batch_id=batch_id)
