"""Asking the plugins in use for what they contribute, one by one and in isolation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args, get_origin, get_type_hints

import pluggy
import structlog

from crm_core.errors import CrmError, PluginFailedError
from crm_core.messages import t
from crm_core.plugins.discovery import (
    FAILURES,
    Installation,
    Loaded,
    PluginFault,
    described,
    resolve,
)
from crm_core.plugins.limits import PluginTimeoutError, time_limit
from crm_hooks import specs
from crm_hooks.contributions import (
    BackendType,
    EventHandler,
    Job,
    ListColumn,
    Objection,
    PluginSetting,
    Right,
    SyncableEntity,
    WebModule,
)
from crm_hooks.markers import POSITION, PROJECT_NAME

log = structlog.get_logger(__name__)
PLUGIN_SECONDS = 10.0
OWN_NAMES = frozenset(
    {EventHandler, SyncableEntity, Right, Job, ListColumn, WebModule, PluginSetting}
)
"""Contributions whose names begin with the plugin's own, so that they are known when it is gone."""
REGISTERED = (
    "backend_types",
    "event_handlers",
    "entities",
    "rights",
    "jobs",
    "list_columns",
    "web_modules",
    "settings",
)


@dataclass(frozen=True, slots=True)
class _Implementation:
    plugin: str
    function: Callable[..., Any]
    names: tuple[str, ...]

    def call(self, arguments: dict[str, Any], seconds: float) -> Any:
        with time_limit(seconds):
            return self.function(**{name: arguments[name] for name in self.names})

    def listed(self, arguments: dict[str, Any], seconds: float, kind: Any) -> list[Any]:
        with time_limit(seconds):  # a generator only works while it is read
            given = list(self.function(**{name: arguments[name] for name in self.names}) or ())
        for item in given:
            _checked(item, kind)
        return given


