"""A small CSV back office that tests change behind the front office's back."""

from __future__ import annotations

import csv
import shutil
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from math import inf
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_core.access import Actor
from crm_core.entities import Backend
from crm_core.ids import new_id
from crm_core.persistence.base import Base
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.relationships import seed_relationship_types
from crm_core.sync import progress, stopping
from crm_core.sync.engine import run
from crm_core.sync.run_record import RunReport
from crm_core.testing.front_office import FrontOffice
from crm_files.backend import FilesBackend

SMALL_OFFICE = Path(__file__).parents[2] / "small_office"

NOT_COMPARED = {
    "core_sync_run",
    "core_sync_lock",
    "core_sync_cursor",
    "core_backend",
    "core_audit",
    "core_outbox",
    "core_ownership",
    "core_pending_reference",
}
MOMENTS = ("_at", "_on")


class Office:
    """A folder of CSV files, the backend record that points at it, and runs of it."""

    def __init__(self, folder: Path, database: Database, actor: Actor) -> None:
        self.folder = folder
        self.database = database
        self.actor = actor
        with unit_of_work(database, actor=actor, write=True) as uow:
            seed_relationship_types(uow)
            self.backend = uow.add(
                Backend(
                    id=new_id(),
                    name="main",
                    type="files",
                    config={"path": str(folder)},
                    created_at=uow.now,
                    updated_at=uow.now,
                )
            )
            uow.commit()

    def run(self, remote: FilesBackend | None = None, **options: Any) -> RunReport:
        """Run the backend once."""
        options.setdefault("page_size", 4)
        return run(self.database, self.backend, remote or FilesBackend(self.folder), **options)

    def edit(self, file: str, change: Callable[[list[dict[str, str]]], Any]) -> None:
        """Let ``change`` alter a file's rows in place, or give back other rows."""
        path = self.folder / file
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            names = list(reader.fieldnames or ())
            rows = list(reader)
        rows = change(rows) or rows
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, names)
            writer.writeheader()
            writer.writerows(rows)

    def set(self, file: str, row_id: str, **values: str) -> None:
        """Change one row of a file."""
        found = []

        def change(rows: list[dict[str, str]]) -> None:
            found.extend(row for row in rows if row["id"] == row_id)
            for row in found:
                row.update(values)

        self.edit(file, change)
        assert found, f"{file} has no row {row_id}"

    def drop(self, file: str, *row_ids: str) -> None:
        """Delete rows of a file."""
        self.edit(file, lambda rows: [row for row in rows if row["id"] not in row_ids])

    def all(self, statement: Any) -> list[Any]:
        """Return the rows of a statement."""
        with unit_of_work(self.database, actor=self.actor) as uow:
            return list(uow.execute(statement))

    def local(self, entity: str, remote_id: str) -> UUID:
        """Return the key of what a remote record is here."""
        bindings = Base.metadata.tables["core_binding"].c
        key = (bindings.entity == entity, bindings.remote_id == remote_id)
        found: UUID = self.all(select(bindings.local_id).where(*key))[0].local_id
        return found

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return what the business tables hold, with keys told as the remote's own ids."""
        names = self._names()
        content = {}
        for table in Base.metadata.sorted_tables:
            if table.name.startswith("core_") and table.name not in NOT_COMPARED:
                columns = [column for column in table.columns if not _is_moment(column.name)]
                rows = self.all(select(*columns))
                content[table.name] = sorted(
                    (tuple(_told(value, names) for value in row) for row in rows), key=repr
                )
        return content

    def _names(self) -> dict[UUID, str]:
        bindings = Base.metadata.tables["core_binding"]
        columns = (bindings.c.local_id, bindings.c.entity, bindings.c.remote_id)
        return {row[0]: f"{row[1]}:{row[2]}" for row in self.all(select(*columns))}


def _is_moment(name: str) -> bool:
    return name.endswith(MOMENTS) or name == "version"


def _told(value: Any, names: dict[UUID, str]) -> Any:
    return names.get(value, "-") if isinstance(value, UUID) else value


@pytest.fixture
def office(database: Database, system: Actor, tmp_path: Path) -> Office:
    """A small company's folder, not yet pulled, over a database of each kind."""
    folder = tmp_path / "office"
    shutil.copytree(SMALL_OFFICE, folder)
    return Office(folder, database, system)


@pytest.fixture
def front(database: Any, system: Any, tmp_path: Any) -> FrontOffice:
    """A front office in step with an empty folder."""
    office = FrontOffice(database, system, lambda: FilesBackend(tmp_path))
    office.accept()
    return office


@pytest.fixture
def nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs neither note how far they are nor look whether to end, however long they take.

    They do every two seconds, so statements could not be counted on a machine that is busy.
    """
    for module in (progress, stopping):
        monkeypatch.setattr(module, "SECONDS", inf)


class WebHost:
    """A real web server that keeps what is posted and answers what a test wants.

    Args:
        tls: How it encrypts; not at all when None.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.status, self.location = 204, ""
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                host.got.append((self.path, dict(self.headers), body))
                self.send_response(host.status)
                if host.location:
                    self.send_header("Location", host.location)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:  # before its thread looks at the socket, which this puts another for
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port: int = self.server.server_port
        serve = self.server.serve_forever
        threading.Thread(target=serve, args=(0.01,), daemon=True).start()  # ends at once

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def web() -> Iterator[WebHost]:
    host = WebHost()
    yield host
    host.stop()


@pytest.fixture
def safe_web(certificate: Path) -> Iterator[WebHost]:
    """One that is encrypted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    host = WebHost(context)
    yield host
    host.stop()
