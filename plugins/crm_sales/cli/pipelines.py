"""``crm sales pipeline``: the pipelines of the company, from files and into files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.messages import t


@click.group(cls=CrmGroup)
def pipeline() -> None:
    """Design pipelines: their stages, what those ask for, and the moves between them."""


@pipeline.command(name="list")
@click.option("--archived", is_flag=True, help="Those out of use as well.")
@pass_context
def list_(context: Context, archived: bool) -> None:
    """List pipelines in their order."""
    from crm_sales.services.pipelines import list_pipelines

    with context.unit_of_work() as uow:
        items = list_pipelines(uow, archived=archived)
    columns = {
        "code": t("Code"),
        "name": t("Name"),
        "is_default": t("Default"),
        "stages": t("Stages"),
        "open_deals": t("Open deals"),
    }
    context.output.page("sales.pipeline.list/1", items, None, columns)


@pipeline.command()
@click.argument("code")
@pass_context
def show(context: Context, code: str) -> None:
    """Show the stages of a pipeline, and what each asks for."""
    from crm_sales.services.pipeline_design import export_pipeline

    with context.unit_of_work() as uow:
        design = export_pipeline(uow, code)
    out = context.output

    def draw() -> None:
        out.heading(design["name"])
        headings = [t("Stage"), t("Name"), "%", t("Rots after"), t("Needs"), t("Goes to")]
        out.table(headings, [_row(stage) for stage in design["stages"]])

    out.data("sales.pipeline.show/1", design, draw)


@pipeline.command()
@click.argument("code")
@click.option("--out", "path", type=click.Path(path_type=Path), help="Write it to this file.")
@pass_context
def export(context: Context, code: str, path: Path | None) -> None:
    """Write a pipeline as a file that import takes; how deals end is in it too."""
    from crm_sales.schemas.pipelines import design_text
    from crm_sales.services.pipeline_design import export_endings, export_pipeline

    with context.unit_of_work() as uow:
        design = {**export_pipeline(uow, code), **export_endings(uow)}
    out, text = context.output, design_text(design)
    if path is not None:
        path.write_text(text, encoding="utf-8")
        out.data("sales.pipeline.export/1", {"path": str(path)}, lambda: None)
        out.note(t("Written to {path}.", path=path))
    else:
        out.data("sales.pipeline.export/1", design, lambda: click.echo(text, nl=False))


@pipeline.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check it and say what would change.")
@pass_context
def import_(context: Context, file: Path, dry_run: bool) -> None:
    """Make a pipeline as a FILE says, new or changed.

    Stages that the file leaves out are archived: open deals stay in them until they are moved, or
    go where [resettled] sends them (old = "new").
    """
    from crm_core.errors import InputError
    from crm_sales.schemas.pipelines import read_design
    from crm_sales.services.pipeline_design import design_pipeline

    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(
            t("{file} cannot be read: {reason}.", file=file, reason=error.strerror),
            code="sales.pipeline.file",
        ) from None
    with context.unit_of_work(write=True) as uow:
        changes = design_pipeline(uow, read_design(content))
        if not dry_run:
            uow.commit()
    out = context.output

    def draw() -> None:
        for line in changes:
            out.line(line)
        if dry_run:
            out.note(t("Nothing was saved: this was a dry run."))
        elif not changes:
            out.line(t("It was so before: nothing changes."))

    out.data("sales.pipeline.import/1", {"changes": changes, "is_dry_run": dry_run}, draw)


@pipeline.command()
@click.argument("code")
@pass_context
def archive(context: Context, code: str) -> None:
    """Take a pipeline out of use; open deals in it can still be moved and closed."""
    from crm_sales.services.pipeline_design import archive_pipeline

    with context.unit_of_work(write=True) as uow:
        archived = archive_pipeline(uow, code)
        uow.commit()
    out = context.output
    data = {"id": archived.id, "code": archived.code}
    text = t("{pipeline} is archived.", pipeline=archived.name)
    out.data("sales.pipeline.archive/1", data, lambda: out.line(text))


@pipeline.command()
@pass_context
def reasons(context: Context) -> None:
    """List the reasons for which deals are lost, by the codes that lose takes."""
    from crm_sales.services.pipelines import list_loss_reasons

    with context.unit_of_work() as uow:
        items = list_loss_reasons(uow)
    columns = {"code": t("Code"), "name": t("Name"), "needs_competitor": t("Asks for competitor")}
    context.output.page("sales.pipeline.reasons/1", items, None, columns)


def _row(stage: dict[str, Any]) -> list[Any]:
    return [
        stage["code"],
        stage["name"],
        stage["probability"],
        stage["rotting_days"],
        ", ".join([*stage["required_fields"], *stage["checks"]]),
        ", ".join(stage["moves_to"]),
    ]
