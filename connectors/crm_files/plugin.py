"""A back office that is a folder of CSV files: the whole wiring of this connector."""

from __future__ import annotations

from collections.abc import Sequence

from crm_core.messages import t
from crm_hooks import PluginManifest, hookimpl
from crm_hooks.contributions import BackendOption, BackendType

manifest = PluginManifest(name="files", title=t("CSV folder"), version="0.1.0", on_by_default=True)


@hookimpl
def crm_register_backend_types() -> Sequence[BackendType]:
    """Offer folders of CSV files as remotes."""
    return [
        BackendType(
            name="files",
            title=t("Folder of CSV files"),
            factory="crm_files.backend:open_backend",
            options=(
                BackendOption("path", t("Folder that holds one CSV file an entity"), is_path=True),
            ),
            holds_plugin_entities=True,
            demo="crm_files.demo.company:build",
        )
    ]
