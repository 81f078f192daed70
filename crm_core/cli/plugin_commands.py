"""Commands that plugins bring: found by name, imported only when the plugin is in use."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

import click

from crm_core.access import system_actor
from crm_core.cli.context import Context
from crm_core.entities.plugin import Plugin
from crm_core.errors import ConfigurationError, PluginLoadError
from crm_core.messages import t
from crm_core.plugins.discovery import (
    COMMAND_GROUP,
    FAILURES,
    command_owners,
    described,
    installed_points,
    package_of,
)


def load_command(context: Context, name: str) -> click.Command:
    """Return a plugin's command.

    Raises:
        ConfigurationError: Its plugin is off, left out, or breaks; says what to do.
    """
    application = context.application
    owners = command_owners(installed_points())
    points = sorted(entry_points(group=COMMAND_GROUP, name=name), key=lambda point: point.value)
    in_use = [
        point for point in points if owners.get(package_of(point)) in application.plugins.plugins
    ] or [point for point in points if _runs_anywhere(context, point, owners)]
    if not in_use:
        raise _out_of_use(context, name, owners.get(package_of(points[0])))
    plugin = owners[package_of(in_use[0])]
    try:
        command = in_use[0].load()
    except FAILURES as error:
        raise PluginLoadError(
            t(
                "The command {name} of the plugin {plugin} breaks when it is loaded ({error}). "
                "Repair or upgrade the plugin.",
                name=name,
                plugin=plugin,
                error=described(error),
            ),
            details={"plugin": plugin},
        ) from error
    if not isinstance(command, click.Command):
        raise PluginLoadError(
            t(
                "{in_use} of the plugin {plugin} is no click command.",
                in_use=in_use[0].value,
                plugin=plugin,
            )
        )
    return command


def _runs_anywhere(context: Context, point: EntryPoint, owners: Mapping[str, str]) -> bool:
    loaded = context.application.installed_plugins.plugins.get(owners.get(package_of(point), ""))
    return loaded is not None and point.name in loaded.manifest.commands_anywhere


def _out_of_use(context: Context, name: str, plugin: str | None) -> ConfigurationError:
    application = context.application
    if application.config.safe_mode or plugin is None:
        text = t(
            "The command {name} belongs to a plugin that is switched off: safe mode is on, or "
            "CRM_DISABLE_PLUGINS names it.",
            name=name,
        )
        return ConfigurationError(text, code="core.plugin.switched_off")
    application.database  # noqa: B018  says what is wrong with it, where something is
    faults = {fault.name: fault.reason for fault in application.plugins.faults}
    if plugin in faults:
        return PluginLoadError(
            t(
                "The command {name} cannot run, since its plugin {plugin} is left out: {faults}",
                name=name,
                plugin=plugin,
                faults=faults[plugin],
            ),
            details={"plugin": plugin},
        )
    with application.unit_of_work(system_actor("plugins")) as uow:
        row = uow.find(Plugin, plugin)
        why = f" ({row.error})" if row is not None and row.error else ""
    return ConfigurationError(
        t(
            "The command {name} belongs to the plugin {plugin}, which is off{why}: crm plugins "
            "enable {plugin}",
            name=name,
            plugin=plugin,
            why=why,
        ),
        code="core.plugin.disabled",
        details={"plugin": plugin},
    )
