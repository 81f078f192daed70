"""The tests that every plugin passes: subclass :class:`PluginSuite` in the plugin's own tests."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any, ClassVar

import click
import pytest
from sqlalchemy import Enum, MetaData, func, select
from sqlalchemy import inspect as inspect_database

from crm_core.access import system_actor
from crm_core.bootstrap import Application
from crm_core.errors import PermissionDeniedError
from crm_core.persistence.base import Base
from crm_core.persistence.database import Database
from crm_core.persistence.migrate import CORE, downgrade, upgrade
from crm_core.persistence.migrations.authoring import differences
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.plugins import activation, discovery
from crm_core.plugins.discovery import COMMAND_GROUP, Installation, Loaded, command_owners, resolve
from crm_core.plugins.host import PluginHost
from crm_core.testing.factories import make_actor
from crm_core.testing.plugin_code import ENTRANCES, HEAVY, PluginCode
from crm_core.testing.sample_values import sample_arguments
from crm_hooks.contributions import BackendType

SECONDS = 60.0
REGISTERING = "crm_register_"
TAKEN_BY = {
    **dict.fromkeys(("handler", "factory", "read", "apply", "vanish", "refuse", "answer"), 2),
    **dict.fromkeys(("run", "ids", "ask"), 1),
}
"""Fields of contributions that name a function, and how many arguments it is called with."""


class PluginSuite:
    """What the host, the administrator and other plugins rely on; needs the plugin installed.

    Attributes:
        plugin: Name of the plugin under test, as in its manifest.
    """

    plugin: ClassVar[str]

    def use(self, uow: UnitOfWork) -> None:
        """Leave something in the plugin's tables, as its services do; for overriding.

        Args:
            uow: A writing unit of work of the system, committed afterwards.
        """

    def arguments(self, service: str, uow: UnitOfWork) -> Mapping[str, Any]:
        """Return arguments for a service where made-up ones will not do; for overriding.

        Args:
            service: Its name.
            uow: A writing unit of work of the system, committed before the service is called.
        """
        return {}

    @pytest.fixture
    def crm_plugins(self) -> tuple[str, ...]:
        """Nothing is enabled yet: the suite does that itself."""
        return ()

    @pytest.fixture
    def installation(self) -> Installation:
        """The plugin and those that it requires, loaded; others cannot stand in its way."""
        points = discovery.installed_points()
        assert self.plugin in points, f"{self.plugin} is not installed: pip install -e ."
        wanted = [self.plugin]
        for name in wanted:
            assert name in points, f"{name}, which is required, is not installed"
            wanted += points[name][0].load().manifest.requires
        found = discovery.load(points, wanted, seconds=SECONDS)
        assert self.plugin in found.plugins, found.faults[self.plugin].reason
        return found

    @pytest.fixture
    def loaded(self, installation: Installation) -> Loaded:
        """The plugin."""
        return installation.plugins[self.plugin]

    @pytest.fixture
    def code(self, loaded: Loaded) -> PluginCode:
        """Its source."""
        return PluginCode(loaded.package)

    @pytest.fixture
    def enabled(self, crm_application: Application, installation: Installation) -> Application:
        """The product with the plugin enabled."""
        self._enable(crm_application, installation)
        return crm_application

    def test_manifest_fits(self, loaded: Loaded, installation: Installation) -> None:
        """It has a title and a version, and what it requires is installed."""
        manifest = loaded.manifest
        assert manifest.title.strip(), "the manifest has no title"
        assert manifest.version.strip(), "the manifest has no version"
        assert set(manifest.requires) <= set(installation.plugins)
        if manifest.rebuild:
            _assert_takes(manifest.rebuild, 1)

    def test_hooks_are_well_formed(self, loaded: Loaded, installation: Installation) -> None:
        """All names are known, nothing wraps, and what is registered belongs to the plugin."""
        unmarked = [
            name
            for name, function in inspect.getmembers(loaded.module, inspect.isfunction)
            if name.startswith("crm_") and not hasattr(function, "crm_impl")
        ]
        assert unmarked == [], "named like hooks, but without @hookimpl"
        host = PluginHost(installation, seconds=SECONDS)
        assert {fault.name: fault.reason for fault in host.faults} == {}

    def test_what_is_registered_is_the_same_each_time(self, loaded: Loaded) -> None:
        """Registering hooks are pure."""
        for name, hook in _registering(loaded):
            assert list(hook() or ()) == list(hook() or ()), f"{name} gave two different answers"

    def test_references_lead_to_functions(self, loaded: Loaded) -> None:
        """Each ``"module:attribute"`` is there and takes the arguments it will be given."""
        for _, hook in _registering(loaded):
            for item in hook() or ():
                extra = isinstance(item, BackendType) and item.holds_plugin_entities
                for field, taken in TAKEN_BY.items():
                    if getattr(item, field, ""):
                        _assert_takes(getattr(item, field), taken + extra)

    def test_commands_load_and_say_what_they_do(self, loaded: Loaded) -> None:
        """Each of the plugin's commands is a click command with a line of help."""
        owners = command_owners(discovery.installed_points())
        for point in entry_points(group=COMMAND_GROUP):
            if owners.get(discovery.package_of(point)) == self.plugin:
                command = point.load()
                assert isinstance(command, click.Command), f"{point.value} is no command"
                assert command.help, f"the command {point.name} has no help"

    def test_imports_only_what_it_may(self, loaded: Loaded, code: PluginCode) -> None:
        """Of this product a plugin imports core and hooks, and each file only what lies below."""
        others = {
            package: name
            for package, name in command_owners(discovery.installed_points()).items()
            if package != loaded.package
        }
        wrong = []
        for each in code.imports():
            package, *inside = each.target.split(".")
            owner = others.get(package)
            is_public = owner in loaded.manifest.requires and inside[:1] == ["public"]
            is_web = f"{package}.{inside[0] if inside else ''}" == "crm_web.sdk"
            if owner and not is_public and not (is_web and code.topic(each.importer) in ENTRANCES):
                wrong.append(f"{each.place}: {each.target} belongs to the plugin {owner}")
            if package == loaded.package and not code.is_allowed(each):
                wrong.append(f"{each.place}: {each.target} lies above it or beside it")
        assert wrong == []

    def test_plugin_py_loads_nothing_heavy(self, code: PluginCode) -> None:
        """``plugin.py`` names its entrances as text, and imports the rest when it is called."""
        mine = [each for each in code.imports() if code.topic(each.importer) == "plugin"]
        eager = {each.place: each.target for each in mine if each.is_eager}
        topics = {place: code.topic(target) for place, target in eager.items()}
        assert {place: topic for place, topic in topics.items() if topic in HEAVY} == {}
        assert [each for each in mine if code.topic(each.target) in ENTRANCES] == []

    def test_models_say_who_may_read_them_and_what_is_personal(
        self, loaded: Loaded, code: PluginCode
    ) -> None:
        """Each table has the plugin's prefix, a scope, a name, and its personal columns named."""
        prefix = loaded.manifest.table_prefix
        for model in _models(code):
            name, table = model.__name__, model.__table__
            assert prefix, f"{name} has a table, but the manifest has no table_prefix"
            assert table.name.startswith(prefix), f"{table.name} does not begin with {prefix}"
            assert model.__scope__ is not None, f"{name} has no __scope__"
            assert model.__entity__, f"{name} has no __entity__"
            personal = model.__personal__
            assert personal is not None, f"{name} has no __personal__; give () for none"
            assert set(personal) <= set(table.columns.keys()), (
                f"{name}.__personal__: no such column"
            )
            for column in table.columns:
                assert not isinstance(column.type, Enum), (
                    f"{name}.{column.name} would keep the names of an enum's members: write "
                    "Mapped[str], and keep values of a StrEnum"
                )
            targets = {key.target_fullname.split(".")[0] for key in table.foreign_keys}
            foreign = {each for each in targets if not each.startswith((prefix, "core_"))}
            assert foreign == set(), f"{name} has foreign keys to tables of others"

    def test_migrations_make_what_the_models_say(
        self, crm_database: Database, loaded: Loaded, installation: Installation, code: PluginCode
    ) -> None:
        """Up, down and up again; each time up leaves nothing to be changed."""
        models, line = _models(code), loaded.line
        if line is None:
            assert models == []
            return
        assert models, "the manifest has a table_prefix, but models.py maps no class"
        lines = [each.line for each in installation.plugins.values() if each.line]
        upgrade(crm_database, lines)
        assert differences(crm_database, line) == []
        downgrade(crm_database, "base", line)
        assert _tables(crm_database, line.prefix) == set()
        upgrade(crm_database, lines)
        assert differences(crm_database, line) == []
        assert differences(crm_database, CORE) == []

    def test_services_ask_for_a_right(self, enabled: Application, code: PluginCode) -> None:
        """Each public service refuses whoever holds none, before it does anything else."""
        registered = set(enabled.plugins.rights)
        for name, service in code.services().items():
            with _committed(enabled) as uow:
                given = {**sample_arguments(service), **self.arguments(name, uow)}
            with (
                unit_of_work(enabled.database, actor=make_actor(), write=True) as uow,
                pytest.raises(PermissionDeniedError) as caught,
            ):
                service(uow, **given)
            right = str(caught.value.details.get("right", ""))
            assert right in registered or right.startswith("core."), (
                f"{name} asks for {right!r}, which crm_register_rights does not name"
            )

    def test_rights_asked_for_are_registered(self, enabled: Application, code: PluginCode) -> None:
        """An administrator can grant whatever the code asks for."""
        own = {right for right in code.rights() if not right.startswith("core.")}
        assert own - set(enabled.plugins.rights) == set(), "crm_register_rights does not name them"

    def test_can_be_switched_off_on_and_purged(
        self, crm_application: Application, installation: Installation, loaded: Loaded
    ) -> None:
        """Data outlives being off; purging leaves none of it, and the core as it was."""
        application, prefix = crm_application, loaded.manifest.table_prefix
        database = application.database
        core = _tables(database, "core_")
        self._enable(application, installation)
        assert self.plugin in application.plugins.plugins, application.plugins.faults
        with _committed(application) as uow:
            self.use(uow)
        used = _row_counts(database, prefix)
        if prefix and not any(used.values()):
            told = "override use(uow): nothing is in the plugin's tables, so nothing can be lost"
            assert type(self).use is PluginSuite.use, told
            warnings.warn(told, stacklevel=1)
        self._disable(application, installation)
        assert self.plugin not in application.plugins.plugins
        assert _row_counts(database, prefix) == used
        self._enable(application, installation)
        assert _row_counts(database, prefix) == used
        self._disable(application, installation)
        activation.purge_plugin(database, installation, self.plugin, by="test")
        left = _tables(database, prefix) if prefix else set()
        assert left | _tables(database, f"alembic_version_{self.plugin}") == set()
        assert _tables(database, "core_") == core
        assert differences(database, CORE) == []

    def _enable(self, application: Application, installation: Installation) -> None:
        application.plugins  # noqa: B018  known before it changes
        for name in installation.plugins:
            activation.enable_plugin(
                application.database, installation, name, by="test", seconds=SECONDS
            )
        application.refresh_plugins()

    def _disable(self, application: Application, installation: Installation) -> None:
        with _committed(application) as uow:
            activation.disable_plugin(uow, installation, self.plugin)
        application.refresh_plugins()


