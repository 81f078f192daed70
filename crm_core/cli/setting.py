"""``crm setting``: what the company and the plugins in use have set."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmGroup
from crm_core.messages import t


@click.group(cls=CrmGroup)
def setting() -> None:
    """See and change settings.

    Those of the company and of plugins, which are kept in the database.
    """


@setting.command(name="list")
@pass_context
def list_(context: Context) -> None:
    """List the settings and what they are."""
    from crm_core.services.plugin_settings import list_plugin_settings
    from crm_core.services.settings import load_settings

    with context.unit_of_work() as uow:
        company = asdict(load_settings(uow))
        of_plugins = list_plugin_settings(uow)
    items: list[dict[str, Any]] = [
        {"id": name, "value": value, "title": ""} for name, value in company.items()
    ]
    items += [{"id": each.name, "value": value, "title": each.title} for each, value in of_plugins]
    if not context.output.as_json:
        items = [{**item, "value": _words(item["value"])} for item in items]
    columns = {"id": t("Setting"), "value": t("Value"), "title": t("What it is")}
    context.output.page("setting.list/1", items, None, columns)


@setting.command(name="set")
@click.argument("name")
@click.argument("value")
@pass_context
def set_(context: Context, name: str, value: str) -> None:
    """Set NAME to VALUE; an empty one takes a plugin's setting back to its default."""
    from crm_core.services.settings import set_setting

    with context.unit_of_work(write=True) as uow:
        kept = set_setting(uow, name, value)
        uow.commit()
    told = t("{name} is {value} now.", name=name, value=_words(kept) or '""')
    data = {"id": name, "value": kept}
    context.output.data("setting.set/1", data, lambda: context.output.line(told))


def _words(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else value
