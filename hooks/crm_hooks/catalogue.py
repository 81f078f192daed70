"""The hook catalogue, written from the specs themselves: ``hooks/README.md``.

    python -m crm_hooks.catalogue --write hooks/README.md
    python -m crm_hooks.catalogue --check hooks/README.md

Signatures and fields are printed exactly, so that a changed hook shows in review.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from types import ModuleType
from typing import Any

from crm_hooks import HOOKS_API_VERSION, belongings, contributions, events, manifest, specs
from crm_hooks.markers import PROJECT_NAME

_SECTION = re.compile(
    r"^(Args|Returns|Raises|Ordering|Since|Example|Attributes):[ \t]*", re.MULTILINE
)
_INTRODUCTION = Path(__file__).with_name("introduction.txt")


def hooks_of(module: ModuleType) -> list[Callable[..., Any]]:
    """Return a module's hook specs, in the order in which they are written."""
    return [
        function
        for _, function in vars(module).items()
        if inspect.isfunction(function) and hasattr(function, f"{PROJECT_NAME}_spec")
    ]


def sections(thing: object) -> dict[str, str]:
    """Split a docstring into its text (key ``""``) and its named sections."""
    text = inspect.getdoc(thing) or ""
    starts = [*_SECTION.finditer(text)]
    found = {"": text[: starts[0].start()].strip() if starts else text.strip()}
    for start, following in zip_longest(starts, starts[1:]):
        end = following.start() if following else len(text)
        found[start[1]] = inspect.cleandoc(text[start.end() : end])
    return found


def catalogue() -> str:
    """Return the whole catalogue as Markdown."""
    introduction = _INTRODUCTION.read_text(encoding="utf-8")
    parts = [introduction.replace("HOOKS_API_VERSION", HOOKS_API_VERSION)]
    for module in specs.modules():
        parts.append(f"## {_headline(module)}\n")
        parts.extend(_hook_entry(hook) for hook in hooks_of(module))
    parts.append("## What plugins give and say\n")
    parts.extend(_class_entry(kind) for kind in _dataclasses())
    return "\n".join(parts)


def _headline(module: ModuleType) -> str:
    return (inspect.getdoc(module) or module.__name__).splitlines()[0].rstrip(".")


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def _hook_entry(hook: Callable[..., Any]) -> str:
    return "\n".join(
        [
            f"### `{hook.__name__}`\n",
            _code(f"def {hook.__name__}{_signature(hook)}"),
            *_described(hook),
        ]
    )


def _signature(hook: Callable[..., Any]) -> str:
    signature = inspect.signature(hook)
    text = str(signature)
    for annotation in (
        *(parameter.annotation for parameter in signature.parameters.values()),
        signature.return_annotation,
    ):
        text = text.replace(repr(annotation), str(annotation))  # they are kept as text
    return text


def _class_entry(kind: type[Any]) -> str:
    lines = [f"class {kind.__name__}:"]
    for field in dataclasses.fields(kind):
        default = "" if field.default is dataclasses.MISSING else f" = {field.default!r}"
        lines.append(f"    {field.name}: {field.type}{default}")
    return "\n".join([f"### `{kind.__name__}`\n", _code("\n".join(lines)), *_described(kind)])


def _described(thing: object) -> Iterator[str]:
    for name, body in sections(thing).items():
        if not name:
            yield f"{_markdown(body)}\n"
        elif name == "Example":
            yield _code(body)
        elif name in ("Args", "Attributes"):
            entries = re.sub(r"^(\w+): ", r"- `\1`: ", _markdown(body), flags=re.MULTILINE)
            yield f"**{name}**\n\n{entries}\n"
        else:
            yield f"**{name}**: {_markdown(body)}\n"


def _markdown(text: str) -> str:
    return text.replace("``", "`")


def _dataclasses() -> Iterator[type[Any]]:
    for module in (manifest, contributions, belongings, events):
        for kind in vars(module).values():
            if dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__:
                yield kind if isinstance(kind, type) else type(kind)


def main(arguments: list[str] | None = None) -> int:
    """Write the catalogue, or say whether the file is current; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", type=Path, metavar="FILE", help="write the catalogue there")
    action.add_argument("--check", type=Path, metavar="FILE", help="fail when it is out of date")
    chosen = parser.parse_args(arguments)
    if chosen.write:
        chosen.write.write_text(catalogue(), encoding="utf-8")
    elif not chosen.check.exists() or chosen.check.read_text(encoding="utf-8") != catalogue():
        sys.stderr.write(f"{chosen.check} is out of date: run make docs and review the change.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
