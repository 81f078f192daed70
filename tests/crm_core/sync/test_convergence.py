"""Both sides and the link driven at random: they come to agree, and nothing is lost or doubled.

``make nightly`` tries thousands of steps, others every night.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis.stateful import run_state_machine_as_test

from convergence import IS_NIGHTLY, Convergence, bounded, prepared

EXAMPLES, STEPS = (400, 50) if IS_NIGHTLY else (30, 20)


def test_whatever_happens_both_sides_come_to_agree(sqlite_template: Path, tmp_path: Path) -> None:
    class Prepared(Convergence):
        prepared = prepared(sqlite_template, tmp_path)

    run_state_machine_as_test(Prepared, settings=bounded(EXAMPLES, STEPS))
