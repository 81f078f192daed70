"""``crm demo``: something to look at, in a folder of its own."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand
from crm_core.errors import ConfigurationError, InputError
from crm_core.messages import t

if TYPE_CHECKING:
    from crm_core.bootstrap import Application
    from crm_core.config import Config

BACKEND, BACKEND_TYPE = "demo", "files"
DATA_FOLDER = "back-office"
CUSTOMERS, MOST_CUSTOMERS = 2_000, 100_000
SEED = 1


@click.command(cls=CrmCommand)
@click.option(
    "--path",
    "folder",
    default="crm-demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to make; nothing outside it is touched.",
)
@click.option(
    "--customers",
    default=CUSTOMERS,
    show_default=True,
    type=click.IntRange(1, MOST_CUSTOMERS),
    help="How many customers a new demo has.",
)
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), hidden=True)
@pass_context
def demo(context: Context, folder: Path, customers: int, today: datetime | None) -> None:
    """Try it out in a folder of its own.

    Makes a trading company with three years of business: a back office of CSV files, pulled into
    an SQLite base through the same sync engine as any ERP, and what its people noted since. Shows
    one customer and says what to try next. Run again, it syncs again.
    """
    folder = folder.absolute()
    day = today.date() if today else datetime.now(UTC).date()
    state, told = build_demo(context, folder, customers, day)
    _show(context, folder, state, day, told)


def build_demo(
    context: Context, folder: Path, customers: int = CUSTOMERS, today: date | None = None
) -> tuple[str, list[str]]:
    """Make the demo, or sync it again where it is there; the command acts on it from then on.

    Args:
        context: The command's.
        folder: Where it is.
        customers: How many a new one has.
        today: The last day of its story; today when None.

    Returns:
        How the sync ended, and what the plugins that are part of it say of themselves.

    Raises:
        InputError: The folder holds something else.
    """
    day = today or datetime.now(UTC).date()
    config = _demo_config(folder)
    fresh = not Path(config.database_url.removeprefix("sqlite:///")).exists()
    if fresh and folder.exists() and any(folder.iterdir()):
        raise InputError(
            t(
                "{folder} is not empty and holds no demo: name another folder with --path.",
                folder=folder,
            ),
            code="core.demo.folder",
        )
    context.use(config)
    application = context.application
    if fresh:
        _set_up(application, folder, customers, day)
    with application.unit_of_work(context.actor) as uow:
        from crm_core.services.backends import backend_named

        backend = backend_named(uow, BACKEND)
    report = application.run_sync(backend)
    if fresh:
        from crm_core.cli.demo_story import tell_story

        tell_story(application, context.actor, SEED, day)
    return report.state, _prepare_plugins(context)


def _prepare_plugins(context: Context) -> list[str]:
    """Let plugins that are part of the demo take part, and return what they say of themselves."""
    from crm_core.plugins.activation import enable_plugin
    from crm_core.plugins.discovery import resolve

    application = context.application
    parts = {
        name: loaded.manifest.demo
        for name, loaded in application.installed_plugins.plugins.items()
        if loaded.manifest.demo
    }
    for name in parts:
        if name not in application.plugins.plugins:
            installed, seconds = application.installed_plugins, application.config.plugin_seconds
            enable_plugin(
                application.database, installed, name, by=context.actor.login, seconds=seconds
            )
    context.use(application.config)  # with what was enabled just now
    told: list[str] = []
    for name, reference in parts.items():
        told.extend(resolve(reference, t("The plugin {name}", name=name))(context.application))
    return told


def _demo_config(folder: Path) -> Config:
    """Return settings that know nothing of the current folder's database or the user's own."""
    from crm_core.config import load_config

    url = f"sqlite:///{folder / 'crm.sqlite'}"
    return load_config({"database_url": url}, {"CRM_CONFIG_HOME": str(folder)}, folder)


def _set_up(application: Application, folder: Path, customers: int, today: date) -> None:
    from crm_core.access import system_actor
    from crm_core.bootstrap import os_user
    from crm_core.cli.init import write_config
    from crm_core.persistence.migrate import upgrade
    from crm_core.services.backends import add_backend
    from crm_core.services.installation import Answers, install

    data = folder / DATA_FOLDER
    _builder(application)(data, customers, SEED, today)
    upgrade(application.unchecked_database)
    answers = Answers("Demo company", "EUR", "UTC", "en", None, admin="demo")
    with application.unit_of_work(system_actor("demo"), write=True) as uow:
        install(uow, answers, os_user=os_user())
        config = {"path": str(data)}
        add_backend(uow, name=BACKEND, type_name=BACKEND_TYPE, config=config, secret_ref=None)
        uow.commit()
    write_config(application.config, folder)


def _builder(application: Application) -> Any:
    """Return what the connector builds such a back office with."""
    import importlib

    kind = application.backend_type(BACKEND_TYPE)
    module, _, attribute = kind.demo.partition(":")
    if not attribute:
        raise ConfigurationError(
            t("{kind} brings no demo company: install the product again.", kind=kind.title),
            code="core.demo.data_missing",
        )
    return getattr(importlib.import_module(module), attribute)


def _show(context: Context, folder: Path, state: str, today: date, told: list[str]) -> None:
    from crm_core.cli.demo_picks import picks

    with context.unit_of_work() as uow:
        found = picks(uow, today)
    best = found[0]["id"] if found else None
    data = {
        "folder": str(folder),
        "state": state,
        "customer_id": best,
        "items": found,
        "told": told,
    }
    out = context.output

    def draw() -> None:
        if best is not None:
            from crm_core.cli.customer import show

            show.main([str(best)], "crm customer show", standalone_mode=False, obj=context)
        out.heading(t("Try next"))
        out.line(t("cd {folder}", folder=folder))
        for pick in found:
            out.line(
                t(
                    "crm customer show {reference}    # {what}: {name}",
                    reference=pick["reference"],
                    what=pick["what"],
                    name=pick["name"],
                )
            )
        for line in (
            "customer search papado",
            "customer search los",
            "activity list --overdue",
            "sync status",
            "doctor",
        ):
            out.line(t("crm {line}", line=line))
        for line in told:
            out.line(line)

    out.data("demo/1", data, draw)
