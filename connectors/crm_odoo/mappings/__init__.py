"""How Odoo's models become neutral records: tables, one file a group of entities."""

from crm_odoo.mappings.currency import CURRENCY
from crm_odoo.mappings.documents import INVOICE, ORDER, PAYMENT
from crm_odoo.mappings.partner import ADDRESS, CUSTOMER, TAG, USER
from crm_odoo.mappings.product import PRODUCT

ENTITIES = (USER, TAG, CURRENCY, PRODUCT, CUSTOMER, ADDRESS, ORDER, PAYMENT, INVOICE)
"""All that can be pulled; what is referred to comes before what refers to it."""

__all__ = ["ENTITIES"]
