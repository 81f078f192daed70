"""The plugin host: one faulty plugin is named and left out, all others go on."""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest

from crm_core.errors import PluginFailedError, RuleViolationError
from crm_core.plugins.discovery import DISABLE_VARIABLE, installed_points, load
from crm_core.plugins.host import PluginHost
from crm_core.plugins.limits import PluginTimeoutError, time_limit

GOOD = """
from crm_hooks import PluginManifest, hookimpl
from crm_hooks.contributions import BackendType
manifest = PluginManifest(name={name!r}, title="T", version="1")

@hookimpl
def crm_register_backend_types():
    return [BackendType({name!r}, "T", "x:y")]
"""
MANIFEST = """
from crm_hooks import PluginManifest, hookimpl
manifest = PluginManifest(name={name!r}, title="T", version="1"{more})
"""
FAULTS = {
    "broken_import": ("import no_such_module_anywhere", "ModuleNotFoundError"),
    "broken_syntax": ("def (:", "SyntaxError"),
    "exits": ("import sys; sys.exit(3)", "SystemExit"),
    "nameless": ("x = 1", "has no manifest named 'nameless'"),
    "newer": (MANIFEST.format(name="newer", more=", hooks_api='>=2'"), "It needs hooks >=2"),
    "nonsense": (
        MANIFEST.format(name="nonsense", more=", hooks_api='soon'"),
        "is not a version range",
    ),
    "raises": (
        MANIFEST.format(name="raises", more="")
        + "@hookimpl\ndef crm_register_backend_types():\n    raise RuntimeError('boom')\n",
        "RuntimeError: boom",
    ),
    "wrong_arguments": (
        MANIFEST.format(name="wrong_arguments", more="")
        + "@hookimpl\ndef crm_register_backend_types(surprise):\n    return []\n",
        "do not fit",
    ),
    "unknown_hook": (
        MANIFEST.format(name="unknown_hook", more="")
        + "@hookimpl\ndef crm_register_dreams():\n    return []\n",
        "do not fit",
    ),
}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path into which tests put plugins with their entry points."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv(DISABLE_VARIABLE, raising=False)
    return tmp_path


def install(folder: Path, name: str, code: str) -> None:
    (folder / f"crmtest_{name}.py").write_text(code, encoding="utf-8")
    info = folder / f"crmtest_{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: crmtest-{name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[crm.plugins]\n{name} = crmtest_{name}\n")
    sys.modules.pop(f"crmtest_{name}", None)


LONG, SHORT = 60, 2.0
"""Seconds: LONG takes nothing that does not hang, however busy the machine; SHORT no answer."""


def host_of_all(seconds: float = LONG) -> PluginHost:
    """Load all plugins, for some of which it is the first time; ``seconds`` is for their hooks."""
    points = installed_points()
    return PluginHost(load(points, points, seconds=LONG), seconds=seconds)


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_plugin_is_named_and_the_others_go_on(installed: Path, name: str) -> None:
    code, says = FAULTS[name]
    install(installed, name, code)
    install(installed, "zz_good", GOOD.format(name="zz_good"))

    host = host_of_all()

    assert {"files", "odoo", "zz_good"} <= set(host.backend_types)
    assert [fault.name for fault in host.faults] == [name]
    assert says in host.faults[0].reason
    assert name not in host.plugins


def test_two_plugins_with_one_backend_type(installed: Path) -> None:
    install(
        installed,
        "zz_again",
        GOOD.format(name="zz_again").replace("[BackendType('zz_again'", "[BackendType('files'"),
    )
    host = host_of_all()
    assert host.backend_types["files"].factory.startswith("crm_files")
    assert [fault.reason for fault in host.faults] == [
        "Another plugin has the backend type files already."
    ]


def test_plugins_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DISABLE_VARIABLE, "odoo, other")
    assert "odoo" not in installed_points()
    assert "files" in installed_points()
    monkeypatch.setenv(DISABLE_VARIABLE, "*")
    assert installed_points() == {}


