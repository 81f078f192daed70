"""Which plugins are in use on a database: enabling, disabling, purging, and noticing a change.

A plugin without a row of its own is as its manifest says (``on_by_default``). Each change raises an
activation number, which running processes compare between requests or jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import inspect, select

from crm_core.access import Reach, system_actor
from crm_core.entities.plugin import Plugin, PluginState
from crm_core.entities.system import Setting
from crm_core.entities.user import Role, RoleRight
from crm_core.errors import (
    CrmError,
    NotFoundError,
    PluginLoadError,
    RuleViolationError,
)
from crm_core.messages import t
from crm_core.persistence import migrate
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.plugins.discovery import (
    FAILURES,
    Installation,
    Loaded,
    described,
    resolve,
    rival_of,
)
from crm_core.plugins.host import PluginHost
from crm_core.plugins.limits import time_limit
from crm_core.plugins.remains import drop_tables, forget_rows
from crm_core.services.deliveries import forget_plugin

MANAGE = "core.plugin.manage"
ACTIVATION = "plugin_activation"
"""Key of the setting that holds the activation number."""
MISSING = "missing"
"""State shown for a plugin that was enabled here and is not found."""
_NOT_FOUND = t("It is not installed any more, or --safe-mode or CRM_DISABLE_PLUGINS leaves it out.")


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A plugin as it stands here.

    Attributes:
        name: Its name.
        title: What people read; its name where it cannot be loaded.
        version: The installed version; None where it is not installed or cannot be loaded.
        state: ``enabled``, ``disabled``, ``quarantined`` or ``missing``.
        requires: What it requires.
        reason: Why it is left out although it is enabled, or what went wrong with it last.
        has_data: Whether its tables are in the database.
    """

    name: str
    title: str
    version: str | None
    state: str
    requires: tuple[str, ...]
    reason: str | None
    has_data: bool


def activation_number(uow: UnitOfWork) -> int:
    """Return the number that each change of plugins raises."""
    return int(uow.scalar(select(Setting.value).where(Setting.key == ACTIVATION)) or 0)


def plugin_states(uow: UnitOfWork) -> dict[str, str]:
    """Return the state of every plugin that has one here, by name."""
    return {row.name: row.state for row in uow.execute(select(Plugin.name, Plugin.state))}


def is_enabled(loaded: Loaded, states: Mapping[str, str]) -> bool:
    """Return whether a plugin is in use, given the states that are kept."""
    state = states.get(loaded.manifest.name)
    return state == PluginState.ENABLED or (state is None and loaded.manifest.on_by_default)


def quarantine(database: Database, hung: Mapping[str, str]) -> None:
    """Remember plugins that hung, so that they hold nobody up again until enabled anew.

    Args:
        database: Where.
        hung: Name to reason.
    """
    with unit_of_work(database, actor=system_actor("quarantine"), write=True) as uow:
        _one_at_a_time(uow)
        for name, reason in hung.items():
            _set_state(uow, name, PluginState.QUARANTINED, error=reason)
        _raise_activation(uow)
        uow.commit()


def list_plugins(uow: UnitOfWork, everything: Installation, host: PluginHost) -> list[PluginInfo]:
    """Return all plugins that are installed here or have been, by name.

    Args:
        uow: A unit of work.
        everything: All that is installed, loaded.
        host: The plugins in use.
    """
    rows = {row.name: row for row in uow.scalars(select(Plugin))}
    faults = {fault.name: fault.reason for fault in host.faults}
    broken = {name: fault.reason for name, fault in everything.faults.items()}
    tables = inspect(uow.connection()).get_table_names()
    found = []
    for name in sorted({*rows, *everything.plugins, *broken}):
        loaded, row = everything.plugins.get(name), rows.get(name)
        manifest = loaded.manifest if loaded else None
        state = row.state if row else PluginState.DISABLED.value
        if row is None and manifest is not None and manifest.on_by_default:
            state = PluginState.ENABLED.value
        if loaded is None and name not in broken and state == PluginState.ENABLED:
            state = MISSING
        # What does not fit at all says more than what is wrong with it on this database; a clash
        # with one that is installed and off is none of a plugin in use.
        reason = broken.get(name) or faults.get(name) or (row.error if row else None)
        if name in host.plugins and name not in faults:
            reason = row.error if row else None
        found.append(
            PluginInfo(
                name=name,
                title=manifest.title if manifest else name,
                version=manifest.version if manifest else None,
                state=state,
                requires=manifest.requires if manifest else (),
                reason=_NOT_FOUND if state == MISSING else reason,
                has_data=f"alembic_version_{name}" in tables,
            )
        )
    return found


