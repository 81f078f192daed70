"""A front office that pulls from one Odoo database as the integration user."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from crm_core.access import Actor
from crm_core.entities import (
    Address,
    AuditEntry,
    Backend,
    ContactPoint,
    Customer,
    CustomerTag,
    Product,
    Relationship,
    Transaction,
    TransactionLine,
    TransactionLink,
)
from crm_core.entities.sync import Binding
from crm_core.ids import new_id
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.relationships import seed_relationship_types
from crm_core.sync.engine import run
from crm_core.sync.run_record import RunReport
from crm_odoo.settings import open_backend


class PullingOffice:
    """Pulls, and tells what arrived."""

    def __init__(self, database: Database, actor: Actor, odoo: Any) -> None:
        self.database, self.actor, self.odoo = database, actor, odoo
        self.config = {
            "url": odoo.url,
            "database": odoo.name,
            "login": odoo.bot.login,
            "language": "en_US",
        }
        with unit_of_work(database, actor=actor, write=True) as uow:
            seed_relationship_types(uow)
            self.backend = uow.add(
                Backend(
                    id=new_id(),
                    name="main",
                    type="odoo",
                    config=self.config,
                    secret_ref=f"file:{odoo.bot.secret_file}",
                    created_at=uow.now,
                    updated_at=uow.now,
                )
            )
            uow.commit()

    def pull(self, **options: Any) -> RunReport:
        remote = open_backend(self.config, self.odoo.bot.secret)
        try:
            return run(self.database, self.backend, remote, **options)
        finally:
            remote.close()

    def all(self, statement: Any) -> list[Any]:
        with unit_of_work(self.database, actor=self.actor) as uow:
            return list(uow.execute(statement))

    def one(self, statement: Any) -> Any:
        found = self.all(statement)
        assert len(found) == 1, found
        return found[0]

    def by_remote_id(self, entity: str, model: Any) -> dict[int, Any]:
        rows = self.all(
            select(Binding.remote_id, model)
            .join(model, model.id == Binding.local_id)
            .where(Binding.entity == entity)
        )
        return {int(row[0]): row[1] for row in rows}

    def bound(self, entity: str, remote_id: int, model: Any) -> Any:
        return self.one(
            select(model)
            .join(Binding, Binding.local_id == model.id)
            .where(Binding.entity == entity, Binding.remote_id == str(remote_id))
        )[0]

    def counts(self) -> dict[str, int]:
        models = (Customer, Address, ContactPoint, Relationship, Product, Transaction)
        models += (TransactionLine, TransactionLink, AuditEntry, CustomerTag)
        return {m.__name__: self.one(select(func.count()).select_from(m))[0] for m in models}
