#!/usr/bin/env python3
"""A PostgreSQL of the project's own for the tests, kept for the next run.

python tests/services/postgres.py up        build or start it, print its SQLAlchemy URL
python tests/services/postgres.py status    as JSON
python tests/services/postgres.py down      stop it; its data stays
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from service_cache import (
    ServiceError,
    cache_folder,
    end_processes,
    install_packages,
    is_alive,
    is_listening,
    locked,
    memory_folder,
    read_state,
    report_failure,
    run_logged,
    stage,
    start_daemon,
    usable_port,
    wait_until,
    write_state,
)

STATE = "postgres"
DATABASE = "crm_test"
LOCALE = "C.UTF-8"
"""Not plain C: there pg_trgm finds no letters in Greek or Persian, and lower() does nothing."""
_PROGRAMS = Path("/usr/lib/postgresql")
_ENOUGH_MEMORY = 2 * 2**30
"""A database takes 10 MB: there are a few at a time, and those that killed runs left."""
_LEFT_AFTER = 24 * 3600.0
_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = 256MB
# A test server: its data can be built again, so speed goes before surviving a power cut.
fsync = off
synchronous_commit = off
full_page_writes = off
"""


def up() -> str:
    """Make sure the server runs and has the test database; returns its URL."""
    if not is_up():
        with stage("PostgreSQL up"):
            _ensure_programs()
            _end_former()
            try:
                _start()
            except ServiceError:
                # With fsync off a power cut can spoil the cluster; nothing in it is precious.
                _forget_cluster()
                _start()
    _ensure_memory()
    _ensure_database()
    return str(read_state(STATE)["url"])


def down() -> None:
    pid = _pid()
    if pid:
        end_processes([pid], signal.SIGINT, 30)


def is_up() -> bool:
    port = read_state(STATE).get("port")
    return bool(_pid() and port and is_listening(port) and _answers(port))


def running_url() -> str | None:
    """The URL of the test database, if the server runs; never installs or starts one."""
    return str(read_state(STATE)["url"]) if is_up() else None


def status() -> dict[str, object]:
    return {**read_state(STATE), "up": is_up(), "data": str(_data()), "log": str(_log())}


def _ensure_programs() -> None:
    if not _versions():
        with stage("install PostgreSQL"):
            install_packages(["postgresql"], cache_folder() / "logs" / "build.log")


def _versions() -> list[Path]:
    found = _PROGRAMS.glob("*/bin/postgres")
    return sorted((path.parent for path in found), key=lambda path: float(path.parent.name))


def _program(name: str) -> str:
    if not _versions():
        raise ServiceError("no PostgreSQL in /usr/lib/postgresql")
    return str(_versions()[-1] / name)


def _account() -> pwd.struct_passwd:
    """PostgreSQL refuses to run as root: then it runs as Debian's postgres user."""
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def _as_account(command: list[str]) -> list[str]:
    user = _account()
    if user.pw_uid == os.geteuid():
        return ["env", "-C", "/", *command]
    as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return [*as_user, "env", "-C", "/", f"HOME={user.pw_dir}", *command]


def _home() -> Path:
    """The cache folder, unless the postgres user cannot reach it (/root is closed to it)."""
    chosen = cache_folder() / "postgres"
    if os.geteuid() != 0 or _open_to_all(chosen.parent):
        return chosen
    return Path("/var/cache/crm-test-postgres")


def _open_to_all(folder: Path) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    return all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents))


def _data() -> Path:
    return _home() / "data"


def _log() -> Path:
    return _home() / "postgres.log"


