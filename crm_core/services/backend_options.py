"""What can be set of every backend, whatever its kind, and changing what was set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crm_core.entities.sync import Backend
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.backends import MANAGE, backend_named
from crm_hooks.contributions import BackendOption, BackendType


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard a backend may be worked.

    Attributes:
        calls_per_second: Most calls a second; None for as many as it answers.
        connections: How many it may be given at once.
        page_size: Records read at a time.
        batch_size: Records written at a time.
        vanish_percent: How large a part of an entity may be gone at once.
    """

    calls_per_second: float | None = None
    connections: int = 1
    page_size: int = 1_000
    batch_size: int = 500
    vanish_percent: float = 20


GENERAL_OPTIONS = (
    BackendOption(
        "calls_per_second",
        t("Most calls a second (0.1 to 1000)"),
        required=False,
        keeps_secret=True,
    ),
    BackendOption(
        "connections", t("Connections used at once (1 to 16)"), required=False, keeps_secret=True
    ),
    BackendOption(
        "page_size",
        t("Records read at a time (10 to 5000), else 1000"),
        required=False,
        keeps_secret=True,
    ),
    BackendOption(
        "vanish_percent",
        t("Percent of an entity that may be gone at once, else 20"),
        required=False,
        keeps_secret=True,
    ),
    BackendOption(
        "batch_size",
        t("Records written at a time (10 to 2000), else 500"),
        required=False,
        keeps_secret=True,
    ),
)
"""Options of every backend beside those of its type; its factory finds them in ``config`` too."""
_READ: Mapping[str, tuple[Callable[[str], float], float, float]] = {
    "calls_per_second": (float, 0.1, 1_000),
    "connections": (int, 1, 16),
    "page_size": (int, 10, 5_000),
    "batch_size": (int, 10, 2_000),
    "vanish_percent": (float, 1, 100),
}


def limits_of(config: Mapping[str, str]) -> Limits:
    """Return how hard a backend may be worked; raises InputError for what makes no sense."""
    found: dict[str, Any] = {}
    for name, (read, least, most) in _READ.items():
        text = config.get(name)
        if not text:
            continue
        try:
            found[name] = read(text)
        except ValueError:
            found[name] = None
        if found[name] is None or not least <= found[name] <= most:
            raise InputError(
                t(
                    "{name}: {text!r} is no number from {least:g} to {most:g}.",
                    name=name.replace("_", "-"),
                    text=text,
                    least=least,
                    most=most,
                ),
                code="core.backend.limit",
                details={"option": name},
            )
    return Limits(**found)


def options_of(kind: BackendType) -> list[BackendOption]:
    """Return a type's own options, then those of every backend."""
    own = {option.name for option in kind.options}
    return [*kind.options, *(each for each in GENERAL_OPTIONS if each.name not in own)]


def require_secret_stays(
    kind: BackendType, before: Mapping[str, str], after: Mapping[str, str]
) -> None:
    """Refuse to send a kept secret elsewhere, or as somebody else, than it was typed for.

    For those who may change options but cannot read the secret: else they had it sent to them.

    Raises:
        InputError: An option changed that has a say in where the secret goes.
    """
    changed = [
        option.name.replace("_", " ")
        for option in options_of(kind)
        if not option.keeps_secret and before.get(option.name) != after.get(option.name)
    ]
    if changed:
        raise InputError(
            t(
                "Where it connects to changes ({options}): type the password or key again, for the "
                "one that is kept is sent nowhere else.",
                options=", ".join(changed),
            ),
            code="core.backend.secret_again",
            details={"options": changed},
        )


def set_backend(
    uow: UnitOfWork, name: str, config: Mapping[str, str], secret_ref: str | None
) -> Backend:
    """Replace a backend's options, and where its secret is kept.

    Raises:
        NotFoundError: There is none of that name.
        InputError: A general option makes no sense; those of its type are checked by its factory.
    """
    uow.actor.require(MANAGE)
    backend = backend_named(uow, name)
    limits_of(config)
    backend.config, backend.secret_ref = dict(config), secret_ref
    backend.updated_at = uow.now
    uow.flush()
    return backend


def switch_backend(uow: UnitOfWork, name: str, *, on: bool) -> Backend:
    """Let a backend be synced, or not; what changes here meanwhile waits in its queue."""
    uow.actor.require(MANAGE)
    backend = backend_named(uow, name)
    backend.is_enabled, backend.updated_at = on, uow.now
    uow.flush()
    return backend
