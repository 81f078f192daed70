"""What the pages about customers share: where they stand, and who may do what to one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

from marshmallow import validate

from crm_core.access import Actor
from crm_core.errors import NotFoundError
from crm_core.messages import t
from crm_core.services.customer_list import list_options
from crm_web.labels import LABELS
from crm_web.sdk.forms import Choices
from crm_web.sdk.pages import Pages
from crm_web.sdk.request import Request

pages = Pages("customers", __name__, title="Customers", prefix="/customers")
MOST_USERS = 1_000


def chosen_from(topic: str, words: type[StrEnum]) -> validate.OneOf:
    """Return the check that a word is one of these, with what people read for each."""
    known = LABELS[topic]
    values = [word.value for word in words]
    return validate.OneOf(values, labels=[known.get(value, value) for value in values])


def allowed(actor: Actor, owner_id: UUID | None, *, is_merged: bool = False) -> Callable[..., bool]:
    """Return what tells a template whether the actor may do a thing to one customer."""
    return lambda right: not is_merged and actor.may_for_owner(right, owner_id)


def tidy(given: dict[str, Any]) -> dict[str, Any]:
    """Return what a form sent with lines ended as they are kept: browsers send two characters."""
    return {
        name: value.replace("\r\n", "\n") if isinstance(value, str) else value
        for name, value in given.items()
    }


def users_to_choose(request: Request) -> Mapping[str, Choices]:
    """Return who can be named in a field called ``owner``, by login."""
    return {"owner": list_options(request.uow, "owner", limit=MOST_USERS)}


def own_record(request: Request, model: Any, customer_id: UUID, key: UUID) -> Any:
    """Return a record that hangs on this customer; an id of another one's leads nowhere."""
    record = request.uow.get(model, key)
    if record.customer_id != customer_id:
        raise NotFoundError(t("That record is not of this customer."), code="web.not_of_customer")
    return record