# What plugins answer, and what the host makes of it.

HOOKED = """
import time
from crm_hooks import PluginManifest, hookimpl
from crm_hooks.contributions import CardPanel, EventHandler, Job, Objection, Right, SyncableEntity
manifest = PluginManifest(name={name!r}, title="T", version="1", requires={requires!r})

{hook}
"""
PANEL = """
@hookimpl(position={position})
def crm_collect_card_panels(customer_id):
    {do}
    return [CardPanel({title!r})]
"""


def install_hooked(folder: Path, name: str, hook: str, requires: tuple[str, ...] = ()) -> None:
    install(folder, name, HOOKED.format(name=name, hook=hook, requires=requires))


def titles(host: PluginHost) -> list[str]:
    found = host.collect("crm_collect_card_panels", uow=None, customer_id=None)
    return [panel.title for panel in found]


def test_collected_by_position_then_after_what_is_required_then_by_name(installed: Path) -> None:
    for name, position, requires in (
        ("aa", 0, ("zz",)),
        ("bb", 5, ()),
        ("cc", 0, ()),
        ("zz", 0, ()),
        ("yy", -1, ()),
    ):
        panel = PANEL.format(position=position, do="pass", title=name)
        install_hooked(installed, name, panel, requires)
    assert titles(host_of_all()) == ["yy", "cc", "zz", "aa", "bb"]


@pytest.mark.parametrize(
    "do", ["raise RuntimeError('boom')", "raise SystemExit(3)", "time.sleep(60)", "return 7"]
)
def test_a_panel_that_fails_is_left_out(installed: Path, do: str) -> None:
    install_hooked(installed, "bad", PANEL.format(position=0, do=do, title="bad"))
    install_hooked(installed, "good", PANEL.format(position=0, do="pass", title="good"))
    host = host_of_all(seconds=SHORT)
    assert titles(host) == ["good"]
    assert {"bad", "good"} <= set(host.plugins)


DECIDE = """
@hookimpl
def crm_decide_customer_owner(customer):
    {do}
"""


def test_the_first_answer_decides_and_a_failure_before_it_stops(installed: Path) -> None:
    owner = UUID(int=7)
    install_hooked(installed, "aa", DECIDE.format(do="return None"))
    install_hooked(installed, "bb", DECIDE.format(do="from uuid import UUID; return UUID(int=7)"))
    install_hooked(installed, "cc", DECIDE.format(do="raise RuntimeError('late')"))
    host = host_of_all()
    assert host.decide("crm_decide_customer_owner", uow=None, customer=None) == owner

    install_hooked(installed, "ab", DECIDE.format(do="raise RuntimeError('early')"))
    with pytest.raises(PluginFailedError, match=r"crm plugins disable ab") as caught:
        host_of_all().decide("crm_decide_customer_owner", uow=None, customer=None)
    assert caught.value.details == {"plugin": "ab", "hook": "crm_decide_customer_owner"}


def test_a_rule_that_a_plugin_states_itself_reaches_the_caller(installed: Path) -> None:
    install_hooked(
        installed,
        "aa",
        DECIDE.format(
            do="from crm_core.errors import RuleViolationError\n    "
            "raise RuleViolationError('Name a country first.', code='aa.no_country')"
        ),
    )
    with pytest.raises(RuleViolationError, match="Name a country first"):
        host_of_all().decide("crm_decide_customer_owner", uow=None, customer=None)


CHECK = """
@hookimpl
def crm_check_customer_archive(customer_id):
    {do}
"""


def test_every_objection_is_heard_and_a_failure_is_one(installed: Path) -> None:
    install_hooked(installed, "aa", CHECK.format(do="raise RuntimeError('boom')"))
    install_hooked(installed, "bb", CHECK.format(do="return None"))
    install_hooked(installed, "cc", CHECK.format(do="return [Objection('Not yet.', 'cc.no')]"))
    found = host_of_all().check("crm_check_customer_archive", uow=None, customer_id=None)
    assert [each.code for each in found] == ["core.plugin_failed", "cc.no"]
    assert "crm plugins disable aa" in found[0].message
    assert found[1].message == "Not yet."


