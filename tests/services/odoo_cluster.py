"""The PostgreSQL and the Odoo inside the root: starting, stopping, asking.

Which process is which is read from /proc, not from a file of ours, so that a run killed
between a start and its bookkeeping loses nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import urllib.request
from pathlib import Path

from debian_root import inside, processes, root_folder
from odoo_series import series
from service_cache import (
    ServiceError,
    end_processes,
    is_alive,
    is_listening,
    read_state,
    run_logged,
    stage,
    start_daemon,
    usable_port,
    wait_until,
    write_state,
    write_whole,
)

STATE = series().state
HOME = "/srv/crm"
_PG_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 120
shared_buffers = 256MB
dynamic_shared_memory_type = mmap
# A test server: its data can be built again, so speed goes before surviving a power cut.
fsync = off
synchronous_commit = off
full_page_writes = off
"""


def home() -> Path:
    return root_folder() / HOME.lstrip("/")


def odoo_log() -> Path:
    return home() / "log" / "odoo.log"


def postgres_log() -> Path:
    return home() / "log" / "postgres.log"


# --- PostgreSQL -------------------------------------------------------------------------


def start_postgres() -> None:
    """Make sure the cluster exists and answers."""
    if _postgres_pid() and is_listening(_port("pg_port") or 0):
        return
    with stage("start PostgreSQL"):
        stop_postgres()
        _ensure_folders()
        if not (home() / "pg" / "crm_ready").exists():
            _make_cluster()
        try:
            _launch_postgres()
        except ServiceError:
            # With fsync off a power cut can spoil the cluster: what it held can be rebuilt.
            _make_cluster()
            _launch_postgres()


def stop_postgres() -> None:
    main = _postgres_pid()
    if main:
        end_processes([main], signal.SIGINT, 30)
    strays = processes("postgres")
    if strays:
        end_processes(strays, signal.SIGQUIT, 10)
    (home() / "pg" / "postmaster.pid").unlink(missing_ok=True)


