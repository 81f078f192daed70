"""The product put together: settings, database, plugins, actors, remotes; each opened when used."""

from __future__ import annotations

import getpass
import importlib
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from crm_core.access import Actor, system_actor
from crm_core.config import Config
from crm_core.errors import (
    ConfigurationError,
    CrmError,
    FatalSyncError,
    InputError,
    PermissionDeniedError,
    PluginLoadError,
)
from crm_core.hook_calls import LazyHooks
from crm_core.messages import joined, t

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from crm_core.entities.sync import Backend
    from crm_core.persistence.database import Database
    from crm_core.persistence.unit_of_work import UnitOfWork
    from crm_core.plugins.discovery import Installation, Loaded
    from crm_core.plugins.host import PluginHost
    from crm_core.sync.planning.apply import PlanReport
    from crm_core.sync.planning.plan import Plan
    from crm_core.sync.protocol import RemoteBackend
    from crm_core.sync.run_record import RunReport
    from crm_hooks.contributions import BackendType, EventHandler

RELAY_SECONDS = 60.0
"""How long a sync may be kept waiting by events that others still have to hear of."""


class Application:
    """Everything an entry point needs, behind one object.

    Args:
        config: The settings in force.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._activation: int | None = None

    @cached_property
    def unchecked_database(self) -> Database:
        """The database in whatever state it is in: for ``init``, ``db`` and ``doctor`` only."""
        from crm_core.persistence.database import Database

        return Database(self.config.database_url, key_file=self.config.key_file)

    @cached_property
    def database(self) -> Database:
        """The database, made sure to be of this version.

        Raises:
            ConfigurationError: It is missing, older, newer, or does not answer.
        """
        from crm_core.persistence.migrate import check_current

        check_current(self.unchecked_database)
        self.unchecked_database.hooks = LazyHooks(lambda: self.plugins)
        return self.unchecked_database

    @cached_property
    def installed_plugins(self) -> Installation:
        """All plugins of this Python environment, in use or not; those that fit are loaded."""
        from crm_core.plugins.discovery import load

        points = self._plugin_points()
        return load(points, points.keys(), seconds=self.config.plugin_seconds)

    @cached_property
    def plugins(self) -> PluginHost:
        """The plugins in use on this database; before it is set up, those that are on by default.

        One whose tables are of another version is left out; one that hung is remembered as such.
        """
        from crm_core.plugins.host import PluginHost

        try:
            database: Database | None = self.database
        except CrmError:
            database = None  # commands that need it say why themselves
        found = self._plugins_in_use(database)
        host = PluginHost(found, seconds=self.config.plugin_seconds)
        hung = {fault.name: fault.reason for fault in host.faults if fault.hung}
        if hung and database is not None:
            from crm_core.plugins.activation import quarantine

            quarantine(database, hung)
        return host

    def _plugins_in_use(self, database: Database | None) -> Installation:
        from crm_core.entities.plugin import PluginState
        from crm_core.persistence.migrate import status
        from crm_core.plugins.activation import activation_number, is_enabled, plugin_states
        from crm_core.plugins.discovery import load

        states: dict[str, str] = {}
        if database is not None:
            with self.unit_of_work(system_actor("plugins")) as uow:
                states, self._activation = plugin_states(uow), activation_number(uow)
        points = self._plugin_points()
        wanted = [n for n in points if states.get(n, PluginState.ENABLED) == PluginState.ENABLED]

        def is_in_use(loaded: Loaded) -> bool:
            if not is_enabled(loaded, states):
                return False
            if loaded.line and database and not status(database, loaded.line).is_current:
                raise PluginLoadError(t("Its tables are of another version: run crm db upgrade."))
            return True

        return load(points, wanted, seconds=self.config.plugin_seconds, is_in_use=is_in_use)

    def _plugin_points(self) -> dict[str, list[EntryPoint]]:
        from crm_core.plugins.discovery import installed_points

        return {} if self.config.safe_mode else installed_points()

    def upgrade_plugins(self) -> list[dict[str, str | None]]:
        """Run what is pending of the enabled plugins' tables; one that fails holds up nobody else.

        Returns:
            ``id`` and ``error`` (or None) of each plugin that had something pending.
        """
        from crm_core.plugins.activation import is_enabled, plugin_states, upgrade_plugins

        with self.unit_of_work(system_actor("upgrade")) as uow:
            states = plugin_states(uow)
        enabled = [p for p in self.installed_plugins.plugins.values() if is_enabled(p, states)]
        done: list[dict[str, str | None]] = []
        upgrade_plugins(
            self.database, enabled, lambda name, error: done.append({"id": name, "error": error})
        )
        return done

    def outdated_plugins(self) -> list[str]:
        """Return the enabled plugins whose tables are of an older version."""
        from crm_core.persistence.migrate import status
        from crm_core.plugins.activation import is_enabled, plugin_states

        with self.unit_of_work(system_actor("plugins")) as uow:
            states = plugin_states(uow)
        return [
            name
            for name, loaded in self.installed_plugins.plugins.items()
            if loaded.line
            and is_enabled(loaded, states)
            and status(self.database, loaded.line).pending
        ]

    def refresh_plugins(self) -> bool:
        """Take up plugins that were enabled or disabled meanwhile; return whether any was.

        For processes that live long, between two requests or jobs.
        """
        from crm_core.plugins.activation import activation_number

        with self.unit_of_work(system_actor("plugins")) as uow:
            moved = self._activation is not None and activation_number(uow) != self._activation
        if moved:
            self.__dict__.pop("plugins", None)
            self.__dict__.pop("installed_plugins", None)
        return moved

    def event_handlers(self) -> Sequence[EventHandler]:
        """Return the handlers of events: the core's own and those of the plugins in use."""
        from crm_core.sync.push_queue import HANDLER

        return [HANDLER, *self.plugins.event_handlers.values()]

    def unit_of_work(
        self, actor: Actor, *, write: bool = False
    ) -> AbstractContextManager[UnitOfWork]:
        """Open a unit of work on the database."""
        from crm_core.persistence.unit_of_work import unit_of_work

        return unit_of_work(self.database, actor=actor, write=write)

    def actor(self, login: str | None = None, *, origin: str) -> Actor:
        """Return who acts: ``login``, else the configured user, else this OS user's administrator.

        Args:
            login: A user's login, when the caller knows it.
            origin: Where the act comes from, for the audit: ``cli``, ``web``.

        Raises:
            PermissionDeniedError: Nobody was named and no user is bound to this OS user, or the
                user is disabled.
            NotFoundError: There is no such user.
        """
        from crm_core.services.users import actor_for_login, login_for_os_user

        with self.unit_of_work(system_actor("sign-in")) as uow:
            login = login or self.config.user or login_for_os_user(uow, os_user())
            if login is None:
                raise PermissionDeniedError(
                    t(
                        "No user belongs to the account {os_user}: say who acts with --as USER or "
                        "CRM_USER.",
                        os_user=os_user(),
                    ),
                    code="core.no_actor",
                )
            return actor_for_login(uow, login, origin=origin)

    def backend_type(self, name: str) -> BackendType:
        """Return a kind of remote by name.

        Raises:
            ConfigurationError: No plugin in use offers it; says why, where that is known.
        """
        found = self.plugins.backend_types.get(name)
        if found is None:
            raise self.no_backend_type(name)
        return found

    def no_backend_type(self, name: str) -> ConfigurationError:
        """Return the error that says which kinds of remote there are, and what is left out why."""
        known = ", ".join(sorted(self.plugins.backend_types)) or t("none")
        told = [t("There is no backend type {name!r}; known are: {known}.", name=name, known=known)]
        told += [
            t("Plugin {name} is left out: {reason}", name=fault.name, reason=fault.reason)
            for fault in self.plugins.faults
        ]
        off = ", ".join(sorted(set(self.installed_plugins.plugins) - set(self.plugins.plugins)))
        if off:
            told.append(t("Plugins that are off: {names} (crm plugins enable NAME).", names=off))
        if self.config.safe_mode:
            told.append(t("Safe mode is on, so no plugin is loaded."))
        return ConfigurationError(
            joined(told),
            code="core.backend.unknown_type",
            details={"type": name},
        )

    def open_backend(self, backend: Backend) -> RemoteBackend:
        """Open a configured remote; the caller closes it.

        Raises:
            ConfigurationError: Its plugin, library or secret is missing.
            SyncError: It cannot be reached, or refuses us.
        """
        from crm_core.secret_refs import read_secret

        kind = self.backend_type(backend.type)
        factory = load_factory(kind)
        secret = read_secret(backend.secret_ref, backend.name)
        if kind.needs_secret and secret is None:
            raise ConfigurationError(
                t(
                    "Backend {backend} has no secret: remove it and add it again with "
                    "--secret-file FILE.",
                    backend=backend.name,
                ),
                code="core.backend.secret_missing",
            )
        return cast("RemoteBackend", factory(*self.factory_arguments(kind, backend.config, secret)))

    def try_options(self, kind: BackendType, config: Mapping[str, str], secret: str | None) -> None:
        """Refuse options that make no sense before they are kept; nothing is connected to yet.

        Raises:
            InputError: One makes no sense.
            ConfigurationError: A library is missing.
        """
        from crm_core.services.backend_options import limits_of

        limits_of(config)
        factory = load_factory(kind)
        try:
            factory(*self.factory_arguments(kind, config, secret)).close()
        except FatalSyncError as error:
            raise InputError(error.message, code=error.code, details=error.details) from error

    def factory_arguments(
        self, kind: BackendType, config: Mapping[str, str], secret: str | None
    ) -> tuple[Any, ...]:
        """Return what a backend type's factory is called with."""
        entities = (tuple(self.plugins.entities.values()),) if kind.holds_plugin_entities else ()
        return (dict(config), secret, *entities)

    def run_sync(self, backend: Backend, **options: Any) -> RunReport:
        """Run one backend; ``options`` are those of ``crm_core.sync.engine.run``.

        What was recorded until now is handed out first, so that it is pushed by this run.

        Raises:
            InputError: There are customers here that no plan has matched with the backend's.
            ConfigurationError: As for :meth:`open_backend`.
            LockedError: Another run of this backend is under way.
            SyncError: It cannot be reached, or refused us.
        """
        from crm_core.outbox.relay import relay
        from crm_core.services.backend_options import limits_of
        from crm_core.sync.engine import run
        from crm_core.sync.logins import noting_logins
        from crm_core.sync.planning.run import check_planned

        if not (options.pop("without_plan", False) or options.get("dry_run")):
            with self.unit_of_work(system_actor("sync")) as uow:
                check_planned(uow, backend, options.get("entities"))
        if not options.get("dry_run"):
            relay(
                self.database,
                self.event_handlers(),
                limit_seconds=RELAY_SECONDS,
                is_stopped=options.get("is_stopped", lambda: False),
            )
        limits = limits_of(backend.config)
        given = {
            "page_size": limits.page_size,
            "batch_size": limits.batch_size,
            "vanish_share": limits.vanish_percent / 100,
            "masters": self.fixed_masters(backend.name),
        }
        options = {**given, "plugin_entities": tuple(self.plugins.entities.values()), **options}
        with (
            noting_logins(self.database, backend, writes=not options.get("dry_run")),
            closing(self.open_backend(backend)) as remote,
        ):
            return run(self.database, backend, remote, **options)

    def plan_sync(self, backend: Backend, **options: Any) -> Plan:
        """Match both sides' customers and propose what to do with each; write nothing.

        ``options`` are those of ``crm_core.sync.planning.run.plan_sync``.
        """
        from crm_core.sync.planning.run import plan_sync

        with closing(self.open_backend(backend)) as remote:
            return plan_sync(self.database, backend, remote, **options)

    def apply_plan(self, backend: Backend, path: Path | Plan | None, **options: Any) -> PlanReport:
        """Do what a plan says, in a file or kept in the database, or one made now proposes.

        ``options`` are those of ``crm_core.sync.planning.run.apply_plan_file``.
        """
        from crm_core.sync.planning.run import apply_plan_file

        options["masters"] = self.fixed_masters(backend.name)
        with closing(self.open_backend(backend)) as remote:
            return apply_plan_file(self.database, backend, remote, path, **options)

    def fixed_masters(self, name: str) -> dict[str, str]:
        """Return what the configuration says of who wins which field of a backend.

        Raises:
            InputError: It names a field or master that there is not.
        """
        from crm_core.sync.masters import checked_masters

        told = self.config.masters.get(name, {})
        texts = (f"{field}={master}" for field, master in told.items())
        return checked_masters(texts, self.plugins.entities.values())

    def close(self) -> None:
        """Hand out the events that were recorded meanwhile, then close what was opened."""
        if "database" in self.__dict__:
            from crm_core.outbox.inline import relay_recorded

            relay_recorded(self.database, self.event_handlers)
        if "unchecked_database" in self.__dict__:
            self.unchecked_database.dispose()


def load_factory(kind: BackendType) -> Any:
    """Import what opens remotes of this kind.

    Raises:
        ConfigurationError: A library is missing; names the extra that brings it.
    """
    module, _, attribute = kind.factory.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        hint = f": pip install 'crm-front-office[{kind.extra}]'" if kind.extra else ""
        raise ConfigurationError(
            t(
                "{kind} needs the Python package {name}, which is not installed{hint}.",
                kind=kind.title,
                name=error.name,
                hint=hint,
            ),
            code="core.backend.extra_missing",
            details={"type": kind.name, "package": error.name or "", "extra": kind.extra},
        ) from error


def os_user() -> str:
    """Return the name of the account this process runs as."""
    if os.name == "posix":
        import pwd

        try:
            return pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:
            return str(os.geteuid())
    return getpass.getuser()
