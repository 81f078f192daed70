#!/usr/bin/env python3
"""A real Odoo for the tests, built from Debian packages and kept for the next run.

    python tests/services/odoo.py up            build what is missing, start what is not running
    python tests/services/odoo.py status        what runs, as JSON
    python tests/services/odoo.py copy NAME     a fresh database, its connection data as JSON
    python tests/services/odoo.py drop NAME
    python tests/services/odoo.py stop-odoo     for tests of a server that is down
    python tests/services/odoo.py start-odoo
    python tests/services/odoo.py down          stop everything; what was built stays

CRM_TEST_ODOO=19 chooses Odoo 19 instead of 14; both can stand side by side.
Exit code 75 means that this machine's Debian mirror no longer serves the suite that has
Odoo; every other failure is 1, with the end of the log.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from typing import Any

import odoo_cluster
import odoo_template
from debian_root import ensure_root, processes, root_folder
from odoo_series import series
from service_cache import (
    ServiceError,
    SuiteGoneError,
    cache_folder,
    locked,
    read_state,
    report_failure,
    stage,
    write_state,
)


def up() -> None:
    with stage("Odoo up"):
        try:
            ensure_root()
        except SuiteGoneError:
            write_state(
                odoo_cluster.STATE,
                {**read_state(odoo_cluster.STATE), "suite_missing": series().suite},
            )
            raise
        odoo_cluster.start_postgres()
        odoo_template.ensure_secrets()
        odoo_template.ensure_template()
        odoo_template.drop_leftovers()
    state = {**read_state(odoo_cluster.STATE), **odoo_template.connection(odoo_template.TEMPLATE)}
    state.pop("suite_missing", None)
    write_state(odoo_cluster.STATE, {**state, "ready": True})
    show(status())


def down() -> None:
    odoo_cluster.stop_odoo()
    odoo_cluster.stop_postgres()


def status() -> dict[str, Any]:
    state = read_state(odoo_cluster.STATE)
    postgres_up = bool(processes("postgres")) and odoo_cluster.is_postgres_up()
    return {
        **state,
        "cache": str(cache_folder()),
        "root": str(root_folder()),
        "odoo_log": str(odoo_cluster.odoo_log()),
        "postgres_log": str(odoo_cluster.postgres_log()),
        "postgres_up": postgres_up,
        "odoo_up": odoo_cluster.is_odoo_up(),
        "databases": odoo_template.databases() if postgres_up else [],
    }


def show(answer: dict[str, Any]) -> None:
    print(json.dumps(answer, indent=2, sort_keys=True))


def database_name(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,50}", text):
        raise argparse.ArgumentTypeError("small letters, digits and _ only")
    return text


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    actions = parser.add_subparsers(dest="action", required=True)
    for name in ("up", "down", "status", "stop-odoo", "start-odoo"):
        actions.add_parser(name)
    for name in ("copy", "drop"):
        actions.add_parser(name).add_argument("name", type=database_name)
    return parser.parse_args(arguments)


def act(chosen: argparse.Namespace) -> None:
    if chosen.action == "status":
        show(status())
        return
    if os.geteuid() != 0:
        raise ServiceError("must run as root: chroot needs it (or set CRM_TEST_ODOO_URL)")
    if chosen.action not in ("up", "down") and not read_state(odoo_cluster.STATE).get("ready"):
        raise ServiceError("nothing is built yet: run up first")
    with locked(odoo_cluster.STATE):
        match chosen.action:
            case "up":
                up()
            case "down":
                down()
            case "stop-odoo":
                odoo_cluster.stop_odoo()
            case "start-odoo":
                odoo_cluster.start_postgres()
                odoo_cluster.start_odoo()
            case "copy":
                show(odoo_template.copy_database(chosen.name))
            case "drop":
                odoo_template.drop_database(chosen.name)


def main() -> int:
    try:
        act(parse())
    except ServiceError as error:
        return report_failure(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
