"""What of the sales module is kept in step with a back office."""

from __future__ import annotations

from crm_core.messages import t
from crm_hooks.contributions import SyncableEntity, SyncField

_RULE_REFS = (
    SyncField("product_ref", "ref", required=True, entity="product", title=t("Product")),
    SyncField("base_price_list_ref", "ref", entity="sales_price_list", title=t("Price list")),
)
_LINE_REFS = (SyncField("product_ref", "ref", required=True, entity="product", title=t("Product")),)


def _optional(name: str, entity: str, title: str = "") -> SyncField:
    """Return a reference that a record goes without, where what it names is not there."""
    return SyncField(name, "ref", entity=entity, can_wait=False, title=title)


def _customer() -> SyncField:
    return SyncField("customer_ref", "ref", required=True, entity="customer", title=t("Customer"))


PAYMENT_TERM = SyncableEntity(
    name="sales_payment_term",
    title=t("Payment terms"),
    fields=(
        SyncField("name", required=True),
        SyncField("days", "whole", title=t("Days")),
        SyncField("note"),
        SyncField("position", "whole", title=t("Position")),
        SyncField("archived", "yes_no"),
    ),
    read="crm_sales.sync.prices:read_none",
    apply="crm_sales.sync.prices:apply_terms",
    vanish="crm_sales.sync.prices:archive_terms",
    after=(),
    label="name",
)
PRICE_LIST = SyncableEntity(
    name="sales_price_list",
    title=t("Price lists"),
    fields=(
        SyncField("name", required=True),
        SyncField("currency", required=True, title=t("Currency")),
        SyncField("position", "whole", title=t("Position")),
        SyncField("archived", "yes_no"),
        SyncField("rules", "lines", fields=_RULE_REFS, title=t("Rules")),
    ),
    read="crm_sales.sync.prices:read_none",
    apply="crm_sales.sync.prices:apply_price_lists",
    vanish="crm_sales.sync.prices:archive_price_lists",
    after=("currency", "product"),
    label="name",
)
OPPORTUNITY = SyncableEntity(
    name="sales_opportunity",
    title=t("Deals"),
    fields=(
        SyncField("name", required=True),
        _customer(),
        _optional("owner_ref", "user"),
        SyncField("stage", required=True),
        SyncField("state", required=True, title=t("State")),
        SyncField("loss_reason", title=t("Why it was lost")),
        SyncField("expected_amount", "money", title=t("Expected amount")),
        SyncField("expected_close_on", "date", title=t("Expected to close")),
        SyncField("tags", "words"),
    ),
    read="crm_sales.sync.opportunities:read",
    apply="crm_sales.sync.opportunities:apply",
    ids="crm_sales.sync.opportunities:ids",
    after=("user", "customer"),
    label="name",
)
ORDER = SyncableEntity(
    name="sales_order",
    title=t("Orders of accepted offers"),
    fields=(
        SyncField("offer", required=True, title=t("Offer")),
        _customer(),
        _optional("delivery_address_ref", "address", t("Address for deliveries")),
        _optional("invoice_address_ref", "address", t("Address for invoices")),
        _optional("owner_ref", "user"),
        _optional("price_list_ref", "sales_price_list", t("Price list")),
        _optional("payment_term_ref", "sales_payment_term", t("Payment terms")),
        SyncField("reference"),
        SyncField("note"),
        SyncField("lines", "lines", fields=_LINE_REFS, title=t("Lines")),
        SyncField("is_confirmed", "yes_no", title=t("Confirmed")),
        # What the back office tells of it.
        _optional("order_ref", "order", t("Order")),
        SyncField("number", title=t("Number")),
        SyncField("state", title=t("State")),
        SyncField("currency", title=t("Currency")),
        SyncField("untaxed_amount", "decimal", title=t("Without tax")),
        SyncField("tax_amount", "decimal", title=t("Tax")),
        SyncField("total_amount", "decimal", title=t("Total")),
    ),
    read="crm_sales.sync.orders:read",
    apply="crm_sales.sync.orders:apply",
    vanish="crm_sales.sync.orders:vanish",
    after=("customer", "product", "sales_price_list", "sales_payment_term"),
    label="offer",
    refuse="crm_sales.sync.orders:refuse",
    ask="crm_sales.sync.orders:ask",
    answer="crm_sales.sync.orders:answer",
    meant="crm_sales.sync.orders:meant",
    ids="crm_sales.sync.orders:waiting",
)
ENTITIES = (PAYMENT_TERM, PRICE_LIST, OPPORTUNITY, ORDER)
