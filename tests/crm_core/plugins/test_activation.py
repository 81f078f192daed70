"""Plugins in use per database: enabled, disabled, purged, noticed, and interrupted."""

from __future__ import annotations

import signal
import sqlite3
import time

import pytest

from crm_core.bootstrap import Application
from crm_core.config import load_config
from crm_core.plugins import activation
from crm_core.plugins.discovery import Installation

pytestmark = pytest.mark.slow


def tables(desk) -> set[str]:
    with sqlite3.connect(desk.folder / "crm.sqlite") as connection:
        return {
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }


def put_mood(desk) -> None:
    with sqlite3.connect(desk.folder / "crm.sqlite") as connection:
        connection.execute(
            "INSERT INTO good_mood SELECT hex(randomblob(16)), id, 'splendid' FROM core_customer"
        )


def moods(desk) -> int:
    with sqlite3.connect(desk.folder / "crm.sqlite") as connection:
        return int(connection.execute("SELECT count(*) FROM good_mood").fetchone()[0])


REVISION = """
from alembic import op
import sqlalchemy as sa
revision, down_revision = {number!r}, {before!r}
def upgrade():
    {does}
def downgrade():
    pass
"""


def revision(number: int, does: str) -> dict[str, str]:
    before = f"{number - 1:04}" if number > 1 else None
    text = REVISION.format(number=f"{number:04}", before=before, does=does)
    return {f"migrations/{number:04}_step.py": text}


def making(table: str) -> str:
    return f"op.create_table({table!r}, sa.Column('id', sa.Integer(), primary_key=True))"


def test_the_life_of_a_plugin(desk):
    put_mood(desk)
    assert desk.plugin("good")["state"] == "enabled"
    desk("plugins", "enable", "good")  # again: nothing happens
    assert moods(desk) == 1
    assert "is enabled: disable it first" in desk(
        "plugins", "purge", "good", "--confirm=good", code=1
    )

    desk("plugins", "disable", "good")
    assert moods(desk) == 1
    assert "crm plugins enable good" in desk("good", code=1)
    assert "splendid" not in desk("customer", "show", "MARIA")
    assert "off already" in desk("plugins", "disable", "good", code=1)
    desk("plugins", "enable", "good")
    assert moods(desk) == 1
    assert "splendid" in desk("customer", "show", "MARIA")

    desk("plugins", "disable", "good")
    assert "confirm with the plugin's name" in desk("plugins", "purge", "good", code=2)
    assert "confirm" in desk("plugins", "purge", "good", "--confirm", "odoo", code=2)
    assert moods(desk) == 1
    assert desk.json("plugins", "purge", "good", "--confirm", "good")["dropped"] == ["good_mood"]
    assert [name for name in tables(desk) if "good" in name] == []
    assert "Maria Kowalska" in desk("customer", "list")
    assert desk.plugin("good")["state"] == "disabled"
    desk("plugins", "enable", "good")
    assert moods(desk) == 0


def test_rights_are_asked_for(desk):
    desk("user", "add", "eva", "--role", "manager")
    for verb in ("enable", "disable"):
        assert "core.plugin.manage" in desk("plugins", verb, "good", "--as", "eva", code=1)
    assert "core.plugin.manage" in desk(
        "plugins", "purge", "good", "--confirm", "good", "--as", "eva", code=1
    )


def test_a_plugin_that_is_not_there(desk):
    for verb in ("enable", "disable"):
        error = desk.json("plugins", verb, "nowhere", code=2)
        assert error["code"] == "core.plugin.not_found"
    assert "no plugin 'nowhere'" in desk("plugins", "purge", "nowhere", "--confirm=nowhere", code=2)


def test_what_requires_another(desk, make_package):
    desk.install(make_package("base"), make_package("top", more=", requires=('base',)"))
    assert "enable that first (crm plugins enable base)" in desk("plugins", "enable", "top", code=1)
    desk("plugins", "enable", "base")
    desk("plugins", "enable", "top")
    assert "top requires base: disable that first" in desk("plugins", "disable", "base", code=1)
    desk("plugins", "disable", "top")
    desk("plugins", "disable", "base")


def test_rights_are_granted_once_and_stay_as_the_company_wants_them(desk, make_package):
    grants = "@hookimpl\ndef crm_register_rights():\n    return [Right('pay.bill.see', 'See', "
    desk.install(make_package("pay", grants + "(('employee', 'own'), ('nobody', 'all')))]"))

    def granted() -> list[tuple[str, ...]]:
        with sqlite3.connect(desk.folder / "crm.sqlite") as connection:
            return connection.execute(
                "SELECT code, reach FROM core_role_right JOIN core_role ON core_role.id = role_id"
                " WHERE right = 'pay.bill.see'"
            ).fetchall()

    desk("plugins", "enable", "pay")
    assert granted() == [("employee", "own")]
    with sqlite3.connect(desk.folder / "crm.sqlite") as connection:
        connection.execute("DELETE FROM core_role_right WHERE right = 'pay.bill.see'")
    desk("plugins", "disable", "pay")
    desk("plugins", "enable", "pay")
    assert granted() == []


