"""What the product says to people: written in English, said in the reader's language.

::

    raise NotFoundError(t("There is no user {login}. See crm user list.", login=login))
    click.echo(say(n("{count} customer", "{count} customers", count)))
    with in_language("el"):
        say(error.message)

A :class:`Message` *is* the English text, so logs, JSON, tests and pickles need to know nothing of
languages; it remembers what it was made of, and :func:`say` makes it anew in another language. Only
those who talk to a person call :func:`say`: the command line, the web pages, mails.

Every package has a catalogue of its own, ``<package>/locales/<language>/LC_MESSAGES/<package>.po``,
kept by ``make messages``. A message is looked up in the catalogue of the package that says it, then
in the core's. Nothing is read while English is spoken, and gettext is all that is imported.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, time
from decimal import Decimal
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from string import Formatter
from typing import Any, Self

SOURCE = "en"
LANGUAGE_VARIABLE = "CRM_LANGUAGE"
LANGUAGES: Mapping[str, str] = {
    "en": "English",
    "el": "Ελληνικά",
    "pl": "Polski",
    "ru": "Русский",
    "sl": "Slovenščina",
    "fa": "فارسی",
}
"""The languages spoken, each with its name in itself."""
RIGHT_TO_LEFT = frozenset({"fa"})
FIGURES = {"fa": str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")}
"""The digits of the languages that do not write 0 to 9."""

_CORE = __name__.partition(".")[0]
_PLAIN = (str, int, float, Decimal, date, time)
_language: ContextVar[str] = ContextVar("language", default=SOURCE)


class Shown(str):
    """How an object looks as text and as repr, without keeping the object."""

    __slots__ = ("as_repr",)
    as_repr: str

    def __new__(cls, text: object, as_repr: str) -> Self:
        """Remember both."""
        self = super().__new__(cls, text)
        self.as_repr = as_repr
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Shown, (str(self), self.as_repr)

    def __repr__(self) -> str:
        return self.as_repr


class Message(str):
    """An English text that can be said in other languages; made by :func:`t`, :func:`n`, :func:`p`.

    Args:
        template: The English text with ``{name}`` placeholders, as :meth:`str.format` takes them.
        params: What to put in. A message among them is said in the reader's language too.
        plural: The text for any count but one.
        number: How many.
        context: Tells apart what is one word in English and several elsewhere.
        package: Whose catalogue has it.
        english: The whole English text where it was made before; see ``crm_core.kept_messages``.
    """

    __slots__ = ("context", "number", "package", "params", "plural", "template")
    template: str
    params: Mapping[str, Any]
    plural: str | None
    number: int
    context: str | None
    package: str

    def __new__(
        cls,
        template: str,
        params: Mapping[str, Any],
        plural: str | None = None,
        number: int = 1,
        context: str | None = None,
        package: str = _CORE,
        english: str | None = None,
    ) -> Self:
        """Make the English text and remember what it is made of."""
        if english is None:
            english = (template if plural is None or number == 1 else plural).format(**params)
        self = super().__new__(cls, english)
        self.template, self.plural, self.number = template, plural, number
        self.params = {name: _kept(value) for name, value in params.items()}
        self.context, self.package = context, package
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        made_of = (self.template, self.params, self.plural, self.number, self.context, self.package)
        return Message, (*made_of, str(self))

    def format(self, *args: object, **kwargs: object) -> str:
        """Return itself, for it is made already: marshmallow formats whatever it tells."""
        return self

    def __html__(self) -> str:
        """Let a template that escapes show it in the reader's language."""
        from html import escape

        return escape(say(self))

    def said(self, language: str) -> str:
        """Return it in a language; English where the catalogues lack it."""
        catalogue = translations(language, (self.package, _CORE))
        try:
            return _Wording(language).vformat(self._found(catalogue), (), self.params)
        except (KeyError, IndexError, ValueError):  # a foreign catalogue with wrong placeholders
            return str(self)

    def _found(self, catalogue: NullTranslations) -> str:
        if self.plural is None:
            if self.context is None:
                return catalogue.gettext(self.template)
            return catalogue.pgettext(self.context, self.template)
        if self.context is None:
            return catalogue.ngettext(self.template, self.plural, self.number)
        return catalogue.npgettext(self.context, self.template, self.plural, self.number)


def t(template: str, /, **params: Any) -> Message:
    """Return a message.

    Args:
        template: The English text; a literal, for it is read from the source by ``make messages``.
        **params: The values of its ``{name}`` placeholders.
    """
    return Message(template, params, package=_caller())


def n(one: str, many: str, count: float, /, **params: Any) -> Message:
    """Return a message about so many things; ``{count}`` stands for the number.

    Args:
        one: The English text for one.
        many: The English text for any other number.
        count: How many; what is no whole number takes the plural.
        **params: The values of further placeholders.
    """
    number = int(count) if count == int(count) else 2
    return Message(one, {"count": count, **params}, many, number, package=_caller())


