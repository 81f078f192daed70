"""The web: the whole wiring of this plugin."""

from __future__ import annotations

from collections.abc import Sequence

from crm_hooks import PluginManifest, hookimpl
from crm_hooks.contributions import EventHandler, Job, PluginSetting, Right, WebModule
from crm_web.permissions import RIGHTS
from crm_web.settings import SETTINGS

manifest = PluginManifest(
    name="web",
    title="Web pages and API",
    version="0.1.0",
    table_prefix="web_",
    demo="crm_web.demo:prepare",
    commands_anywhere=("serve",),
)
PAGES = (
    "home",
    "find",
    "customers",
    "activities",
    "imports",
    "sync",
    "webhooks",
    "admin_users",
    "admin_roles",
    "admin_backends",
    "admin_plugins",
    "admin_settings",
    "admin_work",
    "admin_audit",
    "account",
    "api",
)
API = (
    "customers",
    "parts",
    "history",
    "lists",
    "merging",
    "people",
    "company",
    "sync",
    "back_offices",
    "plans",
    "access",
    "imports",
)


@hookimpl
def crm_register_rights() -> Sequence[Right]:
    """Name the rights that the services ask for."""
    return RIGHTS


@hookimpl
def crm_register_settings() -> Sequence[PluginSetting]:
    """Let administrators say how people sign in."""
    return SETTINGS


@hookimpl
def crm_register_event_handlers() -> Sequence[EventHandler]:
    """Sign out who was disabled, and tell webhooks what happened."""
    return [
        EventHandler("web.sign_out", ("core.user.disabled",), "crm_web.jobs:sign_out"),
        EventHandler("web.webhooks", ("*",), "crm_web.jobs:tell_webhooks"),
    ]


@hookimpl
def crm_register_jobs() -> Sequence[Job]:
    """Forget what is over, and post to webhooks."""
    return [
        Job("web.sweep", "crm_web.jobs:sweep", every_minutes=60),
        Job("web.post", "crm_web.jobs:post", every_minutes=1, with_database=True),
    ]


@hookimpl
def crm_register_web() -> Sequence[WebModule]:
    """Give the pages and the resources of the core."""
    pages = [WebModule(f"web.{name}", pages=f"crm_web.pages.{name}:pages") for name in PAGES]
    resources = [WebModule(f"web.api_{name}", api=f"crm_web.api.v1.{name}:api") for name in API]
    return [*pages, *resources]
