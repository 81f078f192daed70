"""Sales: the whole wiring of this plugin."""

from __future__ import annotations

from collections.abc import Sequence

from crm_hooks import PluginManifest, hookimpl
from crm_hooks.contributions import Right, WebModule
from crm_sales.permissions import RIGHTS

manifest = PluginManifest(
    name="sales",
    title="Sales",
    version="0.1.0",
    table_prefix="sales_",
    rebuild="crm_sales.jobs.setup:rebuild",
)
PAGES: tuple[str, ...] = ()
"""Modules of ``crm_sales.pages``; each has ``pages``."""
API: tuple[str, ...] = ()
"""Modules of ``crm_sales.api``; each has ``api``."""


@hookimpl
def crm_register_rights() -> Sequence[Right]:
    """Name the rights that the services ask for."""
    return RIGHTS


@hookimpl
def crm_register_web() -> Sequence[WebModule]:
    """Let people and programs reach it; without the web plugin nobody asks."""
    pages = [
        WebModule(f"sales.{name}_pages", pages=f"crm_sales.pages.{name}:pages") for name in PAGES
    ]
    return pages + [WebModule(f"sales.{name}_api", api=f"crm_sales.api.{name}:api") for name in API]
