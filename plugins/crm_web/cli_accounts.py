"""``crm web``: how users sign in, their tokens and sessions, and webhooks."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import click

from crm_core.cli.context import Context, on_terminal, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.errors import InputError
from crm_core.messages import n, say, t


@click.group(cls=CrmGroup)
def web() -> None:
    """How users sign in to the pages and the API, and webhooks."""


@web.group(cls=CrmGroup)
def user() -> None:
    """Passwords of users."""


@user.command()
@click.argument("login")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File that holds it; without it you are asked.",
)
@click.option("--must-change", is_flag=True, help="They choose one of their own at first.")
@pass_context
def password(
    context: Context, login: str, password_file: Path | None, *, must_change: bool
) -> None:
    """Set the password of the user LOGIN, and end their sessions."""
    from crm_web.services.passwords import set_password

    if password_file:
        new = password_file.read_text(encoding="utf-8").rstrip("\r\n")
    elif on_terminal():
        question = say(t("New password of {login}", login=login))
        new = click.prompt(question, hide_input=True, confirmation_prompt=True, err=True)
    else:
        raise InputError(t("Give the password with --password-file FILE."), code="web.password")
    with context.unit_of_work(write=True) as uow:
        set_password(uow, login, new, must_change=must_change)
        uow.commit()
    told = t("The password of {login} is set; their sessions have ended.", login=login)
    context.output.data("web.user.password/1", {"id": login}, lambda: context.output.line(told))


@web.command()
@click.argument("login")
@pass_context
def invite(context: Context, login: str) -> None:
    """Mail the user LOGIN a link to choose their first password."""
    from crm_core.channels import mail_server
    from crm_core.outbox.mail import send_queued_mail
    from crm_web.services.links import invite_user

    with context.unit_of_work(write=True) as uow:
        invite_user(uow, login)
        uow.commit()
    sent = send_queued_mail(context.application.database, mail_server(context.config))
    told = (
        t("{login} was mailed a link.", login=login)
        if sent
        else t("The mail to {login} waits to be sent: crm worker tries again.", login=login)
    )
    context.output.data(
        "web.invite/1", {"id": login, "is_sent": bool(sent)}, lambda: context.output.line(told)
    )


@web.group(cls=CrmGroup, name="second-factor")
def second_factor() -> None:
    """Second factors of users."""


@second_factor.command()
@click.argument("login")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@pass_context
def reset(context: Context, login: str, *, yes: bool) -> None:
    """Turn off the second factor of the user LOGIN, who has lost it."""
    from crm_web.services.second_factor import reset_second_factor

    context.confirm(say(t("Turn off the second factor of {login}?", login=login)), yes=yes)
    with context.unit_of_work(write=True) as uow:
        reset_second_factor(uow, login)
        uow.commit()
    told = t("{login} has no second factor any more; their sessions have ended.", login=login)
    context.output.data(
        "web.second-factor.reset/1", {"id": login}, lambda: context.output.line(told)
    )


@web.group(cls=CrmGroup)
def sessions() -> None:
    """Who is signed in."""


@sessions.command(name="list")
@click.option("--user", "login", help="Only those of this user.")
@pass_context
def list_sessions_(context: Context, login: str | None) -> None:
    """List who is signed in, and from where."""
    from crm_core.services.users import user_named
    from crm_web.services.sessions import list_sessions

    with context.unit_of_work() as uow:
        items = list_sessions(uow, user_named(uow, login).id if login else None)
    columns = {
        "id": t("Id"),
        "login": t("Login"),
        "method": t("How"),
        "last_seen_at": t("Last seen"),
        "expires_at": t("Ends"),
        "address": t("Address"),
    }
    context.output.page("web.sessions.list/1", list(items), None, columns)


@sessions.command()
@click.argument("login")
@pass_context
def close(context: Context, login: str) -> None:
    """End all sessions of the user LOGIN."""
    from crm_core.services.users import user_named
    from crm_web.services.sessions import close_sessions_of

    with context.unit_of_work(write=True) as uow:
        ended = close_sessions_of(uow, user_named(uow, login).id)
        uow.commit()
    told = n("Ended {count} session.", "Ended {count} sessions.", ended)
    data = {"id": login, "ended": ended}
    context.output.data("web.sessions.close/1", data, lambda: context.output.line(told))


@web.group(cls=CrmGroup)
def token() -> None:
    """Tokens with which programs use the API."""


@token.command(name="add")
@click.argument("title")
@click.option("--scope", default="read", show_default=True, help="read, write, or rights.")
@click.option("--days", default=90, show_default=True, help="For how long; 0 for no end.")
@pass_context
def add_token_(context: Context, title: str, scope: str, days: int) -> None:
    """Make a token for yourself; it is shown this once.

    TITLE says what it is for. It never reaches further than you do: with read it reads, with write
    it does what you may, and with rights (core.customer.view,core.customer.edit) just that.
    """
    from crm_web.services.api_tokens import READ, WRITE, add_token

    wanted = scope if scope in (READ, WRITE) else scope.split(",")
    with context.unit_of_work(write=True) as uow:
        text, made = add_token(uow, title, scope=wanted, days=days or None)
        uow.commit()
    data = {"id": made.id, "token": text, "expires_at": made.expires_at}
    context.output.data("web.token.add/1", data, lambda: context.output.line(text))


@token.command(name="list")
@pass_context
def list_tokens_(context: Context) -> None:
    """List your tokens, or all for who may manage access."""
    from crm_web.services.api_tokens import list_tokens

    with context.unit_of_work() as uow:
        items = list_tokens(uow)
    if not context.output.as_json:
        items = [{**item, "scope": _words(item["scope"])} for item in items]
    columns = {
        "id": t("Id"),
        "login": t("Login"),
        "title": t("Title"),
        "scope": t("Scope"),
        "expires_at": t("Ends"),
        "last_used_at": t("Last used"),
        "revoked_at": t("Revoked"),
    }
    context.output.page("web.token.list/1", items, None, columns)


@token.command()
@click.argument("token_id", type=click.UUID)
@pass_context
def revoke(context: Context, token_id: UUID) -> None:
    """Make a token useless."""
    from crm_web.services.api_tokens import revoke_token

    with context.unit_of_work(write=True) as uow:
        revoke_token(uow, token_id)
        uow.commit()
    told = t("The token is revoked.")
    context.output.data("web.token.revoke/1", {"id": token_id}, lambda: context.output.line(told))


@web.group(cls=CrmGroup)
def webhook() -> None:
    """Addresses that hear of events."""


@webhook.command(name="add")
@click.argument("name")
@click.argument("url")
@click.option("--event", "events", multiple=True, required=True, help="core.customer.changed, …")
@click.option("--secret-ref", help="file:PATH, env:NAME or keyring:NAME; made here without it.")
@pass_context
def add_webhook_(
    context: Context, name: str, url: str, events: tuple[str, ...], secret_ref: str | None
) -> None:
    """Have URL hear of events; the secret that posts are signed with is shown this once."""
    from crm_web.services.webhooks import add_webhook

    with context.unit_of_work(write=True) as uow:
        made, secret = add_webhook(uow, name, url, events, secret_ref=secret_ref)
        uow.commit()
    data = {"id": made.id, "name": name, "secret": secret}
    told = t("Added the webhook {name}.", name=name)

    def draw() -> None:
        context.output.line(told)
        if secret:
            context.output.line(t("It is signed with: {secret}", secret=secret))

    context.output.data("web.webhook.add/1", data, draw)


@webhook.command(name="list")
@pass_context
def list_webhooks_(context: Context) -> None:
    """List the webhooks."""
    from crm_web.services.webhooks import list_webhooks

    with context.unit_of_work() as uow:
        items = list_webhooks(uow)
    if not context.output.as_json:
        items = [{**item, "events": _words(item["events"])} for item in items]
    columns = {
        "name": t("Name"),
        "url": t("Address"),
        "events": t("Events"),
        "is_enabled": t("Enabled"),
        "waiting": t("Waiting"),
    }
    context.output.page("web.webhook.list/1", items, None, columns)


@webhook.command()
@click.argument("name")
@pass_context
def remove(context: Context, name: str) -> None:
    """Forget a webhook, with what was sent there and what waits."""
    from crm_web.services.webhooks import remove_webhook

    with context.unit_of_work(write=True) as uow:
        remove_webhook(uow, name)
        uow.commit()
    told = t("Removed the webhook {name}.", name=name)
    context.output.data("web.webhook.remove/1", {"id": name}, lambda: context.output.line(told))


@webhook.command()
@click.argument("name")
@pass_context
def test(context: Context, name: str) -> None:
    """Post a test to a webhook, now."""
    from crm_web.posting import send_test_post

    outcome = send_test_post(context.application.database, context.actor, name)
    told = outcome.error or t("It answered {status}.", status=outcome.status)
    data = {"id": name, "status": outcome.status, "error": outcome.error}
    context.output.data("web.webhook.test/1", data, lambda: context.output.line(told))
    if outcome.error:
        context.exit(1)


def _words(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)