def registering(hook: str, gives: str) -> str:
    return f"@hookimpl\ndef {hook}():\n    return [{gives}]\n"


@pytest.mark.parametrize(
    ("hook", "gives", "says"),
    [
        ("crm_register_rights", "Right('sales.deal.win', 'Win')", "must begin with bad. or bad_"),
        ("crm_register_rights", "Right('bad.a', 'A'), Right('bad.a', 'A')", "right bad.a already"),
        ("crm_register_rights", "7", "gave 7, which is no Right"),
        ("crm_register_jobs", "Job('sweep', 'bad.jobs:sweep')", "must begin with bad."),
        (
            "crm_register_event_handlers",
            "EventHandler('x.y', (), 'bad.events:y')",
            "must begin with bad.",
        ),
        (
            "crm_register_syncable_entities",
            "SyncableEntity('y', 'Y', (), 'a:b', 'a:c')",
            "must begin with bad.",
        ),
    ],
)
def test_what_is_registered_must_fit(installed: Path, hook: str, gives: str, says: str) -> None:
    install_hooked(installed, "bad", registering(hook, gives))
    good = registering(
        "crm_register_event_handlers",
        "EventHandler('good.hear', ('core.customer.created',), 'good.events:h')",
    )
    install_hooked(installed, "good", good)
    host = host_of_all()
    assert [(fault.name, says in fault.reason) for fault in host.faults] == [("bad", True)]
    assert "good.hear" in host.event_handlers
    assert not any(name.startswith("bad") for name in (*host.event_handlers, *host.jobs))


@pytest.mark.parametrize("option", ["wrapper", "hookwrapper", "tryfirst", "trylast"])
def test_wrappers_are_refused(installed: Path, option: str) -> None:
    body = "yield" if "wrapper" in option else "return []"
    code = f"""
import pluggy

@pluggy.HookimplMarker("crm")({option}=True)
def crm_collect_card_panels(customer_id):
    {body}
"""
    install_hooked(installed, "bad", code)
    host = host_of_all()
    assert [fault.name for fault in host.faults] == ["bad"]
    assert "crm_collect_card_panels" in host.faults[0].reason


def test_a_thread_that_is_not_the_first_is_limited_too(installed: Path) -> None:
    install_hooked(
        installed, "bad", PANEL.format(position=0, do="while True: time.sleep(0.01)", title="bad")
    )
    host = host_of_all(seconds=SHORT)
    found: list[list[str]] = []
    thread = threading.Thread(target=lambda: found.append(titles(host)))
    thread.start()
    thread.join(LONG)
    assert found == [[]]


BACKENDS = """
@hookimpl
def crm_register_backend_types():
    from crm_hooks.contributions import BackendType
    return [BackendType({name!r}, "T", "x:y")]
"""


def test_what_a_faulty_plugin_gave_before_goes_with_it_and_so_do_its_dependents(
    installed: Path,
) -> None:
    late = "@hookimpl\ndef crm_register_jobs():\n    raise RuntimeError('late')\n"
    install_hooked(installed, "base", BACKENDS.format(name="base") + late)
    install_hooked(installed, "top", BACKENDS.format(name="top"), requires=("base",))
    host = host_of_all()
    assert "base" in host.backend_types  # nothing is wrong with it as yet
    assert {fault.name for fault in host.faults} == {"base", "top"}
    assert not {"base", "top"} & {*host.backend_types, *host.plugins}
    assert "requires base" in {fault.name: fault.reason for fault in host.faults}["top"]


