"""``crm init``: an empty folder becomes a working front office."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crm_core.cli.context import Context, on_terminal, pass_context
from crm_core.cli.grammar import CrmCommand
from crm_core.cli.plugins import enable_named
from crm_core.errors import ConfigurationError
from crm_core.messages import say, t

if TYPE_CHECKING:
    from crm_core.config import Config
    from crm_core.services.installation import Answers
    from crm_core.services.settings import Settings

QUESTIONS = {
    "company": t("Company"),
    "base_currency": t("Base currency (ISO code)"),
    "time_zone": t("Time zone"),
    "language": t("Language"),
    "phone_region": t("Country of phone numbers without prefix (two letters, - for none)"),
    "admin": t("Login of the administrator"),
}


@click.command(cls=CrmCommand)
@click.option("--company", help="What the company is called.")
@click.option("--currency", "base_currency", metavar="CODE", help="Base currency: EUR.")
@click.option("--time-zone", metavar="NAME", help="IANA name: Europe/Athens.")
@click.option("--language", metavar="TAG", help="Such as el or el-GR.")
@click.option("--phone-region", metavar="CC", help="Country of phone numbers without a prefix.")
@click.option("--admin", metavar="LOGIN", help="The administrator; acts for this account.")
@click.option("--with", "plugins", metavar="NAMES", help="Plugins to enable, with commas.")
@click.option("--yes", is_flag=True, help="Ask nothing; take what this machine suggests.")
@pass_context
def init(context: Context, /, *, yes: bool, plugins: str | None, **given: str | None) -> None:
    """Set up a database and the first administrator.

    Asks on a terminal; elsewhere, and with --yes, it takes the flags and what this machine's own
    settings suggest. A database that is set up already is left as it is.
    """
    from crm_core.access import system_actor
    from crm_core.bootstrap import os_user
    from crm_core.persistence.migrate import upgrade
    from crm_core.persistence.unit_of_work import unit_of_work
    from crm_core.services.installation import check_server, install, is_installed

    database = context.application.unchecked_database
    system = system_actor("init")
    if _has_tables(context):
        with unit_of_work(database, actor=system) as uow:
            if is_installed(uow):
                _tell(context, None, None)
                return
    wanted = _wanted_plugins(context, plugins)
    check_server(database)
    answers = _asked(given, ask=not yes and on_terminal())
    upgrade(database)
    with unit_of_work(database, actor=system, write=True) as uow:
        settings = install(uow, answers, os_user=os_user())
        uow.commit()
    try:
        written = write_config(context.config, Path.cwd())
    except OSError as error:
        context.output.warn(
            t("No crm.toml was written ({reason}): give --database-url.", reason=error.strerror)
        )
        written = None
    for name in wanted:
        enable_named(context, name, by=answers.admin)
    _tell(context, settings, written)


def _wanted_plugins(context: Context, text: str | None) -> list[str]:
    """Return the plugins to enable, each after those it requires; refuses those not there."""
    from crm_core.plugins.activation import installed_plugin

    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    installed = context.application.installed_plugins if names else None
    if installed is None:
        return []
    for name in names:
        installed_plugin(installed, name)
    return [name for name in installed.plugins if name in names]


def _has_tables(context: Context) -> bool:
    """Return whether the database has this version's tables; an older or newer one is refused."""
    try:
        return context.application.database is not None
    except ConfigurationError as error:
        if error.code == "core.database.not_initialised":
            return False
        raise


def _asked(given: dict[str, str | None], *, ask: bool) -> Answers:
    from crm_core.bootstrap import os_user
    from crm_core.services.installation import guessed_answers

    answers = replace(guessed_answers(os_user()), **{k: v for k, v in given.items() if v})
    if ask:
        for name, question in QUESTIONS.items():
            if not given[name]:
                reply = click.prompt(say(question), default=getattr(answers, name) or "-", err=True)
                answers = replace(answers, **{name: reply.strip()})
    return replace(answers, phone_region=None) if answers.phone_region == "-" else answers


def write_config(config: Config, folder: Path) -> Path | None:
    """Write ``crm.toml`` where there is none, so that later commands find the database.

    Returns:
        Its path, or None where one was there.
    """
    from crm_core.config import FILE_NAME

    lines = ["# Settings of the CRM front office in this folder; crm doctor shows them all."]
    if config.shown_database_url != config.database_url:
        lines.append("# The database's address holds a password: keep it in CRM_DATABASE_URL.")
    else:
        # Relative, so that the folder can move.
        url = config.database_url.replace(f"sqlite:///{folder}/", "sqlite:///", 1)
        lines.append(f"database_url = {json.dumps(url)}")
    path = folder / FILE_NAME
    try:
        with path.open("x", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")
    except FileExistsError:
        return None
    return path


def _tell(context: Context, settings: Settings | None, written: Path | None) -> None:
    out, url = context.output, context.config.shown_database_url
    data: dict[str, Any] = {"database_url": url, "created": settings is not None}
    if settings is not None:
        data |= {"settings": settings, "config_file": str(written) if written else None}

    def draw() -> None:
        if settings is None:
            out.line(t("{url} is set up already; nothing was changed.", url=url))
            return
        out.line(t("Ready: {url}", url=url))
        out.fields(
            [
                (t("Company"), settings.company),
                (t("Currency"), settings.base_currency),
                (t("Time zone"), settings.time_zone),
                (t("Language"), settings.language),
                (t("Phone region"), settings.phone_region or "none"),
                (t("Settings file"), written),
            ],
            indent=2,
        )
        out.note(t("Next: crm backend add odoo NAME --help, or crm customer add --help."))

    out.data("init/1", data, draw)
