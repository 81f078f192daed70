"""Run every bench, each in a process of its own, and print how long each took.

python bench/run.py                 full size
python bench/run.py --scale 0.01    one hundredth: shows that they work, not how fast
python bench/run.py search startup  these only
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
LEAST = 2
"""Fewer have no percentiles."""

# The sizes that the figures in docs/performance.md stand for, by the flag that sets them; and how
# often it is measured, which is what takes the time when little is.
SIZES: dict[str, dict[str, int]] = {
    "startup": {"--rounds": 15},
    "hook_calls": {"--calls": 5_000},
    "relay_events": {"--events": 10_000},
    "enable_plugin": {"--customers": 100_000},
    "search": {"--customers": 1_000_000},
    "import_customers": {"--customers": 100_000, "--rounds": 2},
    "customer_card": {"--customers": 100_000, "--interactions": 2_000_000, "--rounds": 1_000},
    "pull_partners": {"--partners": 20_000, "--rounds": 3},
    "pull_changes": {"--partners": 20_000, "--rounds": 5},
    "idle_run": {"--partners": 20_000, "--rounds": 5},
    "push_customers": {"--customers": 2_000},
    "push_updates": {"--customers": 1_000},
    "script_ways": {"--records": 200},
    "api": {"--customers": 100_000, "--rounds": 100},
    "match_customers": {"--size": 100_000},
    "board": {"--deals": 20_000, "--rounds": 30},
    "forecast": {"--deals": 200_000, "--orders": 100_000},
    "rescore": {"--deals": 100_000},
    "web": {"--customers": 100_000, "--interactions": 1_000_000, "--rounds": 200},
}


def command(name: str, scale: float) -> list[str]:
    """The command line of one bench at a share of its size."""
    sizes = [
        word
        for flag, size in SIZES[name].items()
        for word in (flag, str(max(LEAST, round(size * scale))))
    ]
    return [sys.executable, str(FOLDER / f"{name}.py"), *sizes]


def run(name: str, scale: float) -> bool:
    """Run one bench and return whether it did well; its output goes straight through."""
    print(f"--- {name}", flush=True)
    begin = time.perf_counter()
    broke = False
    with subprocess.Popen(command(name, scale), stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr or ():
            broke = broke or line.startswith("Traceback")
            print(line, end="", file=sys.stderr, flush=True)
    missed = process.returncode == 1 and not broke
    outcome = f"FAILED with exit code {process.returncode}"
    if missed:
        outcome = "goal missed"
    elif not process.returncode:
        outcome = "done"
    print(f"--- {name}: {outcome} in {time.perf_counter() - begin:.1f} s\n", flush=True)
    return process.returncode == 0 or (missed and scale < 1)


def main() -> int:
    """Run what was asked for; 1 when a bench failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("names", nargs="*", choices=[*SIZES, []], metavar="NAME")
    chosen = parser.parse_args()
    failed = [name for name in chosen.names or SIZES if not run(name, chosen.scale)]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
