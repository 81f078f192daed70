"""Finding plugins, and asking them for what they contribute, one by one and in isolation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy
import structlog
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from crm_core.errors import PluginLoadError
from crm_hooks import HOOKS_API_VERSION, PluginManifest
from crm_hooks.contributions import BackendType
from crm_hooks.markers import PROJECT_NAME
from crm_hooks.specs import backends

log = structlog.get_logger(__name__)
ENTRY_POINT_GROUP = "crm.plugins"
DISABLE_VARIABLE = "CRM_DISABLE_PLUGINS"


@dataclass(frozen=True, slots=True)
class PluginFault:
    """A plugin that is left out, and why, in words an administrator can act on."""

    name: str
    reason: str


@dataclass
class PluginHost:
    """The plugins of this installation; a faulty one is set aside and all others go on.

    Attributes:
        manifests: Name cards of the plugins in use, by name.
        faults: Plugins left out, with the reason.
    """

    manifests: dict[str, PluginManifest] = field(default_factory=dict)
    faults: list[PluginFault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._pluggy = pluggy.PluginManager(PROJECT_NAME)
        self._pluggy.add_hookspecs(backends)
        self._backend_types: dict[str, BackendType] | None = None

    @classmethod
    def discover(cls, *, safe_mode: bool = False) -> PluginHost:
        """Load every installed plugin, but none in safe mode and none that is switched off.

        ``CRM_DISABLE_PLUGINS`` names plugins to leave out, separated by commas; ``*`` means all.
        """
        host = cls()
        disabled = {name.strip() for name in os.environ.get(DISABLE_VARIABLE, "").split(",")}
        if safe_mode or "*" in disabled:
            return host
        points = sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)
        for point in points:
            if point.name not in disabled:
                host._guarded(point.name, partial(host._load, point))
        return host

    def register(self, name: str, module: ModuleType) -> None:
        """Take a plugin's ``plugin.py`` into use.

        Raises:
            PluginLoadError: It has no manifest, asks for other hooks, or implements unknown ones.
        """
        manifest = getattr(module, "manifest", None)
        if not isinstance(manifest, PluginManifest) or manifest.name != name:
            raise PluginLoadError(f"{module.__name__} has no manifest named {name!r}.")
        if not _accepts(manifest.hooks_api, HOOKS_API_VERSION):
            raise PluginLoadError(
                f"It needs hooks {manifest.hooks_api}, this product has {HOOKS_API_VERSION}: "
                "install a matching version of one of them."
            )
        try:
            self._pluggy.register(module, name)
            self._pluggy.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            self._pluggy.unregister(name=name)
            raise PluginLoadError(f"Its hooks do not fit: {error}") from error
        self.manifests[name] = manifest

    def _load(self, point: EntryPoint) -> None:
        module = point.load()
        if not isinstance(module, ModuleType):
            raise PluginLoadError(f"The entry point {point.value} names no module.")
        self.register(point.name, module)

    def backend_types(self) -> dict[str, BackendType]:
        """Return the kinds of remote on offer, by name."""
        if self._backend_types is None:
            found: dict[str, BackendType] = {}
            for name, contributions in self._registered("crm_register_backend_types"):
                clash = [kind.name for kind in contributions if kind.name in found]
                if clash:
                    self._quarantine(
                        name, f"Another plugin has the backend type {clash[0]} already."
                    )
                    continue
                found |= {kind.name: kind for kind in contributions}
            self._backend_types = found
        return self._backend_types

    def _registered(self, hook: str) -> Iterator[tuple[str, Sequence[Any]]]:
        # pluggy would stop at the first exception and begin with the last registered.
        caller = getattr(self._pluggy.hook, hook)
        for implementation in sorted(caller.get_hookimpls(), key=lambda impl: impl.plugin_name):
            name = implementation.plugin_name
            contributions: list[Any] = []
            if self._guarded(name, partial(_ask, implementation.function, contributions)):
                yield name, contributions

    def _guarded(self, name: str, act: Callable[[], object]) -> bool:
        try:
            act()
        except PluginLoadError as error:
            self._quarantine(name, error.message)
        except (Exception, SystemExit) as error:  # a plugin's fault must never reach the core
            log.warning("plugin failed", plugin=name, exc_info=True)
            self._quarantine(name, f"{type(error).__name__}: {error}")
        else:
            return True
        return False

    def _quarantine(self, name: str, reason: str) -> None:
        if self._pluggy.has_plugin(name):
            self._pluggy.unregister(name=name)
        self.manifests.pop(name, None)
        self.faults.append(PluginFault(name, reason))


def _ask(hook: Callable[[], Sequence[Any] | None], into: list[Any]) -> None:
    into.extend(hook() or ())


def _accepts(wanted: str, version: str) -> bool:
    try:
        return SpecifierSet(wanted).contains(version)
    except InvalidSpecifier:
        raise PluginLoadError(
            f"{wanted!r} is not a version range; write one such as >=1,<2."
        ) from None
