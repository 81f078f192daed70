"""What the two test services share: the cache folder, its lock and state, and processes.

Standard library only: these scripts run before the project's environment exists.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SUITE_GONE_EXIT = 75
"""Exit code (EX_TEMPFAIL) for the only reason that excuses a missing Odoo."""


class ServiceError(Exception):
    """A service could not be brought up; ``log`` names the file that says why."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log


class SuiteGoneError(ServiceError):
    """The Debian mirror no longer serves the suite that has the wanted packages."""


def cache_folder() -> Path:
    """Where everything built is kept for the next run."""
    chosen = os.environ.get("CRM_TEST_CACHE")
    if chosen:
        return Path(chosen).resolve()
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(home).expanduser() / "crm-test-odoo").resolve()


def memory_folder(least: int) -> Path | None:
    """Where files lie in memory, if so many bytes are free there."""
    folder = Path("/dev/shm")
    return folder if folder.is_dir() and shutil.disk_usage(folder).free >= least else None


def say(text: str) -> None:
    """Progress goes to stderr: stdout is for JSON."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Print how long a stage took, also when it failed."""
    say(f"... {name}")
    begin = time.monotonic()
    outcome = "failed"
    try:
        yield
        outcome = "done"
    finally:
        say(f"    {name}: {outcome} in {time.monotonic() - begin:.1f} s")


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one process at a time in; the kernel frees the lock when it dies."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"... waiting for another run that holds the {name} lock")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def state_path(name: str) -> Path:
    return cache_folder() / f"{name}.json"


def read_state(name: str) -> dict[str, Any]:
    """The service's state, empty when it never ran."""
    try:
        state = json.loads(state_path(name).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return state if isinstance(state, dict) else {}


def write_state(name: str, state: Mapping[str, Any]) -> None:
    write_whole(state_path(name), json.dumps(state, indent=2, sort_keys=True) + "\n")


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Write and rename, so that a kill never leaves half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.touch(mode=mode)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def tail(path: Path, lines: int = 40) -> str:
    """The end of a log, for the message of a failure."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"(no log: {error})"
    return "\n".join(text.splitlines()[-lines:])


def run_logged(command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None) -> None:
    """Run to the end, output into a log; a failure carries the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as out:
        out.write(f"$ {' '.join(command)}\n")
        out.flush()
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            check=False,
        )
    if done.returncode != 0:
        raise ServiceError(f"{command[0]} ended with exit code {done.returncode}", log)


def start_daemon(command: Sequence[str], log: Path) -> int:
    """Start a process that outlives this one, in a process group of its own."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    return process.pid


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie of our own does not count."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def end_processes(pids: Sequence[int], first: signal.Signals, patience: float) -> None:
    """Ask with ``first``, then kill whatever is still there after ``patience`` seconds."""
    for wanted in (first, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, wanted)
        if wait_until(lambda: not any(map(is_alive, pids)), patience):
            return
    raise ServiceError(f"processes {list(pids)} do not end")


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def usable_port(former: int | None) -> int:
    """The port of the last run if it is still free, else a new one."""
    for candidate in (former or 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServiceError("no free port on loopback")


def report_failure(error: ServiceError) -> int:
    """Tell what went wrong with the end of its log, and give the exit code."""
    if error.log is not None:
        say(f"--- end of {error.log}\n{tail(error.log)}\n---")
    say(f"FAILED: {error}")
    return SUITE_GONE_EXIT if isinstance(error, SuiteGoneError) else 1


def missing_packages(*packages: str) -> list[str]:
    """Which of these Debian packages are not installed on this machine."""
    command = ["dpkg-query", "--show", "--showformat=${db:Status-Status}"]
    done = {
        package: subprocess.run([*command, package], capture_output=True, text=True, check=False)
        for package in packages
    }
    return [package for package in packages if done[package].stdout != "installed"]


def install_packages(packages: Sequence[str], log: Path) -> None:
    """Install Debian packages on this machine; refreshes the lists first if need be."""
    if os.geteuid() != 0:
        raise ServiceError(f"missing Debian packages {list(packages)}: install them as root")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    try:
        run_logged(install, log, env=env)
    except ServiceError:
        # A new machine has no package lists, an old one has outdated ones.
        run_logged(["apt-get", "update"], log, env=env)
        run_logged(install, log, env=env)
