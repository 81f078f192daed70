"""``crm doctor`` names each trouble and what to do, run as an operator runs it."""

from __future__ import annotations

import http.server
import json
import shutil
import sqlite3
import threading

import pytest

SECRET = "hunter2"


def troubles(desk, *words, code=1):
    """Run the doctor both ways; returns what is not ok, by name."""
    people = desk.process("doctor", *words)
    programs = desk.process("doctor", *words, "--json")
    assert people.returncode == programs.returncode == code, people.stdout + people.stderr
    assert people.stderr == programs.stderr == ""
    assert SECRET not in people.stdout + programs.stdout
    document = json.loads(programs.stdout)
    assert document["schema"] == "doctor/1"
    found = {}
    for item in document["data"]["items"]:
        if item["state"] != "ok":
            assert item["message"] in people.stdout
            assert item["advice"] in people.stdout
            told = f"{item['state']}: {item['message']} {item['advice']}"
            found[item["id"]] = found.get(item["id"], "") + told
    return found


def test_a_sound_installation_has_none(desk):
    assert troubles(desk, code=0) == {}


def test_a_folder_where_nothing_was_set_up(surroundings, desk):
    (surroundings / "crm.sqlite").unlink()
    assert "crm init" in troubles(desk)["database"]
    assert not (surroundings / "crm.sqlite").exists()


@pytest.mark.parametrize(
    ("url", "name", "says"),
    [
        ("nonsense", "configuration", "not a URL"),
        ("mysql://u:hunter2@h/d", "database", "not supported"),
        ("postgresql://u:hunter2@127.0.0.1:1/d", "database", "does not answer"),
        ("postgresql://u:hunter2@no.such.host.invalid/d", "database", "does not answer"),
        ("sqlite:////nowhere/at/all/crm.sqlite", "database", "There is no file"),
    ],
)
def test_a_wrong_address(desk, url, name, says):
    assert says in troubles(desk, "--database-url", url)[name]


def test_a_server_without_such_a_database(desk, postgres_server):
    url = postgres_server.set(database="no_such_one").render_as_string(hide_password=False)
    assert "does not exist" in troubles(desk, "--database-url", url)["database"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "crm init"),
        (b"SQLite format 3\0" + b"x" * 5000, "restore"),
        (b"Dear diary, " * 900, ""),
    ],
)
def test_a_file_that_is_no_database_of_ours(desk, content, says):
    desk.write("crm.sqlite", content)
    found = troubles(desk)
    assert says in " ".join(found.values())
    assert {"database", "sqlite"} & set(found)
    assert (desk.folder / "crm.sqlite").read_bytes() == content


def test_a_database_of_another_program(desk):
    (desk.folder / "crm.sqlite").unlink()
    with sqlite3.connect(desk.folder / "crm.sqlite") as connection:
        connection.execute("CREATE TABLE recipe (name TEXT)")
    assert "crm init" in troubles(desk)["database"]


def test_a_database_that_lost_a_table(desk):
    with sqlite3.connect(desk.folder / "crm.sqlite") as connection:
        connection.execute("DROP TABLE core_audit")
    found = troubles(desk)
    assert any("crm" in told for told in found.values()), found


def test_an_account_that_belongs_to_nobody(desk):
    desk("user", "add", "eva", "--role", "admin")
    with sqlite3.connect(desk.folder / "crm.sqlite") as connection:
        connection.execute("UPDATE core_user SET os_user = NULL")
    assert "--as USER" in troubles(desk, code=0)["user"]
    assert "'ghost'" in troubles(desk, "--as", "ghost", code=0)["user"]
    desk("user", "disable", "eva", "--as", "boss")
    assert "crm user enable eva" in troubles(desk, "--as", "eva", code=0)["user"]


def test_settings_that_are_missing_from_the_database(desk):
    with sqlite3.connect(desk.folder / "crm.sqlite") as connection:
        connection.execute("DELETE FROM core_setting WHERE key = 'installation_id'")
    assert "Run crm init" in troubles(desk)["setup"]


def test_safe_mode_is_said(desk):
    assert "--safe-mode" in troubles(desk, "--safe-mode", code=0)["safe mode"]


@pytest.fixture
def erp(desk):
    """A backend whose server answers every call with a web page."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html>Welcome to nginx!</html>")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    secret = desk.write("secret", SECRET)
    secret.chmod(0o600)
    url = f"http://127.0.0.1:{server.server_port}"
    words = ("--database", "d", "--login", "l", "--secret-file", "secret")
    desk("backend", "add", "odoo", "erp", "--url", url, *words)
    yield desk
    server.shutdown()
    server.server_close()


def test_a_backend_that_was_never_run_then_failed(erp):
    assert "crm sync run erp" in troubles(erp, code=0)["backend erp"]
    failed = erp.process("sync", "run", "erp")
    assert failed.returncode == 4, failed.stderr
    assert "fail" in troubles(erp)["backend erp"]
    assert "crm sync run erp" in troubles(erp)["backend erp"]


def test_a_backend_whose_secret_is_open_empty_or_gone(erp):
    secret = erp.folder / "secret"
    secret.chmod(0o644)
    assert f"chmod 600 {secret}" in troubles(erp, code=0)["backend erp"]
    secret.write_text("")
    assert "it is empty" in troubles(erp)["backend erp"]
    secret.unlink()
    assert "No such file" in troubles(erp)["backend erp"]


def test_a_backend_whose_folder_is_gone(desk):
    (desk.folder / "csv").mkdir()
    desk("backend", "add", "files", "shop", "--path", "csv")
    shutil.rmtree(desk.folder / "csv")
    assert "no folder" in troubles(desk)["backend shop"]


def test_a_copy_that_does_not_write(desk):
    (desk.folder / "csv").mkdir()
    (desk.folder / "csv" / "customers.csv").write_text("id,name\n")
    desk("backend", "add", "files", "shop", "--path", "csv")
    desk("sync", "plan", "shop")
    desk("sync", "run", "shop", "--accept-plan")
    assert "backend shop" not in troubles(desk, code=0)
    shutil.copyfile(desk.folder / "crm.sqlite", desk.folder / "copy.sqlite")
    copy = ("--database-url", f"sqlite:///{desk.folder / 'copy.sqlite'}")
    assert "crm backend confirm shop" in troubles(desk, *copy, code=0)["backend shop"]


def test_a_backend_whose_plugin_is_not_loaded(erp):
    found = troubles(erp, "--safe-mode")
    assert "Safe mode" in found["backend erp"]