class PluginHost:
    """The plugins in use on one database; a faulty one is set aside and all others go on.

    Args:
        installation: The plugins, loaded.
        seconds: How long one implementation of a hook may take.
    """

    def __init__(self, installation: Installation, *, seconds: float = PLUGIN_SECONDS) -> None:
        self._installation = installation
        self._seconds = seconds
        self._pluggy = pluggy.PluginManager(PROJECT_NAME)
        for module in specs.modules():
            self._pluggy.add_hookspecs(module)
        self._places = {name: place for place, name in enumerate(installation.plugins)}
        self._ordered: dict[str, tuple[_Implementation, ...]] = {}
        self._kinds: dict[str, Any] = {}
        for name, loaded in list(installation.plugins.items()):
            if name in installation.plugins:
                self._register(name, loaded)

    @property
    def plugins(self) -> dict[str, Loaded]:
        """The plugins in use, each after those it requires."""
        return self._installation.plugins

    @property
    def faults(self) -> list[PluginFault]:
        """Plugins left out, with the reason; all registering hooks were asked."""
        for registered in REGISTERED:
            getattr(self, registered)
        return sorted(self._installation.faults.values(), key=lambda fault: fault.name)

    @cached_property
    def backend_types(self) -> dict[str, BackendType]:
        """The kinds of remote on offer, by name."""
        return self._registered("crm_register_backend_types", BackendType, t("backend type"))

    @cached_property
    def event_handlers(self) -> dict[str, EventHandler]:
        """Handlers of events, by name."""
        return self._registered("crm_register_event_handlers", EventHandler, t("event handler"))

    @cached_property
    def entities(self) -> dict[str, SyncableEntity]:
        """Plugins' records that can be synced, by name."""
        return self._registered(
            "crm_register_syncable_entities", SyncableEntity, t("synced entity")
        )

    @cached_property
    def rights(self) -> dict[str, Right]:
        """Rights that plugins' services ask for, by code."""
        return self._registered("crm_register_rights", Right, "right")

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """Jobs of plugins, by name."""
        return self._registered("crm_register_jobs", Job, "job")

    @cached_property
    def list_columns(self) -> dict[str, ListColumn]:
        """Columns for the list of customers, by name."""
        return self._registered("crm_register_list_columns", ListColumn, t("list column"))

    @cached_property
    def web_modules(self) -> dict[str, WebModule]:
        """Pages and API resources for the web, by name."""
        return self._registered("crm_register_web", WebModule, t("web module"))

    @cached_property
    def settings(self) -> dict[str, PluginSetting]:
        """Settings of plugins, by name."""
        return self._registered("crm_register_settings", PluginSetting, "setting")

    def rights_of(self, plugin: str) -> list[Right]:
        """Return the rights that one plugin brings."""
        return [
            right
            for implementation in self._implementations("crm_register_rights")
            if implementation.plugin == plugin
            for right in implementation.listed({}, self._seconds, Right)
        ]

    def collect(
        self, hook: str, *, instead: Callable[[str], Any] | None = None, **arguments: Any
    ) -> list[Any]:
        """Return what all implementations give; one that fails is logged and left out.

        Args:
            hook: Its name.
            instead: Gives what stands in the place of a failing plugin's answer, by its name.
            **arguments: What the hook is called with.
        """
        found: list[Any] = []
        kind = self._kind(hook)
        for implementation in self._implementations(hook):
            try:
                with _savepoint(arguments):
                    found += implementation.listed(arguments, self._seconds, kind)
            except FAILURES:
                log.warning("hook failed", plugin=implementation.plugin, hook=hook, exc_info=True)
                if instead is not None:
                    found.append(instead(implementation.plugin))
        return found

    def decide(self, hook: str, **arguments: Any) -> Any:
        """Return the first answer; None when nobody has one.

        Raises:
            PluginFailedError: An implementation failed before there was an answer.
        """
        for implementation in self._implementations(hook):
            try:
                answer = implementation.call(arguments, self._seconds)
                _checked(answer, self._kind(hook))
            except CrmError:
                raise
            except FAILURES as error:
                raise self._failure(implementation, hook, error) from error
            if answer is not None:
                return answer
        return None

    def call(self, reference: str, what: str, uow: Any, *arguments: Any) -> Any:
        """Call what a contribution names as ``"module:attribute"``, with its time limit.

        Raises:
            PluginFailedError: It failed; what was written through ``uow`` meanwhile is not kept.
            ConfigurationError: There is no such thing.
        """
        function = resolve(reference, what)
        try:
            with _savepoint({"uow": uow}), time_limit(self._seconds):
                return function(uow, *arguments)
        except CrmError:
            raise
        except FAILURES as error:
            log.warning("plugin failed", what=what, reference=reference, exc_info=True)
            raise PluginFailedError(
                t(
                    "{what} failed ({error}). Repair or upgrade its plugin, or switch it off: crm "
                    "plugins disable NAME.",
                    what=what,
                    error=described(error),
                ),
                details={"what": what},
            ) from error

    def check(self, hook: str, **arguments: Any) -> list[Objection]:
        """Return every objection; an implementation that fails counts as one."""
        found: list[Objection] = []
        for implementation in self._implementations(hook):
            try:
                with _savepoint(arguments):
                    found += implementation.listed(arguments, self._seconds, Objection)
            except FAILURES as error:
                failure = self._failure(implementation, hook, error)
                found.append(Objection(failure.message, failure.code))
        return found

    def rehearse(self, hook: str, **arguments: Any) -> dict[str, str]:
        """Call a hook only to see which plugins fail in it, and how; a rule stated is no failure.

        Args:
            hook: Any but a registering one.
            **arguments: As it is called with; what is written through ``uow`` is not kept.
        """
        failed: dict[str, str] = {}
        kind = self._kind(hook)
        for implementation in self._implementations(hook):
            try:
                with _savepoint(arguments):
                    if hook.startswith("crm_decide_"):
                        _checked(implementation.call(arguments, self._seconds), kind)
                    else:
                        implementation.listed(arguments, self._seconds, kind)
            except CrmError:
                continue
            except FAILURES as error:
                failed[implementation.plugin] = t(
                    "It fails in {hook}: {error}", hook=hook, error=described(error)
                )
        return failed

    def _register(self, name: str, loaded: Loaded) -> None:
        try:
            self._pluggy.register(loaded.module, name)
            self._pluggy.check_pending()
            wrapper = self._wrapper_of(name)
        except (pluggy.PluginValidationError, ValueError) as error:
            self._quarantine(name, t("Its hooks do not fit: {error}", error=error))
            return
        if wrapper:
            self._quarantine(
                name,
                t(
                    "Its {wrapper} asks for an order or wraps others; give position= instead.",
                    wrapper=wrapper,
                ),
            )

    def _wrapper_of(self, name: str) -> str | None:
        for caller in self._pluggy.get_hookcallers(self._pluggy.get_plugin(name)) or ():
            for found in caller.get_hookimpls():
                own = found.plugin_name == name
                special = found.hookwrapper or found.wrapper or found.tryfirst or found.trylast
                if own and special:
                    return str(caller.name)
        return None

    def _registered(self, hook: str, kind: type[Any], what: str) -> dict[str, Any]:
        """Return the contributions of a registering hook; who fails or clashes is set aside."""
        key = "code" if kind is Right else "name"
        found: dict[str, Any] = {}
        owners: dict[str, str] = {}
        for implementation in self._implementations(hook):
            name = implementation.plugin
            try:
                given = implementation.listed({}, self._seconds, kind)
            except FAILURES as error:
                log.warning("plugin failed", plugin=name, hook=hook, exc_info=True)
                hung = isinstance(error, PluginTimeoutError)
                why = t("{hook}: {error}", hook=hook, error=described(error))
                self._quarantine(name, why, hung=hung)
                continue
            names = [getattr(item, key) for item in given]
            clash = [each for each in names if each in found or names.count(each) > 1]
            foreign = [each for each in names if kind in OWN_NAMES and not _is_of(name, each)]
            if foreign:
                self._quarantine(
                    name,
                    t(
                        "The name of its {what} {foreign} must begin with {name}. or {name}_.",
                        what=what,
                        foreign=foreign[0],
                        name=name,
                    ),
                )
            elif clash:
                self._quarantine(
                    name,
                    t("Another plugin has the {what} {clash} already.", what=what, clash=clash[0]),
                )
            else:
                found |= dict(zip(names, given, strict=True))
                owners |= dict.fromkeys(names, name)
        # One that requires a plugin just quarantined went with it.
        return {each: item for each, item in found.items() if owners[each] in self.plugins}

    def _kind(self, hook: str) -> Any:
        """Return what a hook's specification says that its answer, or each of it, is."""
        if hook not in self._kinds:
            told = get_type_hints(getattr(self._pluggy.hook, hook).spec.function)["return"]
            self._kinds[hook] = get_args(told)[0] if get_origin(told) is Sequence else told
        return self._kinds[hook]

    def _implementations(self, hook: str) -> tuple[_Implementation, ...]:
        # pluggy would stop at the first exception and begin with the last registered.
        ordered = self._ordered.get(hook)
        if ordered is None:
            ordered = self._ordered[hook] = tuple(self._sorted(hook))
        return ordered

    def _sorted(self, hook: str) -> Iterator[_Implementation]:
        found = getattr(self._pluggy.hook, hook).get_hookimpls()
        place = lambda impl: (  # noqa: E731
            getattr(impl.function, POSITION, 0),
            self._places[impl.plugin_name],
        )
        for impl in sorted(found, key=place):
            yield _Implementation(impl.plugin_name, impl.function, tuple(impl.argnames))

    def _quarantine(self, name: str, reason: str, *, hung: bool = False) -> None:
        if self._pluggy.has_plugin(name):
            self._pluggy.unregister(name=name)
        self._installation.refuse(name, reason, hung=hung)
        self._ordered.clear()
        for registered in REGISTERED:  # what it has given until now goes with it
            self.__dict__.pop(registered, None)
        for other, loaded in list(self.plugins.items()):
            if name in loaded.manifest.requires and other in self.plugins:
                self._quarantine(other, t("It requires {name}, which is left out.", name=name))

    def _failure(
        self, implementation: _Implementation, hook: str, error: BaseException
    ) -> PluginFailedError:
        log.warning("hook failed", plugin=implementation.plugin, hook=hook, exc_info=error)
        return PluginFailedError(
            t(
                "The plugin {plugin} failed in {hook} ({error}). Repair or upgrade it, or switch "
                "it off: crm plugins disable {plugin}.",
                plugin=implementation.plugin,
                hook=hook,
                error=described(error),
            ),
            details={"plugin": implementation.plugin, "hook": hook},
        )


def _checked(item: Any, kind: Any) -> None:
    if not isinstance(item, kind):
        raise TypeError(f"it gave {item!r}, which is no {getattr(kind, '__name__', kind)}")


def _is_of(plugin: str, name: str) -> bool:
    return name.startswith((f"{plugin}.", f"{plugin}_"))


def _savepoint(arguments: dict[str, Any]) -> AbstractContextManager[Any]:
    """Keep a failed statement of a plugin from spoiling the caller's transaction."""
    uow = arguments.get("uow")
    return nullcontext() if uow is None else uow.session.begin_nested()
