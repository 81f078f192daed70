"""The plugins of this project pass the suite that everybody's plugin passes."""

from __future__ import annotations

from crm_core.testing.plugin_suite import PluginSuite


class TestFiles(PluginSuite):
    plugin = "files"


class TestOdoo(PluginSuite):
    plugin = "odoo"
