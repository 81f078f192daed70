"""Where secrets are kept; the database says only ``file:PATH``, ``env:NAME``, ``keyring:NAME``."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import structlog

from crm_core.errors import ConfigurationError
from crm_core.messages import t

log = structlog.get_logger(__name__)
KEYRING_SERVICE = "crm-front-office"


def is_reference(text: str) -> bool:
    """Return whether a text says where a secret is kept."""
    return text.partition(":")[0] in _READERS and text.partition(":")[2] != ""


def read_secret(reference: str | None, whose: str) -> str | None:
    """Return a secret, or None where none is kept.

    Args:
        reference: ``file:PATH``, ``env:NAME`` or ``keyring:NAME``.
        whose: Name of what it belongs to, for messages.

    Raises:
        ConfigurationError: It is not there or cannot be read.
    """
    if reference is None:
        return None
    kind, _, place = reference.partition(":")
    read = _READERS.get(kind)
    if read is None:
        raise _missing(whose, reference, t("nothing keeps secrets that way"))
    secret = read(place, whose)
    if not secret:
        raise _missing(whose, reference, t("it is empty"))
    for warning in secret_warnings(reference):
        log.warning("secret is not safe", backend=whose, reason=warning)
    return secret


def secret_warnings(reference: str) -> list[str]:
    """Return what is careless about where a secret is kept."""
    kind, _, place = reference.partition(":")
    if kind != "file" or os.name != "posix":
        return []
    try:
        mode = Path(place).stat().st_mode
    except OSError:
        return []
    if mode & stat.S_IRWXO:
        return [t("{place} can be read by other accounts: chmod 600 {place}", place=place)]
    return []


def store_in_keyring(name: str, secret: str) -> str:
    """Put a secret into the system's keyring and return the reference to it.

    Raises:
        ConfigurationError: There is no keyring here.
    """
    try:
        import keyring
        from keyring.errors import KeyringError

        keyring.set_password(KEYRING_SERVICE, name, secret)
    except ImportError:
        raise _no_keyring(t("the package is not installed (extra keyring)")) from None
    except KeyringError as error:
        raise _no_keyring(str(error)) from error
    return f"keyring:{name}"


def keep_secret(name: str, secret: str, folder: Path) -> str:
    """Put a secret into the system's keyring, else into a file that this account alone reads.

    Args:
        name: Of what it belongs to: letters, digits, ``-`` and ``_``.
        secret: What to keep.
        folder: Where the file goes; made when it is missing.

    Returns:
        The reference to it.

    Raises:
        ConfigurationError: The file cannot be written.
    """
    try:
        return store_in_keyring(name, secret)
    except ConfigurationError:
        log.info("secret kept in a file, since there is no keyring", name=name)
    path = folder / name
    draft = path.with_name(f".{name}.{os.getpid()}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secret)
        draft.replace(path)
    except OSError as error:
        raise ConfigurationError(
            t("The secret cannot be kept in {path}: {reason}.", path=path, reason=error.strerror),
            code="core.secret.unwritable",
        ) from error
    return f"file:{path}"


def forget_in_keyring(reference: str | None) -> None:
    """Take a secret out of the keyring again, where it was kept there."""
    kind, _, name = (reference or "").partition(":")
    if kind != "keyring":
        return
    try:
        import keyring
        from keyring.errors import KeyringError

        keyring.delete_password(KEYRING_SERVICE, name)
    except (ImportError, KeyringError) as error:
        log.warning("secret stays in the keyring", name=name, reason=str(error))


def _from_file(place: str, whose: str) -> str:
    try:
        return Path(place).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else t("it is not UTF-8 text")
        raise _missing(whose, f"file:{place}", reason or str(error)) from None


def _from_environment(place: str, whose: str) -> str:
    if place not in os.environ:
        raise _missing(whose, f"env:{place}", t("the variable is not set"))
    return os.environ[place]


def _from_keyring(place: str, whose: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError

        return keyring.get_password(KEYRING_SERVICE, place) or ""
    except ImportError:
        raise _missing(whose, f"keyring:{place}", t("the extra keyring is not installed")) from None
    except KeyringError as error:
        raise _missing(whose, f"keyring:{place}", str(error)) from error


_READERS: dict[str, Callable[[str, str], str]] = {
    "file": _from_file,
    "env": _from_environment,
    "keyring": _from_keyring,
}


def _missing(whose: str, reference: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        t(
            "The secret of {whose} cannot be read from {reference}: {reason}. Put it there, or "
            "remove the backend and add it again.",
            whose=whose,
            reference=reference,
            reason=reason,
        ),
        code="core.secret.unreadable",
        details={"reference": reference},
    )


def _no_keyring(reason: str) -> ConfigurationError:
    return ConfigurationError(
        t(
            "There is no keyring to keep the secret in: {reason}. Keep it in a file "
            "(--secret-file FILE) or in the environment instead.",
            reason=reason,
        ),
        code="core.secret.no_keyring",
    )
