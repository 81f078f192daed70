"""What a command is given: its flags, and everything else opened on first use."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crm_core.errors import CrmError, InputError
from crm_core.messages import LANGUAGE_VARIABLE, say, speak, spoken, t

if TYPE_CHECKING:
    from crm_core.access import Actor
    from crm_core.bootstrap import Application
    from crm_core.cli.output import Output
    from crm_core.config import Config
    from crm_core.persistence.unit_of_work import UnitOfWork


class Context:
    """One command's run.

    Attributes:
        flags: The flags of ``crm`` itself that were given, wherever they stood.
    """

    def __init__(self) -> None:
        self.flags: dict[str, Any] = {}

    def set_flag(self, name: str, value: Any) -> None:
        """Keep a flag; what was opened before it was read is opened anew when used.

        A group that has to know the plugins opens the product while the flags that stand behind its
        commands are not read yet: they must still say who acts and on which database.
        """
        self.flags[name] = value
        for opened in ("config", "application", "actor", "output"):
            self.__dict__.pop(opened, None)

    def use(self, config: Config) -> None:
        """Act with other settings from now on, such as those of the demo's own database."""
        for opened in ("application", "actor"):
            self.__dict__.pop(opened, None)
        self.config = config

    @cached_property
    def config(self) -> Config:
        """The settings in force."""
        from crm_core.config import load_config

        config = load_config(self.flags, os.environ, Path.cwd())
        if config.language:
            speak(config.language)
        return config

    @cached_property
    def application(self) -> Application:
        """The product behind the command, closed when the command ends."""
        import logging

        from crm_core.bootstrap import Application

        self.log_from(logging.WARNING)
        application = Application(self.config)
        click.get_current_context().find_root().call_on_close(application.close)
        return application

    def log_from(self, level: int) -> None:
        """Write log lines from this level upwards to stderr; with ``--verbose`` all of them."""
        import logging

        from crm_core.cli.logs import send_logs_to_stderr

        try:
            shape = self.config.log_format
        except CrmError:  # told by whatever needs the settings
            shape = "text"
        send_logs_to_stderr(logging.DEBUG if self.flags.get("verbose") else level, shape)

    @cached_property
    def actor(self) -> Actor:
        """Who acts: ``--as``, else ``CRM_USER``, else the administrator of this OS user."""
        actor = self.application.actor(origin="cli")
        language = spoken(actor.language)
        if language and not self._is_language_asked_for():
            speak(language)
        return actor

    def _is_language_asked_for(self) -> bool:
        """Whether the caller says which language: that counts for more than the user's own."""
        return "language" in self.flags or LANGUAGE_VARIABLE in os.environ

    @cached_property
    def output(self) -> Output:
        """Where data, notes and progress go."""
        from crm_core.cli.output import Output

        return Output(as_json=bool(self.flags.get("as_json")))

    def unit_of_work(self, *, write: bool = False) -> AbstractContextManager[UnitOfWork]:
        """Open a unit of work for the actor; the command commits it."""
        return self.application.unit_of_work(self.actor, write=write)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something that cannot be undone; ``yes`` is the command's ``--yes``.

        Raises:
            InputError: There is nobody to ask.
            click.Abort: The answer was no.
        """
        if yes:
            return
        if not on_terminal():
            raise InputError(
                t(
                    "{question} There is nobody to ask: repeat the command with --yes.",
                    question=question,
                ),
                code="core.cli.needs_yes",
            )
        click.confirm(say(question), abort=True, err=True)

    def exit(self, code: int) -> None:
        """End the command with this exit code, after its data was printed."""
        click.get_current_context().exit(code)


def on_terminal() -> bool:
    """Return whether there is somebody to ask."""
    return sys.stdin.isatty()


pass_context = click.make_pass_decorator(Context, ensure=True)
