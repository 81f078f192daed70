"""Catalogues of translations: gathered from the sources, checked, compiled.

::

    python -m crm_core.testing.catalogues update crm_loyalty    # after changing a text
    python -m crm_core.testing.catalogues check crm_loyalty     # before publishing
    python -m crm_core.testing.catalogues compile crm_loyalty   # for the wheel

A package has one catalogue a language, ``locales/<language>/LC_MESSAGES/<package>.po``. Gathered
are the messages of ``t``, ``n`` and ``p`` (:mod:`crm_core.messages`), what templates say with
``_``, ``ngettext`` and ``pgettext`` or ``{% trans %}``, and the help texts of commands: the
docstrings of click's commands and groups and every ``help=``.
"""

from __future__ import annotations

import argparse
import ast
import io
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

TRANSLATED = ("el", "pl", "ru", "sl", "fa")
TEMPLATE_SUFFIXES = frozenset({".html", ".j2", ".txt", ".xml"})
_KEYWORDS: dict[str, tuple[str, ...]] = {
    "t": ("text",),
    "n": ("text", "plural"),
    "p": ("context", "text"),
}
_JINJA_KEYWORDS = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
_JINJA_OPTIONS = {
    "extensions": "jinja2.ext.i18n,jinja2.ext.do,jinja2.ext.loopcontrols",
    "newstyle_gettext": "true",
    "silent": "false",
    "trimmed": "true",
}
_HELP = frozenset({"help", "short_help"})
NO_DAY = datetime(2000, 1, 1, tzinfo=UTC)
"""What is compiled says this of its making, so that the same source gives the same file."""
_PERCENT = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True, slots=True)
class Found:
    """One text to translate, and the line it stands in."""

    line: int
    text: str
    plural: str | None = None
    context: str | None = None


def gathered(package: Path) -> Catalog:
    """Return an empty catalogue of all that a package says.

    Args:
        package: Its folder.

    Raises:
        SyntaxError: A source cannot be read.
        ValueError: The text of a message is no literal.
    """
    catalogue = Catalog(fuzzy=False)
    for path in sorted(package.rglob("*")):
        place = path.relative_to(package.parent).as_posix()
        if path.suffix == ".py":
            found: Iterable[Found] = _of_python(path.read_text(encoding="utf-8"), place)
        elif path.suffix in TEMPLATE_SUFFIXES and "templates" in path.parts:
            found = _of_template(path.read_bytes())
        else:
            continue
        for one in filter(_has_words, found):
            text = (one.text, one.plural) if one.plural else one.text
            catalogue.add(text, context=one.context, locations=[(place, one.line)])
    return catalogue


def update(package: Path) -> None:
    """Write a package's catalogues anew from its sources, keeping what is translated."""
    template = gathered(package)
    for language in TRANSLATED if len(template) else ():
        path = catalogue_path(package, language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_as_po(_updated(path, template, language), package.name))


def compile_all(package: Path) -> None:
    """Compile the catalogues of a package, each beside its source.

    Whoever reads one meanwhile gets it whole: a product that runs from here may do so at any time.
    """
    for path in sorted(package.glob("locales/*/LC_MESSAGES/*.po")):
        with path.open("rb") as source:
            catalogue = read_po(source)
        catalogue.creation_date = catalogue.revision_date = NO_DAY
        compiled = io.BytesIO()
        write_mo(compiled, catalogue)
        target = path.with_suffix(".mo")
        if target.exists() and target.read_bytes() == compiled.getvalue():
            continue
        new = target.with_name(f".{os.getpid()}-{target.name}")
        new.write_bytes(compiled.getvalue())
        new.replace(target)


def faults(package: Path) -> Iterator[str]:
    """Go through what is wrong with a package's catalogues, in words."""
    template = gathered(package)
    for language in TRANSLATED if len(template) else ():
        path = catalogue_path(package, language)
        if not path.exists():
            yield f"{path} is missing: run make messages."
            continue
        with path.open("rb") as file:
            catalogue = read_po(file)
        if catalogue.plural_forms != Catalog(locale=language).plural_forms:
            yield f"{path}: its Plural-Forms are not those of {language}."
            continue
        yield from (f"{path}: {fault}." for fault in _faults_of(catalogue))
        if path.read_bytes() != _as_po(_updated(path, template, language), package.name):
            yield f"{path} is not what the sources say: run make messages."


def catalogue_path(package: Path, language: str) -> Path:
    """Return where a package keeps its catalogue for a language."""
    return package / "locales" / language / "LC_MESSAGES" / f"{package.name}.po"


def _updated(path: Path, template: Catalog, language: str) -> Catalog:
    catalogue = Catalog(locale=language, fuzzy=False)
    if path.exists():
        with path.open("rb") as file:
            catalogue = read_po(file, locale=language)
    catalogue.update(template, no_fuzzy_matching=True, update_creation_date=False)
    return catalogue


