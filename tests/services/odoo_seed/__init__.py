"""Fills a fresh Odoo with what a CRM meets in one, the same every time.

Everything goes over RPC, as somebody's own Odoo would be filled. Run by ``odoo.py up``.
Where versions differ the server is asked what it has, not which it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from odoo_rpc import OdooAdmin
from odoo_seed import foundation, invoices, orders, partners, payments, products, rights
from odoo_seed.world import World
from service_cache import say

_COUNTED = (
    "res.partner",
    "product.product",
    "sale.order",
    "account.move",
    "account.payment",
    "account.partial.reconcile",
    "stock.picking",
)


def seed(admin: OdooAdmin, secrets: Mapping[str, str]) -> dict[str, int]:
    """Seed the database that ``admin`` is logged in to; returns what was made."""
    world = World(admin)
    topics: dict[str, Callable[[World], None]] = {
        "foundation": foundation.make,
        "partners": partners.make,
        "products": products.make,
        "orders": orders.make,
        "invoices": invoices.make,
        "payments": payments.make,
        "changes": products.change,
        "rights": lambda made: rights.make(made, secrets),
    }
    for name, make in topics.items():
        begin = time.monotonic()
        make(world)
        say(f"      {name}: {time.monotonic() - begin:.1f} s")
    return {**world.counts, **_totals(admin)}


def _totals(admin: OdooAdmin) -> dict[str, int]:
    everything = {"active_test": False}
    return {model: admin.count(model, context=everything) for model in _COUNTED}
