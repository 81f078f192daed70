"""One writer at a time: a lock file that names its owner and gives way when the owner is gone."""

from __future__ import annotations

import json
import os
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from crm_core.errors import RetryableSyncError
from crm_core.messages import t

LOCK = ".crm-lock"
STALE_SECONDS = 60.0
"""A lock whose file was not touched for this long belongs to nobody any more."""
EMPTY_SECONDS = 2.0
"""One that names nobody for this long: its owner was killed before it wrote its name."""
WAIT_SECONDS = 10.0
LONGEST_PAUSE = 0.25


class FolderLock:
    """The right to write into a folder.

    Args:
        folder: Which one.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK
        self._content = b""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock.

        Raises:
            RetryableSyncError: Somebody else holds it for longer than is waited for.
            OSError: The folder cannot be written.
        """
        self._acquire()
        try:
            self._sweep_up()
            yield
        finally:
            if self.is_mine():
                self.path.unlink(missing_ok=True)

    def is_mine(self) -> bool:
        """Return whether it is still held, and say so to those who wait."""
        if _read(self.path) != self._content:
            return False
        with suppress(OSError):
            os.utime(self.path)
        return True

    def _acquire(self) -> None:
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "token": uuid4().hex}
        self._content = json.dumps(owner).encode()
        until = time.monotonic() + WAIT_SECONDS
        pause = 0.01
        while not self._taken():
            if self._is_stale():
                continue
            if time.monotonic() > until:
                raise RetryableSyncError(
                    t(
                        "{folder} is being written by somebody else ({holder}): try again later. "
                        "If nobody does, remove {path}.",
                        folder=self.path.parent,
                        holder=(_read(self.path) or b"").decode(errors="replace"),
                        path=self.path,
                    ),
                    code="files.locked",
                )
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  no secret
            pause = min(pause * 2, LONGEST_PAUSE)

    def _sweep_up(self) -> None:
        """Remove what somebody set aside and was killed before removing; ours will be put back."""
        for aside in self.path.parent.glob(f"{LOCK}.*"):
            if _read(aside) != self._content:
                aside.unlink(missing_ok=True)

    def _taken(self) -> bool:
        try:
            descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return self.is_mine()  # taken away before our name was in it, and put back since
        try:
            os.write(descriptor, self._content)
        except OSError:
            self.path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        # Who comes to a halt before writing its name for as long as the others' patience lasts has
        # written into a file that was taken away.
        return self.is_mine()

    def _is_stale(self) -> bool:
        """Remove a lock whose owner is gone; return whether the way may be free now."""
        try:
            touched = self.path.stat().st_mtime
            content = _read(self.path)
        except FileNotFoundError:
            return True
        if content is None:
            return True
        patience = STALE_SECONDS if content else EMPTY_SECONDS
        if time.time() - touched < patience and not _has_died(content):
            return False
        # Taken away under another name first: of two who saw the stale lock, the slower one may
        # get hold of the quicker one's new lock, and has to give it back.
        aside = self.path.with_name(f"{LOCK}.{uuid4().hex}")
        with suppress(FileNotFoundError):
            self.path.rename(aside)
            if _read(aside) != content:
                with suppress(FileExistsError):
                    os.link(aside, self.path)
            aside.unlink()
        return True


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _has_died(content: bytes) -> bool:
    """Return whether the owner ran on this machine and runs no more."""
    try:
        owner = json.loads(content)
        if owner["host"] != socket.gethostname():
            return False
        os.kill(int(owner["pid"]), 0)
    except ProcessLookupError:
        return True
    except (ValueError, KeyError, TypeError, OSError, OverflowError):
        return False  # written by another program, or just being written
    return False
