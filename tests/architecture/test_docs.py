"""The documents say only what is true: links resolve, targets and commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from crm_core.cli.main import crm

RUN = re.compile(r"^```sh\n.*?^```$", re.MULTILINE | re.DOTALL)
"""Blocks that ``tests/journeys/test_docs_commands.py`` types."""
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def _documents(tree) -> dict[str, str]:
    return {
        path.relative_to(tree.root).as_posix(): path.read_text(encoding="utf-8")
        for path in tree.files
        if path.suffix == ".md"
    }


def _linked(tree, document: str, text: str) -> list[Path]:
    targets = [target.partition("#")[0] for target in LINK.findall(text)]
    folder = (tree.root / document).parent
    return [(folder / target).resolve() for target in targets if target and "://" not in target]


def test_every_link_leads_somewhere(tree):
    broken = [
        f"{document}: {target}"
        for document, text in _documents(tree).items()
        for target in _linked(tree, document, text)
        if not target.exists()
    ]
    assert broken == []


def test_every_document_can_be_reached_from_the_readme(tree):
    documents = _documents(tree)
    reached: set[str] = set()
    waiting = ["README.md"]
    while waiting:
        document = waiting.pop()
        if document in reached or document not in documents:
            continue
        reached.add(document)
        waiting += [
            target.relative_to(tree.root).as_posix()
            for target in _linked(tree, document, documents[document])
            if target.is_relative_to(tree.root)
        ]
    assert set(documents) - reached == set()


def test_every_make_target_named_exists(tree):
    targets = set(
        re.findall(r"^([a-z0-9-]+):", (tree.root / "Makefile").read_text("utf-8"), re.MULTILINE)
    )
    named = {
        (document, target)
        for document, text in _documents(tree).items()
        for target in re.findall(r"(?:`|^)make ([a-z0-9-]+)", text, re.MULTILINE)
    }
    assert len(named) > 2
    assert {pair for pair in named if pair[1] not in targets} == set()


def _commands_in(text: str) -> set[str]:
    """Command lines in code: ``crm customer show ID`` gives ``customer show ID``."""
    return set(re.findall(r"(?:^(?:\.venv/bin/)?|`)crm ([a-z][^`\n#]*)", text, re.MULTILINE))


def _unknown(words: list[str]) -> str | None:
    """The first word or flag that the command line does not know, or None."""
    command: click.Command = crm
    with click.Context(crm) as context:
        while words and isinstance(command, click.Group):
            found = command.get_command(context, words[0])
            if found is None:
                return words[0]
            command, words = found, words[1:]
    known = {option for parameter in command.params for option in parameter.opts}
    flags = {word.partition("=")[0] for word in words if word.startswith("--")}
    return next(iter(sorted(flags - known)), None)


@pytest.mark.parametrize(
    "document",
    ["README.md"]
    + [
        f"docs/{name}.md"
        for name in (
            "admins",
            "connectors",
            "development",
            "events",
            "operations",
            "plugins",
            "sync",
        )
    ],
)
def test_every_command_shown_exists(tree, document):
    text = (tree.root / document).read_text(encoding="utf-8")
    commands = _commands_in(RUN.sub("", text))
    assert commands
    assert {line: word for line in commands if (word := _unknown(line.split()))} == {}
