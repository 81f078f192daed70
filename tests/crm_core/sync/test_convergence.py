"""Both sides and the link driven at random: they come to agree, and nothing is lost or doubled.

``make nightly`` does the same for thousands of steps.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis.stateful import run_state_machine_as_test

from convergence import Convergence, prepared


def test_whatever_happens_both_sides_come_to_agree(
    sqlite_template: Path, tmp_path: Path, convergence_settings: object
) -> None:
    class Prepared(Convergence):
        pass

    Prepared.prepared = prepared(sqlite_template, tmp_path)
    run_state_machine_as_test(Prepared, settings=convergence_settings)
