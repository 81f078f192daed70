"""``crm backend set|enable|disable``: changing a back office that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from crm_core.cli.backend_options import chosen, flags_of, options_of, try_out
from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand
from crm_core.errors import InputError
from crm_core.messages import t

if TYPE_CHECKING:
    from crm_hooks.contributions import BackendType

MANAGE = "core.backend.manage"


@click.command(
    name="set",
    cls=CrmCommand,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.argument("name")
@click.option("--calls-per-second", help="Most calls a second (0.1 to 1000).")
@click.option("--connections", help="Connections used at once (1 to 16).")
@click.option("--page-size", help="Records read at a time (10 to 5000), else 1000.")
@click.option("--batch-size", help="Records written at a time (10 to 2000), else 500.")
@click.option("--vanish-percent", help="Percent of an entity that may be gone at once, else 20.")
@click.option("--unset", multiple=True, metavar="OPTION", help="Back to the default; repeatable.")
@pass_context
def set_(context: Context, /, name: str, **given: Any) -> None:
    """Change the options of a back office; without any, show them.

    The options of its type are taken too, as crm backend add TYPE --help lists them.
    """
    from crm_core.secret_refs import read_secret
    from crm_core.services.backend_options import set_backend
    from crm_core.services.backends import backend_named

    context.actor.require(MANAGE)
    with context.unit_of_work() as uow:
        found = backend_named(uow, name)
    kind = context.application.backend_type(found.type)
    unset, general = given.pop("unset"), {f"option_{k}": v for k, v in given.items()}
    typed = _typed(kind, click.get_current_context().args)
    secret_file = typed.pop("secret_file", None)
    changed = chosen(kind, {**typed, **{k: v for k, v in general.items() if v is not None}})
    config = {**_without(kind, found.config, unset), **changed}
    secret_ref = f"file:{secret_file}" if secret_file else found.secret_ref
    if config != found.config or secret_ref != found.secret_ref:
        try_out(context, kind, config, read_secret(secret_ref, name))
        with context.unit_of_work(write=True) as uow:
            set_backend(uow, name, config, secret_ref)
            uow.commit()
    out = context.output
    data = {"id": found.id, "name": name, "config": config, "secret_ref": secret_ref}
    out.data("backend.set/1", data, lambda: out.fields([*config.items(), ("secret", secret_ref)]))


def _typed(kind: BackendType, arguments: list[str]) -> dict[str, Any]:
    """Read the flags that only a backend of this type has."""
    command = click.Command("set", params=flags_of(kind, is_new=False))
    with command.make_context("crm backend set NAME", list(arguments)) as own:
        return dict(own.params)


def _without(kind: BackendType, config: dict[str, str], unset: tuple[str, ...]) -> dict[str, str]:
    names = {each.replace("-", "_") for each in unset}
    known = {option.name: option for option in options_of(kind)}
    for name in names:
        if name not in known or known[name].required:
            free = ", ".join(n.replace("_", "-") for n, each in known.items() if not each.required)
            raise InputError(
                t(
                    "--unset {name}: only these can be left out: {free}.",
                    name=name.replace("_", "-"),
                    free=free,
                ),
                code="core.backend.unset",
            )
    defaults = {n: d for n in names if (d := known[n].default) is not None}
    return {**{n: value for n, value in config.items() if n not in names}, **defaults}


@click.command(cls=CrmCommand)
@click.argument("name")
@pass_context
def enable(context: Context, name: str) -> None:
    """Let a back office be synced again."""
    _switch(context, name, on=True)


@click.command(cls=CrmCommand)
@click.argument("name")
@pass_context
def disable(context: Context, name: str) -> None:
    """Leave a back office alone: no run, by whomever; what changes here waits for it."""
    _switch(context, name, on=False)


def _switch(context: Context, name: str, *, on: bool) -> None:
    from crm_core.services.backend_options import switch_backend

    with context.unit_of_work(write=True) as uow:
        backend = switch_backend(uow, name, on=on)
        uow.commit()
        data = {"id": backend.id, "name": name, "is_enabled": on}
    out = context.output
    said = t("{name} is switched on.", name=name) if on else t("{name} is switched off.", name=name)
    out.data(f"backend.{'enable' if on else 'disable'}/1", data, lambda: out.line(said))
