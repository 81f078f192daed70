"""How Odoo's models become neutral records: tables, one file a group of entities."""

from crm_odoo.mappings.currency import CURRENCY
from crm_odoo.mappings.documents import INVOICE, ORDER, PAYMENT
from crm_odoo.mappings.lead import OPPORTUNITY
from crm_odoo.mappings.order import SALES_ORDER
from crm_odoo.mappings.partner import ADDRESS, CUSTOMER, TAG, USER
from crm_odoo.mappings.payment_term import PAYMENT_TERM
from crm_odoo.mappings.price_list import PRICE_LIST
from crm_odoo.mappings.product import PRODUCT

OF_PLUGINS = frozenset(
    mapping.name for mapping in (PAYMENT_TERM, PRICE_LIST, OPPORTUNITY, SALES_ORDER)
)
"""Entities that plugins declare; without the plugin they are not looked at."""
ALL = (
    *(USER, TAG, CURRENCY, PRODUCT, PAYMENT_TERM, PRICE_LIST, CUSTOMER, ADDRESS),
    # Made before orders are read, so that they come back at once.
    *(OPPORTUNITY, SALES_ORDER, ORDER, PAYMENT, INVOICE),
)
"""All that can be pulled; what is referred to comes before what refers to it."""
ENTITIES = tuple(mapping for mapping in ALL if mapping.name not in OF_PLUGINS)
"""Those that are the core's own."""

__all__ = ["ALL", "ENTITIES", "OF_PLUGINS"]
