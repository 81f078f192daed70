"""A front office for tests of connectors: a database, one backend, people's edits, and runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import func, select

from crm_core.access import Actor
from crm_core.entities import Backend, Binding, Customer
from crm_core.outbox.relay import relay
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.services.backends import add_backend
from crm_core.services.customers import create_customer, edit_customer
from crm_core.services.relationships import seed_relationship_types
from crm_core.sync.engine import run
from crm_core.sync.permit import accept_plan, plan_was_shown
from crm_core.sync.protocol import RemoteBackend
from crm_core.sync.push_queue import HANDLER
from crm_core.sync.run_record import RunReport

T = TypeVar("T")
BACKEND = "main"


class FrontOffice:
    """One database in step with one remote.

    Args:
        database: Empty and migrated.
        actor: Who acts; with every right.
        connect: Opens a new connection to the remote.
    """

    def __init__(
        self, database: Database, actor: Actor, connect: Callable[[], RemoteBackend]
    ) -> None:
        self.database, self.actor, self.connect = database, actor, connect

        def set_up(uow: UnitOfWork) -> Backend:
            seed_relationship_types(uow)
            return add_backend(uow, name=BACKEND, type_name="tested", config={}, secret_ref=None)

        self.backend = self.change(set_up)

    @classmethod
    def reopened(
        cls, database: Database, actor: Actor, connect: Callable[[], RemoteBackend]
    ) -> FrontOffice:
        """Return the front office of a database that one was set up in before."""
        office = cls.__new__(cls)
        office.database, office.actor, office.connect = database, actor, connect
        office.backend = office.all(select(Backend))[0][0]
        return office

    def change(self, act: Callable[[UnitOfWork], T]) -> T:
        """Do something in a unit of work of its own, and hand out the events of it."""
        with unit_of_work(self.database, actor=self.actor, write=True) as uow:
            found = act(uow)
            uow.commit()
        relay(self.database, [HANDLER])
        return found

    def run(self, remote: RemoteBackend | None = None, **options: Any) -> RunReport:
        """Run the backend once, over a connection of its own unless one is given."""
        remote = remote or self.connect()
        try:
            return run(self.database, self.backend, remote, **options)
        finally:
            remote.close()
            relay(self.database, [HANDLER])

    def accept(self) -> RunReport:
        """Accept the plan, and run for the first time with writing."""
        self.change(lambda uow: plan_was_shown(uow, BACKEND))
        self.change(lambda uow: accept_plan(uow, BACKEND))
        return self.run()

    def create(self, name: str, **values: Any) -> UUID:
        """Add a customer as a person at the desk would."""
        record = {"kind": "person", **values, "name": name}
        return self.change(lambda uow: create_customer(uow, record)).id

    def edit(self, customer_id: UUID, **values: Any) -> None:
        """Change fields of a customer."""
        self.change(lambda uow: edit_customer(uow, customer_id, values))

    def all(self, statement: Any) -> list[Any]:
        """Return the rows of a statement."""
        with unit_of_work(self.database, actor=self.actor) as uow:
            return list(uow.execute(statement))

    def count(self, model: Any, *where: Any) -> int:
        """Return how many records there are."""
        return int(self.all(select(func.count()).select_from(model).where(*where))[0][0])

    def customers(self) -> dict[str, Customer]:
        """Return all customers by name."""
        return {row[0].name: row[0] for row in self.all(select(Customer))}

    def customer(self, customer_id: UUID) -> Customer:
        """Return one customer as it stands."""
        found: Customer = self.all(select(Customer).where(Customer.id == customer_id))[0][0]
        return found

    def remote_id(self, local_id: UUID) -> str:
        """Return the remote id that a local record is bound to."""
        return str(self.binding(local_id).remote_id)

    def binding(self, local_id: UUID) -> Binding:
        """Return the one binding of a local record."""
        rows = self.all(select(Binding).where(Binding.local_id == local_id))
        assert len(rows) == 1, f"{local_id} has {len(rows)} bindings"
        found: Binding = rows[0][0]
        return found
