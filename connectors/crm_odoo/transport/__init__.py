"""Ways to call an Odoo server. Each thread needs a transport of its own."""

from crm_odoo.transport.protocol import ConnectionSettings, OdooTransport

__all__ = ["ConnectionSettings", "OdooTransport"]