def test_a_plugin_whose_package_is_gone(desk, good_package):
    put_mood(desk)
    desk.uninstall(good_package)
    assert "Maria Kowalska" in desk("customer", "list")
    plugin = desk.plugin("good")
    assert (plugin["state"], plugin["has_data"]) == ("missing", True)
    doctor = {item["id"]: item for item in desk.json("doctor")["items"]}
    assert doctor["plugin good"]["state"] == "warn"
    assert "not installed" in doctor["plugin good"]["message"]
    desk("db", "upgrade")
    desk("plugins", "disable", "good")
    assert desk.json("plugins", "purge", "good", "--confirm", "good")["dropped"] == ["good_mood"]
    assert [name for name in tables(desk) if "good" in name] == []


def test_a_process_that_lives_long_notices(desk, monkeypatch):
    monkeypatch.syspath_prepend(desk.site)
    flags = {"database_url": desk.env["CRM_DATABASE_URL"]}
    application = Application(
        load_config(flags, {"CRM_CONFIG_HOME": str(desk.folder)}, desk.folder)
    )
    try:
        assert "good" in application.plugins.plugins
        assert application.refresh_plugins() is False
        desk("plugins", "disable", "good")
        assert "good" in application.plugins.plugins
        assert application.refresh_plugins() is True
        assert "good" not in application.plugins.plugins
        assert application.refresh_plugins() is False
        desk("plugins", "enable", "good")
        assert application.refresh_plugins() is True
        assert "good" in application.plugins.plugins
    finally:
        application.close()


def test_two_processes_enable_at_once(desk, make_package):
    making_slow = f"__import__('time').sleep(1); {making('pair_x')}"
    desk.install(
        make_package("pair", more=", table_prefix='pair_'", files=revision(1, making_slow))
    )
    running = [desk.start("plugins", "enable", "pair") for _ in range(2)]
    ends = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0], ends
    assert desk.plugin("pair")["state"] == "enabled"
    assert "pair_x" in tables(desk)


def test_one_that_would_take_a_command_from_another_is_refused(desk, make_package, command):
    desk.install(make_package("aardvark", files=command("pass"), commands={"good": "run"}))
    assert "good morning" in desk("good")
    error = desk.json("plugins", "enable", "aardvark", code=1)
    assert "The command good of aardvark is one of the plugin good already" in error["message"]
    assert "good morning" in desk("good")
    assert desk.plugin("good")["reason"] is None


@pytest.mark.parametrize("place", ["revision", "rebuild"])
def test_killed_while_enabling_then_repeated(desk, make_package, place):
    sign = desk.folder / "here"
    wait = f"open({str(sign)!r}, 'w').close(); __import__('time').sleep(60)"
    step = making("slow_x") + (f"; {wait}" if place == "revision" else "")
    rebuild = wait if place == "rebuild" else "pass"
    more = ", table_prefix='slow_', rebuild='crm_slow.jobs:rebuild'"
    jobs = {"jobs.py": f"def rebuild(uow):\n    {rebuild}\n"}
    desk.install(make_package("slow", more=more, files={**revision(1, step), **jobs}))
    running = desk.start("plugins", "enable", "slow")
    deadline = time.monotonic() + 120
    while not sign.exists() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    was_there = sign.exists()
    running.send_signal(signal.SIGKILL)
    told = running.communicate(timeout=60)
    assert was_there, told

    assert "good morning" in desk("good")
    assert desk.plugin("slow")["state"] == "disabled"
    jobs = {"jobs.py": "def rebuild(uow):\n    pass\n"}
    files = {**revision(1, making("slow_x")), **jobs}
    desk.install(make_package("slow", more=more, files=files))
    desk("plugins", "enable", "slow")
    assert desk.plugin("slow")["state"] == "enabled"
    assert "slow_x" in tables(desk)


def test_an_upgrade_that_fails_holds_up_nobody_else(desk, make_package):
    names = ("ant", "bee", "cat")
    for name in names:
        more = f", table_prefix='{name}_'"
        desk.install(make_package(name, more=more, files=revision(1, making(f"{name}_x"))))
        desk("plugins", "enable", name)
    for name in names:
        step = "raise RuntimeError('boom')" if name == "bee" else making(f"{name}_y")
        files = {**revision(1, making(f"{name}_x")), **revision(2, step)}
        desk.install(make_package(name, more=f", table_prefix='{name}_'", files=files))
    assert "run crm db upgrade" in desk.plugin("ant")["reason"]
    assert "Maria Kowalska" in desk("customer", "list")

    upgraded = desk.json("db", "upgrade", code=1)
    told = {item["id"]: item["error"] for item in upgraded["plugins"]}
    assert set(told) == set(names)
    assert [name for name in names if told[name]] == ["bee"]
    assert "boom" in told["bee"]
    assert {"ant_y", "cat_y"} <= tables(desk)
    assert desk.plugin("ant")["reason"] is None
    assert desk.plugin("bee")["reason"]
    assert "good morning" in desk("good")

    files = {**revision(1, making("bee_x")), **revision(2, making("bee_y"))}
    desk.install(make_package("bee", more=", table_prefix='bee_'", files=files))
    assert desk.json("db", "upgrade")["plugins"] == [{"id": "bee", "error": None}]
    assert desk.plugin("bee")["reason"] is None


