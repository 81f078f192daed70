"""``crm doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand
from crm_core.messages import t

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command(cls=CrmCommand)
@pass_context
def doctor(context: Context) -> None:
    """Say what is wrong and what to do about it; exit 1 when something fails."""
    from crm_core.diagnosis import FAIL, diagnose

    context.log_from(logging.CRITICAL)  # warnings are lines of the report
    findings = list(diagnose(context.flags, os.environ, Path.cwd()))
    out = context.output
    failed = any(finding.state == FAIL for finding in findings)

    def draw() -> None:
        for finding in findings:
            mark = finding.state.ljust(4)
            out.line(
                t(
                    "{finding}: {finding_message}",
                    finding=finding.name,
                    finding_message=finding.message,
                ),
                mark,
                COLOURS[finding.state],
            )
            if finding.advice:
                out.line(t("     → {advice}", advice=finding.advice))

    items = [
        {"id": f.name, "state": f.state, "message": f.message, "advice": f.advice} for f in findings
    ]
    out.data("doctor/1", {"ok": not failed, "items": items, "next_cursor": None}, draw)
    context.exit(1 if failed else 0)
