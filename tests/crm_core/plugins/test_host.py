"""The plugin host: one faulty plugin is named and left out, all others go on."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from crm_core.plugins.host import PluginHost

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
    return tmp_path


def install(folder: Path, name: str, code: str) -> None:
    (folder / f"crmtest_{name}.py").write_text(code, encoding="utf-8")
    info = folder / f"crmtest_{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: crmtest-{name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[crm.plugins]\n{name} = crmtest_{name}\n")
    sys.modules.pop(f"crmtest_{name}", None)


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_plugin_is_named_and_the_others_go_on(installed: Path, name: str) -> None:
    code, says = FAULTS[name]
    install(installed, name, code)
    install(installed, "zz_good", GOOD.format(name="zz_good"))

    host = PluginHost.discover()
    types = host.backend_types()

    assert {"files", "odoo", "zz_good"} <= set(types)
    assert [fault.name for fault in host.faults] == [name]
    assert says in host.faults[0].reason
    assert name not in host.manifests


def test_two_plugins_with_one_backend_type(installed: Path) -> None:
    install(
        installed,
        "zz_again",
        GOOD.format(name="zz_again").replace("[BackendType('zz_again'", "[BackendType('files'"),
    )
    host = PluginHost.discover()
    assert host.backend_types()["files"].factory.startswith("crm_files")
    assert [fault.reason for fault in host.faults] == [
        "Another plugin has the backend type files already."
    ]


def test_plugins_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not PluginHost.discover(safe_mode=True).manifests
    monkeypatch.setenv("CRM_DISABLE_PLUGINS", "odoo, other")
    assert set(PluginHost.discover().manifests) == {"files"}
    monkeypatch.setenv("CRM_DISABLE_PLUGINS", "*")
    assert not PluginHost.discover().manifests


def test_a_plugin_must_be_a_module() -> None:
    host = PluginHost()
    nameless = ModuleType("nameless")
    with pytest.raises(Exception, match="has no manifest"):
        host.register("nameless", nameless)
