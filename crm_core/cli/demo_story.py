"""What has happened with the demo company's customers, beyond what its back office knows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from crm_core.entities.commerce import Transaction
from crm_core.entities.consent import ProfileAttribute
from crm_core.entities.customer import Customer, CustomerStage
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.services.customer_bulk import CustomerDraft, save_customers
from crm_core.services.engagement_bulk import save_engagement
from crm_core.services.profile import canonical_value, define_attribute
from crm_core.services.profile_bulk import save_profile_values

if TYPE_CHECKING:
    from crm_core.access import Actor
    from crm_core.bootstrap import Application
    from crm_core.persistence.unit_of_work import UnitOfWork

CUSTOMERS_PER_COMMIT = 1_000
LAPSED_DAYS = 365
LOYAL_ORDERS, LOYAL_DAYS = 6, 180
WORK_BEGINS = time(9, tzinfo=UTC)

CONTACTS = (
    # channel, direction, subject, body
    ("visit", "outbound", "Visit", "Showed the new catalogue; wants samples of the towels."),
    ("phone", "inbound", "Asked for delivery times", None),
    ("phone", "outbound", "Nobody answered", "Try again in the morning."),
    ("email", "inbound", "Asked for a price list", "Sent the list of this season."),
    ("email", "outbound", "Season's offer", None),
    ("messenger", "inbound", "Photo of a torn box", "Asked for a credit note; agreed."),
    ("web", "inbound", "Wrote through the contact form", "Wants to be called back."),
    ("fax", "inbound", "Order by fax", None),
    ("store", "inbound", "Came by the showroom", "Looked at cups and glasses."),
    ("post", "outbound", "Catalogue sent by post", None),
    ("other", "internal", "Noted by the team", "Prefers to be reached before noon."),
)
PLANS = (
    ("call", "Ask what the season needs"),
    ("visit", "Show the new tableware"),
    ("email", "Send the offer that was asked for"),
    ("call", "Agree on a date of delivery"),
)
PROFILE: Mapping[str, tuple[str, str, tuple[str, ...], bool]] = {
    # code: title, type, what is chosen from, is it personal
    "way_of_paying": ("Way of paying", "choice", ("bank transfer", "card", "cash"), False),
    "delivery_time": ("Delivery wanted", "choice", ("morning", "afternoon", "any time"), False),
    "temperament": (
        "Temperament",
        "text",
        ("Direct; likes figures first", "Takes time to decide", "Cheerful; likes to talk"),
        True,
    ),
    "household_size": ("Household", "number", ("1", "2", "3", "4", "5"), True),
    "rooms": ("Rooms", "number", ("8", "14", "22", "36", "64", "120"), False),
    "wants_catalogue": ("Wants the catalogue", "boolean", ("yes", "no"), False),
}
PERSONS_ONLY, COMPANIES_ONLY = ("temperament", "household_size"), ("rooms",)


@dataclass(slots=True)
class _Story:
    """What is to be written for some customers."""

    interactions: list[dict[str, Any]] = field(default_factory=list)
    activities: list[dict[str, Any]] = field(default_factory=list)
    consents: list[dict[str, Any]] = field(default_factory=list)
    profile: list[tuple[Any, Any, str]] = field(default_factory=list)
    stages: list[CustomerDraft] = field(default_factory=list)


def tell_story(application: Application, actor: Actor, seed: int, today: date) -> None:
    """Log contacts on every channel, plan what is next, record consents and preferences.

    A transaction a thousand customers; the same seed and day tell the same story.
    """
    with application.unit_of_work(actor, write=True) as uow:
        attributes = _define_attributes(uow)
        uow.commit()
    after = ""
    while True:
        with application.unit_of_work(actor, write=True) as uow:
            customers = _customers(uow, after)
            if not customers:
                return
            documents = _documents(uow, [customer.id for customer in customers])
            story = _Story()
            for customer in customers:
                random = Random(f"{seed} {customer.reference}")  # noqa: S311  a story, no secret
                _Life(story, customer, documents[customer.id], attributes, today, random).tell()
            save_engagement(
                uow,
                interactions=story.interactions,
                activities=story.activities,
                consents=story.consents,
            )
            save_profile_values(uow, story.profile)
            save_customers(uow, story.stages)
            uow.commit()
        after = customers[-1].reference


def _define_attributes(uow: UnitOfWork) -> dict[str, tuple[Any, list[str]]]:
    """Return code to key and values, as they are kept."""
    found = {}
    for code, (title, kind, values, is_personal) in PROFILE.items():
        choices = values if kind == "choice" else None
        attribute = define_attribute(
            uow, code, title=title, type=kind, choices=choices, is_personal=is_personal
        )
        uow.flush()
        found[code] = (attribute.id, _canonical(attribute, values))
    return found


def _canonical(attribute: ProfileAttribute, values: Sequence[str]) -> list[str]:
    return [canonical_value(attribute, value) for value in values]


def _customers(uow: UnitOfWork, after: str) -> Sequence[Any]:
    names = ("id", "reference", "kind", "owner_id")
    return uow.execute(
        select(*(getattr(Customer, name) for name in names))
        .where(Customer.reference > after)
        .order_by(Customer.reference)
        .limit(CUSTOMERS_PER_COMMIT)
    ).all()


def _documents(uow: UnitOfWork, customer_ids: Sequence[Any]) -> Mapping[Any, list[Any]]:
    names = ("customer_id", "id", "kind", "number", "state", "issued_on", "due_on", "is_open")
    columns = [getattr(Transaction, name) for name in names]
    found: dict[Any, list[Any]] = defaultdict(list)
    for some in chunked(customer_ids, PARAMETERS):
        statement = select(*columns).where(
            Transaction.customer_id.in_(some), Transaction.kind.in_(["order", "invoice"])
        )
        for row in uow.execute(statement.order_by(Transaction.issued_on, Transaction.number)):
            found[row.customer_id].append(row)
    return found


@dataclass(slots=True)
class _Life:
    """One customer's part of the story."""

    story: _Story
    customer: Any
    documents: Sequence[Any]
    attributes: Mapping[str, tuple[Any, list[str]]]
    today: date
    random: Random

    def tell(self) -> None:
        """Add all that is to be told."""
        orders = [row for row in self.documents if row.kind == "order" and row.state != "cancelled"]
        overdue = [row for row in self.documents if row.is_open and row.due_on < self.today]
        for order in orders[-3:]:
            channel = self.random.choice(("phone", "email", "web", "messenger"))
            self._log(order.issued_on, channel, "inbound", f"Order {order.number}", None, order)
        for invoice in overdue[:3]:
            day = min(invoice.due_on + timedelta(days=7), self.today - timedelta(days=1))
            self._log(day, "email", "outbound", f"Reminder: {invoice.number}", None, invoice)
        for told in self.random.sample(CONTACTS, self.random.choice((0, 1, 1, 2, 3))):
            self._log(self._ago(1, 900), *told)
        self._plan(overdue)
        self._consent()
        self._prefer()
        self._settle(orders)

    def _ago(self, least: int, most: int) -> date:
        return self.today - timedelta(days=self.random.randint(least, most))

    def _at(self, day: date) -> datetime:
        return datetime.combine(day, WORK_BEGINS) + timedelta(minutes=self.random.randrange(480))

    def _log(
        self,
        day: date,
        channel: str,
        direction: str,
        subject: str,
        body: str | None,
        about: Any = None,
    ) -> None:
        self.story.interactions.append(
            {
                "customer_id": self.customer.id,
                "at": self._at(min(day, self.today - timedelta(days=1))),
                "channel": channel,
                "direction": direction,
                "subject": subject,
                "body": body,
                "user_id": self.customer.owner_id,
                "about_type": "transaction" if about else None,
                "about_id": about.id if about else None,
            }
        )

    def _plan(self, overdue: Sequence[Any]) -> None:
        """Call about what is overdue; other plans lie ahead, behind, or are done."""
        plans: list[tuple[date, str, str, bool]] = []
        if overdue:
            late = min(row.due_on for row in overdue)
            due = min(late + timedelta(days=14), self.today + timedelta(days=3))
            plans.append((due, "call", f"Ask about {overdue[0].number}", False))
        if self.random.random() < 0.25:
            day = self.today + timedelta(days=self.random.randint(-60, 60))
            is_done = day < self.today and self.random.random() < 0.8
            plans.append((day, *self.random.choice(PLANS), is_done))
        for day, kind, summary, is_done in plans:
            self.story.activities.append(
                {
                    "customer_id": self.customer.id,
                    "type": kind,
                    "summary": summary,
                    "due_at": self._at(day),
                    "owner_id": self.customer.owner_id,
                    "done_at": self._at(day) if is_done else None,
                    "done_by_id": self.customer.owner_id if is_done else None,
                }
            )

    def _consent(self) -> None:
        for channel, share in (("email", 0.6), ("phone", 0.3), ("post", 0.15)):
            if self.random.random() > share:
                continue
            day = self._ago(200, 1000)
            statements = [(day, "given", "Signed form of the first visit")]
            if self.random.random() < 0.12:
                later = day + timedelta(days=self.random.randint(30, 199))
                statements.append((later, "withdrawn", "Told us by phone"))
            self.story.consents += [
                {
                    "customer_id": self.customer.id,
                    "purpose": "marketing",
                    "channel": channel,
                    "status": status,
                    "evidence": evidence,
                    "at": self._at(on),
                }
                for on, status, evidence in statements
            ]

    def _prefer(self) -> None:
        other = COMPANIES_ONLY if self.customer.kind == "person" else PERSONS_ONLY
        for code, (attribute_id, values) in self.attributes.items():
            if code not in other and self.random.random() < 0.4:
                value = self.random.choice(values)
                self.story.profile.append((self.customer.id, attribute_id, value))

    def _settle(self, orders: Sequence[Any]) -> None:
        """Say where the customer stands: lapsed, or loyal."""
        if not orders:
            return
        silent = (self.today - orders[-1].issued_on).days
        stage = None
        if silent > LAPSED_DAYS:
            stage = CustomerStage.LAPSED
        elif len(orders) >= LOYAL_ORDERS and silent < LOYAL_DAYS:
            stage = CustomerStage.LOYAL
        if stage:
            values = {"stage": stage.value}
            self.story.stages.append(CustomerDraft(values, customer_id=self.customer.id))
