"""``crm backend``: the remotes this front office is in step with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from crm_core.cli.backend_options import chosen, flags_of, try_out
from crm_core.cli.backend_set import disable, enable, set_
from crm_core.cli.context import Context, on_terminal, pass_context
from crm_core.cli.grammar import CrmCommand, CrmGroup
from crm_core.errors import InputError
from crm_core.messages import say, t

if TYPE_CHECKING:
    from crm_hooks.contributions import BackendType


@click.group(cls=CrmGroup)
def backend() -> None:
    """Set up ERPs and other back offices to be in step with."""


class BackendTypes(CrmGroup):
    """One command per backend type that a plugin offers, with that type's own options."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all types."""
        return sorted(ctx.ensure_object(Context).application.plugins.backend_types)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Build the command that adds a backend of one type; raises InputError for an unknown."""
        application = ctx.ensure_object(Context).application
        kind = application.plugins.backend_types.get(cmd_name)
        if kind is None:
            raise InputError(
                application.no_backend_type(cmd_name).message, code="core.backend.unknown_type"
            )
        return _add_command(kind)


@backend.group(cls=BackendTypes)
def add() -> None:
    """Add a back office: crm backend add TYPE NAME --OPTION VALUE."""


def _add_command(kind: BackendType) -> click.Command:
    params = [click.Argument(["name"]), *flags_of(kind, is_new=True)]

    @pass_context
    def run(context: Context, /, name: str, secret_file: str | None = None, **given: Any) -> None:
        _add(context, kind, name, secret_file, given)

    text = t(
        "Add a back office of the type {kind}: {kind_title}.", kind=kind.name, kind_title=kind.title
    )
    return CrmCommand(kind.name, params=params, callback=run, help=text)


def _add(
    context: Context, kind: BackendType, name: str, secret_file: str | None, given: dict[str, Any]
) -> None:
    from crm_core.bootstrap import load_factory
    from crm_core.secret_refs import read_secret
    from crm_core.services.backends import add_backend

    load_factory(kind)  # a library that is missing is told before a password is asked for
    config = chosen(kind, given)
    context.actor.require("core.backend.manage")
    secret_ref = _secret_ref(kind, name, secret_file) if kind.needs_secret else None
    try_out(context, kind, config, read_secret(secret_ref, name))
    with context.unit_of_work(write=True) as uow:
        added = add_backend(
            uow, name=name, type_name=kind.name, config=config, secret_ref=secret_ref
        )
        uow.commit()
        data = {"id": added.id, "name": name, "type": kind.name, "secret_ref": secret_ref}
    out = context.output
    out.data(
        "backend.add/1",
        data,
        lambda: out.line(t("Added {name} ({kind}).", name=name, kind=kind.title)),
    )
    out.note(t("Next: crm backend test {name}, then crm sync run {name}.", name=name))


def _secret_ref(kind: BackendType, name: str, secret_file: str | None) -> str:
    from crm_core.secret_refs import store_in_keyring

    variable = f"CRM_SECRET_{name.upper().replace('-', '_')}"
    if secret_file:
        return f"file:{secret_file}"
    if os.environ.get(variable):
        return f"env:{variable}"
    if not on_terminal():
        raise InputError(
            t(
                "{kind} needs a secret: give --secret-file FILE, or set {variable} here and "
                "wherever syncs run.",
                kind=kind.title,
                variable=variable,
            ),
            code="core.backend.secret_missing",
        )
    question = t("Password or key for {name}", name=name)
    secret = click.prompt(say(question), hide_input=True, err=True)
    return store_in_keyring(name, secret)


@backend.command(name="list")
@pass_context
def list_(context: Context) -> None:
    """List the back offices and how their last runs went."""
    from crm_core.services.backends import list_backends

    with context.unit_of_work() as uow:
        items = list_backends(uow)
    columns = {
        "name": t("Name"),
        "type": t("Type"),
        "is_enabled": t("Enabled"),
        "run_state": t("Last run"),
        "finished_at": t("Ended"),
        "set_aside": t("Set aside"),
    }
    context.output.page("backend.list/1", items, None, columns)


@backend.command()
@click.argument("name")
@pass_context
def test(context: Context, name: str) -> None:
    """Try all that a sync needs.

    Exit 4 when it is not reachable or refused us, 1 when a right is missing.
    """
    from crm_core.services.backends import backend_named

    with context.unit_of_work() as uow:
        found = backend_named(uow, name)
    remote = context.application.open_backend(found)
    try:
        checks = remote.check()
    finally:
        remote.close()
    sound = all(check.ok for check in checks)
    items = [{"id": check.name, "ok": check.ok, "message": check.message} for check in checks]
    out = context.output

    def draw() -> None:
        rows = [["ok" if i["ok"] else "MISSING", i["id"], i["message"]] for i in items]
        out.table([t("State"), t("Check"), t("Message")], rows)

    data = {"name": name, "ok": sound, "items": items, "next_cursor": None}
    out.data("backend.test/1", data, draw)
    context.exit(0 if sound else 1)


@backend.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_context
def confirm(context: Context, name: str, *, yes: bool) -> None:
    """Let this database write to a back office, after it was copied, moved or restored."""
    from crm_core.sync.permit import confirm_backend

    context.actor.require("core.backend.manage")
    context.confirm(
        t(
            "From now on this database writes to {name}. Make sure that no other one does: two "
            "would undo each other's work. Go on?",
            name=name,
        ),
        yes=yes,
    )
    with context.unit_of_work(write=True) as uow:
        confirm_backend(uow, name)
        uow.commit()
    out = context.output
    out.data(
        "backend.confirm/1",
        {"id": name},
        lambda: out.line(t("This database writes to {name}.", name=name)),
    )


@backend.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_context
def remove(context: Context, name: str, *, yes: bool) -> None:
    """Remove a back office: customers and documents stay, their ties to it go."""
    from crm_core.secret_refs import forget_in_keyring
    from crm_core.services.backends import backend_named, removal_effects, remove_backend

    context.actor.require("core.backend.manage")
    with context.unit_of_work() as uow:
        effects = removal_effects(uow, backend_named(uow, name).id)
    context.confirm(
        t(
            "Remove {name}? This deletes {bindings} ties to its records, {runs} run reports and "
            "{set_aside} set-aside records; customers and documents stay here but are no longer "
            "refreshed.",
            name=name,
            bindings=effects["bindings"],
            runs=effects["runs"],
            set_aside=effects["set_aside"],
        ),
        yes=yes,
    )
    with context.unit_of_work(write=True) as uow:
        removed = remove_backend(uow, name)
        uow.commit()
    forget_in_keyring(removed.secret_ref)
    out = context.output
    data = {"id": removed.id, "name": name, "removed": effects}
    out.data("backend.remove/1", data, lambda: out.line(t("Removed {name}.", name=name)))


for _command in (set_, enable, disable):
    backend.add_command(_command)
