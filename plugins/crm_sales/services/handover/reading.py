"""Handovers that were made, and what became of each record."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import case, select
from sqlalchemy.orm import aliased

from crm_core.entities import Customer, User
from crm_core.errors import InputError, NotFoundError
from crm_core.messages import t
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.lookup import key_condition
from crm_sales.models import HandedItem, Handover
from crm_sales.permissions import HANDOVER


def list_handovers(
    uow: UnitOfWork, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[dict[str, Any]]:
    """Return handovers, the latest first.

    Dicts of ``id, leaver_id, leaver_name, made_by, note, rules, counts`` (by kind), ``created_at,
    undone_at, undone_by``.
    """
    uow.actor.require(HANDOVER)
    keys = (Handover.id,)
    return page_of(uow, _handovers(), keys=keys, limit=limit, cursor=cursor, descending=True)


def show_handover(uow: UnitOfWork, handover_id: UUID) -> dict[str, Any]:
    """Return one handover, as :func:`list_handovers` does.

    Raises:
        NotFoundError: There is none that the actor may see.
    """
    uow.actor.require(HANDOVER)
    row = uow.execute(_handovers().where(Handover.id == handover_id)).one_or_none()
    if row is None:
        raise _missing(uow, str(handover_id))
    return dict(row._mapping)


def handed_items(
    uow: UnitOfWork,
    handover_id: UUID,
    *,
    kind: str | None = None,
    state: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return the records of a handover.

    Args:
        uow: The unit of work.
        handover_id: Which.
        kind: Only these, such as ``customer``.
        state: Only those ``given``, ``back`` or ``left``.
        limit: Items a page.
        cursor: ``next_cursor`` of the page before.

    Returns:
        Dicts of ``id, kind, record_id, title, customer_id, to_user_id, to_name, state``; the title
        is None where the actor may not see the customer that the record hangs on.
    """
    uow.actor.require(HANDOVER)
    seen = aliased(Customer)
    statement = (
        select(
            HandedItem.id,
            HandedItem.kind,
            HandedItem.record_id,
            case((HandedItem.customer_id.is_(None) | seen.id.is_not(None), HandedItem.title)).label(
                "title"
            ),
            seen.id.label("customer_id"),
            HandedItem.to_user_id,
            User.name.label("to_name"),
            HandedItem.state,
        )
        .join(User, User.id == HandedItem.to_user_id)
        .outerjoin(seen, seen.id == HandedItem.customer_id)
        .where(HandedItem.handover_id == handover_id)
    )
    if kind is not None:
        statement = statement.where(HandedItem.kind == kind)
    if state is not None:
        statement = statement.where(HandedItem.state == state)
    return page_of(uow, statement, keys=(HandedItem.id,), limit=limit, cursor=cursor)


def resolve_handover_id(uow: UnitOfWork, text: str) -> UUID:
    """Return the id of a handover: by its id, its first digits (eight at least), or the leaver.

    By the leaver's login it is the last one that was not undone.

    Raises:
        NotFoundError: There is none that the actor may see.
        InputError: More than one fits.
    """
    uow.actor.require(HANDOVER)
    text = text.strip()
    by_key = key_condition(Handover.id, text)
    if by_key is None:
        of_leaver = _handovers().where(User.login == text, Handover.undone_at.is_(None))
        last = of_leaver.order_by(Handover.id.desc()).limit(1)
        found: list[UUID] = list(uow.scalars(last))
    else:
        found = list(uow.scalars(select(Handover.id).where(by_key).limit(2)))
    if len(found) > 1:
        raise InputError(
            t("{text!r} fits several handovers; give more of the id.", text=text),
            code="sales.handover.ambiguous",
        )
    if not found:
        raise _missing(uow, text)
    return found[0]


def _handovers() -> Any:
    return select(
        Handover.id,
        Handover.leaver_id,
        User.name.label("leaver_name"),
        User.login.label("leaver"),
        Handover.made_by,
        Handover.note,
        Handover.rules,
        Handover.counts,
        Handover.created_at,
        Handover.undone_at,
        Handover.undone_by,
    ).join(User, User.id == Handover.leaver_id)


def _missing(uow: UnitOfWork, text: str) -> NotFoundError:
    return NotFoundError(
        t(
            "There is no handover {text!r} that {login} may see. See crm sales handover list.",
            text=text,
            login=uow.actor.login,
        ),
        code="sales.handover.not_found",
        details={"id": text},
    )
