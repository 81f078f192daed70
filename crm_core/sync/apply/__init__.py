"""How each entity's neutral records are written here.

An applier has ``keeps_snapshot`` (whether the binding remembers the record for merging),
``prepare(context, change)``, which does all that needs no database before the transaction opens and
raises InputError for a record that cannot be taken, and ``apply(context, uow, changes)``, which
writes a batch and says which local record each became.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.sync.apply.address import AddressApplier
from crm_core.sync.apply.customer import CustomerApplier
from crm_core.sync.apply.document import DocumentApplier
from crm_core.sync.apply.product import ProductApplier
from crm_core.sync.apply.reference import CurrencyApplier, UserApplier
from crm_core.sync.apply.tag import TagApplier
from crm_core.sync.context import Applied, Change, SyncContext


class Applier(Protocol):
    """Writes one entity's neutral records."""

    keeps_snapshot: bool

    def prepare(self, context: SyncContext, change: Change) -> Any:
        """Do what needs no database; raises InputError for a record that cannot be taken."""
        ...

    def apply(self, context: SyncContext, uow: UnitOfWork, changes: Sequence[Change]) -> Applied:
        """Write a batch within the caller's transaction."""
        ...

    def vanish(
        self, context: SyncContext, uow: UnitOfWork, local_ids: Sequence[Any], fate: str
    ) -> None:
        """Follow records that are gone from the remote's domain."""
        ...


APPLIERS: dict[str, Applier] = {
    "user": UserApplier(),
    "tag": TagApplier(),
    "currency": CurrencyApplier(),
    "product": ProductApplier(),
    "customer": CustomerApplier(),
    "address": AddressApplier(),
    "order": DocumentApplier("order"),
    "payment": DocumentApplier("payment"),
    "invoice": DocumentApplier("invoice"),
}
