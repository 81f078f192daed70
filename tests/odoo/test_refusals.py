"""What a person is told when Odoo cannot be pulled, through the commands, with their exit code."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crm_core.cli.main import crm

Shell = Callable[..., Result]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The command line in an initialised folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRM_CONFIG_HOME", str(tmp_path / "config"))

    def typed(*arguments: str) -> Result:
        return CliRunner().invoke(crm, list(arguments), catch_exceptions=False)

    assert typed("init", "--yes").exit_code == 0
    return typed


def add(shell: Shell, odoo: Any, **changes: str) -> None:
    options = {
        "url": odoo.url,
        "database": odoo.name,
        "login": odoo.bot.login,
        "secret-file": str(odoo.bot.secret_file),
    } | changes
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    added = shell("backend", "add", "odoo", "erp", *words)
    assert added.exit_code == 0, added.output


def refused(shell: Shell, *arguments: str) -> str:
    """Run a command that has to end with 4 and return its message."""
    result = shell(*arguments, "--json")
    assert result.exit_code == 4, result.output
    error = json.loads(result.stdout)["error"]
    assert "Traceback" not in result.output
    message: str = error["message"]
    return message


def test_a_wrong_password(shell: Shell, odoo_db: Any, tmp_path: Path) -> None:
    secret = tmp_path / "wrong"
    secret.write_text("not-the-password", encoding="utf-8")
    secret.chmod(0o600)
    add(shell, odoo_db, **{"secret-file": str(secret)})
    for command in (("sync", "run", "erp"), ("backend", "test", "erp")):
        message = refused(shell, *command)
        assert odoo_db.bot.login in message
        assert "not-the-password" not in message


def test_a_stopped_server(shell: Shell, odoo_db: Any, stopped_odoo: Any) -> None:
    add(shell, odoo_db, **{"timeout-seconds": "2"})
    message = refused(shell, "sync", "run", "erp")
    assert odoo_db.url.removeprefix("http://") in message
    status = json.loads(shell("sync", "status", "--json").stdout)["data"]["items"]
    assert [item["run_state"] for item in status] == ["failed"]


@pytest.fixture
def web_page() -> Iterator[str]:
    """The address of a server that answers everything with a page."""

    class Page(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b"<html><body>Welcome to the intranet</body></html>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815  the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_server_that_answers_with_a_page(shell: Shell, odoo_db: Any, web_page: str) -> None:
    add(shell, odoo_db, url=web_page)
    message = refused(shell, "sync", "run", "erp")
    assert "Odoo" in message
    assert "intranet" not in message, "a stranger's page is not repeated"
