"""What every plugin has to do."""

from crm_core.testing.plugin_suite import PluginSuite


class TestSales(PluginSuite):
    """The sales module under the suite of all plugins."""

    plugin = "sales"
