"""What belongs to a user, for whoever takes over: customers, activities, and what plugins add."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.customer import Customer
from crm_core.entities.interaction import Activity
from crm_core.errors import PluginFailedError
from crm_core.messages import t
from crm_core.persistence.bulk import chunked
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.activities import assign_activities
from crm_core.services.ownership import assign_owners
from crm_hooks.belongings import Belonging, Belongings

AT_ONCE = 500
"""Records that a plugin is asked to assign at a time."""
_OWN = {Customer.__entity__: assign_owners, Activity.__entity__: assign_activities}


def belongings_of(uow: UnitOfWork, user_id: UUID) -> list[Belongings]:
    """Return what of a user's the actor may see and somebody has to look after.

    Customers come last: who gives them away may no longer see what hangs on them.

    Raises:
        PluginFailedError: A plugin could not say what is the user's.
    """
    uow.actor.require(CUSTOMER_VIEW)
    given: list[Any] = uow.hooks.collect(
        "crm_collect_belongings", instead=_Failed, uow=uow, user_id=user_id
    )
    for each in given:
        if isinstance(each, _Failed):
            raise PluginFailedError(
                t(
                    "The plugin {name} could not say what belongs to the user, so nothing was "
                    "done. Repair it, or switch it off: crm plugins disable {name}.",
                    name=each,
                )
            )
    return [each for each in (*given, *_own(uow, user_id)) if each.records]


def assign_belongings(uow: UnitOfWork, what: Belongings, owners: Mapping[UUID, UUID]) -> None:
    """Give records of one kind to users.

    Args:
        uow: A writing unit of work.
        what: Of which kind.
        owners: Record to user.

    Raises:
        CrmError: Whoever assigns such records refuses.
    """
    uow.actor.require(CUSTOMER_VIEW)
    if what.kind in _OWN:
        _OWN[what.kind](uow, owners)
        return
    for some in chunked(owners, AT_ONCE):
        told = t("Assigning {what}", what=what.title)
        uow.hooks.call(what.assign, told, uow, {key: owners[key] for key in some})


class _Failed(str):
    """The name of a plugin that did not answer."""

    __slots__ = ()


def _own(uow: UnitOfWork, user_id: UUID) -> list[Belongings]:
    todo = (
        select(Activity.id, Activity.summary.label("title"), Activity.customer_id)
        .where(Activity.owner_id == user_id, Activity.is_open)
        .order_by(Activity.due_at, Activity.id)
    )
    mine = (
        select(Customer.id, Customer.name.label("title"), Customer.id.label("customer_id"))
        .where(Customer.owner_id == user_id, Customer.merged_into_id.is_(None))
        .order_by(Customer.name, Customer.id)
    )
    return [
        _kind(uow, Activity.__entity__, t("Activities"), todo),
        _kind(uow, Customer.__entity__, t("Customers"), mine),
    ]


def _kind(uow: UnitOfWork, kind: str, title: str, statement: Any) -> Belongings:
    records = [Belonging(row.id, row.title, row.customer_id) for row in uow.execute(statement)]
    return Belongings(kind, title, "", tuple(records))
