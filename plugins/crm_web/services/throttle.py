"""Slowing down who guesses: counted in the database, so that it holds across processes.

An attempt is counted before it is looked at and forgiven when it was right: of many at the same
time none slips through. What is counted says nothing about which accounts there are.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from crm_core.messages import n
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_web.errors import TooManyAttemptsError
from crm_web.models import Throttle
from crm_web.permissions import MANAGE_ACCESS
from crm_web.services.tokens import hashed

FORGOTTEN = timedelta(hours=12)
LONGEST = timedelta(minutes=15)
DOUBLINGS = 12


@dataclass(frozen=True, slots=True)
class Counted:
    """What attempts are counted for.

    Attributes:
        key: A hash of it.
        free: From how many failures on the next attempt has to wait.
    """

    key: bytes
    free: int


def counted_login(login: str) -> Counted:
    """Return what attempts for a login are counted under, whether there is such a user or not."""
    return Counted(hashed(f"login:{login.lower()}"), free=5)


def network_of(address: str | None) -> str:
    """Return whose attempts count together: an IPv4 address, or the network of an IPv6 one."""
    text = address or ""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text  # a socket's path, or nothing: all of these are one
    mapped = getattr(found, "ipv4_mapped", None)
    if found.version == 6 and mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(mapped or found)


def counted_address(address: str | None) -> Counted:
    """Return what attempts from a network address are counted under: of IPv6 the network of it."""
    return Counted(hashed(f"address:{network_of(address)}"), free=50)


def counted_use(what: str, whose: str, *, free: int = 5) -> Counted:
    """Return what attempts at something else are counted under, such as codes of one user."""
    return Counted(hashed(f"{what}:{whose}"), free=free)


def count_attempt(uow: UnitOfWork, *counted: Counted) -> None:
    """Count an attempt before it is looked at; the caller commits, then looks.

    Raises:
        TooManyAttemptsError: It is too early for another; this one is not looked at.
    """
    uow.actor.require(MANAGE_ACCESS)
    free = {each.key: each.free for each in counted}
    rows = _locked(uow, sorted(free))
    now = uow.now  # only now, for the lock may have been waited for
    wait = max((row.next_at for row in rows), default=now) - now
    if wait > timedelta():
        # What waits is not counted, or whoever keeps on would shut the user out for good.
        seconds = ceil(wait.total_seconds())
        raise TooManyAttemptsError(
            n(
                "There were too many attempts: try again in {count} second.",
                "There were too many attempts: try again in {count} seconds.",
                seconds,
            ),
            details={"seconds": seconds},
        )
    for row in rows:
        failures = row.failures if now - row.last_at < FORGOTTEN else 0
        row.failures, row.last_at = failures + 1, now
        row.next_at = now + _wait(row.failures - free[row.key])
    uow.flush()


def forgive_attempts(uow: UnitOfWork, *counted: Counted) -> None:
    """Start counting anew after an attempt was right."""
    uow.actor.require(MANAGE_ACCESS)
    uow.execute(delete(Throttle).where(Throttle.key.in_([each.key for each in counted])))


def take_back_attempt(uow: UnitOfWork, *counted: Counted) -> None:
    """Uncount one attempt that was right, and leave those of others from the same address."""
    uow.actor.require(MANAGE_ACCESS)
    for row in _locked(uow, sorted(each.key for each in counted)):
        row.failures = max(row.failures - 1, 0)
        row.next_at = min(row.next_at, row.last_at)
    uow.flush()


def _locked(uow: UnitOfWork, keys: Sequence[bytes]) -> Sequence[Throttle]:
    """Return the rows of these keys, made where missing, locked in one order for all."""
    insert: Any = sqlite.insert if uow.database.is_sqlite else postgresql.insert
    now = uow.now
    fresh = [{"key": key, "failures": 0, "last_at": now, "next_at": now} for key in keys]
    uow.execute(insert(Throttle).values(fresh).on_conflict_do_nothing())
    statement = select(Throttle).where(Throttle.key.in_(keys)).order_by(Throttle.key)
    return list(uow.scalars(statement.with_for_update()))


def _wait(beyond: int) -> timedelta:
    if beyond < 0:
        return timedelta()
    return min(timedelta(seconds=2 ** min(beyond, DOUBLINGS)), LONGEST)
