"""Requests that are sent twice and done once: a key by the sender, and the reply that is kept.

The key is claimed and committed before the work begins; the reply is kept within the transaction
that does the work, so that both are there or neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from crm_core.errors import ConflictError, InputError
from crm_core.ids import new_id
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_web.models import IdempotentReply
from crm_web.services.tokens import hashed

KEPT = timedelta(hours=24)
ABANDONED = timedelta(minutes=15)
"""After which a request that never ended is taken to have died."""
_KEY = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True)
class KeptReply:
    """What the same request was answered before."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def claim_reply(uow: UnitOfWork, key: str, request: bytes) -> KeptReply | None:
    """Return the reply that a request had before; None when its work is to be done now.

    The caller commits at once, does the work, and calls :func:`keep_reply`, or
    :func:`release_reply` where it failed.

    Args:
        uow: A writing unit of work of the user.
        key: As the sender made it up.
        request: Method, path and body: what makes it the same request.

    Raises:
        InputError: The key is none, or was used for another request.
        ConflictError: The same request is being worked on.
    """
    if not _KEY.fullmatch(key):
        raise InputError(
            t("An Idempotency-Key is 1 to 255 visible ASCII characters."),
            code="web.idempotency.key",
        )
    insert: Any = sqlite.insert if uow.database.is_sqlite else postgresql.insert
    now, request_hash = uow.now, hashed(request.hex())
    fresh = {
        "id": new_id(),
        "user_id": uow.actor.user_id,
        "key_hash": hashed(key),
        "request_hash": request_hash,
        "created_at": now,
    }
    claim = insert(IdempotentReply).values(fresh).on_conflict_do_nothing()
    if uow.scalar(claim.returning(IdempotentReply.id)) is not None:
        return None
    held: IdempotentReply = uow.scalars(_of_key(uow, key).with_for_update()).one()
    age = uow.now - held.created_at
    if age >= KEPT or (held.status is None and age >= ABANDONED):
        held.request_hash, held.created_at = request_hash, now
        held.status = held.headers = held.body = None
        uow.flush()
        return None
    if held.request_hash != request_hash:
        raise InputError(
            t("This Idempotency-Key was used for another request: make up a new one."),
            code="web.idempotency.other_request",
        )
    if held.status is None:
        raise ConflictError(
            t("The same request is being worked on: ask again in a moment."),
            code="web.idempotency.under_way",
        )
    return KeptReply(held.status, held.headers or {}, held.body or b"")


def keep_reply(
    uow: UnitOfWork, key: str, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    """Keep what a request is answered, within the transaction that did its work."""
    uow.execute(
        update(IdempotentReply)
        .where(
            IdempotentReply.user_id == uow.actor.user_id, IdempotentReply.key_hash == hashed(key)
        )
        .values(status=status, headers=dict(headers), body=body)
    )


def release_reply(uow: UnitOfWork, key: str) -> None:
    """Forget a request that failed, so that it can be sent again."""
    uow.execute(
        delete(IdempotentReply).where(
            IdempotentReply.user_id == uow.actor.user_id,
            IdempotentReply.key_hash == hashed(key),
            IdempotentReply.status.is_(None),
        )
    )


def _of_key(uow: UnitOfWork, key: str) -> Any:
    return select(IdempotentReply).where(
        IdempotentReply.user_id == uow.actor.user_id, IdempotentReply.key_hash == hashed(key)
    )