def _pid() -> int | None:
    """The server's process, if what the file names is really it."""
    try:
        pid = int((_data() / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return None
    return pid if str(_data()).encode() in command and is_alive(pid) else None


def _end_former() -> None:
    """A server that runs but does not answer; or the file that a killed one left."""
    down()
    (_data() / "postmaster.pid").unlink(missing_ok=True)


def _start() -> None:
    _make_cluster()
    port = usable_port(read_state(STATE).get("port"))
    command = [_program("postgres"), "-D", str(_data()), "-p", str(port)]
    pid = start_daemon(_as_account(command), _log())
    if not wait_until(lambda: _answers(port) or not is_alive(pid), 60) or not is_alive(pid):
        raise ServiceError("PostgreSQL does not start", _log())
    url = f"postgresql+psycopg://crm@127.0.0.1:{port}/{DATABASE}"
    write_state(STATE, {"port": port, "database": DATABASE, "user": "crm", "url": url})


def _make_cluster() -> None:
    """A new cluster, if there is none made by the same version of PostgreSQL."""
    ready = _data() / "crm_ready"
    is_current = ready.exists() and ready.read_text(encoding="utf-8") == _program("")
    if is_current and all(folder.is_dir() for folder in _memory_folders()):
        return
    _forget_cluster()
    _home().mkdir(parents=True, exist_ok=True)
    user = _account()
    _data().mkdir(mode=0o700)
    os.chown(_data(), user.pw_uid, user.pw_gid)
    run_logged(
        _as_account(
            [_program("initdb"), "-D", str(_data()), "-U", "postgres", "-E", "UTF8",
             f"--locale={LOCALE}", "--auth=trust", "--no-sync"]
        ),
        _log(),
    )  # fmt: skip
    with (_data() / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.write(_SETTINGS)
    ready.write_text(_program(""), encoding="utf-8")


def _forget_cluster() -> None:
    for folder in (*_memory_folders(), _data()):
        shutil.rmtree(folder, ignore_errors=True)


def _memory_folders() -> list[Path]:
    """Where databases lie in memory; a machine that was started again has none there."""
    tablespaces = _data() / "pg_tblspc"
    return [link.readlink() for link in tablespaces.iterdir()] if tablespaces.is_dir() else []


def _ensure_memory() -> None:
    """New databases lie in memory, if there is enough: each test makes and drops 700 files."""
    port = read_state(STATE)["port"]
    if _memory_folders():
        _drop_left(port)
    elif (memory := memory_folder(_ENOUGH_MEMORY)) is not None:
        folder = Path(tempfile.mkdtemp(prefix="crm-test-postgres-", dir=memory))
        os.chown(folder, _account().pw_uid, -1)
        _psql(port, f"CREATE TABLESPACE memory LOCATION '{folder}'")
        _psql(port, "ALTER DATABASE template1 SET TABLESPACE memory")


def _drop_left(port: int) -> None:
    """Drop the databases of runs that were killed: nothing was made in them for a day."""
    for folder in _memory_folders():
        for database in folder.glob("PG_*/*[0-9]"):
            if time.time() - database.stat().st_mtime > _LEFT_AFTER:
                known = f"oid = {database.name} AND datname ~ '^crm_[a-z]+_[0-9a-f]{{12}}$'"
                for name in _psql(port, f"SELECT datname FROM pg_database WHERE {known}").split():
                    _psql(port, f'DROP DATABASE "{name}" WITH (FORCE)')


def _psql(port: int, statement: str, database: str = "postgres") -> str:
    command = [
        _program("psql"), "-h", "127.0.0.1", "-p", str(port), "-U", "postgres",
        "-d", database, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServiceError(f"PostgreSQL: {done.stderr.strip()}")
    return done.stdout.strip()


def _answers(port: int) -> bool:
    try:
        return _psql(port, "SELECT 1") == "1"
    except ServiceError:
        return False


def _ensure_database() -> None:
    """A superuser for the tests, who make databases and extensions of their own."""
    port = read_state(STATE)["port"]
    if not _psql(port, "SELECT 1 FROM pg_roles WHERE rolname = 'crm'"):
        _psql(port, "CREATE ROLE crm LOGIN SUPERUSER")
    if not _psql(port, f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"):
        _psql(port, f"CREATE DATABASE {DATABASE} OWNER crm")
    if _psql(port, "SELECT show_trgm('λάδι زعفران') <> '{}'", _with_trigrams(port)) != "t":
        raise ServiceError(f"pg_trgm sees no Greek letters under {LOCALE}", _log())


def _with_trigrams(port: int) -> str:
    _psql(port, "SET client_min_messages = error; CREATE EXTENSION IF NOT EXISTS pg_trgm", DATABASE)
    return DATABASE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("action", choices=("up", "status", "down"))
    action = parser.parse_args().action
    try:
        if action == "status":
            print(json.dumps(status(), indent=2, sort_keys=True))
            return 0
        with locked(STATE):
            if action == "up":
                print(up())
            else:
                down()
    except ServiceError as error:
        return report_failure(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
