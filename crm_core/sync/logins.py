"""Logins that were refused: asking again and again with the same password locks the account."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import delete

from crm_core.access import system_actor
from crm_core.entities.schedule import LoginRefusal
from crm_core.entities.sync import Backend
from crm_core.errors import CrmError
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.secret_refs import read_secret

LOGIN_REFUSED = "core.sync.login_refused"
"""Code of the one refusal that is not tried again before backend or secret were changed."""


@contextmanager
def noting_logins(database: Database, backend: Backend, *, writes: bool) -> Iterator[None]:
    """Remember that a run's login was refused, or forget it since one has gone through.

    Args:
        database: Where to write it down.
        backend: Which is run meanwhile.
        writes: Whether anything may be written.
    """
    actor = system_actor(f"sync:{backend.name}")
    try:
        yield
    except CrmError as error:
        if writes and error.code == LOGIN_REFUSED:
            secret = read_secret(backend.secret_ref, backend.name)
            with unit_of_work(database, actor=actor, write=True) as uow:
                note_refusal(uow, backend, secret)
                uow.commit()
        raise
    with unit_of_work(database, actor=actor) as uow:
        was_refused = uow.find(LoginRefusal, backend.id) is not None
    if writes and was_refused:
        with unit_of_work(database, actor=actor, write=True) as uow:
            forget_refusal(uow, backend.id)
            uow.commit()


def note_refusal(uow: UnitOfWork, backend: Backend, secret: str | None) -> None:
    """Remember that a backend as it is set up now refused this secret."""
    forget_refusal(uow, backend.id)
    salt = os.urandom(16)
    digest = _digest(backend, secret, salt)
    uow.add(LoginRefusal(backend_id=backend.id, refused_at=uow.now, salt=salt, digest=digest))
    uow.flush()


def is_refused(uow: UnitOfWork, backend: Backend, secret: str | None) -> bool:
    """Return whether a backend as it is set up now has refused this very secret."""
    found = uow.find(LoginRefusal, backend.id)
    return found is not None and hmac.compare_digest(
        found.digest, _digest(backend, secret, found.salt)
    )


def forget_refusal(uow: UnitOfWork, backend_id: UUID) -> None:
    """Let the worker sign in again."""
    uow.execute(
        delete(LoginRefusal)
        .where(LoginRefusal.backend_id == backend_id)
        .execution_options(synchronize_session=False)
    )


def _digest(backend: Backend, secret: str | None, salt: bytes) -> bytes:
    """Digest slowly: the password may be right again one day, or in use elsewhere."""
    told = f"{backend.version}:{secret or ''}".encode()
    return hashlib.scrypt(told, salt=salt, n=2**14, r=8, p=1)
