"""The databases: modules installed once, seeded once, and copied for every test.

``crm_base`` has the modules and Odoo's demo data, ``crm_template`` also what we seed. Each
is built under another name and renamed at its end, and says in its comment what it was
built from: whatever is there under its right name is whole.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

import odoo_seed
from debian_root import inside
from odoo_cluster import (
    HOME,
    STATE,
    home,
    is_odoo_up,
    odoo_log,
    sql,
    start_odoo,
    write_odoo_configuration,
)
from odoo_rpc import OdooAdmin
from odoo_series import series
from service_cache import (
    ServiceError,
    cache_folder,
    is_alive,
    read_state,
    run_logged,
    stage,
    wait_until,
    write_state,
    write_whole,
)

MODULES = (
    "crm",
    "sale_management",
    "account",
    "project",
    "mass_mailing",
    "stock",
    "sale_stock",
    "repair",
    *series().chart,
)
LANGUAGES = ("en_US", "el_GR", "pl_PL", "ru_RU", "sl_SI", "fa_IR")
BASE = "crm_base"
TEMPLATE = "crm_template"
USERS = ("admin", "crm_bot", "plain_sales", "crm_writer")


def ensure_template() -> None:
    """Build what is missing or was built from something else."""
    if _built_from(TEMPLATE) == _template_fingerprint():
        start_odoo()
        return
    if _built_from(BASE) != _base_fingerprint():
        with stage("install Odoo's modules"):
            _build_base()
    start_odoo()
    with stage("seed the template"):
        _build_template()


def copy_database(name: str, source: str = TEMPLATE) -> dict[str, Any]:
    """A copy of the template under a new name, and how to reach it."""
    if _exists(name):
        raise ServiceError(f"database {name} exists: drop it first")
    _disconnect(source)
    sql(f'CREATE DATABASE "{name}" TEMPLATE "{source}" OWNER odoo')
    _link_files(source, name)
    return connection(name)


def drop_database(name: str) -> None:
    """Drop it with its files; no error when it is not there."""
    if name in (BASE, TEMPLATE):
        raise ServiceError(f"{name} is what the copies are made from")
    _drop(name)


def drop_leftovers() -> None:
    """Copies whose test run was killed: their names bear its process number."""
    for name in databases():
        match = re.fullmatch(r"test_(\d+)_\w+", name)
        if match and not is_alive(int(match[1])):
            _drop(name)


def connection(name: str) -> dict[str, Any]:
    """What a client of the database needs to know."""
    state = read_state(STATE)
    return {
        "url": state["url"],
        "database": name,
        "login": "crm_bot",
        "secret_file": str(secret_file("crm_bot")),
        "writer_login": "crm_writer",
        "writer_secret_file": str(secret_file("crm_writer")),
        "plain_login": "plain_sales",
        "plain_secret_file": str(secret_file("plain_sales")),
        "admin_login": "admin",
        "admin_secret_file": str(secret_file("admin")),
    }


def databases() -> list[str]:
    return sql("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1").split()


def secret_file(login: str) -> Path:
    return cache_folder() / "secrets" / login


def ensure_secrets() -> dict[str, str]:
    """Passwords of the template's users; Odoo's own demo password for its admin."""
    found = {}
    for login in USERS:
        path = secret_file(login)
        if not path.exists():
            word = "admin" if login == "admin" else secrets.token_urlsafe(18)
            write_whole(path, word + "\n", 0o600)
        found[login] = path.read_text(encoding="utf-8").strip()
    return found


def _build_base() -> None:
    building = f"{BASE}_building"
    _drop(building)
    if not is_odoo_up():
        write_odoo_configuration()
    sql(f"CREATE DATABASE \"{building}\" TEMPLATE template0 ENCODING 'UTF8' OWNER odoo")
    run_logged(
        inside(
            [
                "/usr/bin/odoo", "-c", f"{HOME}/odoo.conf", "-d", building,
                "-i", ",".join(MODULES), f"--load-language={','.join(LANGUAGES)}",
                "--stop-after-init", "--no-http", "--workers=0", *series().with_demo,
            ],
            "odoo",
        ),
        odoo_log(),
    )  # fmt: skip
    _publish(building, BASE, _base_fingerprint())


def _build_template() -> None:
    building = f"{TEMPLATE}_building"
    _drop(building)
    copy_database(building, BASE)
    words = ensure_secrets()
    admin = OdooAdmin(read_state(STATE)["url"], building, "admin", words["admin"])
    counts = odoo_seed.seed(admin, words)
    write_state(STATE, {**read_state(STATE), "seeded": counts})
    _publish(building, TEMPLATE, _template_fingerprint())
    # Nobody may log in to the template itself: a session would keep it from being copied.
    sql(f'ALTER DATABASE "{TEMPLATE}" ALLOW_CONNECTIONS false')


def _publish(building: str, name: str, fingerprint: str) -> None:
    _drop(name)
    _disconnect(building)
    files = home() / "data" / "filestore"
    if (files / building).exists():
        (files / building).rename(files / name)
    sql(f'ALTER DATABASE "{building}" RENAME TO "{name}"')
    sql(f"COMMENT ON DATABASE \"{name}\" IS '{fingerprint}'")


def _base_fingerprint() -> str:
    return hashlib.sha256(repr((MODULES, LANGUAGES)).encode()).hexdigest()[:16]


def _template_fingerprint() -> str:
    digest = hashlib.sha256(_base_fingerprint().encode())
    folder = Path(odoo_seed.__file__).parent
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    digest.update(repr(ensure_secrets()).encode())
    return digest.hexdigest()[:16]


def _built_from(name: str) -> str:
    return sql(
        "SELECT coalesce(shobj_description(oid, 'pg_database'), '') "
        f"FROM pg_database WHERE datname = '{name}'"
    )


def _exists(name: str) -> bool:
    return bool(sql(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"))


def _drop(name: str) -> None:
    if _exists(name):
        _disconnect(name)
        # By force: between the two somebody may connect again.
        sql(f'DROP DATABASE "{name}" WITH (FORCE)')
    shutil.rmtree(home() / "data" / "filestore" / name, ignore_errors=True)


def _disconnect(name: str) -> None:
    """End Odoo's pooled connections, which keep a database from being copied or dropped.

    Those too that are opened meanwhile: by a worker still busy for a client that was killed.
    """
    others = f"FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    ended = f"SELECT count(pg_terminate_backend(pid)) {others}"
    if not wait_until(lambda: sql(ended) == "0", 60):
        raise ServiceError(f"connections to {name} do not end")


def _link_files(source: str, name: str) -> None:
    """The copy's attachments; Odoo never changes a file in place, so links will do."""
    files = home() / "data" / "filestore"
    shutil.rmtree(files / name, ignore_errors=True)
    if not (files / source).exists():
        return
    shutil.copytree(files / source, files / name, copy_function=os.link)
    owner = (files / source).stat()
    for folder in [files / name, *(files / name).rglob("*")]:
        if folder.is_dir():
            os.chown(folder, owner.st_uid, owner.st_gid)
