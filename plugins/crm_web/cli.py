"""``crm serve``: the pages and the API."""

from __future__ import annotations

import logging

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
    default=8,
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
@pass_context
def serve(context: Context, *, host: str, port: int, threads: int, proxies: int) -> None:
    """Serve the pages and the API.

    For people on other machines put it behind a proxy with TLS (docs/web.md says how). SIGTERM ends
    it after the requests under way.
    """
    from crm_web.server import Server
    from crm_web.server import serve as answer

    context.log_from(logging.INFO)
    if "web" not in context.application.plugins.plugins:
        raise ConfigurationError(
            t("The web is not enabled on this database: crm plugins enable web."),
            code="web.not_enabled",
        )
    server = Server(context.config, trusted_proxies=proxies)
    with stop_on_signals() as stop:
        context.output.note(t("Open http://{host}:{port} in a browser.", host=host, port=port))
        answer(server, host, port, threads=threads, stop=stop)
