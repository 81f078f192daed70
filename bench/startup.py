"""How long crm --help takes, as a ratio to ``python -c "import click"`` in the same run.

python bench/startup.py [--rounds N] [--json]

Ends with 1 when ``crm --help`` takes more than twice its floor.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

LIMIT = 2.0
CRM = str(Path(sys.executable).with_name("crm"))
COMMANDS = {
    "import click": [sys.executable, "-c", "import click"],
    "crm --help": [CRM, "--help"],
    "crm customer --help": [CRM, "customer", "--help"],
}


def seconds(command: list[str]) -> float:
    """Time one process, from start to end."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> int:
    """Measure in turns, so that a busy moment hits all alike, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    for command in COMMANDS.values():
        seconds(command)  # compiles and fills the disk cache
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(chosen.rounds):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    medians = {name: statistics.median(found) for name, found in times.items()}
    ratios = {name: found / medians["import click"] for name, found in medians.items()}
    if chosen.json:
        print(json.dumps({"seconds": medians, "ratios": ratios, "limit": LIMIT}))
    else:
        for name, found in medians.items():
            print(f"{name:<22}{found * 1000:8.1f} ms{ratios[name]:8.2f}")
    return 0 if ratios["crm --help"] <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
