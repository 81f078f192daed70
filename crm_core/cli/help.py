"""Help texts, told in the reader's language when they are shown and not before."""

from __future__ import annotations

from copy import copy

import click

from crm_core.messages import say, t, worded

CLICKS_OWN: dict[str, str] = {
    text: text
    for text in (
        t("Options"),
        t("Commands"),
        t("Show this message and exit."),
        t("Show the version and exit."),
    )
}
"""What click itself says in a help text."""


class SpokenFormatter(click.HelpFormatter):
    """Says click's own words in the language being spoken."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write how a command is called."""
        super().write_usage(prog, args, say(t("Usage: ")) if prefix is None else prefix)

    def write_heading(self, heading: str) -> None:
        """Write the title of a section."""
        super().write_heading(say(CLICKS_OWN.get(heading, heading)))


class SpokenContext(click.Context):
    """Makes help texts with :class:`SpokenFormatter`."""

    formatter_class = SpokenFormatter


class SpokenHelp(click.Command):
    """A command whose docstring and options are told in the language being spoken."""

    context_class = SpokenContext

    @property
    def help(self) -> str | None:
        """Its docstring."""
        return worded(self._help, self._package) if self._help else self._help

    @help.setter  # noqa: A003  as above
    def help(self, text: str | None) -> None:
        self._help = text

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what it takes."""
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        records = [self._told(option).get_help_record(ctx) for option in options]
        with formatter.section("Options"):
            formatter.write_dl([record for record in records if record])

    def _told(self, option: click.Option) -> click.Option:
        told = copy(option)
        told.help = worded(option.help, self._package) if option.help else option.help
        return told

    @property
    def _package(self) -> str:
        module: str = getattr(self.callback, "__module__", __name__)
        return module.partition(".")[0]