@contextmanager
def _committed(application: Application) -> Iterator[UnitOfWork]:
    with application.unit_of_work(system_actor("test"), write=True) as uow:
        yield uow
        uow.commit()


def _registering(loaded: Loaded) -> Iterator[tuple[str, Any]]:
    for name, hook in inspect.getmembers(loaded.module, inspect.isfunction):
        if name.startswith(REGISTERING):
            yield name, hook


def _assert_takes(reference: str, arguments: int) -> None:
    found = resolve(reference, "The plugin")
    assert callable(found), f"{reference} cannot be called"
    try:
        inspect.signature(found).bind(*[None] * arguments)
    except TypeError as error:
        pytest.fail(f"{reference} is called with {arguments} arguments: {error}")


def _models(code: PluginCode) -> list[Any]:
    code.modules("models")
    return [
        mapper.class_
        for mapper in Base.registry.mappers
        if mapper.class_.__module__.partition(".")[0] == code.package
    ]


def _tables(database: Database, prefix: str) -> set[str]:
    names = inspect_database(database.engine).get_table_names()
    return {name for name in names if name.startswith(prefix)}


def _row_counts(database: Database, prefix: str) -> dict[str, int]:
    if not prefix:
        return {}
    metadata = MetaData()
    metadata.reflect(database.engine, only=sorted(_tables(database, prefix)))
    with database.engine.connect() as connection:
        return {
            name: connection.scalar(select(func.count()).select_from(table)) or 0
            for name, table in metadata.tables.items()
            if name.startswith(prefix)
        }