def enable_plugin(
    database: Database, everything: Installation, name: str, *, by: str, seconds: float
) -> Loaded:
    """Take a plugin into use: its tables are made or upgraded, and what it missed is made up for.

    Interrupted at any point, it can be repeated.

    Args:
        database: Where.
        everything: All that is installed, loaded.
        name: Which.
        by: Login of who does it, whose right the caller has checked.
        seconds: How long making the tables and making up may take.

    Raises:
        NotFoundError: It is not installed.
        PluginLoadError: It does not fit, or failed while being enabled; it stays off, and the
            reason is shown with it.
        RuleViolationError: A plugin that it requires is not enabled, or its table prefix or one of
            its commands is another's.
    """
    loaded = installed_plugin(everything, name)
    actor = system_actor(f"enable:{name}:{by}")
    with unit_of_work(database, actor=actor) as uow:
        states = plugin_states(uow)
        _check_prefix(uow, loaded)
        _check_command(uow, name)
    lacking = [
        other
        for other in loaded.manifest.requires
        if not is_enabled(everything.plugins[other], states)
    ]
    if lacking:
        raise RuleViolationError(
            t(
                "{name} requires {lacking}: enable that first (crm plugins enable {first}).",
                name=name,
                lacking=", ".join(lacking),
                first=lacking[0],
            ),
            code="core.plugin.requires",
            details={"requires": lacking},
        )
    rights = _probed(loaded, seconds)
    try:
        with time_limit(seconds):
            if loaded.line:
                migrate.upgrade(database, [loaded.line])
            with unit_of_work(database, actor=actor, write=True) as uow:
                _one_at_a_time(uow)
                _grant(uow, name, rights)
                if loaded.manifest.rebuild:
                    resolve(loaded.manifest.rebuild, t("The plugin {name}", name=name))(uow)
                _set_state(uow, name, PluginState.ENABLED, loaded=loaded)
                _raise_activation(uow)
                uow.commit()
    except FAILURES as error:
        reason = error.message if isinstance(error, CrmError) else described(error)
        with unit_of_work(database, actor=actor, write=True) as uow:
            _one_at_a_time(uow)
            _set_state(uow, name, PluginState.DISABLED, loaded=loaded, error=reason)
            uow.commit()
        raise PluginLoadError(
            t("{name} could not be enabled and stays off: {reason}", name=name, reason=reason),
            code="core.plugin.enabling_failed",
            details={"plugin": name},
        ) from error
    return loaded


def disable_plugin(uow: UnitOfWork, everything: Installation, name: str) -> None:
    """Take a plugin out of use; its tables and what is in them stay.

    Raises:
        NotFoundError: There is none of that name.
        RuleViolationError: It is off already, or an enabled plugin requires it.
    """
    uow.actor.require(MANAGE)
    _one_at_a_time(uow)
    states = plugin_states(uow)
    loaded = everything.plugins.get(name)
    if loaded is None and name not in states:
        raise _unknown(everything, name)
    is_off = name in states and states[name] == PluginState.DISABLED
    if is_off or (loaded and name not in states and not loaded.manifest.on_by_default):
        raise RuleViolationError(
            t("{name} is off already.", name=name), code="core.plugin.already_disabled"
        )
    users = [
        other
        for other, their in everything.plugins.items()
        if name in their.manifest.requires and is_enabled(their, states)
    ]
    if users:
        raise RuleViolationError(
            t("{users} requires {name}: disable that first.", users=", ".join(users), name=name),
            code="core.plugin.required",
            details={"required_by": users},
        )
    _set_state(uow, name, PluginState.DISABLED, loaded=loaded)
    forget_plugin(uow, name)
    _raise_activation(uow)


def purge_plugin(database: Database, everything: Installation, name: str, *, by: str) -> list[str]:
    """Drop all tables and rights of a plugin that is off, also of one that is not installed.

    Returns:
        The tables dropped.

    Raises:
        NotFoundError: There is none of that name here.
        RuleViolationError: It is enabled.
    """
    actor = system_actor(f"purge:{name}:{by}")
    with unit_of_work(database, actor=actor, write=True) as uow:
        row = uow.find(Plugin, name)
        if row is None:
            raise _unknown(everything, name)
        if row.state == PluginState.ENABLED:
            raise RuleViolationError(
                t("{name} is enabled: disable it first (crm plugins disable {name}).", name=name),
                code="core.plugin.enabled",
            )
        prefix = row.table_prefix
    dropped = drop_tables(database, name, prefix)
    # Last, so that a purge that was interrupted can be repeated.
    with unit_of_work(database, actor=actor, write=True) as uow:
        _one_at_a_time(uow)
        forget_rows(uow, name, {*plugin_states(uow), *everything.plugins, *everything.faults})
        forget_plugin(uow, name)
        loaded = everything.plugins.get(name)
        if loaded is not None and loaded.manifest.on_by_default:
            _set_state(uow, name, PluginState.DISABLED)  # without its row it would be on again
        else:
            uow.delete(uow.get(Plugin, name))
        _raise_activation(uow)
        uow.commit()
    return dropped


