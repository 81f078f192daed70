"""What all commands have in common: flags that stand anywhere, groups that load when used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from crm_core.cli.context import Context
from crm_core.cli.help import SpokenHelp
from crm_core.messages import LANGUAGES, say, speak, t


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    shared = context.ensure_object(Context)
    if value == "":  # such as --as "$WHO" without a WHO: must not act as somebody else
        raise click.BadParameter(t("it is empty: give a value or leave it out."))
    if value and parameter.name:
        shared.set_flag(parameter.name, value)
    if value and parameter.name == "language":
        speak(value)


def _flags(*, hidden: bool) -> list[click.Parameter]:
    """Build the flags every command takes; ``hidden`` keeps the rarer ones out of its help."""
    keep: dict[str, Any] = {"expose_value": False, "callback": _keep, "is_eager": True}
    switch = {**keep, "is_flag": True}
    rare = {"hidden": hidden}
    return [
        click.Option(["--as", "user"], metavar="USER", help="Act as this user.", **keep),
        click.Option(["--json", "as_json"], help="Print data as JSON.", **switch),
        click.Option(["--database-url"], metavar="URL", help="Use this database.", **keep, **rare),
        click.Option(
            ["--language"],
            type=click.Choice(list(LANGUAGES)),
            help="Speak this language.",
            **keep,
            **rare,
        ),
        click.Option(["--safe-mode"], help="Load no plugin.", **switch, **rare),
        click.Option(["--verbose"], help="Log what is done to stderr.", **switch, **rare),
    ]


class CrmCommand(SpokenHelp):
    """A command that also takes the flags of ``crm`` itself, after its own name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        taken = {name for parameter in self.params for name in parameter.opts}
        self.params.extend(flag for flag in _flags(hidden=True) if taken.isdisjoint(flag.opts))


class CrmGroup(click.Group, SpokenHelp):
    """A group whose commands are :class:`CrmCommand`, listed in the order they are written."""

    command_class = CrmCommand
    group_class = type

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in order of definition."""
        return list(self.commands)


class LazyGroup(CrmGroup):
    """A group that knows its commands by name and imports one only when it is used.

    Args:
        lazy: Command name to (``"module:attribute"``, one line of help).
    """

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy)
        self.commands.update({name: click.Command(name) for name in lazy})
        self.params.extend(_flags(hidden=False))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names: the core's own, then those of installed plugins."""
        return [*super().list_commands(ctx), *self._plugin_commands()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return the command."""
        if cmd_name in self.lazy:
            module, _, attribute = self.lazy[cmd_name][0].partition(":")
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command
        if cmd_name in self._plugin_commands():
            from crm_core.cli.plugin_commands import load_command

            return load_command(ctx.ensure_object(Context), cmd_name)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, say(help_)) for name, (_, help_) in self.lazy.items()])
        brought = self._plugin_commands()
        if brought:
            rows = [(name, say(t("From {package}.", package=p))) for name, p in brought.items()]
            with formatter.section(t("Commands of plugins")):
                formatter.write_dl(rows)

    def _plugin_commands(self) -> dict[str, str]:
        from crm_core.commands import plugin_commands

        return {k: package for k, package in plugin_commands().items() if k not in self.lazy}
