"""The manifest of a folder: its format, and the file, key and columns of each entity."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from crm_core.errors import FatalSyncError
from crm_core.messages import t
from crm_files.layout import Layout

MANIFEST = "manifest.json"
FORMAT = "crm-files"
VERSION = 1


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return a folder's manifest; empty where there is none.

    Raises:
        FatalSyncError: It is broken, of another format, or of a newer one.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise _refused(
            t("{path} cannot be read: {error}. Correct it, or remove it.", path=path, error=error)
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _refused(
            t(
                '{path} is no manifest of this kind: its "format" must be "{format}".',
                path=path,
                format=FORMAT,
            )
        )
    version = content.get("version")
    if not isinstance(version, int) or version < 1:
        raise _refused(t('{path}: "version" must be a whole number from 1 on.', path=path))
    if version > VERSION:
        raise FatalSyncError(
            t(
                "{path} says that the folder has format version {version}; this product knows up "
                "to {known}. Update the product, or have the other side write version "
                "{known}.",
                path=path,
                version=version,
                known=VERSION,
            ),
            code="files.newer_format",
        )
    entities = content.setdefault("entities", {})
    if not isinstance(entities, dict) or not all(_is_entity(told) for told in entities.values()):
        raise _refused(
            t(
                '{path}: "entities" must name for each entity its "file" (a name ending in .csv, '
                'without folders), and may name its "key" and "columns".',
                path=path,
            )
        )
    return content


def laid_out(layouts: Mapping[str, Layout], manifest: Mapping[str, Any]) -> dict[str, Layout]:
    """Return the layouts with the files and key columns that a manifest names."""
    told: Mapping[str, Any] = manifest.get("entities", {})
    return {
        name: replace(layout, file=told[name]["file"], key=told[name].get("key", layout.key))
        if name in told
        else layout
        for name, layout in layouts.items()
    }


def manifest_text(
    manifest: Mapping[str, Any],
    layouts: Mapping[str, Layout],
    headers: Mapping[str, Sequence[str]],
) -> bytes:
    """Return the manifest as it is to be written: what it said, and the columns there are now."""
    entities = dict(manifest.get("entities", {}))
    for name, header in headers.items():
        layout = layouts[name]
        entities[name] = {
            **entities.get(name, {}),
            "file": layout.file,
            "key": layout.key,
            "columns": list(header),
        }
    content = {"format": FORMAT, "version": VERSION, **manifest, "entities": entities}
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()


def _is_entity(told: Any) -> bool:
    if not isinstance(told, dict):
        return False
    file, key, columns = told.get("file"), told.get("key", "id"), told.get("columns", [])
    is_plain = isinstance(file, str) and file.endswith(".csv") and Path(file).name == file
    is_listed = isinstance(columns, list) and all(isinstance(name, str) for name in columns)
    return is_plain and isinstance(key, str) and bool(key) and is_listed


def _refused(message: str) -> FatalSyncError:
    return FatalSyncError(message, code="files.manifest")