def upgrade_plugins(
    database: Database, plugins: Collection[Loaded], told: Callable[[str, str | None], None]
) -> None:
    """Run the pending revisions of enabled plugins; one that fails holds up nobody else.

    Args:
        database: Where; the core is up to date.
        plugins: The plugins, each after those it requires.
        told: Called with each plugin that had something pending, and why it failed, or None.
    """
    for loaded in plugins:
        line = loaded.line
        if line is None or migrate.status(database, line).is_current:
            continue
        name, reason = loaded.manifest.name, None
        try:
            migrate.upgrade(database, [line])
        except FAILURES as error:
            reason = error.message if isinstance(error, CrmError) else described(error)
        with unit_of_work(database, actor=system_actor("upgrade"), write=True) as uow:
            _set_state(uow, name, PluginState.ENABLED, loaded=loaded, error=reason)
            _raise_activation(uow)
            uow.commit()
        told(name, reason)


def installed_plugin(everything: Installation, name: str) -> Loaded:
    """Return an installed plugin by name.

    Raises:
        PluginLoadError: It does not fit; says why.
        NotFoundError: It is not installed.
    """
    fault = everything.faults.get(name)
    if fault is not None:
        raise PluginLoadError(
            t("{name} cannot be enabled: {reason}", name=name, reason=fault.reason),
            details={"plugin": name},
        )
    if name not in everything.plugins:
        raise _unknown(everything, name)
    return everything.plugins[name]


def _unknown(everything: Installation, name: str) -> NotFoundError:
    known = ", ".join(sorted({*everything.plugins, *everything.faults})) or "none"
    return NotFoundError(
        t(
            "There is no plugin {name!r} here; installed are: {known}. Install it with pip first.",
            name=name,
            known=known,
        ),
        code="core.plugin.not_found",
        details={"plugin": name},
    )


def _probed(loaded: Loaded, seconds: float) -> list[Any]:
    """Ask a plugin alone for all that it registers, and return its rights.

    Raises:
        PluginLoadError: One of its hooks fails.
    """
    name = loaded.manifest.name
    host = PluginHost(Installation({name: loaded}), seconds=seconds)
    if host.faults:
        raise PluginLoadError(
            t("{name} cannot be enabled: {reason}", name=name, reason=host.faults[0].reason),
            details={"plugin": name},
        )
    return list(host.rights.values())


def _check_prefix(uow: UnitOfWork, loaded: Loaded) -> None:
    """Refuse a prefix that could not be told from that of another plugin's tables, used or not."""
    name, prefix = loaded.manifest.name, loaded.manifest.table_prefix
    for row in uow.execute(select(Plugin.name, Plugin.table_prefix)):
        other = row.table_prefix
        if row.name != name and prefix and other and _are_alike(prefix, other):
            raise RuleViolationError(
                t(
                    "The tables of {name} begin with {prefix}, those of {row} with {other}, so "
                    "they cannot be told apart. Purge {row} first (crm plugins purge {row}), or "
                    "do without {name}.",
                    name=name,
                    prefix=prefix,
                    row=row.name,
                    other=other,
                ),
                code="core.plugin.prefix",
            )


def _check_command(uow: UnitOfWork, name: str) -> None:
    """Refuse a plugin that would take a command from one in use."""
    states = plugin_states(uow)
    rival = rival_of(name, [other for other in states if states[other] == PluginState.ENABLED])
    if rival:
        command, other = rival
        raise RuleViolationError(
            t(
                "The command {command} of {name} is one of the plugin {other} already: disable "
                "that first (crm plugins disable {other}), or do without {name}.",
                command=command,
                name=name,
                other=other,
            ),
            code="core.plugin.command",
        )


def _are_alike(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _grant(uow: UnitOfWork, name: str, rights: list[Any]) -> None:
    """Give built-in roles what a plugin suggests, the first time only: later it is theirs."""
    row = uow.find(Plugin, name)
    if row is not None and row.version:
        return
    roles = {row.code: row.id for row in uow.execute(select(Role.code, Role.id))}
    for right in rights:
        for code, reach in right.roles:
            if code in roles and uow.find(RoleRight, (roles[code], right.code)) is None:
                Reach[reach.upper()]  # a reach that does not exist is the plugin's fault
                uow.add(RoleRight(role_id=roles[code], right=right.code, reach=reach))


def _one_at_a_time(uow: UnitOfWork) -> None:
    """Have whoever else changes plugins just now wait; SQLite has one writer anyway."""
    if not uow.database.is_sqlite:
        uow.connection().exec_driver_sql("LOCK TABLE core_plugin IN EXCLUSIVE MODE")


def _set_state(
    uow: UnitOfWork,
    name: str,
    state: PluginState,
    *,
    loaded: Loaded | None = None,
    error: str | None = None,
) -> None:
    row = uow.find(Plugin, name)
    if row is None:
        row = uow.add(Plugin(name=name, version="", state=state.value, table_prefix=""))
    row.state, row.error, row.changed_at = state.value, error, uow.now
    if loaded is not None:
        row.table_prefix = loaded.manifest.table_prefix
        if state == PluginState.ENABLED:
            row.version = loaded.manifest.version
    uow.flush()


def _raise_activation(uow: UnitOfWork) -> None:
    setting = uow.find(Setting, ACTIVATION)
    if setting is None:
        uow.add(Setting(key=ACTIVATION, value=1))
    else:
        setting.value = int(setting.value) + 1
    uow.flush()