def sql(statement: str, database: str = "postgres") -> str:
    """Run SQL as the cluster's superuser; rows come as lines."""
    command = [
        "psql", "-h", "127.0.0.1", "-p", str(_port("pg_port")), "-U", "postgres",
        "-d", database, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement,
    ]  # fmt: skip
    done = subprocess.run(inside(command, "postgres"), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServiceError(f"PostgreSQL: {done.stderr.strip()}", postgres_log())
    return done.stdout.strip()


def _postgres_pid() -> int | None:
    try:
        first = (home() / "pg" / "postmaster.pid").read_text().splitlines()[0]
    except (OSError, IndexError):
        return None
    return int(first) if int(first) in processes("postgres") else None


def _make_cluster() -> None:
    shutil.rmtree(home() / "pg", ignore_errors=True)
    shutil.rmtree(home() / "data", ignore_errors=True)
    _ensure_folders()
    initdb = [
        _postgres_program("initdb"), "-D", f"{HOME}/pg", "-U", "postgres", "-E", "UTF8",
        "--locale=C.UTF-8", "--auth=trust", "--no-sync",
    ]  # fmt: skip
    run_logged(inside(initdb, "postgres"), postgres_log())
    with (home() / "pg" / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.write(_PG_SETTINGS)
    (home() / "pg" / "crm_ready").touch()


def _launch_postgres() -> None:
    port = usable_port(_port("pg_port"))
    if port != _port("pg_port"):
        stop_odoo()  # it would go on asking at the old port
    _remember(pg_port=port)
    command = [_postgres_program("postgres"), "-D", f"{HOME}/pg", "-p", str(port)]
    pid = start_daemon(inside(command, "postgres"), postgres_log())
    wait_until(lambda: is_listening(port) or not is_alive(pid), 60)
    if not wait_until(lambda: is_postgres_up() or not is_alive(pid), 60) or not is_alive(pid):
        raise ServiceError("PostgreSQL does not start", postgres_log())
    if not sql("SELECT 1 FROM pg_roles WHERE rolname = 'odoo'"):
        sql("CREATE ROLE odoo LOGIN CREATEDB")


def is_postgres_up() -> bool:
    try:
        return sql("SELECT 1") == "1"
    except ServiceError:
        return False


def _postgres_program(name: str) -> str:
    versions = sorted((root_folder() / "usr/lib/postgresql").iterdir())
    return f"/usr/lib/postgresql/{versions[-1].name}/bin/{name}"


# --- Odoo -------------------------------------------------------------------------------


def start_odoo() -> None:
    """Make sure Odoo runs and answers."""
    if is_odoo_up():
        return
    with stage("start Odoo"):
        stop_odoo()
        write_odoo_configuration()
        pid = start_daemon(inside(["/usr/bin/odoo", "-c", f"{HOME}/odoo.conf"], "odoo"), odoo_log())
        wait_until(lambda: is_odoo_up() or not is_alive(pid), 120)
        if not is_odoo_up():
            raise ServiceError("Odoo does not start", odoo_log())


def stop_odoo() -> None:
    """End the server and its workers, which outlive a server that was killed."""
    running = processes("/usr/bin/odoo")
    if running:
        end_processes(running, signal.SIGTERM, 15)


def is_odoo_up() -> bool:
    port = _port("http_port")
    if not port or not processes("/usr/bin/odoo"):
        return False
    try:
        page = f"http://127.0.0.1:{port}/web/webclient/version_info"
        request = urllib.request.Request(
            page, data=b"{}", headers={"Content-Type": "application/json"}
        )
        # One that is merely slow would be taken for one that is not there, and its tests left out.
        urllib.request.urlopen(request, timeout=60).close()
    except OSError:
        return False
    return True


def write_odoo_configuration() -> None:
    """Choose ports and write them down; a server that runs keeps what it has."""
    state = read_state(STATE)
    http = usable_port(state.get("http_port"))
    poll = usable_port(state.get("poll_port"))
    _remember(http_port=http, poll_port=poll, url=f"http://127.0.0.1:{http}")
    lines = {
        "db_host": "127.0.0.1",
        "db_port": _port("pg_port"),
        "db_user": "odoo",
        "db_password": "odoo",
        "db_maxconn": 32,
        "dbfilter": ".*",
        "list_db": True,
        "http_interface": "127.0.0.1",
        "http_port": http,
        series().poll_key: poll,
        "workers": 2,
        "max_cron_threads": 0,
        "limit_time_cpu": 3000,
        "limit_time_real": 3000,
        "limit_memory_soft": 2 * 1024**3,
        "limit_memory_hard": 4 * 1024**3,
        "limit_request": 1_000_000,
        "data_dir": f"{HOME}/data",
        "logfile": f"{HOME}/log/odoo.log",
        "log_level": "warn",
        "without_demo": False,
    }
    text = "[options]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items())
    write_whole(home() / "odoo.conf", text)


# --- both -------------------------------------------------------------------------------


def _ensure_folders() -> None:
    for name, user in (("pg", "postgres"), ("data", "odoo"), ("log", None)):
        folder = home() / name
        folder.mkdir(parents=True, exist_ok=True)
        if user is None:
            folder.chmod(0o777)
        else:
            folder.chmod(0o700)
            owner, group = _account(user)
            os.chown(folder, owner, group)


def _account(user: str) -> tuple[int, int]:
    """User and group number inside the root; the machine's own may differ."""
    for line in (root_folder() / "etc/passwd").read_text(encoding="utf-8").splitlines():
        name, _, uid, gid, *_ = line.split(":")
        if name == user:
            return int(uid), int(gid)
    raise ServiceError(f"no user {user} in {root_folder()}")


def _port(name: str) -> int | None:
    return read_state(STATE).get(name)


def _remember(**values: object) -> None:
    write_state(STATE, {**read_state(STATE), **values})
