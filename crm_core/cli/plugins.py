"""``crm plugins``: which modules this database uses, and making new ones."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from crm_core.cli.context import Context, on_terminal, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.errors import InputError
from crm_core.messages import say, t

MANAGE = "core.plugin.manage"
PATIENCE = 60
"""How many times as long as an answer enabling a plugin may take: it makes tables."""


@click.group(cls=CrmGroup)
def plugins() -> None:
    """Turn modules on and off for this database, and make new ones."""


@plugins.command(name="list")
@pass_context
def list_(context: Context) -> None:
    """List the plugins that are installed here or have been, and what is wrong with them."""
    from crm_core.plugins.activation import list_plugins

    application = context.application
    with context.unit_of_work() as uow:
        found = list_plugins(uow, application.installed_plugins, application.plugins)
    items = [{"id": info.name, **asdict(info)} for info in found]
    columns = {
        "name": t("Plugin"),
        "title": t("Title"),
        "version": t("Version"),
        "state": t("State"),
        "requires": t("Requires"),
        "reason": t("Why it is left out"),
    }
    context.output.page("plugins.list/1", items, None, columns)


@plugins.command()
@click.argument("name")
@pass_context
def enable(context: Context, name: str) -> None:
    """Take a plugin into use: makes or upgrades its tables; safe to repeat."""
    context.actor.require(MANAGE)
    enable_named(context, name, by=context.actor.login)
    out = context.output
    out.data("plugins.enable/1", {"id": name}, lambda: out.line(t("{name} is enabled.", name=name)))


def enable_named(context: Context, name: str, *, by: str) -> None:
    """Enable a plugin; ``by`` is who does it, whose right the caller has checked."""
    from crm_core.plugins.activation import enable_plugin

    application = context.application
    enable_plugin(
        application.database,
        application.installed_plugins,
        name,
        by=by,
        seconds=application.config.plugin_seconds * PATIENCE,
    )


@plugins.command()
@click.argument("name")
@pass_context
def disable(context: Context, name: str) -> None:
    """Take a plugin out of use; its data stays."""
    from crm_core.plugins.activation import disable_plugin

    installed = context.application.installed_plugins
    with context.unit_of_work(write=True) as uow:
        disable_plugin(uow, installed, name)
        uow.commit()
    out = context.output
    text = t("{name} is off; its data stays until crm plugins purge {name}.", name=name)
    out.data("plugins.disable/1", {"id": name}, lambda: out.line(text))


@plugins.command()
@click.argument("name")
@click.option("--confirm", metavar="NAME", help="The plugin's name again, for scripts.")
@pass_context
def purge(context: Context, name: str, confirm: str | None) -> None:
    """Drop all data of a plugin that is off; it cannot be undone, so make a backup first."""
    from crm_core.plugins.activation import purge_plugin

    context.actor.require(MANAGE)
    question = t("All data of {name} will be dropped. Type the plugin's name to go on", name=name)
    if confirm is None and on_terminal():
        confirm = click.prompt(say(question), err=True)
    if confirm != name:
        raise InputError(
            t("Nothing was dropped: confirm with the plugin's name (--confirm {name}).", name=name),
            code="core.plugin.not_confirmed",
        )
    application = context.application
    dropped = purge_plugin(
        application.database, application.installed_plugins, name, by=context.actor.login
    )
    out = context.output
    text = t(
        "{name} is purged; dropped: {dropped}.",
        name=name,
        dropped=", ".join(dropped) or t("no tables"),
    )
    out.data("plugins.purge/1", {"id": name, "dropped": dropped}, lambda: out.line(text))


@plugins.command()
@click.argument("name")
@click.option(
    "--path", type=click.Path(path_type=Path), default=".", help="Where its folder goes; here."
)
@pass_context
def new(context: Context, name: str, path: Path) -> None:
    """Make a plugin that works, from a template, to be changed at will."""
    from crm_core.plugins.scaffold import new_plugin

    folder = new_plugin(name, path)
    out = context.output

    def draw() -> None:
        out.line(t("{folder} is there. Next:", folder=folder))
        place = folder if folder.is_absolute() else f"./{folder}"
        for step in (
            f"pip install -e '{place}[test]'",
            f"crm plugins enable {name}",
            f"crm plugins test {name}",
        ):
            out.line(f"  {step}")

    out.data("plugins.new/1", {"id": name, "folder": str(folder)}, draw)


@plugins.command()
@click.argument("target", metavar="NAME|PATH")
@pass_context
def test(context: Context, target: str) -> None:
    """Run a plugin's own tests, else those that every plugin has to pass."""
    from crm_core.plugins.trial import passes_suite

    passed = passes_suite(target)
    out = context.output
    text = (
        t("{target} passes.", target=target)
        if passed
        else t("{target} does not pass: see above.", target=target)
    )
    out.data("plugins.test/1", {"id": target, "passed": passed}, lambda: out.line(text))
    if not passed:
        context.exit(1)
