"""Ways to make a bad backup out of a good one, each with the code of the error it deserves."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def _zip(file: Path, entries: dict[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


def _entries(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _edited(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def edit(file: Path) -> None:
        entries = _entries(file)
        manifest = json.loads(entries["manifest.json"])
        change(manifest)
        entries["manifest.json"] = json.dumps(manifest).encode()
        _zip(file, entries)

    return edit


def _smuggling(name: str, *, listed: bool) -> Callable[[Path], None]:
    def smuggle(file: Path) -> None:
        entries = _entries(file) | {name: b"evil"}
        if listed:
            manifest = json.loads(entries["manifest.json"])
            sha256 = hashlib.sha256(b"evil").hexdigest()
            manifest["files"][name] = {"size": 4, "sha256": sha256}
            entries["manifest.json"] = json.dumps(manifest).encode()
        _zip(file, entries)

    return smuggle


def _without(prefix: str) -> Callable[[Path], None]:
    def remove(file: Path) -> None:
        entries = _entries(file)
        victim = next(name for name in entries if name.startswith(prefix))
        _zip(file, {name: data for name, data in entries.items() if name != victim})

    return remove


def _altered(prefix: str) -> Callable[[Path], None]:
    def alter(file: Path) -> None:
        entries = _entries(file)
        victim = next(name for name in entries if name.startswith(prefix))
        entries[victim] = entries[victim][:-1] + bytes([entries[victim][-1] ^ 1])
        _zip(file, entries)

    return alter


def _growing(file: Path) -> None:
    entries = _entries(file)
    _zip(file, entries | {"database": entries["database"] + bytes(5_000_000)})


BAD_FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "empty": (lambda file: file.write_bytes(b""), "damaged"),
    "text": (lambda file: file.write_text("Dear customer"), "damaged"),
    "cut in the middle": (lambda file: os.truncate(file, file.stat().st_size // 2), "damaged"),
    "last byte missing": (lambda file: os.truncate(file, file.stat().st_size - 1), "damaged"),
    "other zip": (lambda file: _zip(file, {"letter.txt": b"x"}), "not_a_backup"),
    "no manifest": (_without("manifest"), "not_a_backup"),
    "no database": (_without("database"), "damaged"),
    "attachment missing": (_without("attachments/"), "damaged"),
    "database altered": (_altered("database"), "damaged"),
    "attachment altered": (_altered("attachments/"), "damaged"),
    "more than its size": (_growing, "damaged"),
    "no files": (_edited(lambda manifest: manifest.update(files={})), "damaged"),
    "manifest of wrong types": (_edited(lambda manifest: manifest.update(files=7)), "not_a_backup"),
    "manifest is a list": (
        lambda file: _zip(file, _entries(file) | {"manifest.json": b"[]"}),
        "not_a_backup",
    ),
    "newer core": (
        _edited(lambda manifest: manifest["revisions"].update(core="9999")),
        "newer",
    ),
    "newer format": (_edited(lambda manifest: manifest.update(format=99)), "newer"),
    "other kind": (_edited(lambda manifest: manifest.update(kind="oracle")), "other_kind"),
    "path out of the folder": (_smuggling("../../evil", listed=True), "damaged"),
    "absolute path": (_smuggling("/tmp/evil", listed=True), "damaged"),
    "path within attachments": (_smuggling("attachments/../../evil", listed=True), "damaged"),
    "wrong name for the bytes": (_smuggling("attachments/" + "0" * 64, listed=True), "damaged"),
    "file that is not listed": (_smuggling("../evil", listed=False), "damaged"),
}
