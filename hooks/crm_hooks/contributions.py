"""Frozen things that plugins give to the core at bootstrap."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackendOption:
    """One setting of a backend type, asked for by ``crm backend add TYPE NAME --OPTION VALUE``.

    Attributes:
        name: Name of the flag and of the key in the configuration.
        help: One line for people.
        required: Whether it has to be given.
        default: Used when it is not given.
        is_path: Whether it names a file or folder here; kept as an absolute path.
    """

    name: str
    help: str
    required: bool = True
    default: str | None = None
    is_path: bool = False


@dataclass(frozen=True, slots=True)
class BackendType:
    """A kind of remote that a connector can talk to.

    Attributes:
        name: Used in commands: ``odoo``.
        title: What people read.
        factory: ``"module:attribute"`` of a callable ``(config, secret) -> RemoteBackend``, where
            ``config`` maps option names to text and ``secret`` is text or None.
        options: Its settings, in the order they are asked for.
        needs_secret: Whether a password or key belongs to it.
        extra: The pip extra that brings its libraries; empty when it needs none.
    """

    name: str
    title: str
    factory: str
    options: tuple[BackendOption, ...] = ()
    needs_secret: bool = False
    extra: str = ""
