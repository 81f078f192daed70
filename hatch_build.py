"""Compiles the catalogues of translations into what is installed, editable or not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CatalogueHook(BuildHookInterface[Any]):
    """Makes a ``.mo`` beside each ``.po`` of the packages that are built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; the project file names the results among its artifacts."""
        sys.path.insert(0, self.root)
        from crm_core.testing.catalogues import compile_all

        for package in self.build_config.packages:
            compile_all(Path(self.root, package))
