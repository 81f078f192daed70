"""Who gets what: rules in their order, then people in turn, and all of a customer to one person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from uuid import UUID

from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.lookup import resolve_customer_id
from crm_core.services.users import user_named
from crm_hooks.belongings import Belonging, Belongings
from crm_sales.permissions import HANDOVER

FIELDS = ("country", "language", "stage", "pipeline", "kind", "customer")
"""What a rule can ask for."""
CUSTOMER = "customer"
Facts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """Records of which ``field`` is ``value`` go to a user."""

    field: str
    value: str
    user_id: UUID
    text: str


def parsed_rules(uow: UnitOfWork, texts: Sequence[str]) -> list[Rule]:
    """Return rules such as ``country=GR:eleni``.

    Raises:
        InputError: One is no rule.
        NotFoundError: There is no such user or customer.
    """
    uow.actor.require(HANDOVER)
    return [_parsed(uow, text.strip()) for text in texts if text.strip()]


def _parsed(uow: UnitOfWork, text: str) -> Rule:
    condition, _, login = text.rpartition(":")
    field, _, value = (part.strip() for part in condition.partition("="))
    if field not in FIELDS or not value or not login.strip():
        raise InputError(
            t(
                "{text!r} is no rule: write FIELD=VALUE:LOGIN, such as country=GR:eleni, where "
                "FIELD is one of {fields}.",
                text=text[:100],
                fields=", ".join(FIELDS),
            ),
            code="sales.handover.rule",
            details={"fields": list(FIELDS)},
        )
    if field == CUSTOMER:
        value = str(resolve_customer_id(uow, value))
    return Rule(field, value.casefold(), user_named(uow, login.strip()).id, text)


class Chooser:
    """Says who gets each record, the same for the same records.

    Args:
        rules: Tried in their order.
        people: Who take turns with the customers, and the records of none, that no rule is for.
        customers: What is known of each customer.
        deals: Record to the deal that it is about; it goes where the deal goes.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        people: Sequence[UUID],
        customers: Mapping[UUID, Facts],
        deals: Mapping[UUID, UUID],
    ) -> None:
        self._rules, self._customers, self._deals = rules, customers, deals
        self._turns = cycle(people)
        self._by_customer: dict[UUID, UUID] = {}

    def choose(self, parts: Sequence[Belongings]) -> list[dict[UUID, UUID]]:
        """Return, for each kind, record to user."""
        chosen: dict[UUID, UUID] = {}
        # Customers first, so that they are shared out evenly, and what follows a deal after it.
        order = sorted(range(len(parts)), key=lambda place: (parts[place].kind != CUSTOMER, place))
        for follows in (False, True):
            for place in order:
                for record in parts[place].records:
                    if (record.id in self._deals) == follows:
                        chosen[record.id] = self._user_for(parts[place].kind, record, chosen)
        return [{record.id: chosen[record.id] for record in part.records} for part in parts]

    def _user_for(self, kind: str, record: Belonging, chosen: Mapping[UUID, UUID]) -> UUID:
        customer_id = record.customer_id
        facts = dict(self._customers.get(customer_id, {})) if customer_id else {}
        facts |= {**dict(record.facts), "kind": kind}
        for rule in self._rules:
            if facts.get(rule.field, "").casefold() == rule.value:
                return rule.user_id
        deal_id = self._deals.get(record.id)
        if deal_id is not None and deal_id in chosen:
            return chosen[deal_id]
        if customer_id is None:
            return next(self._turns)
        if customer_id not in self._by_customer:
            self._by_customer[customer_id] = next(self._turns)
        return self._by_customer[customer_id]
