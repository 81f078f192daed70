"""What stops a command, told as a message and an exit code; never as a traceback."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crm_core.borrowed_words import own_words
from crm_core.cli.output import inert, json_text
from crm_core.errors import ConfigurationError, CrmError, InputError
from crm_core.messages import joined, say, t

if TYPE_CHECKING:
    from crm_core.cli.context import Context

EXIT_INTERRUPTED = 130


def report(error: BaseException, context: Context, *, as_json: bool) -> int:
    """Tell on stderr what stopped the command (with ``as_json`` also on stdout, as ``error/1``).

    Returns:
        The exit code for it.
    """
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(bool(error.code))
    if isinstance(error, click.Abort | KeyboardInterrupt | EOFError):
        click.echo(say(t("Stopped.")), err=True)
        return EXIT_INTERRUPTED
    if isinstance(error, click.ClickException):
        return _usage(error, as_json=as_json)
    known = error if isinstance(error, CrmError) else _translated(error, context)
    if known is None:
        known = _unexpected(error)
    click.echo(inert(t("Error: {message}", message=known.message), lines=True), err=True)
    if as_json:
        click.echo(error_json(known.code, known.message, known.details))
    return known.exit_code


def error_json(code: str, message: str, details: dict[str, Any]) -> str:
    """Return the one form in which errors are told to programs."""
    return json_text(
        {"schema": "error/1", "error": {"code": code, "message": say(message), "details": details}}
    )


def _usage(error: click.ClickException, *, as_json: bool) -> int:
    message = own_words(error.format_message())
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(message, err=True)  # the help itself: no more was asked for
    else:
        where = error.ctx if isinstance(error, click.UsageError) else None
        told = [t("Error: {message}", message=message)]
        if where:
            told.append(t("Try: {command} --help", command=where.command_path))
        click.echo(inert(joined(told), lines=True), err=True)
    if as_json:
        click.echo(error_json("core.usage", message, {}))
    return error.exit_code


def _translated(error: BaseException, context: Context) -> CrmError | None:
    """Return the product's own error for what the system or the database says, if it is known."""
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return ConfigurationError(
            t(
                "{what}. Check that the place exists, may be written and has room; then try again.",
                what=joined(map(str, filter(None, (error.filename, reason))), ": "),
            ),
            code="core.system",
        )
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        return InputError(
            t(
                "{text!r} holds bytes that are not UTF-8 text: type it again in a terminal "
                "whose locale is UTF-8.",
                text=error.object[:60],
            ),
            code="core.not_utf8",
        )
    if "sqlalchemy" not in sys.modules:
        return None
    from sqlalchemy.exc import DBAPIError

    if not isinstance(error, DBAPIError):
        return None
    from crm_core.persistence.unit_of_work import translated

    return translated(error, context.application.unchecked_database)


def _unexpected(error: BaseException) -> CrmError:
    path = write_log(error)
    return CrmError(
        t(
            "Something unexpected happened ({kind}). It is logged in {path}; crm doctor says "
            "whether the installation is sound.",
            kind=type(error).__name__,
            path=path,
        ),
        code="core.unexpected",
        details={"log": str(path)},
    )


def write_log(error: BaseException) -> Path:
    """Append the traceback to the log file, readable by its owner only, and return its path."""
    text = "".join(traceback.format_exception(error))
    entry = f"{datetime.now(UTC).isoformat()} crm {_arguments()}\n{text}\n"
    fallback = Path(tempfile.gettempdir()) / f"crm-{os.getpid()}.log"
    for path in (_log_file(), fallback):
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(
                os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a"
            ) as out:
                out.write(entry)
            return path
    return Path(os.devnull)


def _log_file() -> Path:
    from crm_core.config import default_log_file, load_config

    try:
        return load_config({}, os.environ, Path.cwd()).log_file
    except (CrmError, OSError):
        return default_log_file()


def _arguments() -> str:
    """Return the command's name without its values, which may be personal."""
    return " ".join(word for word in sys.argv[1:3] if word.isidentifier())
