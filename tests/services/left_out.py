"""Pytest plugin: says at the end which tests were left out and why; in CI that fails the run."""

from __future__ import annotations

import os
from collections import Counter

import pytest

EXCUSED_IN_CI = (
    "mirror no longer serves",  # nothing on this side can bring that Odoo back
    "this Odoo has no",  # an optional model or field of other versions
)

_reasons: Counter[str] = Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note a skipped test."""
    _note(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Note a module that skipped itself while it was collected."""
    _note(report)


def _note(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _reasons[reason.removeprefix("Skipped: ")] += 1


def _inexcusable() -> list[str]:
    if not os.environ.get("CI"):
        return []
    return [reason for reason in _reasons if not any(text in reason for text in EXCUSED_IN_CI)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a CI run that left something out."""
    if not hasattr(session.config, "workerinput") and _inexcusable() and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was left out, by reason."""
    if not _reasons:
        return
    terminalreporter.section("left out")
    for reason, count in sorted(_reasons.items()):
        terminalreporter.line(f"{count} test{'s'[: count > 1]}: {reason}")
    if _inexcusable():
        terminalreporter.line("In CI nothing may be left out: the run has failed.", red=True)