def _as_po(catalogue: Catalog, package: str) -> bytes:
    """Return the file's content, without dates and line numbers, which would only make noise."""
    lines = (
        f"Language: {catalogue.locale}",
        f"Plural-Forms: {catalogue.plural_forms}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
    )
    header = "\n".join(
        [
            f"# Translations of {package}; gathered from its sources, which lead.",
            'msgid ""',
            'msgstr ""',
            *(f'"{line}\\n"' for line in lines),
        ]
    )
    body = io.BytesIO()
    write_po(
        body,
        catalogue,
        width=100,
        omit_header=True,
        sort_by_file=True,
        ignore_obsolete=True,
        include_lineno=False,
    )
    return f"{header}\n\n".encode() + body.getvalue().lstrip(b"\n")


def _of_python(source: str, place: str) -> Iterator[Found]:
    for node in ast.walk(ast.parse(source, place)):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in _KEYWORDS:
                yield _of_message(node, node.func.id, place)
            yield from _of_help(node)
        elif isinstance(node, ast.FunctionDef) and any(map(_makes_command, node.decorator_list)):
            text = ast.get_docstring(node)
            if text:
                yield Found(node.lineno, text)


def _of_message(node: ast.Call, function: str, place: str) -> Found:
    texts = {}
    for part, argument in zip(_KEYWORDS[function], node.args, strict=False):
        if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
            raise ValueError(f"{place}:{node.lineno}: the text of {function}() is no literal")  # noqa: TRY004  the source is wrong
        texts[part] = argument.value
    return Found(node.lineno, **texts)


def _of_help(node: ast.Call) -> Iterator[Found]:
    for keyword in node.keywords:
        value = keyword.value
        if (
            keyword.arg in _HELP
            and isinstance(value, ast.Constant)
            and isinstance(value.value, str)
        ):
            yield Found(node.lineno, value.value)


def _makes_command(decorator: ast.expr) -> bool:
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(call, ast.Attribute) and call.attr in ("command", "group")


def _has_words(found: Found) -> bool:
    """Say whether there is anything to translate: "{name}: {what}" only puts others together."""
    try:
        literals = "".join(literal for literal, *_ in Formatter().parse(found.text))
    except ValueError:  # a help text with a brace
        return True
    return any(char.isalpha() for char in literals)


def _of_template(source: bytes) -> Iterator[Found]:
    found = extract("jinja2", io.BytesIO(source), _JINJA_KEYWORDS, options=_JINJA_OPTIONS)
    for line, texts, _, context in found:
        text, plural = texts[:2] if isinstance(texts, tuple) else (texts, None)
        yield Found(line, text, plural, context)


def _faults_of(catalogue: Catalog) -> Iterator[str]:
    missing = []
    for message in catalogue:
        if not message.id:
            continue
        texts = _forms(message.string)
        if not all(texts) or len(texts) != (catalogue.num_plurals if message.pluralizable else 1):
            missing.append(message.id)
            continue
        if message.fuzzy:
            yield f"{message.id!r} is marked fuzzy"
        yield from (f"{message.id!r}: {fault}" for fault in _wrong_placeholders(message, texts))
    if missing:
        yield f"{len(missing)} texts are not translated, such as {missing[0]!r}"


def _wrong_placeholders(message: Message, texts: Sequence[str]) -> Iterator[str]:
    try:
        allowed = {name for text in _forms(message.id) for name in _placeholders(text)}
    except ValueError:  # a help text with a brace: it is never formatted
        return
    needed = allowed
    if message.pluralizable:  # the form for one may do without the number, as the source's does
        needed = set.intersection(*map(_placeholders, _forms(message.id))) - {"count"}
    for text in texts:
        try:
            named = _placeholders(text)
        except ValueError as error:
            yield f"{text!r} cannot be formatted: {error}"
            continue
        for name in sorted(named - allowed):
            yield f"{text!r} has invented the placeholder {name}"
        for name in sorted(needed - named):
            yield f"{text!r} has lost the placeholder {name}"


def _forms(texts: Sequence[str] | None) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else tuple(texts or ())


def _placeholders(text: str) -> set[str]:
    """Return the names of what is put into a text: ``{name}``, or ``%(name)s`` in a template."""
    named = set(_PERCENT.findall(text))
    return named | {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def main(arguments: Sequence[str] | None = None) -> int:
    """Update, check or compile the catalogues of packages."""
    parser = argparse.ArgumentParser(prog="python -m crm_core.testing.catalogues")
    parser.add_argument("action", choices=["update", "check", "compile"])
    parser.add_argument("packages", nargs="+", type=Path, help="Folders of packages.")
    parser.add_argument("--warn", action="store_true", help="Tell what check finds and end with 0.")
    given = parser.parse_args(arguments)
    found: list[str] = []
    for package in (path.resolve() for path in given.packages):
        if given.action == "check":
            found += faults(package)
            continue
        if given.action == "update":
            update(package)
        compile_all(package)
    sys.stderr.writelines(f"{fault}\n" for fault in found)
    return int(bool(found) and not given.warn)


if __name__ == "__main__":
    sys.exit(main())
