"""``crm serve``: the pages and the API."""

from __future__ import annotations

import ipaddress
import logging
from pathlib import Path

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand
from crm_core.cli.stopping import stop_on_signals
from crm_core.errors import ConfigurationError
from crm_core.messages import t


@click.command(cls=CrmCommand)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of this machine.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65_535), help="Its port."
)
@click.option(
    "--threads",
    default=4,  # more only wait for each other: Python runs one at a time
    show_default=True,
    type=click.IntRange(1, 64),
    help="Requests answered at once.",
)
@click.option(
    "--proxies",
    default=0,
    show_default=True,
    type=click.IntRange(0, 5),
    help="How many proxies stand before it whose X-Forwarded headers are believed.",
)
@click.option("--demo", is_flag=True, help="Serve the demo company, made where there is none.")
@click.option(
    "--path",
    "folder",
    default="crm-demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the demo.",
)
@pass_context
def serve(
    context: Context, *, host: str, port: int, threads: int, proxies: int, demo: bool, folder: Path
) -> None:
    """Serve the pages and the API.

    For people on other machines put it behind a proxy with TLS (docs/web.md says how). SIGTERM ends
    it after the requests under way. With --demo it opens the demo company, with passwords that
    everybody knows, and on this machine alone.
    """
    from crm_web.demo import live_at
    from crm_web.server import Listener, Server

    context.log_from(logging.INFO)
    told = _demo(context, folder) if demo else []
    if "web" not in context.application.plugins.plugins:
        raise ConfigurationError(
            t("The web is not enabled on this database: crm plugins enable web."),
            code="web.not_enabled",
        )
    if not _is_loopback(host):
        _refuse_demo(context)
    server = Server(context.config, trusted_proxies=proxies)
    listener = Listener(server, host, port, threads=threads)
    with stop_on_signals() as stop:
        for line in told:
            context.output.note(line)
        address = f"http://{f'[{host}]' if ':' in host else host}:{listener.port}"
        if demo:
            live_at(context.application, address)
            context.output.note(
                t(
                    "Syncs, imports and mail are done by crm worker: start it in {folder}.",
                    folder=folder,
                )
            )
        context.output.note(t("Open {address} in a browser. Ctrl+C ends it.", address=address))
        listener.serve(stop)


def _demo(context: Context, folder: Path) -> list[str]:
    from crm_core.cli.demo import CUSTOMERS, build_demo
    from crm_web.demo import logins

    build_demo(context, folder.absolute(), CUSTOMERS)
    return logins()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse_demo(context: Context) -> None:
    from crm_core.access import system_actor
    from crm_web.demo import has_known_passwords

    with context.application.unit_of_work(system_actor("web")) as uow:
        if has_known_passwords(uow):
            raise ConfigurationError(
                t(
                    "This is the demo, whose passwords everybody knows: it is served on this "
                    "machine alone (--host 127.0.0.1)."
                ),
                code="web.demo.host",
            )
