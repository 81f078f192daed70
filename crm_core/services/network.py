"""The customers around one: who is tied to whom, for a small picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from crm_core.entities.customer import Customer
from crm_core.entities.relationship import Relationship, RelationshipType
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.bulk import among
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork

DEEPEST = 2
MOST_NODES = 40
MOST_TIES = 400
"""Ties read at each step."""


@dataclass(frozen=True, slots=True)
class Network:
    """A customer and those around it.

    Attributes:
        nodes: ``id, name, kind, stage, depth`` of each customer, the one asked for first (depth 0).
        edges: ``id, from_id, to_id, type, label`` of each tie between two of them; it reads
            "from label to".
        is_cut: Whether there are more than are told.
    """

    nodes: list[dict[str, Any]]
    edges: list[dict[str, Any]]
    is_cut: bool


def customer_network(
    uow: UnitOfWork, customer_id: UUID, *, depth: int = DEEPEST, most: int = MOST_NODES
) -> Network:
    """Return the customers that the actor may see within so many ties of one, nearest first.

    Args:
        uow: The unit of work.
        customer_id: Whom it is about.
        depth: How many ties away, 1 or 2.
        most: How many customers at most.

    Raises:
        NotFoundError: There is no such customer that the actor may see.
        InputError: The depth is neither.
    """
    uow.actor.require(CUSTOMER_VIEW)
    if not 1 <= depth <= DEEPEST or not 1 <= most <= MOST_TIES:
        raise InputError(
            t("A network is 1 or 2 ties deep and holds up to {most} customers.", most=MOST_TIES),
            code="core.network.range",
        )
    uow.get(Customer, customer_id)
    depths = {customer_id: 0}
    ties: dict[UUID, Any] = {}
    is_cut = False
    edge = [customer_id]
    for step in range(1, depth + 1):
        found = _ties(uow, edge)
        is_cut |= len(found) > MOST_TIES
        ends = [end for tie in found for end in (tie.from_customer_id, tie.to_customer_id)]
        seen = _seen(uow, [end for end in dict.fromkeys(ends) if end not in depths])
        fresh = [end for end in dict.fromkeys(ends) if end in seen]
        is_cut |= len(depths) + len(fresh) > most
        edge = fresh[: most - len(depths)]
        depths |= dict.fromkeys(edge, step)
        ties |= {tie.id: tie for tie in found}
        if not edge:
            break
    return Network(_nodes(uow, depths), _edges(uow, depths, ties), is_cut)


def _ties(uow: UnitOfWork, ids: Iterable[UUID]) -> list[Any]:
    tie = Relationship
    ids = list(ids)
    statement = (
        select(tie.id, tie.from_customer_id, tie.to_customer_id)
        .where(
            or_(among(tie.from_customer_id, ids), among(tie.to_customer_id, ids)),
            tie.ended_on.is_(None),
        )
        .order_by(tie.id)
        .limit(MOST_TIES + 1)
    )
    return list(uow.execute(statement))


def _seen(uow: UnitOfWork, ids: list[UUID]) -> set[UUID]:
    """Return those of these customers that the actor may see and that are in use."""
    statement = select(Customer.id).where(among(Customer.id, ids), Customer.archived_at.is_(None))
    return set(uow.scalars(statement)) if ids else set()


def _nodes(uow: UnitOfWork, depths: dict[UUID, int]) -> list[dict[str, Any]]:
    columns = (Customer.id, Customer.name, Customer.kind, Customer.stage)
    rows = uow.execute(select(*columns).where(among(Customer.id, depths)))
    nodes = [{**row._mapping, "depth": depths[row.id]} for row in rows]
    return sorted(nodes, key=lambda node: (node["depth"], node["name"], node["id"]))


def _edges(uow: UnitOfWork, depths: dict[UUID, int], ties: dict[UUID, Any]) -> list[dict[str, Any]]:
    inside = [
        key
        for key, tie in ties.items()
        if tie.from_customer_id in depths and tie.to_customer_id in depths
    ]
    if not inside:
        return []
    statement = (
        select(
            Relationship.id,
            Relationship.from_customer_id.label("from_id"),
            Relationship.to_customer_id.label("to_id"),
            RelationshipType.code.label("type"),
            RelationshipType.name.label("label"),
        )
        .join(RelationshipType, RelationshipType.id == Relationship.type_id)
        .where(among(Relationship.id, inside))
        .order_by(Relationship.id)
    )
    return [dict(row._mapping) for row in uow.execute(statement)]
