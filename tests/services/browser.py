#!/usr/bin/env python3
"""Debian's Chromium for the tests in a browser, with letters of every language that they speak.

python tests/services/browser.py up        install what is missing, print its path
python tests/services/browser.py status    as JSON
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys

from service_cache import (
    ServiceError,
    cache_folder,
    install_packages,
    locked,
    missing_packages,
    report_failure,
    stage,
)

PROGRAM = "chromium"
LETTERS = "fonts-noto-core"
"""Latin, Greek, Cyrillic and Persian letters that look alike."""


def up() -> str:
    """Make sure that Chromium and the fonts are there; returns its path."""
    missing = _missing()
    if missing:
        with stage(f"install {', '.join(missing)}"):
            install_packages(missing, cache_folder() / "logs" / "build.log")
    if path() is None:
        raise ServiceError("no Chromium after it was installed", cache_folder() / "logs/build.log")
    return str(path())


def path() -> str | None:
    """The browser's program, if it is there; never installs one."""
    return shutil.which(PROGRAM)


def status() -> dict[str, object]:
    return {"up": not _missing(), "path": path(), "missing": _missing()}


def _missing() -> list[str]:
    programs = [] if path() else [PROGRAM]
    return [*programs, *missing_packages(LETTERS)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("action", choices=("up", "status"))
    action = parser.parse_args().action
    try:
        if action == "status":
            print(json.dumps(status(), indent=2, sort_keys=True))
            return 0
        with locked("browser"):
            print(up())
    except ServiceError as error:
        return report_failure(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
