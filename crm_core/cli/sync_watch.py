"""``crm sync schedule`` and ``crm sync alert``: when the worker runs, and whom it tells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand
from crm_core.errors import InputError
from crm_core.messages import t

if TYPE_CHECKING:
    from crm_core.sync.alerts import Delivered


@click.command(cls=CrmCommand)
@click.argument("name")
@click.option("--every", metavar="TIME", help="Between two runs, such as 5m; default: as set.")
@click.option(
    "--entity", "entities", multiple=True, metavar="ENTITY=TIME", help="Such as customer=1m."
)
@click.option(
    "--sweep", metavar="TIME", help="Between two searches for what is gone; default: every run."
)
@click.option(
    "--full", metavar="TIME", help="Between two readings of every record; default: never."
)
@click.option(
    "--heavy-hours", metavar="HOURS", help="Do both only then: 22:00-06:00; default: always."
)
@click.option("--pause/--resume", "is_paused", default=None, help="Leave it out, or not any more.")
@pass_context
def schedule(context: Context, /, name: str, **changes: Any) -> None:
    """Show or set when the worker runs a back office.

    Times are 90s, 5m, 1h or 1d; the word default takes one back. Hours are those of the company's
    time zone. Runs by hand go by none of it.
    """
    from crm_core.sync.schedule import schedule_of, set_schedule

    is_change = any(value not in (None, ()) for value in changes.values())
    usual = timedelta(minutes=context.config.sync_minutes)
    with context.unit_of_work(write=is_change) as uow:
        if is_change:
            set_schedule(uow, name, **changes)
            uow.commit()
        found = schedule_of(uow, name, usual)
    out = context.output

    def draw() -> None:
        each = [
            t("{entity} every {time}", entity=entity, time=time)
            for entity, time in found["entities"].items()
        ]
        paused = t("yes") if found["is_paused"] else None
        out.fields([(t("Back office"), name), (t("Paused"), paused), (t("Every"), found["every"])])
        out.fields(
            [(t("But"), each), (t("Looks for what is gone"), found["sweep"] or t("at every run"))]
        )
        full = found["full"] or t("never")
        out.fields([(t("Reads every record"), full), (t("Both only at"), found["heavy_hours"])])

    out.data("sync.schedule/1", found, draw)


@click.command(cls=CrmCommand)
@click.argument("name")
@click.option(
    "--mail", "mail_to", metavar="ADDRESS,…", help="Tell them by mail; off: not any more."
)
@click.option("--webhook", "webhook_url", metavar="URL", help="Post it there, or file:PATH of it.")
@click.option(
    "--secret-ref", "webhook_secret_ref", metavar="REF", help="Sign with env:NAME, file:…"
)
@click.option(
    "--conflicts", type=click.IntRange(min=0), help="From so many open ones on; 0: never."
)
@click.option("--set-aside", type=click.IntRange(min=0), help="From so many on; 0: never.")
@click.option("--remove", is_flag=True, help="Tell nobody any more.")
@click.option("--test", is_flag=True, help="Send a test now.")
@pass_context
def alert(context: Context, /, name: str, *, remove: bool, test: bool, **changes: Any) -> None:
    """Show or set whom the worker tells when a back office's syncs get into trouble.

    That is: a run fails, or conflicts or records set aside reach a number. It is told once, and
    once more when it is over, without any customer's data.
    """
    from crm_core.sync.alerts import alert_of, remove_alert, set_alert

    is_set = any(value is not None for value in changes.values())
    if remove and (is_set or test):
        raise InputError(
            t(
                "--remove tells nobody any more, so it goes with no other option; --mail off "
                "takes the mail away alone, --webhook off the webhook."
            ),
            code="core.alert.remove",
        )
    is_change = remove or is_set
    with context.unit_of_work(write=is_change) as uow:
        if remove:
            remove_alert(uow, name)
        elif is_change:
            set_alert(uow, name, **changes)
        if is_change:
            uow.commit()
        found = alert_of(uow, name)
    out = context.output
    if test:
        _test(context, name)
        return

    def draw() -> None:
        out.fields([(key.replace("_", " ").capitalize(), value) for key, value in found.items()])

    out.data("sync.alert/1", found, draw)


def _test(context: Context, name: str) -> None:
    from crm_core.channels import mail_server
    from crm_core.sync.alerts import send_test

    application = context.application
    server = mail_server(application.config)
    sent: Sequence[Delivered] = send_test(application.database, context.actor, server, name)
    items = [{"id": each.channel, "error": each.error} for each in sent]
    rows = [[each.channel, each.error or "sent"] for each in sent]
    out = context.output
    data = {"items": items, "next_cursor": None}
    out.data("sync.alert.test/1", data, lambda: out.table([t("Channel"), t("Outcome")], rows))
    context.exit(1 if any(each.error for each in sent) else 0)
