"""Commands in processes of their own that have imported the core already.

Such a process is forked from one that imported what commands import, which is nine tenths of their
start. All else is its own: folder, environment, streams, plugins, and how it ends.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

NOT_OF_COMMANDS = ("crm_core.testing", "crm_core.persistence.migrations")


def run_warm(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], *, seconds: int
) -> tuple[int, str, str]:
    """Run ``crm`` and return how it ended, and what it wrote to each stream."""
    with TemporaryDirectory() as written:
        out, err = (Path(written, name) for name in ("out", "err"))
        out.touch()
        err.touch()
        wanted = {
            "arguments": [*arguments],
            "folder": str(folder),
            "environment": {**environment},
            "streams": [os.devnull, str(out), str(err)],
            "seconds": seconds,
        }
        server = _server()
        assert server.stdin is not None
        assert server.stdout is not None
        print(json.dumps(wanted), file=server.stdin, flush=True)
        code = int(server.stdout.readline())
        return code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")


@cache
def _server() -> subprocess.Popen[str]:
    """Start what forks; it ends when nobody can ask any more."""
    command = [sys.executable, "-P", __file__]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, encoding="utf-8")


def _serve(answers: IO[str]) -> None:
    """Fork for each line that is asked for, and answer with exit codes; as a child, do it."""
    ended = {signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, ended)
    for line in sys.stdin:
        wanted = json.loads(line)
        seconds = wanted.pop("seconds")
        pid = os.fork()
        if not pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ended)
            return _become(**wanted)
        if signal.sigtimedwait(ended, seconds) is None:
            os.kill(pid, signal.SIGKILL)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=answers, flush=True)
    return None


def _become(
    arguments: list[str], folder: str, environment: dict[str, str], streams: list[str]
) -> None:
    for number, path in enumerate(streams):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    sys.argv = ["crm", *arguments]
    importlib.import_module("crm_core.cli.main").main()


if __name__ == "__main__":
    import crm_core

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # some module may say something
    for module in pkgutil.walk_packages(crm_core.__path__, "crm_core."):
        if not module.name.startswith(NOT_OF_COMMANDS):
            importlib.import_module(module.name)
    gc.freeze()
    _serve(answers)
