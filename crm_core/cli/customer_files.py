"""``crm customer import`` and ``crm customer export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.customer_imports import ask_import
from crm_core.cli.grammar import CrmCommand
from crm_core.messages import joined, n, t

if TYPE_CHECKING:
    from crm_core.cli.output import Output
    from crm_core.services.customer_import import ImportReport

EXIT_PARTLY = 3
SHOWN_FAULTS = 20


@click.command(name="import", cls=CrmCommand)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--match", "match", help="Keys that tell a customer, by commas: reference,vat,email.")
@click.option("--dry-run", is_flag=True, help="Check and match everything, keep nothing.")
@click.option(
    "--errors", type=click.Path(path_type=Path), help="Write all faults to this CSV file."
)
@click.option("--encoding", help="Of a CSV file, when it is not found out.")
@click.option("--delimiter", help="Of a CSV file, when it is not found out.")
@click.option("--background", is_flag=True, help="Let the worker do it; see crm customer imports.")
@pass_context
def import_(
    context: Context,
    /,
    file: Path,
    match: str | None,
    errors: Path | None,
    *,
    background: bool,
    **given: Any,
) -> None:
    """Import customers from a CSV or Excel FILE.

    Rows that cannot be taken are set aside with line, column and reason; all others go on, and the
    exit code is 3.
    """
    from crm_core.services.customer_import import import_customers

    if match is not None:
        given["match"] = [key.strip() for key in match.split(",") if key.strip()]
    if background:
        if errors or given.pop("encoding") or given.pop("delimiter"):
            raise click.UsageError(
                t("--errors, --encoding and --delimiter are not for --background.")
            )
        ask_import(context, file, None, **given)
        return
    with context.output.progress(t("Importing")) as advance:
        report = import_customers(
            context.application.database,
            context.actor,
            file,
            errors_path=errors,
            on_progress=lambda stage, done, total: advance(done, total, stage),
            **given,
        )
    out = context.output
    data = {name: getattr(report, name) for name in report.__dataclass_fields__}
    data["faults"] = [fault._asdict() for fault in report.faults]
    out.data("customer.import/1", data, lambda: _draw(out, report))
    tell_faults(context, report, errors)


def tell_faults(context: Context, report: ImportReport, errors: Path | None) -> None:
    """Warn of the rows that an import set aside, and end with the exit code that says so."""
    out = context.output
    for fault in report.faults[:SHOWN_FAULTS]:
        value = None if repr(fault.value) in fault.message else repr(fault.value)
        where = joined(filter(None, (t("line {line}", line=fault.line), fault.column)), ", ")
        what = joined(filter(None, (value, fault.message)))
        out.warn(t("{where}: {what}", where=where, what=what))
    if report.fault_count > SHOWN_FAULTS:
        count = report.fault_count
        if errors:
            out.warn(
                n(
                    "{count} fault in all in {file}.",
                    "{count} faults in all in {file}.",
                    count,
                    file=errors,
                )
            )
        else:
            out.warn(
                n(
                    "{count} fault in all: write it to a file with --errors FILE.",
                    "{count} faults in all: write them to a file with --errors FILE.",
                    count,
                )
            )
    if report.fault_count:
        context.exit(EXIT_PARTLY)


def _draw(out: Output, report: ImportReport) -> None:
    if report.is_dry_run:
        out.line(t("Dry run: nothing was kept. It would be:"))
    out.fields(
        [
            (t("Rows"), report.rows),
            (t("Created"), report.created),
            (t("Updated"), report.updated),
            (t("Unchanged"), report.unchanged),
            (t("Tied to companies"), report.related),
            (t("Set aside"), report.faulty_rows),
        ]
    )


@click.command(cls=CrmCommand)
@click.option(
    "--out", "path", required=True, type=click.Path(path_type=Path), help="FILE.csv, .xlsx or .vcf"
)
@click.option("--format", "format_", help="csv, xlsx or vcf; the file's ending by default.")
@click.option("--kind", help="Only person or company.")
@click.option("--stage", help="Only prospect, active, loyal or lapsed.")
@click.option("--owner", metavar="USER", help="Only those this user answers for.")
@click.option("--tag", help="Only those that carry this tag.")
@click.option("--archived", is_flag=True, help="Archived customers instead.")
@pass_context
def export(
    context: Context, /, path: Path, format_: str | None, owner: str | None, **wanted: Any
) -> None:
    """Export the customers you may see."""
    from crm_core.services.customer_export import export_customers
    from crm_core.services.customer_rows import CustomerFilter
    from crm_core.services.users import user_named

    with context.unit_of_work() as uow:
        owner_id = user_named(uow, owner).id if owner else None
    with context.output.progress(t("Exporting")) as advance:
        count = export_customers(
            context.application.database,
            context.actor,
            path,
            format=format_,
            wanted=CustomerFilter(owner_id=owner_id, **wanted),
            on_progress=lambda done: advance(done, None),
        )
    out = context.output
    data = {"file": str(path), "customers": count}
    out.data(
        "customer.export/1",
        data,
        lambda: out.line(
            n("{count} customer in {path}.", "{count} customers in {path}.", count, path=path)
        ),
    )
