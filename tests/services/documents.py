#!/usr/bin/env python3
"""What documents are drawn with beside Python's libraries: Pango, and letters of six languages.

python tests/services/documents.py up        install what is missing
python tests/services/documents.py status    as JSON
"""

from __future__ import annotations

import argparse
import json
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

PACKAGES = ("libpango-1.0-0", "libpangoft2-1.0-0", "fonts-dejavu-core")


def up() -> None:
    """Make sure that all is there."""
    missing = missing_packages(*PACKAGES)
    if missing:
        with stage(f"install {', '.join(missing)}"):
            install_packages(missing, cache_folder() / "logs" / "build.log")


def status() -> dict[str, object]:
    missing = missing_packages(*PACKAGES)
    return {"up": not missing, "missing": missing}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("action", choices=("up", "status"))
    action = parser.parse_args().action
    try:
        if action == "status":
            print(json.dumps(status(), indent=2, sort_keys=True))
            return 0
        with locked("documents"):
            up()
    except ServiceError as error:
        return report_failure(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
