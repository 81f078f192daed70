"""How long crm --help takes, as a ratio to ``python -c "import click"`` in the same run.

python bench/startup.py [--rounds N] [--json]

Also with 20 plugins installed, each with a command of its own: as pip leaves them, in a folder on
Python's path, with a hundred distributions beside them that are no plugins. Ends with 1 when
``crm --help`` takes more than twice its floor, with those plugins or without.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT = 2.0
CRM = str(Path(sys.executable).with_name("crm"))
HELP = [CRM, "--help"]
COMMANDS = {
    "import click": [sys.executable, "-c", "import click"],
    "crm --help": HELP,
    "crm customer --help": [CRM, "customer", "--help"],
}
PLUGINS = 20
OTHERS = 100
WITH_PLUGINS = f"the same, {PLUGINS} plugins"
JUDGED = ("crm --help", WITH_PLUGINS)
POINTS = """[console_scripts]
bench{n} = crm_bench{n}.cli:main

[crm.commands]
bench{n} = crm_bench{n}.cli:run

[crm.plugins]
bench{n} = crm_bench{n}.plugin
"""


def install(site: Path) -> None:
    """Put plugins and other distributions into a folder."""
    for n in range(PLUGINS + OTHERS):
        kind, points = ("other", "[console_scripts]\nother{n} = other{n}:main\n")
        if n < PLUGINS:
            kind, points = "crm_bench", POINTS
            package = site / f"crm_bench{n}"
            package.mkdir()
            (package / "__init__.py").touch()
            (package / "cli.py").write_text("raise SystemExit('not to be imported')")
        info = site / f"{kind}{n}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {kind}{n}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(points.format(n=n))


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Time one process, from start to end."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - begin


def measure(rounds: int, site: Path) -> dict[str, float]:
    """Measure in turns, so that a busy moment hits all alike; returns the medians."""
    install(site)
    plain, plugged = dict(os.environ), {**os.environ, "PYTHONPATH": str(site)}
    runs = {name: (command, plain) for name, command in COMMANDS.items()}
    runs[WITH_PLUGINS] = (HELP, plugged)
    shown = subprocess.run(HELP, check=True, capture_output=True, text=True, env=plugged).stdout
    assert all(f"bench{n}" in shown for n in range(PLUGINS)), shown
    for run in runs.values():
        seconds(*run)  # compiles and fills the disk cache
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(seconds(*run))
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crm-bench-") as folder:
        medians = measure(chosen.rounds, Path(folder))
    ratios = {name: found / medians["import click"] for name, found in medians.items()}
    if chosen.json:
        print(json.dumps({"seconds": medians, "ratios": ratios, "limit": LIMIT}))
    else:
        for name, found in medians.items():
            print(f"{name:<22}{found * 1000:8.1f} ms{ratios[name]:8.2f}")
    return int(max(ratios[name] for name in JUDGED) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
