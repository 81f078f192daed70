"""Odoo as a back office: the whole wiring of this connector."""

from __future__ import annotations

from collections.abc import Sequence

from crm_core.messages import t
from crm_hooks import PluginManifest, hookimpl
from crm_hooks.contributions import BackendOption, BackendType

manifest = PluginManifest(name="odoo", title="Odoo", version="0.1.0", on_by_default=True)


@hookimpl
def crm_register_backend_types() -> Sequence[BackendType]:
    """Offer Odoo databases as remotes."""
    return [
        BackendType(
            name="odoo",
            title=t("Odoo 14 or later"),
            factory="crm_odoo.settings:open_backend",
            needs_secret=True,
            extra="odoo",
            holds_plugin_entities=True,
            options=(
                BackendOption("url", t("Address of Odoo, such as https://erp.example.com")),
                BackendOption("database", t("Name of the database")),
                BackendOption("login", t("Login of the integration user")),
                BackendOption(
                    "language",
                    t("Odoo's code of the language product names come in; the user's by default"),
                    required=False,
                    keeps_secret=True,
                ),
                BackendOption(
                    "customer_domain",
                    t("Which partners are customers, an Odoo domain as JSON"),
                    required=False,
                    keeps_secret=True,
                ),
                BackendOption(
                    "timeout_seconds",
                    t("How long an answer may take"),
                    required=False,
                    default="120",
                    keeps_secret=True,
                ),
                BackendOption(
                    "ca_file", t("Certificates to trust instead of the system's"), required=False
                ),
                BackendOption(
                    "allow_plain_http",
                    t("yes to send the password unencrypted over a protected network"),
                    required=False,
                ),
            ),
        )
    ]
