"""The web: the whole wiring of this plugin."""

from __future__ import annotations

from collections.abc import Sequence

from crm_hooks import PluginManifest, hookimpl
from crm_hooks.contributions import Right, WebModule
from crm_web.permissions import RIGHTS

manifest = PluginManifest(
    name="web",
    title="Web pages and API",
    version="0.1.0",
    table_prefix="web_",
    demo="crm_web.demo:prepare",
    commands_anywhere=("serve",),
)
PAGES = ("home", "find", "customers", "sync", "account")
API = (
    "customers",
    "parts",
    "history",
    "lists",
    "merging",
    "people",
    "company",
    "sync",
)


@hookimpl
def crm_register_rights() -> Sequence[Right]:
    """Name the rights that the services ask for."""
    return RIGHTS


@hookimpl
def crm_register_web() -> Sequence[WebModule]:
    """Give the pages and the resources of the core."""
    pages = [WebModule(f"web.{name}", pages=f"crm_web.pages.{name}:pages") for name in PAGES]
    resources = [WebModule(f"web.api_{name}", api=f"crm_web.api.v1.{name}:api") for name in API]
    return [*pages, *resources]
