"""Which plugins are installed, and whether each of them fits; nothing here knows a database."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import structlog
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from crm_core.commands import COMMANDS
from crm_core.errors import ConfigurationError, PluginLoadError
from crm_core.messages import t
from crm_core.persistence.migrate import MigrationLine
from crm_core.plugins.limits import PluginTimeoutError, time_limit
from crm_hooks import HOOKS_API_VERSION, PluginManifest

log = structlog.get_logger(__name__)
PLUGIN_GROUP, COMMAND_GROUP = "crm.plugins", "crm.commands"
DISABLE_VARIABLE = "CRM_DISABLE_PLUGINS"
RESERVED = frozenset({"core"})
FAILURES = (Exception, SystemExit, PluginTimeoutError)
"""Whatever a plugin may raise: none of it may reach the core."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True)
class PluginFault:
    """A plugin that is left out, and why, in words an administrator can act on.

    ``hung`` tells that it took too long: loading it again would hold everybody up again.
    """

    name: str
    reason: str
    hung: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plugin whose ``plugin.py`` was imported and fits."""

    manifest: PluginManifest
    module: ModuleType
    point: EntryPoint

    @property
    def package(self) -> str:
        """The package it is."""
        return package_of(self.point)

    @property
    def line(self) -> MigrationLine | None:
        """Its revisions; None when it has no tables."""
        if not self.manifest.table_prefix:
            return None
        folder = Path(str(self.module.__file__)).parent / "migrations"
        return MigrationLine(self.manifest.name, self.manifest.table_prefix, folder)


@dataclass
class Installation:
    """The plugins of this Python environment, loaded as asked for.

    Attributes:
        plugins: Those that fit, each after those it requires.
        faults: Those left out.
    """

    plugins: dict[str, Loaded] = field(default_factory=dict)
    faults: dict[str, PluginFault] = field(default_factory=dict)

    def refuse(self, name: str, reason: str, *, hung: bool = False) -> None:
        """Leave a plugin out."""
        self.plugins.pop(name, None)
        self.faults.setdefault(name, PluginFault(name, reason, hung))


def installed_points() -> dict[str, list[EntryPoint]]:
    """Return the entry points of all installed plugins that are not switched off, by name.

    ``CRM_DISABLE_PLUGINS`` names plugins to leave out, separated by commas; ``*`` means all.
    """
    disabled = {name.strip() for name in os.environ.get(DISABLE_VARIABLE, "").split(",")}
    found: dict[str, list[EntryPoint]] = {}
    if "*" not in disabled:
        for point in entry_points(group=PLUGIN_GROUP):
            if point.name not in disabled:
                found.setdefault(point.name, []).append(point)
    return {name: found[name] for name in sorted(found)}


def load(
    points: Mapping[str, list[EntryPoint]],
    wanted: Collection[str],
    *,
    seconds: float,
    is_in_use: Callable[[Loaded], bool] = lambda _: True,
) -> Installation:
    """Import the plugins wanted, check them one by one and against each other, and order them.

    Args:
        points: What is installed.
        wanted: Names of plugins; those that are not installed are left out without a word.
        seconds: How long importing one may take.
        is_in_use: Whether to keep one; others are not compared with those kept. May raise
            PluginLoadError to leave it out with a reason.
    """
    installation = Installation()
    for name, found in points.items():
        if name not in wanted:
            continue
        try:
            with time_limit(seconds):
                loaded = _loaded(name, found)
            if is_in_use(loaded):
                installation.plugins[name] = loaded
        except PluginLoadError as error:
            installation.refuse(name, error.message)
        except ModuleNotFoundError as error:
            installation.refuse(name, missing_module(error, found[0].dist))
        except FAILURES as error:
            log.warning("plugin failed to load", plugin=name, exc_info=True)
            hung = isinstance(error, PluginTimeoutError)
            installation.refuse(name, described(error), hung=hung)
    _check_prefixes(installation)
    _check_commands(installation)
    _order(installation)
    return installation


def described(error: BaseException) -> str:
    """Return in one line what a plugin raised."""
    if isinstance(error, PluginTimeoutError):
        return t("It hung: {error}.", error=error if str(error) else t("it took too long"))
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def missing_module(error: ModuleNotFoundError, distribution: Distribution | None) -> str:
    """Say what to install when a module is missing: the plugin's extra that brings it, if any."""
    wanted = str(error.name or "").partition(".")[0]
    needs = t("It needs the Python package {wanted}, which is not installed", wanted=wanted)
    for text in (distribution.requires if distribution else None) or ():
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) != canonicalize_name(wanted):
            continue
        assert distribution is not None
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", str(requirement.marker or ""))
        name = f"{distribution.name}[{extra[1]}]" if extra else distribution.name
        return t("{needs}: pip install '{name}'.", needs=needs, name=name)
    return t("{needs}: {kind}: {error}.", needs=needs, kind="ModuleNotFoundError", error=error)


def resolve(reference: str, what: str) -> Any:
    """Import what ``"module:attribute"`` names.

    Args:
        reference: Such as ``crm_loyalty.jobs:expire``.
        what: Whose it is, for the message.

    Raises:
        ConfigurationError: There is no such thing.
    """
    module, _, attribute = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            t(
                "{what} names {reference}, which cannot be imported ({error}). Repair or upgrade "
                "its plugin, or switch it off: crm plugins disable NAME.",
                what=what,
                reference=reference,
                error=error,
            ),
            code="core.plugin.reference",
            details={"reference": reference},
        ) from error


def package_of(point: EntryPoint) -> str:
    """Return the top-level package that an entry point lies in."""
    return point.value.partition(":")[0].partition(".")[0]


