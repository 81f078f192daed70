"""The ``crm`` command: a table of commands, imported when used, and one place where errors end.

Nothing but click and the standard library may be imported here: ``crm --help`` has to be quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from crm_core.cli.context import Context
from crm_core.cli.grammar import LazyGroup
from crm_core.commands import COMMANDS
from crm_core.messages import in_language, system_language


class Crm(LazyGroup):
    """The root: runs a command and turns whatever stops it into a message and an exit code."""

    def main(self, args: Sequence[str] | None = None, **kwargs: Any) -> NoReturn:  # type: ignore[override]
        """Run one command line and exit.

        Args:
            args: The arguments; the process's own when None.
            **kwargs: Passed on to click; standalone mode is always ours.
        """
        arguments = sys.argv[1:] if args is None else list(args)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a name outside the terminal's encoding is no error
                stream.reconfigure(errors="backslashreplace")
        context = kwargs.setdefault("obj", Context())
        if "--safe-mode" in arguments:  # before a plugin's command is loaded to read its flags
            context.set_flag("safe_mode", True)
        kwargs["standalone_mode"] = False
        with in_language(system_language(os.environ)):
            code = self._run(arguments, context, kwargs)
        sys.exit(code if isinstance(code, int) else 0)

    def _run(self, arguments: list[str], context: Context, kwargs: dict[str, Any]) -> Any:
        try:
            code = super().main(arguments, **kwargs)
            sys.stdout.flush()
        except BrokenPipeError:
            _silence()
            return 1
        except BaseException as error:  # noqa: BLE001  the last place where anything can be caught
            from crm_core.cli.failures import report

            return report(error, context, as_json="--json" in arguments)
        return code


def _silence() -> None:
    """Send what is still buffered nowhere: the reader has gone, such as ``head``."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:  # stdout is no file, as under a test runner
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  lives until the process ends


@click.command(cls=Crm, lazy=COMMANDS)
@click.version_option(package_name="crm-front-office", prog_name="crm")
def crm() -> None:
    """CRM front office on top of the ERP you already run.

    Start with: crm init, crm backend add, crm sync run, crm customer search.
    """


def main() -> NoReturn:
    """Entry point of the console script."""
    crm.main(prog_name="crm")