def p(context: str, template: str, /, **params: Any) -> Message:
    """Return a message whose English words mean several things.

    Args:
        context: What is meant, for translators: ``"of a document"``.
        template: The English text.
        **params: The values of its placeholders.
    """
    return Message(template, params, context=context, package=_caller())


def joined(parts: Iterable[str], separator: str = " ") -> Message:
    """Return whole messages one after the other as one: sentences, or the items of a list."""
    params = {f"part{index}": part for index, part in enumerate(parts)}
    template = "{separator}".join(f"{{{name}}}" for name in params)
    return Message(template, {**params, "separator": separator})


def cut(text: str, most: int) -> str:
    """Return a text, or of one that is longer the beginning, which is no message any more."""
    return text if len(text) <= most else text[:most]


def say(text: str, language: str | None = None) -> str:
    """Return a message in a language; a text that is no message is data and stays as it is.

    Args:
        text: A message or a plain string.
        language: One of :data:`LANGUAGES`; by default the one being spoken.
    """
    if not isinstance(text, Message):
        return text
    language = language or _language.get()
    return str(text) if language == SOURCE else text.said(language)


def worded(text: str, package: str) -> str:
    """Say a text that may be no message but stands in a catalogue, such as a command's docstring.

    Args:
        text: The English text.
        package: Whose catalogue has it; the core's is looked into as well.
    """
    language = _language.get()
    if language == SOURCE or isinstance(text, Message):
        return say(text)
    return translations(language, (package, _CORE)).gettext(text)


def spoken_language() -> str:
    """Return the language being spoken here and now."""
    return _language.get()


def spoken(tag: str | None) -> str | None:
    """Return the language that a tag such as ``el-GR`` or ``pl_PL.UTF-8`` means, if any."""
    language = re.split("[-_.@]", tag or "")[0].lower()
    return language if language in LANGUAGES else None


def system_language(env: Mapping[str, str]) -> str:
    """Return what ``CRM_LANGUAGE`` says, else the system's locale; English where it is no other."""
    names = (LANGUAGE_VARIABLE, "LC_ALL", "LC_MESSAGES", "LANG")
    return spoken(next(filter(None, map(env.get, names)), None)) or SOURCE


def speak(language: str) -> None:
    """Speak a language from here to the end of the :func:`in_language` block around."""
    _language.set(language)


@contextmanager
def in_language(language: str | None) -> Iterator[None]:
    """Speak a language inside the block; English for one that is not spoken."""
    token = _language.set(spoken(language) or SOURCE)
    try:
        yield
    finally:
        _language.reset(token)


@cache
def translations(language: str, packages: tuple[str, ...]) -> NullTranslations:
    """Return the catalogues of some packages as one; what the first lacks the next may have.

    Its ``gettext``, ``ngettext``, ``pgettext`` and ``npgettext`` are what Jinja's own extension
    takes as well.

    Args:
        language: One of :data:`LANGUAGES`; English has no catalogues.
        packages: Top-level packages, each with its ``locales`` folder or without.
    """
    merged = NullTranslations()
    if language == SOURCE:
        return merged
    for package in reversed(dict.fromkeys(packages)):
        path = _catalogue(package, language)
        if path is not None and path.exists():
            with path.open("rb") as file:
                found = GNUTranslations(file)
            found.add_fallback(merged)
            merged = found
    return merged


def _catalogue(package: str, language: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:  # a script that is no module: __main__
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations)))
    return folder / "locales" / language / "LC_MESSAGES" / f"{package}.mo"


def _caller() -> str:
    """Name the package that calls the public function that calls this."""
    name: str = sys._getframe(2).f_globals.get("__name__", _CORE)  # noqa: SLF001  as logging does
    return name.partition(".")[0]


def _kept(value: Any) -> Any:
    """Keep plain values; of an error its message, for it holds its whole stack; else the text."""
    if isinstance(value, BaseException) and value.args and isinstance(value.args[0], Message):
        return value.args[0]
    if value is None or isinstance(value, _PLAIN):
        return value
    return Shown(value, repr(value))


class _Wording(Formatter):
    """Puts values into a text: messages in its language, numbers as that language writes them."""

    def __init__(self, language: str) -> None:
        self.language = language

    def get_field(
        self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Any, str]:
        # Whole values alone: a text that was kept or translated must not reach into them.
        return say(kwargs[field_name], self.language), field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        text: str = format(value, format_spec)
        if isinstance(value, int | float | Decimal):
            return text.translate(_marks(self.language))
        return text


@cache
def _marks(language: str) -> dict[int, int | str]:
    """Return what a number's English marks and digits become."""
    from babel.numbers import get_decimal_symbol, get_group_symbol

    group = get_group_symbol(language, numbering_system="default")
    point = get_decimal_symbol(language, numbering_system="default")
    return {ord(","): group, ord("."): point, **FIGURES.get(language, {})}