def command_owners(points: Mapping[str, list[EntryPoint]]) -> dict[str, str]:
    """Return which plugin a package's commands belong to, by package."""
    return {package_of(found[0]): name for name, found in points.items()}


def rival_of(name: str, in_use: Collection[str]) -> tuple[str, str] | None:
    """Return a command of a plugin that one in use has already, and which; None without such."""
    owners = command_owners(installed_points())
    brought: dict[str, set[str]] = {}
    for point in entry_points(group=COMMAND_GROUP):
        brought.setdefault(owners.get(package_of(point), ""), set()).add(point.name)
    mine = brought.get(name, set())
    for other in sorted(set(in_use) - {name}):
        for command in sorted(mine & brought.get(other, set())):
            return command, other
    return None


def _loaded(name: str, found: list[EntryPoint]) -> Loaded:
    if len(found) > 1:
        places = " and ".join(sorted(point.dist.name if point.dist else "?" for point in found))
        raise PluginLoadError(
            t("{places} both bring a plugin of this name: uninstall one of them.", places=places)
        )
    module = found[0].load()
    if not isinstance(module, ModuleType):
        raise PluginLoadError(t("The entry point {found} names no module.", found=found[0].value))
    manifest = getattr(module, "manifest", None)
    if not isinstance(manifest, PluginManifest) or manifest.name != name:
        raise PluginLoadError(
            t("{module} has no manifest named {name!r}.", module=module.__name__, name=name)
        )
    if not _NAME.fullmatch(name) or name in RESERVED:
        raise PluginLoadError(
            t(
                "{name!r} cannot be a plugin's name: use lower-case letters, digits and _.",
                name=name,
            )
        )
    if not _accepts(manifest.hooks_api, HOOKS_API_VERSION):
        raise PluginLoadError(
            t(
                "It needs hooks {hooks_api}, this product has {hooks_api_version}: install a "
                "matching version of one of them.",
                hooks_api=manifest.hooks_api,
                hooks_api_version=HOOKS_API_VERSION,
            )
        )
    loaded = Loaded(manifest, module, found[0])
    _check_tables(loaded)
    return loaded


def _check_tables(loaded: Loaded) -> None:
    prefix, line = loaded.manifest.table_prefix, loaded.line
    if line is None:
        return
    if not re.fullmatch(r"[a-z][a-z0-9_]*_", prefix) or prefix.startswith(("core_", "alembic_")):
        raise PluginLoadError(
            t(
                "Its table prefix {prefix!r} will not do: lower-case letters, digits and _, "
                "ending in _, and not the core's.",
                prefix=prefix,
            )
        )
    if loaded.manifest.on_by_default:
        raise PluginLoadError(t("It has tables, so it cannot be on by default."))
    if not line.revisions:
        raise PluginLoadError(
            t("It has a table prefix but no revision in {folder}.", folder=line.folder)
        )


def _check_prefixes(installation: Installation) -> None:
    taken: dict[str, str] = {}
    for name, loaded in sorted(installation.plugins.items()):
        prefix = loaded.manifest.table_prefix
        clash = next(
            (other for other in taken if prefix.startswith(other) or other.startswith(prefix)), None
        )
        if prefix and clash:
            installation.refuse(
                name,
                t(
                    "Its table prefix {prefix} clashes with {clash} of the plugin {taken}: only "
                    "one of the two can be in use.",
                    prefix=prefix,
                    clash=clash,
                    taken=taken[clash],
                ),
            )
        elif prefix:
            taken[prefix] = name


def _check_commands(installation: Installation) -> None:
    owners = {loaded.package: name for name, loaded in installation.plugins.items()}
    taken = dict.fromkeys(COMMANDS, t("the core"))
    points = sorted(entry_points(group=COMMAND_GROUP), key=lambda point: (point.name, point.value))
    for point in points:
        owner = owners.get(package_of(point))
        if owner is None:
            continue
        if point.name in taken:
            installation.refuse(
                owner,
                t(
                    "Its command {point} is one of {taken} already.",
                    point=point.name,
                    taken=taken[point.name],
                ),
            )
        else:
            taken[point.name] = t("the plugin {owner}", owner=owner)


def _order(installation: Installation) -> None:
    """Put each plugin behind those it requires; leave out circles and what lacks something."""
    while True:
        plugins = installation.plugins
        wants = {name: plugins[name].manifest.requires for name in sorted(plugins)}
        lacking = {n: [r for r in wanted if r not in plugins] for n, wanted in wants.items()}
        for name, missing in lacking.items():
            if missing:
                installation.refuse(
                    name,
                    t(
                        "It requires {missing}, which is not in use: enable it first.",
                        missing=_listed(missing),
                    ),
                )
        if any(lacking.values()):
            continue
        sorter = TopologicalSorter(wants)
        try:
            sorter.prepare()
        except CycleError as error:
            circle = sorted(set(error.args[1]))
            for name in circle:
                installation.refuse(
                    name, t("{circle} require each other in a circle.", circle=_listed(circle))
                )
            continue
        installation.plugins = {name: plugins[name] for name in _by_name(sorter)}
        return


def _by_name(sorter: TopologicalSorter[str]) -> Iterator[str]:
    ready = sorted(sorter.get_ready())
    while ready:
        yield (name := heappop(ready))
        sorter.done(name)
        for following in sorter.get_ready():
            heappush(ready, following)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _accepts(wanted: str, version: str) -> bool:
    try:
        return SpecifierSet(wanted).contains(version)
    except InvalidSpecifier:
        raise PluginLoadError(
            t("{wanted!r} is not a version range; write one such as >=1,<2.", wanted=wanted)
        ) from None
