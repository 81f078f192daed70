"""A front office that sells: offers made and accepted, and a back office that hears of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.access import system_actor
from crm_core.bootstrap import Application
from crm_core.entities import Activity, Backend, Binding, Product
from crm_core.outbox.relay import relay
from crm_core.services.backends import add_backend
from crm_core.sync.permit import accept_plan, plan_was_shown
from crm_core.sync.protocol import RemoteBackend
from crm_sales.models import Opportunity, Quote, QuoteOrder, QuoteState
from crm_sales.services.opportunities import add_opportunity
from crm_sales.services.quote_answers import accept_quote
from crm_sales.services.quotes.editing import add_quote
from crm_sales.services.quotes.lines import add_line

ERP = "erp"


class Selling:
    """The product with one back office, which is written to.

    Attributes:
        usual: Options of each run.
    """

    def __init__(self, application: Application, type_name: str, **config: str) -> None:
        self.application = application
        self.usual: dict[str, Any] = {}
        secret, name = config.pop("secret_ref", None), config.pop("name", ERP)
        self.backend: Backend = self.write(
            lambda uow: add_backend(
                uow, name=name, type_name=type_name, config=config, secret_ref=secret
            )
        )
        self.write(lambda uow: plan_was_shown(uow, name))
        self.write(lambda uow: accept_plan(uow, name))
        self.backend = self.read(lambda uow: uow.get(Backend, self.backend.id))

    def write(self, act: Any) -> Any:
        """Do something as the system, and hand out the events of it."""
        with self.application.unit_of_work(system_actor("test"), write=True) as uow:
            found = act(uow)
            uow.commit()
        self.relay()
        return found

    def read(self, act: Any) -> Any:
        """Look something up as the system."""
        with self.application.unit_of_work(system_actor("test")) as uow:
            return act(uow)

    def relay(self) -> None:
        """Hand out events until there are no more."""
        relay(self.application.database, self.application.event_handlers())

    def run(self, remote: RemoteBackend | None = None, **options: Any) -> Any:
        """Run the back office once."""
        kept = self.application.open_backend
        if remote is not None:
            self.application.open_backend = lambda _backend: remote  # type: ignore[method-assign]
        try:
            options = {**self.usual, "without_plan": True, **options}
            return self.application.run_sync(self.backend, **options)
        finally:
            self.application.open_backend = kept  # type: ignore[method-assign]
            self.relay()

    def product(self, name: str) -> UUID:
        """Return the product of this name."""
        found: UUID = self.read(
            lambda uow: uow.scalars(select(Product.id).where(Product.name == name)).one()
        )
        return found

    def offer(self, customer_id: UUID, *lines: Any, **header: Any) -> UUID:
        """Make an offer; a line is ``(product, quantity, price, discount)`` or a heading's text."""

        def act(uow: Any) -> UUID:
            deal = add_opportunity(
                uow, customer_id, "Deal Ω", owner_id=header.pop("owner_id", None)
            )
            quote = add_quote(uow, deal.id, **header)
            for line in lines:
                if isinstance(line, str):
                    add_line(uow, quote.id, kind="section", description=line)
                    continue
                product, quantity, price, discount = line
                values = {"unit_price": price, "discount_percent": discount, "quantity": quantity}
                values = {name: Decimal(each) for name, each in values.items()}
                add_line(uow, quote.id, product_id=self.product(product), **values)
            return quote.id  # type: ignore[no-any-return]

        made: UUID = self.write(act)
        return made

    def accept(self, quote_id: UUID) -> None:
        """Have the customer accept an offer that counts as sent."""

        def sent(uow: Any) -> None:
            quote = uow.get(Quote, quote_id)
            quote.state, quote.sent_at = QuoteState.SENT, uow.now

        self.write(sent)
        self.write(lambda uow: accept_quote(uow, quote_id, signed_by="Ελένη O'Brien"))

    def quote(self, quote_id: UUID) -> Quote:
        """Return an offer as it stands."""
        return self.read(lambda uow: uow.get(Quote, quote_id))  # type: ignore[no-any-return]

    def order(self, quote_id: UUID) -> QuoteOrder:
        """Return what became of an accepted offer."""
        return self.read(lambda uow: uow.get(QuoteOrder, quote_id))  # type: ignore[no-any-return]

    def deal(self, deal_id: UUID) -> Opportunity:
        """Return a deal as it stands."""
        return self.read(lambda uow: uow.get(Opportunity, deal_id))  # type: ignore[no-any-return]

    def tasks(self, customer_id: UUID) -> list[Activity]:
        """Return what is to be done about orders of a customer."""
        is_about = Activity.summary.like("The order of offer%")
        wanted = select(Activity).where(
            Activity.customer_id == customer_id, Activity.is_open, is_about
        )
        return self.read(lambda uow: list(uow.scalars(wanted)))  # type: ignore[no-any-return]

    def remote_id(self, entity: str, local_id: UUID) -> int:
        """Return the number that a record has over there."""
        wanted = select(Binding.remote_id).where(
            Binding.entity == entity, Binding.local_id == local_id
        )
        return int(self.read(lambda uow: uow.scalars(wanted).one()))
