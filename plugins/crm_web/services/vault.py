"""Secrets that have to be kept in the database: encrypted with a key that lies beside it.

Who gets hold of the database, or of a backup, cannot read them without the key's file.
"""

from __future__ import annotations

import os
import secrets
from base64 import b64decode, b64encode
from binascii import Error
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crm_core.errors import ConfigurationError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork

KEY_BYTES, NONCE_BYTES = 32, 12


def seal(uow: UnitOfWork, text: str, about: str) -> bytes:
    """Return a secret encrypted.

    Args:
        uow: Of the database that it will lie in.
        text: The secret.
        about: What it belongs to: it can be opened for that alone, not in another row.

    Raises:
        ConfigurationError: There is no place for the key, or it cannot be read or written.
    """
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(_key(uow, make=True)).encrypt(nonce, text.encode(), about.encode())


def unseal(uow: UnitOfWork, sealed: bytes, about: str) -> str:
    """Return a secret as it was.

    Raises:
        ConfigurationError: The key is missing, or is not the one it was encrypted with.
    """
    nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return AESGCM(_key(uow)).decrypt(nonce, rest, about.encode()).decode()
    except InvalidTag:
        raise _unfit(
            t(
                "{path} is not the key that this database's secrets were encrypted with: put the "
                "right one there.",
                path=uow.database.key_file,
            )
        ) from None


def _key(uow: UnitOfWork, *, make: bool = False) -> bytes:
    path = uow.database.key_file
    if path is None:
        raise _unfit(t("There is no place for the key of secrets: set key_file in crm.toml."))
    try:
        if make and not path.exists():
            _make(path)
        key = b64decode(path.read_text(encoding="ascii").strip(), validate=True)
    except OSError as error:
        raise _unfit(
            t(
                "The key of secrets, {path}, cannot be read or written ({reason}): restore it, or "
                "set key_file in crm.toml.",
                path=path,
                reason=error.strerror,
            )
        ) from None
    except (Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise _unfit(t("{path} holds no key: restore it from where you keep a copy.", path=path))
    return key


def _make(path: Path) -> None:
    """Put a new key there, readable for this account alone; another process's counts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        with suppress(FileExistsError):
            os.link(fresh, path)  # whole or not at all, and never over another
    finally:
        fresh.unlink()


def _unfit(message: str) -> ConfigurationError:
    return ConfigurationError(message, code="web.key")
