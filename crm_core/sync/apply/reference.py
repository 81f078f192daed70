"""Users and currencies: small sets that others refer to, written through the session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import delete, select

from crm_core.entities.commerce import Currency, CurrencyRate
from crm_core.entities.user import User
from crm_core.ids import new_id
from crm_core.persistence.bulk import PARAMETERS, chunked, insert_rows
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.sync.context import Applied, Change, SyncContext

CURRENCY_NAMESPACE = UUID("6f7c1c0e-5a86-4b53-9f5c-2f4f6ad1b0a1")
"""Currencies have their code as key; a binding needs a UUID, made from the code."""


class Reference:
    """What appliers of small sets have in common."""

    keeps_snapshot = True

    def prepare(self, context: SyncContext, change: Change) -> Any:
        """Nothing to prepare."""
        return None

    def vanish(
        self, context: SyncContext, uow: UnitOfWork, local_ids: Sequence[UUID], fate: str
    ) -> None:
        """Keep it: others may refer to it still."""


class UserApplier(Reference):
    """Salespeople become users who may own customers; an administrator enables them to act."""

    def apply(self, context: SyncContext, uow: UnitOfWork, changes: Sequence[Change]) -> Applied:
        """Match new users by login, then create or update them."""
        applied = Applied()
        logins = [change.record.values["login"] for change in changes]
        known = {
            user.login: user
            for chunk in chunked(logins, PARAMETERS)
            for user in uow.scalars(select(User).where(User.login.in_(chunk)))
        }
        for change in changes:
            values = change.record.values
            user = (
                uow.find(User, change.bound.local_id)
                if change.bound is not None
                else known.get(values["login"])
            )
            if user is None:
                user = uow.add(
                    User(
                        id=new_id(),
                        login=values["login"],
                        name=values["name"],
                        email=values.get("email"),
                        is_enabled=False,
                        created_at=uow.now,
                        updated_at=uow.now,
                    )
                )
                known[user.login] = user
            elif change.bound is not None:
                _set(user, change, "name", "email")
            applied.local_ids[change.remote_id] = user.id
        return applied


class CurrencyApplier(Reference):
    """Currencies and their dated rates, by ISO code."""

    def apply(self, context: SyncContext, uow: UnitOfWork, changes: Sequence[Change]) -> Applied:
        """Create or update currencies, then replace the rates of those that changed."""
        applied = Applied()
        for change in changes:
            values = change.record.values
            currency = uow.find(Currency, values["code"]) or uow.add(
                Currency(code=values["code"], name=values["name"])
            )
            currency.name = values["name"]
            currency.symbol = values.get("symbol")
            currency.decimal_places = values["decimal_places"]
            currency.is_active = not values.get("archived")
            applied.local_ids[change.remote_id] = uuid5(CURRENCY_NAMESPACE, values["code"])
        uow.flush()
        self._replace_rates(uow, changes)
        return applied

    def _replace_rates(self, uow: UnitOfWork, changes: Sequence[Change]) -> None:
        rows = []
        for change in changes:
            values = change.record.values
            base = values.get("base_code")
            if base is None or not change.differs("rates"):
                continue
            if uow.find(Currency, base) is None:
                uow.add(Currency(code=base, name=base))
                uow.flush()
            uow.execute(
                delete(CurrencyRate)
                .where(CurrencyRate.currency_code == values["code"], CurrencyRate.base_code == base)
                .execution_options(synchronize_session=False)
            )
            rows += [
                {
                    "id": new_id(),
                    "currency_code": values["code"],
                    "base_code": base,
                    "on": date.fromisoformat(rate["on"]),
                    "rate": Decimal(rate["rate"]),
                }
                for rate in values.get("rates") or ()
            ]
        insert_rows(uow.connection(), CurrencyRate, rows)


def _set(record: Any, change: Change, *names: str) -> None:
    for name in names:
        if change.differs(name):
            setattr(record, name, change.record.values.get(name))
