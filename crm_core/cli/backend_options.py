"""Options of backends as flags: those of a type, and those of every backend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crm_core.cli.context import Context

if TYPE_CHECKING:
    from crm_hooks.contributions import BackendOption, BackendType


def options_of(kind: BackendType) -> list[BackendOption]:
    """See ``crm_core.services.backend_options``."""
    from crm_core.services import backend_options

    return backend_options.options_of(kind)


def flags_of(kind: BackendType, *, is_new: bool) -> list[click.Parameter]:
    """Return the flags that set a backend's options; only for a new one some must be given."""
    flags: list[click.Parameter] = []
    for option in options_of(kind):
        # An explicit None would count as a default, and the option as given.
        default: dict[str, Any] = {}
        if is_new and option.default is not None:
            default = {"default": option.default, "show_default": True}
        flags.append(
            click.Option(
                [f"--{option.name.replace('_', '-')}", f"option_{option.name}"],
                required=is_new and option.required and not default,
                metavar="PATH" if option.is_path else "TEXT",
                help=option.help,
                **default,
            )
        )
    if kind.needs_secret:
        flags.append(
            click.Option(
                ["--secret-file"],
                type=click.Path(exists=True, dir_okay=False, resolve_path=True),
                help="File that holds the password or key. Without it: the variable "
                "CRM_SECRET_NAME, else a prompt and the keyring.",
            )
        )
    return flags


def chosen(kind: BackendType, given: Mapping[str, Any]) -> dict[str, str]:
    """Return the options that were given, with paths made absolute."""
    return {
        option.name: str(Path(value).expanduser().resolve()) if option.is_path else value
        for option in options_of(kind)
        if (value := given[f"option_{option.name}"]) is not None
    }


def try_out(
    context: Context, kind: BackendType, config: dict[str, str], secret: str | None
) -> None:
    """See ``crm_core.bootstrap.Application.try_options``."""
    context.application.try_options(kind, config, secret)
