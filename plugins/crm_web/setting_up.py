"""Adding back offices and changing their options, for pages and the API alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.secret_refs import keep_secret, read_secret
from crm_core.services.backend_options import options_of, require_secret_stays, set_backend
from crm_core.services.backends import add_backend, backend_named

if TYPE_CHECKING:
    from crm_core.bootstrap import Application
    from crm_core.entities.sync import Backend
    from crm_core.persistence.unit_of_work import UnitOfWork
    from crm_hooks.contributions import BackendType

SECRETS = "secrets"
"""Folder beside the attached files, read by this account alone, where there is no keyring."""


def add_back_office(
    uow: UnitOfWork,
    application: Application,
    *,
    kind: str,
    name: str,
    options: Mapping[str, str],
    secret: str,
) -> Backend:
    """Add a back office; nothing is asked of it yet.

    Args:
        uow: A writing unit of work.
        application: The product.
        kind: Of the backend types in use.
        name: What commands call it.
        options: Option name to what was typed; those left blank count as not given.
        secret: Password or key; empty where it needs none.

    Raises:
        InputError: An option is missing or will not do, or the secret is missing.
        DuplicateError: The name is taken.
    """
    type_ = application.backend_type(kind)
    config = _chosen(type_, options)
    if type_.needs_secret and not secret:
        raise InputError(t("It needs a password or key."), code="core.backend.secret_missing")
    application.try_options(type_, config, secret or None)
    made = add_backend(uow, name=name, type_name=type_.name, config=config, secret_ref=None)
    made.secret_ref = _kept(application, name, secret)
    uow.flush()
    return made


def change_back_office(
    uow: UnitOfWork, application: Application, name: str, *, options: Mapping[str, str], secret: str
) -> Backend:
    """Change the options of a back office; an empty secret stays while it goes where it went.

    Raises:
        NotFoundError: There is none of that name.
        InputError: An option is missing or will not do, or the secret has to be given again.
    """
    found = backend_named(uow, name)
    type_ = application.backend_type(found.type)
    config = _chosen(type_, options)
    if not secret and found.secret_ref:
        require_secret_stays(type_, found.config, config)
    application.try_options(type_, config, secret or read_secret(found.secret_ref, name))
    return set_backend(uow, name, config, _kept(application, name, secret) or found.secret_ref)


def _chosen(kind: BackendType, options: Mapping[str, str]) -> dict[str, str]:
    """Return the options that were filled in, with paths made absolute."""
    found: dict[str, str] = {}
    for option in options_of(kind):
        text = options.get(option.name, "").strip()
        if not text and option.required:
            raise InputError(
                t("{option} is missing.", option=option.name.replace("_", " ")),
                code="core.backend.option",
            )
        if text:
            found[option.name] = str(Path(text).expanduser().resolve()) if option.is_path else text
    return found


def _kept(application: Application, name: str, secret: str) -> str | None:
    if not secret:
        return None
    return keep_secret(name, secret, application.config.files_folder.parent / SECRETS)
