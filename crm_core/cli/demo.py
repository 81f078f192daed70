"""``crm demo``: something to look at, in a folder of its own."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand
from crm_core.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    from uuid import UUID

    from crm_core.bootstrap import Application
    from crm_core.config import Config

BACKEND, BACKEND_TYPE = "demo", "files"
DATA_FOLDER = "back-office"
PROSPECTS = "prospects.csv"


@click.command(cls=CrmCommand)
@click.option(
    "--path",
    "folder",
    default="crm-demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to make; nothing outside it is touched.",
)
@pass_context
def demo(context: Context, folder: Path) -> None:
    """Try it out in a folder of its own.

    Makes an SQLite base, fills it from a small back office of CSV files through the same sync
    engine as any ERP, imports a list of prospects, and shows one customer. Run again, it syncs
    again.
    """
    folder = folder.absolute()
    config = _demo_config(folder)
    fresh = not Path(config.database_url.removeprefix("sqlite:///")).exists()
    if fresh and folder.exists() and any(folder.iterdir()):
        raise InputError(
            f"{folder} is not empty and holds no demo: name another folder with --path.",
            code="core.demo.folder",
        )
    context.config = config
    application = context.application
    if fresh:
        _set_up(application, folder)
    with application.unit_of_work(context.actor) as uow:
        from crm_core.services.backends import backend_named

        backend = backend_named(uow, BACKEND)
    report = application.run_sync(backend)
    if fresh:
        _live(context, folder)
    _show(context, folder, report.state)


def _demo_config(folder: Path) -> Config:
    """Return settings that know nothing of the current folder's database or the user's own."""
    from crm_core.config import load_config

    url = f"sqlite:///{folder / 'crm.sqlite'}"
    return load_config({"database_url": url}, {"CRM_CONFIG_HOME": str(folder)}, folder)


def _set_up(application: Application, folder: Path) -> None:
    from crm_core.access import system_actor
    from crm_core.bootstrap import os_user
    from crm_core.cli.init import write_config
    from crm_core.persistence.migrate import upgrade
    from crm_core.services.backends import add_backend
    from crm_core.services.installation import Answers, install

    data = folder / DATA_FOLDER
    shutil.copytree(_packaged_data(application), data)
    upgrade(application.unchecked_database)
    answers = Answers("Demo company", "EUR", "UTC", "en", None, admin="demo")
    with application.unit_of_work(system_actor("demo"), write=True) as uow:
        install(uow, answers, os_user=os_user())
        config = {"path": str(data)}
        add_backend(uow, name=BACKEND, type_name=BACKEND_TYPE, config=config, secret_ref=None)
        uow.commit()
    write_config(application.config, folder)


def _live(context: Context, folder: Path) -> None:
    """Import prospects, and add what people noted about the customer that is shown."""
    from crm_core.cli.demo_story import tell_story
    from crm_core.services.customer_import import import_customers

    application = context.application
    import_customers(application.database, context.actor, folder / DATA_FOLDER / PROSPECTS)
    customer_id = _interesting(context)
    with application.unit_of_work(context.actor, write=True) as uow:
        if customer_id is not None:
            tell_story(uow, customer_id)
        uow.commit()


def _packaged_data(application: Application) -> Path:
    """Return the CSV files that come with the connector for such folders."""
    package = application.backend_type(BACKEND_TYPE).factory.partition(".")[0]
    spec = importlib.util.find_spec(package)
    data = Path(spec.origin).parent / "demo" if spec and spec.origin else None
    if data is None or not data.is_dir():
        raise ConfigurationError(
            f"The demo data of {package} is missing: install the product again.",
            code="core.demo.data_missing",
        )
    return data


def _show(context: Context, folder: Path, state: str) -> None:
    customer_id = _interesting(context)
    data = {"folder": str(folder), "state": state, "customer_id": customer_id}
    out = context.output

    def draw() -> None:
        if customer_id is not None:
            from crm_core.cli.customer import show

            show.main([str(customer_id)], "crm customer show", standalone_mode=False, obj=context)
        out.heading("Try next")
        out.line(f"cd {folder}")
        for line in (
            "customer search aigaio",
            "customer search los",
            "activity list",
            "sync status",
            "doctor",
        ):
            out.line(f"crm {line}")

    out.data("demo/1", data, draw)


def _interesting(context: Context) -> UUID | None:
    """Return the customer with the most documents."""
    from sqlalchemy import func, select

    from crm_core.entities import Customer, Transaction

    count = func.count(Transaction.id)
    statement = (
        select(Customer.id)
        .outerjoin(Transaction, Transaction.customer_id == Customer.id)
        .group_by(Customer.id)
        .order_by(count.desc(), Customer.id)
        .limit(1)
    )
    with context.unit_of_work() as uow:
        found: UUID | None = uow.scalar(statement)
    return found