@pytest.mark.parametrize(
    "do",
    [
        "yield CardPanel('half')\n    raise RuntimeError('boom')",
        "yield CardPanel('half')\n    time.sleep(60)",
        "return 'text'",
        "return [CardPanel('x'), None]",
        "return {'a': 1}",
    ],
)
def test_a_panel_of_the_wrong_kind_is_left_out_whole(installed: Path, do: str) -> None:
    install_hooked(installed, "bad", PANEL.format(position=0, do=do, title="bad"))
    install_hooked(installed, "good", PANEL.format(position=0, do="pass", title="good"))
    assert titles(host_of_all(seconds=SHORT)) == ["good"]


def test_a_registering_generator_that_hangs_is_left_out(installed: Path) -> None:
    hangs = "@hookimpl\ndef crm_register_jobs():\n    time.sleep(60)\n    yield\n"
    install_hooked(installed, "bad", hangs)
    [fault] = host_of_all(seconds=SHORT).faults
    assert (fault.name, fault.hung) == ("bad", True)


@pytest.mark.parametrize("do", ["return ['no']", "return 'no'", "return [None]", "return True"])
def test_an_objection_of_the_wrong_kind_is_one(installed: Path, do: str) -> None:
    install_hooked(installed, "bad", CHECK.format(do=do))
    found = host_of_all().check("crm_check_customer_archive", uow=None, customer_id=None)
    assert [each.code for each in found] == ["core.plugin_failed"]


def test_an_answer_of_the_wrong_kind_decides_nothing(installed: Path) -> None:
    install_hooked(installed, "bad", DECIDE.format(do="return 'eva'"))
    with pytest.raises(PluginFailedError, match="gave 'eva'"):
        host_of_all().decide("crm_decide_customer_owner", uow=None, customer=None)


def test_plugins_that_are_off_push_out_none_that_is_in_use(installed: Path) -> None:
    prefixed = MANIFEST.replace("{more}", ", table_prefix='same_'")
    (installed / "migrations").mkdir()
    (installed / "migrations" / "0001_first.py").write_text("")
    for name in ("aa_new", "zz_used"):
        install(installed, name, prefixed.format(name=name))
    points = installed_points()
    used = {"zz_used"}
    found = load(points, points, seconds=10, is_in_use=lambda each: each.manifest.name in used)
    assert (list(found.plugins), list(found.faults)) == (["zz_used"], [])
    assert "clashes" in load(points, points, seconds=10).faults["zz_used"].reason


def ticks() -> tuple[bool, object]:
    return signal.getitimer(signal.ITIMER_REAL)[0] > 0, signal.getsignal(signal.SIGALRM)


def test_a_limit_leaves_nothing_behind() -> None:
    before = ticks()
    with pytest.raises(PluginTimeoutError), time_limit(0.05):
        time.sleep(5)
    assert ticks() == before
    with pytest.raises(ValueError, match="own"), time_limit(LONG):
        raise ValueError("own")
    assert ticks() == before


def test_the_sooner_of_two_limits_counts_and_the_outer_goes_on() -> None:
    before, began = ticks(), time.monotonic()
    with pytest.raises(PluginTimeoutError), time_limit(0.1), time_limit(2 * LONG):
        time.sleep(3 * LONG)
    # The outer one has not run out when the inner one is heard of, or it would be suppressed too.
    with pytest.raises(PluginTimeoutError), time_limit(SHORT):
        with suppress(PluginTimeoutError), time_limit(0.05):
            time.sleep(3 * LONG)
        time.sleep(3 * LONG)
    assert time.monotonic() - began < LONG
    assert ticks() == before


def test_a_limit_in_a_thread_does_not_reach_beyond_its_block() -> None:
    late: list[BaseException] = []

    def work() -> None:
        for _ in range(300):
            try:
                with time_limit(0.001):
                    end = time.monotonic() + 0.001
                    while time.monotonic() < end:
                        pass
            except PluginTimeoutError:
                pass
            try:
                for _ in range(200):
                    pass
            except PluginTimeoutError as error:
                late.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(LONG)
    assert late == []
