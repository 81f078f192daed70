"""Passwords: which will do, how they are kept, and whether one is right."""

from __future__ import annotations

import threading
import unicodedata
from functools import cache
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import update

from crm_core.entities.user import User
from crm_core.messages import n, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.users import user_named
from crm_web.errors import WeakPasswordError
from crm_web.models import Credential
from crm_web.permissions import MANAGE_ACCESS
from crm_web.services.sessions import close_sessions_of
from crm_web.services.trail import note

LEAST, MOST = 10, 1_000
AT_ONCE = 4
"""Passwords looked at in one process at a time: each takes 64 MiB meanwhile."""
_gate = threading.BoundedSemaphore(AT_ONCE)
_hasher = PasswordHasher()
_COMMONEST = frozenset(
    """
    1234567890 0123456789 0987654321 9876543210 12345678910 123456789a 1234512345 1122334455
    1q2w3e4r5t 1qaz2wsx3edc qwertyuiop qwerty1234 qwerty12345 qwerty123456 qwertyuiop123
    asdfghjkl1 asdfghjkl; zxcvbnm123 abcdefghij abcdefghijk abcd123456 abc1234567 a123456789
    password01 password11 password12 password123 password1234 password12345 passw0rd123
    p@ssw0rd123 passwordpassword mypassword letmein123 welcome123 welcome1234 iloveyou12
    iloveyou123 princess123 sunshine123 football123 baseball123 superman123 dragon1234 monkey1234
    administrator admin12345 admin123456 administrador changeme123 changeme1234 secret1234
    correcthorsebatterystaple trustno1trustno1 qazwsxedcrfv 1q2w3e4r5t6y 123qweasdzxc q1w2e3r4t5
    """.split()
)


def check_new_password(password: str, user: User) -> str:
    """Return a password as it is hashed.

    Raises:
        WeakPasswordError: It is short, among the commonest, or the user's own name.
    """
    kept = _normal(password)
    plain = kept.casefold()
    own = {each.casefold() for each in (user.login, user.name, user.email) if each}
    own |= {each.replace(" ", "") for each in own}
    if len(kept) < LEAST:
        raise WeakPasswordError(
            n(
                "The password has {count} character: use at least {least}. Some words in a row are "
                "easy to remember.",
                "The password has {count} characters: use at least {least}. Some words in a row "
                "are easy to remember.",
                len(kept),
                least=LEAST,
            ),
            details={"least": LEAST},
        )
    if len(kept) > MOST:
        raise WeakPasswordError(
            t("The password is longer than {most} characters: shorten it.", most=MOST)
        )
    if plain in own:
        raise WeakPasswordError(t("The password is the user's own name: choose another."))
    if plain in _COMMONEST or len(set(plain)) < 4:
        raise WeakPasswordError(
            t("This password is among the first that anyone would guess: choose another.")
        )
    return kept


def set_password(uow: UnitOfWork, login: str, password: str, *, must_change: bool = False) -> None:
    """Set a user's password for them, and end all their sessions.

    Args:
        uow: A writing unit of work of an actor who may manage access.
        login: Whose.
        password: The new one.
        must_change: Whether they have to choose one of their own when they sign in next.

    Raises:
        NotFoundError: There is no such user.
        WeakPasswordError: It would soon be guessed.
    """
    uow.actor.require(MANAGE_ACCESS)
    user = user_named(uow, login)
    store_password(uow, user.id, hash_new_password(password, user), must_change=must_change)
    close_sessions_of(uow, user.id)
    note(uow, uow.actor, "password_set", user.id, must_change=must_change)
    uow.flush()


def hash_new_password(password: str, user: User) -> str:
    """Return the hash of a password that will do; raises WeakPasswordError."""
    return _hash(check_new_password(password, user))


def store_password(
    uow: UnitOfWork, user_id: UUID, password_hash: str, *, must_change: bool
) -> None:
    """Keep the hash of a new password, one's own or, with the right for it, another's."""
    held = uow.find(Credential, user_id)
    if held is None:
        held = uow.add(Credential(user_id=user_id))
    held.password_hash, held.must_change, held.changed_at = password_hash, must_change, uow.now


def matches(password_hash: str | None, password: str) -> bool:
    """Return whether a password is right; without a hash it takes as long and is wrong."""
    known = password_hash is not None and len(password) <= MOST
    with _gate:
        try:
            _hasher.verify(
                password_hash if known and password_hash else _nobodys(), _normal(password[:MOST])
            )
        except (VerificationError, InvalidHashError):
            return False
    return known


def renew_hash(uow: UnitOfWork, user_id: UUID, password_hash: str, password: str) -> None:
    """Hash a password that was right anew, where hashing has become stronger meanwhile."""
    uow.actor.require(MANAGE_ACCESS)
    if _hasher.check_needs_rehash(password_hash):
        # No change that anyone made, so it leaves no trail.
        uow.execute(
            update(Credential)
            .where(Credential.user_id == user_id, Credential.password_hash == password_hash)
            .values(password_hash=_hash(_normal(password)))
        )


def _hash(password: str) -> str:
    with _gate:
        return _hasher.hash(password)


def _normal(password: str) -> str:
    # One keyboard writes an accent as a sign of its own, another does not.
    return unicodedata.normalize("NFC", password).encode("utf-8", "replace").decode()


@cache
def _nobodys() -> str:
    return _hash("nobody has this password")
