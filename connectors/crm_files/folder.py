"""The folder on disk: reading its files, and replacing one of them as a whole."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from crm_core.errors import FatalSyncError, RetryableSyncError, SyncError
from crm_core.messages import t
from crm_core.sync.protocol import RIGHT_MISSING
from crm_files.layout import Layout
from crm_files.lock import FolderLock
from crm_files.manifest import MANIFEST, manifest_text, read_manifest
from crm_files.table import Facts, Row, Table, edited, facts_of, line_of, understood

BOM = b"\xef\xbb\xbf"
TRIES = 5
"""How often a batch is applied anew because somebody changed the file meanwhile."""
TEMPORARY = (".crm-", ".tmp")
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

Signature = tuple[int, int, int] | None


@dataclass(slots=True)
class Changes:
    """What is to be written into one file.

    Attributes:
        edits: Row id to column to cell.
        new: Row id to the new row, column to cell.
    """

    edits: dict[str, dict[str, str]] = field(default_factory=dict)
    new: dict[str, dict[str, str]] = field(default_factory=dict)


class Folder:
    """One folder of CSV files.

    Attributes:
        path: Where it is.
        calls: How many files were read or written so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls = 0
        self._facts: dict[str, tuple[Signature, Facts]] = {}
        self._lock = FolderLock(path)

    def has(self, file: str) -> bool:
        """Return whether there is such a file."""
        return (self.path / file).is_file()

    @contextmanager
    def opened(self, file: str, key: str = "id") -> Iterator[Table]:
        """Open a file; raises FatalSyncError where it is broken or missing."""
        self.calls += 1
        with understood(file):
            stream = (self.path / file).open(encoding="utf-8-sig", newline="")
        with stream:
            yield Table(file, key, stream)

    def rows(self, file: str, key: str = "id", only: Iterable[str] | None = None) -> Iterator[Row]:
        """Yield a file's rows, or those with some ids."""
        with self.opened(file, key) as table:
            yield from table.rows(only)

    def require(self, layout: Layout) -> None:
        """Raise FatalSyncError where the file is missing: its rows may be back with it."""
        with self.opened(layout.file, layout.key):
            pass

    def header(self, layout: Layout) -> Sequence[str]:
        """Return the columns of an entity's file; of one that is not there, all it would have."""
        if not self.has(layout.file):
            return layout.known
        with self.opened(layout.file, layout.key) as table:
            return table.header

    def facts(self, layout: Layout) -> Facts:
        """Return what there is to know of an entity's file, read again only when it changed."""
        try:
            status = (self.path / layout.file).stat()
            signature = (status.st_size, status.st_mtime_ns, status.st_ino)
        except FileNotFoundError:
            signature = None
        known = self._facts.get(layout.file)
        if known is None or known[0] != signature:
            known = (signature, self._read_facts(layout) if signature else Facts(layout.known))
            self._facts[layout.file] = known
        return known[1]

    def _read_facts(self, layout: Layout) -> Facts:
        with self.opened(layout.file, layout.key) as table:
            return facts_of(table)

    def is_writable(self) -> bool:
        """Return whether the rights on the folder let us write."""
        return os.access(self.path, os.W_OK | os.X_OK)

    def rewrite(
        self, entity: str, layouts: Mapping[str, Layout], plan: Callable[[Facts], Changes]
    ) -> None:
        """Change an entity's file in one go; others see the old file or the new one.

        Args:
            entity: Which one.
            layouts: All entities of the folder, for the manifest.
            plan: Asked what to change, given the file as it is now; again when somebody else
                changed the file meanwhile.

        Raises:
            RetryableSyncError: Others hold the lock or keep changing the file, or the disk is full;
                nothing was written.
            FatalSyncError: The folder cannot be written, or the file is broken.
        """
        layout = layouts[entity]
        with _told(self.path), self._lock.held():
            self._sweep_up()
            for _ in range(TRIES):
                if self._rewritten(entity, layouts, plan):
                    return
        raise RetryableSyncError(
            t(
                "{path} was changed by somebody else each time it was to be written: try again "
                "later.",
                path=self.path / layout.file,
            ),
            code="files.busy",
        )

    def _rewritten(
        self, entity: str, layouts: Mapping[str, Layout], plan: Callable[[Facts], Changes]
    ) -> bool:
        layout = layouts[entity]
        before = self._content(layout.file)
        text = line_of(layout.known, "\n").encode() if before is None else before
        changes = plan(facts_of(_in_memory(layout, text)))
        table = _in_memory(layout, text)
        content = "".join(edited(table, changes.edits, list(changes.new.values()))).encode()
        if text.startswith(BOM):
            content = BOM + content
        if content == text:
            return True
        self._facts.pop(layout.file, None)
        if not self._replaced(layout.file, before, content):
            return False
        self._keep_manifest(layouts, entity, _in_memory(layout, content).header)
        return True

    def _keep_manifest(
        self, layouts: Mapping[str, Layout], entity: str, header: Sequence[str]
    ) -> None:
        before = self._content(MANIFEST)
        told = read_manifest(self.path)
        if before is None:
            headers = {
                n: self.header(layout) for n, layout in layouts.items() if self.has(layout.file)
            }
        else:
            headers = {entity: header}
        content = manifest_text(told, layouts, headers)
        if content != before:
            self._replaced(MANIFEST, before, content)

    def _content(self, file: str) -> bytes | None:
        self.calls += 1
        try:
            return (self.path / file).read_bytes()
        except FileNotFoundError:
            return None

    def _replaced(self, file: str, before: bytes | None, content: bytes) -> bool:
        """Put ``content`` in a file's place, unless it is no longer what it was ``before``."""
        target = (self.path / file).resolve()
        temporary = target.with_name(f"{TEMPORARY[0]}{uuid4().hex}{TEMPORARY[1]}")
        try:
            with temporary.open("xb") as stream:
                _look_alike(stream.fileno(), target)
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            if self._content(file) != before or not self._lock.is_mine():
                return False
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return True

    def _sweep_up(self) -> None:
        """Remove what a writer that was killed left behind; the lock says that none writes now."""
        for left in self.path.glob(f"{TEMPORARY[0]}*{TEMPORARY[1]}"):
            left.unlink(missing_ok=True)


def _in_memory(layout: Layout, content: bytes) -> Table:
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    return Table(layout.file, layout.key, lines)


def _look_alike(descriptor: int, target: Path) -> None:
    """Give a new file the rights and, where allowed, the owner of the one it replaces."""
    with suppress(OSError):
        status = target.stat()
        os.fchmod(descriptor, status.st_mode)
        os.fchown(descriptor, status.st_uid, status.st_gid)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Tell what keeps us from writing in words an operator can act on."""
    try:
        yield
    except SyncError:
        raise
    except OSError as error:
        if error.errno in FULL:
            raise RetryableSyncError(
                t(
                    "The disk that holds {folder} is full, or a quota is reached: free some space "
                    "and try again. Nothing was written.",
                    folder=folder,
                ),
                code="files.disk_full",
            ) from error
        raise FatalSyncError(
            t(
                "{folder} cannot be written: {reason}. Check the rights on the folder and its "
                "files. Nothing was written.",
                folder=folder,
                reason=error.strerror or error,
            ),
            code=RIGHT_MISSING,
        ) from error
