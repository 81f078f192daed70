"""The product put together: settings, database, plugins, actors, remotes; each opened when used."""

from __future__ import annotations

import getpass
import importlib
import os
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from crm_core.access import Actor, system_actor
from crm_core.config import Config
from crm_core.errors import ConfigurationError, PermissionDeniedError

if TYPE_CHECKING:
    from crm_core.entities.sync import Backend
    from crm_core.persistence.database import Database
    from crm_core.persistence.unit_of_work import UnitOfWork
    from crm_core.plugins.host import PluginHost
    from crm_core.sync.engine import RunReport
    from crm_core.sync.protocol import RemoteBackend
    from crm_hooks.contributions import BackendType


class Application:
    """Everything an entry point needs, behind one object.

    Args:
        config: The settings in force.
    """

    def __init__(self, config: Config) -> None:
        self.config = config

    @cached_property
    def unchecked_database(self) -> Database:
        """The database in whatever state it is in: for ``init``, ``db`` and ``doctor`` only."""
        from crm_core.persistence.database import Database

        return Database(self.config.database_url)

    @cached_property
    def database(self) -> Database:
        """The database, made sure to be of this version.

        Raises:
            ConfigurationError: It is missing, older, newer, or does not answer.
        """
        from crm_core.persistence.migrate import check_current

        check_current(self.unchecked_database)
        return self.unchecked_database

    @cached_property
    def plugins(self) -> PluginHost:
        """The plugins of this installation."""
        from crm_core.plugins.host import PluginHost

        return PluginHost.discover(safe_mode=self.config.safe_mode)

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
                    f"No user belongs to the account {os_user()}: say who acts with --as USER or "
                    "CRM_USER.",
                    code="core.no_actor",
                )
            return actor_for_login(uow, login, origin=origin)

    def backend_type(self, name: str) -> BackendType:
        """Return a kind of remote by name.

        Raises:
            ConfigurationError: No plugin in use offers it; says why, where that is known.
        """
        found = self.plugins.backend_types().get(name)
        if found is None:
            raise self.no_backend_type(name)
        return found

    def no_backend_type(self, name: str) -> ConfigurationError:
        """Return the error that says which kinds of remote there are, and what is left out why."""
        known = ", ".join(sorted(self.plugins.backend_types())) or "none"
        faults = "".join(f" Plugin {f.name} is left out: {f.reason}" for f in self.plugins.faults)
        safe = " Safe mode is on, so no plugin is loaded." if self.config.safe_mode else ""
        return ConfigurationError(
            f"There is no backend type {name!r}; known are: {known}.{faults}{safe}",
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
                f"Backend {backend.name} has no secret: remove it and add it again with "
                "--secret-file FILE.",
                code="core.backend.secret_missing",
            )
        return cast("RemoteBackend", factory(dict(backend.config), secret))

    def run_sync(self, backend: Backend, **options: Any) -> RunReport:
        """Run one backend; ``options`` are those of ``crm_core.sync.engine.run``.

        Raises:
            ConfigurationError: As for :meth:`open_backend`.
            LockedError: Another run of this backend is under way.
            SyncError: It cannot be reached, or refused us.
        """
        from crm_core.sync.engine import run

        remote = self.open_backend(backend)
        try:
            return run(self.database, backend, remote, **options)
        finally:
            remote.close()

    def close(self) -> None:
        """Close what was opened."""
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
            f"{kind.title} needs the Python package {error.name}, which is not installed{hint}.",
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
