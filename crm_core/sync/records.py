"""The neutral records of the core's entities: field names and shapes.

All values are plain (see ``crm_core.sync.protocol``). ``str?`` below means text or None. A ``_ref``
is a remote id; which entity it names stands in brackets.

``user``
    login str, name str, email str?, archived bool

``tag``
    name str

``currency``
    code str (ISO 4217), name str, symbol str?, decimal_places int, archived bool,
    base_code str?, rates list of {on: ISO date, rate: decimal text} (units of this currency that
    one unit of the base currency buys)

``product``
    name str, reference str?, barcode str?, category str? (full path), kind "goods" | "service",
    description str?, unit str?, list_price decimal text?, currency str? (ISO), is_sold bool,
    archived bool

``customer``
    kind "person" | "company", name str, reference str?, vat str?,
    language str? (BCP 47, ``el-GR``), job_title str?, note str?, archived bool, owner_ref [user],
    parent_ref [customer or address] (this customer is a contact of that one),
    tag_refs sorted list [tag],
    contact_points list of {kind, value} in order (kinds of ContactPointKind; value as typed),
    address None or {street, street2, postal_code, city, region, country_code}: the main address,
    None for a contact that shares its company's

``address``
    parent_ref [customer or address], use (AddressUse, never "main"), recipient str?, street str?,
    street2 str?, postal_code str?, city str?, region str?, country_code str?, email str?,
    phone str?, mobile str?, note str?, archived bool

``order``, ``invoice`` (refunds too), ``payment``
    kind (TransactionKind), customer_ref [customer or address], number str?, reference str?,
    state (TransactionState), payment_state (PaymentState)?, invoice_state str?,
    delivery_state str?,
    is_outgoing bool, issued_on ISO date?, due_on ISO date?, currency str (ISO),
    untaxed_amount, tax_amount, total_amount, open_amount (decimal text, positive),
    owner_ref [user], delivery_address_ref, invoice_address_ref [customer or address]; None where
    it is the customer itself,
    lines list of {kind "product" | "section" | "note", product_ref [product], description str?,
    quantity, delivered_quantity, unit str?, unit_price, discount_percent, untaxed_amount,
    total_amount (decimal text?)} in order,
    links list of {kind, entity, ref, amount decimal text?, towards bool}: ``towards`` True means
    this document points at the other, False the other way round. Kinds: ``pays`` (payment or
    refund to invoice), ``refunds`` (refund to the invoice it reverses), ``invoices`` (invoice or
    refund to order).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

DOCUMENT_ENTITIES = ("order", "payment", "invoice")
UNTOLD_CUSTOMER: Mapping[str, Any] = {
    **dict.fromkeys(
        "kind name reference vat language job_title note owner_ref parent_ref address".split()
    ),
    "archived": False,
    "tag_refs": [],
    "contact_points": [],
}
"""A customer of which nothing is told: what it is looked for by, if by its external id alone."""


def digest(values: Mapping[str, Any]) -> bytes:
    """Return a 16-byte hash of a neutral record, equal for records that mean the same.

    Connectors tell absent, False and empty all as None, so nothing has to be evened out here.
    """
    plain = orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(plain, digest_size=16).digest()
