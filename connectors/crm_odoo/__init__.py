"""Connector to Odoo 14 and later: pulls customers, products and documents; writes nothing there."""
