"""Making a new plugin from the template that is shipped with the product."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from string import Template

from crm_core.commands import COMMANDS
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.plugins.discovery import RESERVED, installed_points

TEMPLATE = Path(__file__).with_name("template")
SUFFIX = ".tmpl"
PACKAGE = "package"
"""Name of the folder in the template that becomes the plugin's package."""
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
MOST_CHARACTERS = 20


def new_plugin(name: str, parent: Path) -> Path:
    """Write a plugin that works, to be changed at will, and return its folder.

    Args:
        name: Lower-case letters, digits and ``_``: ``loyalty`` becomes the distribution
            ``crm-plugin-loyalty`` with the package ``crm_loyalty``.
        parent: Where its folder goes.

    Raises:
        InputError: The name will not do or is taken, or the folder is there already.
    """
    _check_name(name)
    folder = parent / f"crm-plugin-{name.replace('_', '-')}"
    if folder.exists():
        raise InputError(
            t("{folder} is there already: choose another name or another --path.", folder=folder),
            code="core.plugin.folder_exists",
        )
    for place, text in rendered(name):
        file = folder / place
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(
                t(
                    "{file} cannot be written ({reason}): choose another --path.",
                    file=file,
                    reason=error.strerror,
                ),
                code="core.plugin.folder_unwritable",
            ) from error
    return folder


def rendered(name: str) -> Iterator[tuple[Path, str]]:
    """Go through the files of a plugin of this name: their place in its folder, their text."""
    dashed = name.replace("_", "-")
    words = {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "package": f"crm_{name}",
        "prefix": f"{name}_",
        "command": dashed,
        "distribution": f"crm-plugin-{dashed}",
    }
    for file in sorted(TEMPLATE.rglob(f"*{SUFFIX}")):
        place = file.relative_to(TEMPLATE).with_suffix("")
        if place.parts[0] == PACKAGE:
            place = Path(words["package"], *place.parts[1:])
        yield place, Template(file.read_text(encoding="utf-8")).substitute(words)


def _check_name(name: str) -> None:
    reason = None
    if not _NAME.fullmatch(name) or len(name) > MOST_CHARACTERS:
        reason = t(
            "use up to {most_characters} lower-case letters, digits and _, beginning with a letter",
            most_characters=MOST_CHARACTERS,
        )
    elif name in RESERVED or name.replace("_", "-") in COMMANDS or name == "hooks":
        reason = t("the product itself has it")
    elif name in installed_points() or find_spec(f"crm_{name}") is not None:
        reason = t("an installed plugin has it")
    if reason:
        raise InputError(
            t("{name!r} cannot be the name of a new plugin: {reason}.", name=name, reason=reason),
            code="core.plugin.name",
        )
