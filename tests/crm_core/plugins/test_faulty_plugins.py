"""One faulty plugin, separately built: the core and all others go on, and it is named."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

# The plugins are built and used as their authors and users do it.
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Fault:
    """What is wrong with a plugin, and what is said about it.

    Attributes:
        says: In its reason.
        package: What :class:`Package` is given.
        seconds: How long plugins may take.
        enabling: Likewise while it is being enabled, when it may take many times as long.
    """

    says: tuple[str, ...]
    package: dict[str, Any]
    seconds: int | None = None
    enabling: float | None = None


def registering(does: str) -> dict[str, Any]:
    return {"body": f"@hookimpl\ndef crm_register_jobs():\n    {does}\n"}


HANGS = 3
"""Seconds after which a plugin hangs; others are loaded in a few hundredths of one."""
MIGRATIONS = {"migrations/0001_initial.py": "revision, down_revision = '0001', None\n"}
LEFT_OUT = {
    "raises_on_import": Fault(("RuntimeError: boom",), {"body": "raise RuntimeError('boom')"}),
    "is_no_python": Fault(("SyntaxError",), {"body": "def ("}),
    "exits_on_import": Fault(("SystemExit: 3",), {"body": "sys.exit(3)"}),
    "hangs_on_import": Fault(("It hung", "3 s"), {"body": "time.sleep(60)"}, HANGS),
    "raises_when_asked": Fault(
        ("crm_register_jobs", "boom"), registering("raise RuntimeError('boom')")
    ),
    "exits_when_asked": Fault(("crm_register_jobs", "SystemExit"), registering("sys.exit(3)")),
    "hangs_when_asked": Fault(
        ("crm_register_jobs", "It hung"), registering("while True: time.sleep(0.01)"), HANGS, 0.5
    ),
    "gives_nonsense": Fault(("gave 7, which is no Job",), registering("return [7]")),
    "needs_newer_hooks": Fault(
        ("needs hooks >=2", "install a matching version"), {"more": ", hooks_api='>=2'"}
    ),
    "has_no_such_hook": Fault(
        ("do not fit",), {"body": "@hookimpl\ndef crm_register_dreams():\n    return []"}
    ),
    "lacks_another": Fault(("requires absent",), {"more": ", requires=('absent',)"}),
    "wants_core_tables": Fault(
        ("table prefix 'core_x_'",), {"more": ", table_prefix='core_x_'", "files": MIGRATIONS}
    ),
    "wants_tables_of_good": Fault(
        ("clashes with good_ of the plugin good",),
        {"more": ", table_prefix='good_more_'", "files": MIGRATIONS},
    ),
    "has_no_revision": Fault(("no revision in",), {"more": ", table_prefix='x_'"}),
    "has_a_core_command": Fault(
        ("command customer is one of the core",), {"commands": {"customer": "run"}}
    ),
    "has_a_taken_command": Fault(
        ("command good is one of the plugin good",), {"commands": {"good": "run"}}
    ),
    "lacks_an_extra": Fault(
        ("needs the Python package no_such_stone", "pip install 'crm-plugin-lacks-an-extra[deep]'"),
        {"body": "import no_such_stone", "extras": {"deep": ["no-such-stone>=2"]}},
    ),
    "lacks_a_library": Fault(
        ("needs the Python package no_such_stone, which is not installed",),
        {"body": "import no_such_stone"},
    ),
}


def was_enabled(desk, *names: str) -> None:
    """Enabled while it was well; then came this version."""
    with sqlite3.connect(desk.folder / "crm.sqlite") as connection:
        connection.executemany(
            "INSERT INTO core_plugin (name, version, state, table_prefix, changed_at)"
            " VALUES (?, '0.9', 'enabled', '', ?)",
            [(name, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}") for name in names],
        )


def others_go_on(desk) -> None:
    assert "Maria Kowalska" in desk("customer", "list")
    assert "good morning" in desk("good")


def is_named(desk, name: str, *says: str) -> None:
    plugin = desk.plugin(name)
    assert [text for text in says if text not in plugin["reason"]] == [], plugin["reason"]
    findings = {item["id"]: item for item in desk.json("doctor")["items"]}
    told = findings[f"plugin {name}"]
    assert told["state"] == "warn"
    assert [text for text in says if text not in told["message"]] == []
    assert f"crm plugins disable {name}" in told["advice"]
    assert findings["plugin good"]["state"] == "ok"


@pytest.mark.parametrize("name", LEFT_OUT)
def test_is_left_out_and_named(desk, make_package, name):
    fault = LEFT_OUT[name]
    desk.install(make_package(name, **fault.package))
    limit = fault.enabling or fault.seconds
    if limit:
        desk.env["CRM_PLUGIN_SECONDS"] = str(limit)
        desk.env["CRM_DISABLE_PLUGINS"] = "good"  # which might not be loaded in so little time
    error = desk.json("plugins", "enable", name, code=1)
    assert fault.says[0] in error["message"]

    desk.env.pop("CRM_DISABLE_PLUGINS", None)
    if fault.seconds:
        desk.env["CRM_PLUGIN_SECONDS"] = str(fault.seconds)
    was_enabled(desk, name)
    others_go_on(desk)
    is_named(desk, name, *fault.says)


def test_one_that_hung_holds_nobody_up_again(desk, make_package):
    sign = desk.folder / "imported"
    begins = f"with open({str(sign)!r}, 'a') as file:\n    file.write('x')\n"
    desk.install(make_package("sleepy", f"{begins}time.sleep(60)"))
    was_enabled(desk, "sleepy")
    desk.env["CRM_PLUGIN_SECONDS"] = str(HANGS)
    desk("good")  # plugins are loaded: it is found out
    found_out = sign.read_text()
    assert found_out
    desk("good")
    assert sign.read_text() == found_out, "it is not imported any more"
    del desk.env["CRM_PLUGIN_SECONDS"]
    desk.uninstall(make_package("sleepy"))
    desk.install(make_package("sleepy"))
    assert desk.plugin("sleepy")["state"] == "quarantined"
    desk("plugins", "enable", "sleepy")
    assert desk.plugin("sleepy")["state"] == "enabled"


def test_a_circle_is_left_out_whole(desk, make_package):
    desk.install(
        make_package("hen", more=", requires=('egg',)"),
        make_package("egg", more=", requires=('hen',)"),
        make_package("nest", more=", requires=('egg',)"),
    )
    was_enabled(desk, "hen", "egg", "nest")
    others_go_on(desk)
    is_named(desk, "hen", "egg, hen require each other in a circle")
    is_named(desk, "egg", "egg, hen require each other in a circle")
    is_named(desk, "nest", "requires egg, which is not in use")


def test_two_packages_of_one_plugin(desk, make_package):
    twin = make_package("twin")
    desk.install(twin)
    (desk.site / "crm_plugin_second-1.dist-info").mkdir()
    info = desk.site / "crm_plugin_second-1.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: crm-plugin-second\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[crm.plugins]\ntwin = crm_twin.plugin\n")
    was_enabled(desk, "twin")
    others_go_on(desk)
    is_named(desk, "twin", "crm-plugin-second and crm-plugin-twin both bring", "uninstall one")


PANEL = "@hookimpl\ndef crm_collect_card_panels(uow, customer_id):\n    {does}\n"
OWNER = "@hookimpl\ndef crm_decide_customer_owner(uow, customer):\n    {does}\n"
ARCHIVE = "@hookimpl\ndef crm_check_customer_archive(uow, customer_id):\n    {does}\n"
DOES = {
    "raises": "raise RuntimeError('boom')",
    "exits": "sys.exit(3)",
    "hangs": "time.sleep(60)",
    "spoils": "uow.session.execute(__import__('sqlalchemy').text('SELECT nothing'))",
}


@pytest.fixture
def faulty(desk, make_package):
    """Enable a plugin whose hook does something bad."""

    def faulty(hook: str, what: str) -> None:
        desk.install(make_package("faulty", hook.format(does=DOES[what])))
        if what == "hangs":
            desk.env["CRM_PLUGIN_SECONDS"] = str(HANGS)
        desk("plugins", "enable", "faulty")

    return faulty


def doctor_names(desk, hook) -> bool:
    findings = {item["id"]: item for item in desk.json("doctor")["items"]}
    told = findings["plugin faulty"]
    assert told["state"] == "warn"
    assert told["message"].startswith(f"It fails in {hook}: ")
    assert "crm plugins disable faulty" in told["advice"]
    return findings["plugin good"]["state"] == "ok"


@pytest.mark.parametrize("what", DOES)
def test_a_panel_that_fails_says_so_and_leaves_the_card_and_other_panels(desk, faulty, what):
    faulty(PANEL, what)
    card = desk("customer", "show", "MARIA")
    assert "Maria Kowalska" in card
    assert "splendid" in card
    assert "cannot be shown now" in card, "a panel that is missing is missed"
    assert doctor_names(desk, "crm_collect_card_panels")
    others_go_on(desk)


@pytest.mark.parametrize("what", DOES)
def test_a_decision_that_fails_stops_the_operation_and_names_it(desk, faulty, what):
    faulty(OWNER, what)
    error = desk.json("customer", "add", "Tom", code=1)
    assert error["code"] == "core.plugin_failed"
    assert "faulty failed in crm_decide_customer_owner" in error["message"]
    assert "crm plugins disable faulty" in error["message"]
    assert "Tom" not in desk("customer", "list")
    assert doctor_names(desk, "crm_decide_customer_owner")
    others_go_on(desk)
    desk("plugins", "disable", "faulty")
    desk("customer", "add", "Tom")


@pytest.mark.parametrize("what", DOES)
def test_a_check_that_fails_counts_as_an_objection(desk, faulty, what):
    faulty(ARCHIVE, what)
    error = desk.json("customer", "archive", "MARIA", code=1)
    assert error["code"] == "core.customer.archive_refused"
    assert "crm plugins disable faulty" in error["message"]
    assert doctor_names(desk, "crm_check_customer_archive")
    others_go_on(desk)
    desk("plugins", "disable", "faulty")
    desk("customer", "archive", "MARIA")


REVISION = (
    "from alembic import op\nimport sqlalchemy as sa\nrevision, down_revision = '0001', None\n"
)
REVISION += (
    "def upgrade():\n    op.create_table('bad_x', sa.Column('id', sa.Integer()))\n    {does}\n"
)
TABLES = ", table_prefix='bad_'"
ENABLING = {
    "revision_raises": ({"does": "raise RuntimeError('boom')"}, None, "RuntimeError: boom"),
    "revision_exits": ({"does": "raise SystemExit(3)"}, None, "SystemExit"),
    "revision_is_wrong_sql": ({"does": "op.execute('CREATE TABBLE x')"}, None, "failed and was"),
    "rebuild_raises": ({"does": "pass"}, "raise RuntimeError('boom')", "RuntimeError: boom"),
    "rebuild_exits": ({"does": "pass"}, "raise SystemExit(3)", "SystemExit"),
    "rebuild_is_not_there": ({"does": "pass"}, "", "cannot be imported"),
}


@pytest.mark.parametrize("name", ENABLING)
def test_fails_while_being_enabled(desk, make_package, name):
    revision, rebuild, says = ENABLING[name]
    more, files = TABLES, {"migrations/0001_initial.py": REVISION.format(**revision)}
    if rebuild is not None:
        more += ", rebuild='crm_bad.jobs:rebuild'"
        files["jobs.py"] = f"def rebuild(uow):\n    {rebuild}\n" if rebuild else ""
    desk.install(make_package("bad", more=more, files=files))
    error = desk.json("plugins", "enable", "bad", code=1)
    assert says in error["message"]
    assert "could not be enabled and stays off" in error["message"]
    others_go_on(desk)
    is_named(desk, "bad", says)
    assert desk.plugin("bad")["state"] == "disabled"
    with sqlite3.connect(desk.folder / "crm.sqlite") as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    assert ("bad_x" in tables) is (rebuild is not None)  # a line of revisions is all or nothing
    assert f"crm plugins enable {'bad'}" in desk("doctor")

    desk.install(
        make_package(
            "bad",
            more=TABLES,
            files={**files, "migrations/0001_initial.py": (REVISION.format(does="pass"))},
        )
    )
    desk("plugins", "enable", "bad")
    assert desk.plugin("bad")["reason"] is None


COMMANDS = {
    "exits": ("sys.exit(7)", 7, ""),
    "raises": ("raise RuntimeError('boom')", 1, ""),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_breaks_is_alone_with_it(desk, make_package, command, name):
    does, code, says = COMMANDS[name]
    desk.install(make_package("bad", files=command(f"import sys; {does}"), commands={"bad": "run"}))
    assert "crm plugins enable bad" in desk("bad", code=1)
    desk("plugins", "enable", "bad")
    assert says in desk("bad", code=code)
    others_go_on(desk)


@pytest.mark.parametrize("text", ["raise RuntimeError('boom')", "import sys; sys.exit(3)", "run=7"])
def test_a_command_that_cannot_be_loaded_is_alone_with_it(desk, make_package, text):
    desk.install(make_package("bad", files={"cli.py": text}, commands={"bad": "run"}))
    desk("plugins", "enable", "bad")
    error = desk.json("bad", code=1)
    assert error["code"] == "core.plugin_load"
    assert "bad" in error["message"]
    others_go_on(desk)


def test_safe_mode_and_the_variable_always_work(desk, make_package):
    desk.install(make_package("bad", "import os; os.write(1, b'here'); raise RuntimeError('boom')"))
    was_enabled(desk, "bad")
    for variable, value in (("CRM_SAFE_MODE", "1"), ("CRM_DISABLE_PLUGINS", "bad,good")):
        desk.env[variable] = value
        shown = desk("customer", "show", "MARIA")
        assert "Maria Kowalska" in shown
        assert "here" not in shown
        assert "splendid" not in shown
        assert "switched off" in desk("good", code=1)
        desk("doctor")
        del desk.env[variable]
    assert "splendid" in desk("customer", "show", "MARIA")
