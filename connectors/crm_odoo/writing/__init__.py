"""Writing to Odoo: from neutral records to its values, then by ``load`` and ``write``."""
