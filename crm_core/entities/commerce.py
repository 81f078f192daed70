"""The ERP's documents, mirrored and read-only: products, orders, invoices, refunds, payments."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base, Keyed
from crm_core.persistence.scope import Public, Through, ThroughCustomer
from crm_core.persistence.types import Money, Quantity


class Currency(Base):
    """A currency the company deals in, by its ISO 4217 code."""

    __tablename__ = "core_currency"
    __entity__ = "currency"
    __scope__ = Public()
    __personal__ = ()

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    symbol: Mapped[str | None]
    decimal_places: Mapped[int] = mapped_column(default=2)
    is_active: Mapped[bool] = mapped_column(default=True)


class CurrencyRate(Keyed):
    """How many units of ``currency_code`` one unit of ``base_code`` bought, from ``on`` onwards."""

    __tablename__ = "core_currency_rate"
    __entity__ = "currency_rate"
    __scope__ = Public()
    __personal__ = ()
    __table_args__ = (UniqueConstraint("currency_code", "base_code", "on"),)

    currency_code: Mapped[str] = mapped_column(ForeignKey("core_currency.code"))
    base_code: Mapped[str] = mapped_column(ForeignKey("core_currency.code"))
    on: Mapped[date]
    rate: Mapped[Decimal] = mapped_column(Quantity())


class Product(Keyed):
    """Something the company sells, as the ERP describes it."""

    __tablename__ = "core_product"
    __entity__ = "product"
    __scope__ = Public()
    __personal__ = ()
    __audited__ = False
    __table_args__ = (Index(None, "reference"), Index(None, "name", "id"))

    name: Mapped[str]
    reference: Mapped[str | None]
    barcode: Mapped[str | None]
    category: Mapped[str | None]
    """Full path, such as ``All / Saleable / Office furniture``."""
    kind: Mapped[str | None]
    """``goods`` or ``service``."""
    description: Mapped[str | None]
    unit: Mapped[str | None]
    list_price: Mapped[Decimal | None] = mapped_column(Quantity())
    currency_code: Mapped[str | None] = mapped_column(ForeignKey("core_currency.code"))
    is_sold: Mapped[bool] = mapped_column(default=True)
    archived_at: Mapped[datetime | None]
    refreshed_at: Mapped[datetime]


class TransactionKind(StrEnum):
    """What a document is."""

    ORDER = "order"
    INVOICE = "invoice"
    REFUND = "refund"
    PAYMENT = "payment"


class TransactionState(StrEnum):
    """Where a document stands, in words common to all kinds."""

    DRAFT = "draft"
    SENT = "sent"
    CONFIRMED = "confirmed"
    DONE = "done"
    CANCELLED = "cancelled"


class PaymentState(StrEnum):
    """How far an invoice or refund is paid."""

    NOT_PAID = "not_paid"
    IN_PAYMENT = "in_payment"
    PARTIAL = "partial"
    PAID = "paid"
    REVERSED = "reversed"


class Transaction(Keyed):
    """One document of the ERP on a customer: an order, invoice, refund or payment.

    Amounts are positive in the document's own currency, whatever its direction; ``kind`` and, for
    payments, ``is_outgoing`` say which way money flows. ``open_amount`` is what is left to pay.
    """

    __tablename__ = "core_transaction"
    __entity__ = "transaction"
    __scope__ = ThroughCustomer()
    __personal__ = ("reference",)
    __audited__ = False
    __table_args__ = (
        Index(None, "customer_id", "kind", "issued_on", "id"),
        Index(None, "customer_id", "is_open", "due_on"),
        Index(None, "number"),
    )

    kind: Mapped[str]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer.id", ondelete="CASCADE"))
    number: Mapped[str | None]
    reference: Mapped[str | None]
    """The customer's own reference, or a payment's memo."""
    state: Mapped[str]
    payment_state: Mapped[str | None]
    invoice_state: Mapped[str | None]
    """For orders: how far they are invoiced, in the ERP's words."""
    delivery_state: Mapped[str | None]
    """For orders: ``pending``, ``partial`` or ``full``."""
    is_outgoing: Mapped[bool] = mapped_column(default=False)
    is_open: Mapped[bool] = mapped_column(default=False)
    """Stored: a posted invoice or refund with something left to pay."""
    issued_on: Mapped[date | None]
    due_on: Mapped[date | None]
    currency_code: Mapped[str] = mapped_column(ForeignKey("core_currency.code"))
    untaxed_amount: Mapped[Decimal] = mapped_column(Money())
    tax_amount: Mapped[Decimal] = mapped_column(Money())
    total_amount: Mapped[Decimal] = mapped_column(Money())
    open_amount: Mapped[Decimal] = mapped_column(Money())
    delivery_address_id: Mapped[UUID | None]
    invoice_address_id: Mapped[UUID | None]
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
    refreshed_at: Mapped[datetime]


class TransactionLine(Keyed):
    """One line of a document; ``kind`` is ``product``, ``section`` or ``note``."""

    __tablename__ = "core_transaction_line"
    __entity__ = "transaction_line"
    __scope__ = Through("Transaction", "transaction_id")
    __personal__ = ("description",)
    __audited__ = False
    __table_args__ = (Index(None, "transaction_id", "position"), Index(None, "product_id"))

    transaction_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_transaction.id", ondelete="CASCADE")
    )
    position: Mapped[int]
    kind: Mapped[str] = mapped_column(default="product")
    product_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_product.id"))
    description: Mapped[str | None]
    quantity: Mapped[Decimal | None] = mapped_column(Quantity())
    delivered_quantity: Mapped[Decimal | None] = mapped_column(Quantity())
    unit: Mapped[str | None]
    unit_price: Mapped[Decimal | None] = mapped_column(Quantity())
    discount_percent: Mapped[Decimal | None] = mapped_column(Quantity())
    untaxed_amount: Mapped[Decimal | None] = mapped_column(Money())
    total_amount: Mapped[Decimal | None] = mapped_column(Money())


class TransactionLink(Base):
    """A tie between two documents: ``from`` pays, refunds or invoices ``to``.

    ``amount`` is in the currency of the ``to`` document; for ``invoices`` it is None.
    """

    __tablename__ = "core_transaction_link"
    __entity__ = "transaction_link"
    __scope__ = Through("Transaction", "from_transaction_id")
    __personal__ = ()
    __audited__ = False
    __table_args__ = (Index(None, "to_transaction_id"),)

    from_transaction_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_transaction.id", ondelete="CASCADE"), primary_key=True
    )
    to_transaction_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_transaction.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[Decimal | None] = mapped_column(Money())
    told_by_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_transaction.id", ondelete="CASCADE"), index=True
    )
    """The document whose record named this tie; it replaces its ties when it changes."""
