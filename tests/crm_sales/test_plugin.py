"""What every plugin has to do."""

from __future__ import annotations

from typing import Any

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.testing.plugin_suite import PluginSuite
from crm_sales.permissions import LEAD_EDIT


class TestSales(PluginSuite):
    """The sales module under the suite of all plugins."""

    plugin = "sales"

    def arguments(self, service: str, uow: UnitOfWork) -> dict[str, Any]:
        """Ask by a right that there is, where the right itself is an argument."""
        return {"right": LEAD_EDIT} if service.startswith("permitted_") else {}
