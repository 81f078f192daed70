"""``crm audit``: verify the record of who changed what."""

from __future__ import annotations

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.messages import n, t


@click.group(cls=CrmGroup)
def audit() -> None:
    """Verify the record of who changed what."""


@audit.command()
@pass_context
def verify(context: Context) -> None:
    """Seal what is not sealed yet, then check the whole chain; exit 1 when it was tampered with."""
    from crm_core.services.audit import seal
    from crm_core.services.audit import verify as verify_chain

    context.actor.require("core.audit.view")
    database = context.application.database
    seal(database)
    with context.output.progress(t("Verifying")) as advance:
        report = verify_chain(database, on_progress=advance)
    out, broken = context.output, report.first_break
    data = {
        "ok": broken is None,
        "sealed": report.sealed,
        "unsealed": report.unsealed,
        "erased": report.erased,
        "head_hash": report.head_hash,
        "first_break": broken,
    }

    def draw() -> None:
        if broken is None:
            out.line(
                n(
                    "The chain of {count} entry is whole.",
                    "The chain of {count} entries is whole.",
                    report.sealed,
                )
            )
        else:
            out.line(
                t(
                    "The chain breaks at position {position}: {reason}",
                    position=broken.position,
                    reason=broken.reason,
                )
            )
        out.fields(
            [(t("Erased on purpose"), report.erased), (t("Head"), report.head_hash)], indent=2
        )

    out.data("audit.verify/1", data, draw)
    if broken is not None:
        out.note(t("Compare with a backup: crm db restore FILE into another folder."))
        context.exit(1)