def test_a_backup_brings_back_what_plugins_hold(desk):
    put_mood(desk)
    desk("db", "backup", "safe.zip")
    desk("plugins", "disable", "good")
    desk("plugins", "purge", "good", "--confirm", "good")
    desk("db", "restore", "safe.zip", "--force")
    assert moods(desk) == 1
    assert desk.plugin("good")["state"] == "enabled"
    assert "good morning" in desk("good")


def test_on_postgresql_too(desk, crm_postgres_url, make_package):
    desk.env["CRM_DATABASE_URL"] = crm_postgres_url.render_as_string(hide_password=False)
    desk("init", "--yes")
    more = ", table_prefix='elk_'"
    desk.install(make_package("elk", more=more, files=revision(1, making("elk_x"))))
    running = [desk.start("plugins", "enable", "elk") for _ in range(2)]
    ends = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0], ends
    desk("plugins", "disable", "elk")
    assert desk.json("plugins", "purge", "elk", "--confirm", "elk")["dropped"] == ["elk_x"]


RIGHTS = """
@hookimpl
def crm_register_rights():
    return [Right('pay.bill.see', 'See', (('employee', 'own'),))]
"""


def rows(desk, statement: str) -> list[tuple[str, ...]]:
    with sqlite3.connect(desk.folder / "crm.sqlite") as connection:
        return connection.execute(statement).fetchall()


def test_rights_are_granted_when_it_is_enabled_at_the_second_try(desk, make_package):
    rebuild = {"services.py": "def rebuild(uow):\n    raise RuntimeError('not yet')\n"}
    more = ", rebuild='crm_pay.services:rebuild'"
    pay = make_package("pay", RIGHTS, more=more, files=rebuild)
    desk.install(pay)
    assert "not yet" in desk("plugins", "enable", "pay", code=1)
    desk.uninstall(pay)
    desk.install(make_package("pay", RIGHTS))
    desk("plugins", "enable", "pay")
    granted = rows(desk, "SELECT reach FROM core_role_right WHERE right = 'pay.bill.see'")
    assert granted == [("own",)]


def test_a_purge_leaves_alone_what_only_begins_alike(desk, make_package):
    desk.install(make_package("good_more"))
    desk("plugins", "enable", "good_more")
    at = "'2026-01-01 00:00:00.000000'"
    with sqlite3.connect(desk.folder / "crm.sqlite") as connection:
        for name in ("good.sweep", "good_card", "good_more.sweep", "good_more_card", "goodXcard"):
            connection.execute(f"INSERT INTO core_job_run VALUES ('{name}', {at}, NULL, NULL)")
    desk("plugins", "disable", "good")
    desk("plugins", "purge", "good", "--confirm", "good")
    left = {name for (name,) in rows(desk, "SELECT name FROM core_job_run")}
    assert left == {"good_more.sweep", "good_more_card", "goodXcard"}


def test_a_purge_that_was_interrupted_is_repeated(sqlite_database, system, monkeypatch):
    def purge() -> list[str]:
        return activation.purge_plugin(sqlite_database, Installation(), "gone", by="test")

    for step in ("drop_tables", "forget_rows"):
        with sqlite_database.write_engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE gone_thing (id INTEGER)")
            connection.exec_driver_sql(
                "INSERT INTO core_plugin (name, version, state, table_prefix, changed_at) "
                "VALUES ('gone', '1', 'disabled', 'gone_', '2026-01-01 00:00:00.000000')"
            )
        with monkeypatch.context() as patch:
            patch.setattr(activation, step, lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                purge()
        assert purge() == (["gone_thing"] if step == "drop_tables" else [])


def test_one_that_is_on_by_default_stays_off_after_its_purge(desk, make_package):
    desk.install(make_package("always", more=", on_by_default=True"))
    assert desk.plugin("always")["state"] == "enabled"
    desk("plugins", "disable", "always")
    desk("plugins", "purge", "always", "--confirm", "always")
    assert desk.plugin("always")["state"] == "disabled"


def test_tables_of_a_plugin_that_is_gone_are_not_taken_for_anothers(desk, make_package):
    desk("plugins", "disable", "good")
    desk.uninstall(make_package("good"))
    files = revision(1, making("good_er_tale"))
    desk.install(make_package("gooder", more=", table_prefix='good_er_'", files=files))
    put_mood(desk)
    assert "cannot be told apart" in desk("plugins", "enable", "gooder", code=1)
    assert moods(desk) == 1
    desk("plugins", "purge", "good", "--confirm", "good")
    desk("plugins", "enable", "gooder")
