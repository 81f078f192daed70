"""The second factor: codes of an authenticator app, and those that stand in for a lost one."""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pyotp
from sqlalchemy import delete, func, select

from crm_core.entities.user import User
from crm_core.errors import RuleViolationError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.settings import load_settings
from crm_core.services.users import user_named
from crm_web.errors import WrongCredentialsError
from crm_web.models import RecoveryCode, SecondFactor
from crm_web.permissions import MANAGE_ACCESS
from crm_web.services.sessions import close_sessions_of, is_factor_demanded
from crm_web.services.tokens import hashed
from crm_web.services.trail import note
from crm_web.services.vault import seal, unseal

SECONDS = 30
AROUND = 1
"""Steps of time that a clock may be wrong by."""
DIGITS = 6
CODES, CODE_LETTERS = 10, 10
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class NewFactor:
    """What goes into an authenticator app; ``uri`` is what a picture of it holds."""

    secret: str
    uri: str


@dataclass(frozen=True, slots=True)
class FactorState:
    """Whether a user has a second factor, has to have one, and how many recovery codes are left."""

    is_on: bool
    codes_left: int
    is_demanded: bool


def begin_second_factor(uow: UnitOfWork) -> NewFactor:
    """Make a secret for one's own app; it counts once a code of it was typed in.

    Raises:
        RuleViolationError: One has a second factor already.
    """
    user = _oneself(uow)
    factor = uow.find(SecondFactor, user.id)
    if factor is not None and factor.confirmed_at is not None:
        raise RuleViolationError(
            t("You have a second factor already: remove it first."), code="web.second_factor.on"
        )
    if factor is None:
        factor = uow.add(SecondFactor(user_id=user.id))
    secret = pyotp.random_base32()
    factor.secret, factor.last_step = seal(uow, secret, _about(user.id)), 0
    uow.flush()
    uri = pyotp.TOTP(secret).provisioning_uri(
        name=user.login, issuer_name=load_settings(uow).company or "CRM"
    )
    return NewFactor(secret, uri)


def confirm_second_factor(
    uow: UnitOfWork, code: str, *, session_id: UUID | None = None
) -> list[str]:
    """Turn one's second factor on and return the recovery codes, which are shown this once.

    Args:
        uow: A writing unit of work of the user.
        code: What the app shows.
        session_id: The session to leave open; the others are ended.

    Raises:
        RuleViolationError: It was not begun, or is on already.
        WrongCredentialsError: The app shows another code.
    """
    user = _oneself(uow)
    factor = uow.find(SecondFactor, user.id)
    if factor is None or factor.confirmed_at is not None:
        raise RuleViolationError(
            t("There is no second factor to be turned on: begin anew."),
            code="web.second_factor.not_begun",
        )
    if not _is_code(uow, factor, _plain(code)):
        raise _wrong()
    factor.confirmed_at = uow.now
    close_sessions_of(uow, user.id, except_=session_id)
    note(uow, uow.actor, "second_factor_on", user.id)
    return _new_codes(uow, user.id)


def renew_recovery_codes(uow: UnitOfWork) -> list[str]:
    """Give oneself new recovery codes; those from before are no good any more.

    Raises:
        RuleViolationError: One has no second factor.
    """
    user = _oneself(uow)
    _require_on(uow, user)
    note(uow, uow.actor, "recovery_codes_renewed", user.id)
    return _new_codes(uow, user.id)


def remove_second_factor(uow: UnitOfWork, *, session_id: UUID | None = None) -> None:
    """Turn one's own second factor off; the caller has asked for a code before.

    Raises:
        RuleViolationError: One has none, or has to have one.
    """
    user = _oneself(uow)
    _require_on(uow, user)
    if is_factor_demanded(uow, user.id):
        raise RuleViolationError(
            t(
                "You have to have a second factor here, so it stays on. For another phone ask an "
                "administrator to turn it off; you set it up anew when you sign in next."
            ),
            code="web.second_factor.demanded",
        )
    _remove(uow, user.id, session_id)


def reset_second_factor(uow: UnitOfWork, login: str) -> None:
    """Turn off the second factor of a user who has lost it, and end their sessions.

    Raises:
        NotFoundError: There is no such user.
    """
    uow.actor.require(MANAGE_ACCESS)
    _remove(uow, user_named(uow, login).id, None)


def take_code(uow: UnitOfWork, user_id: UUID, code: str) -> bool:
    """Return whether a code is right; it is used up by that.

    Attempts are counted by the caller.

    Args:
        uow: A writing unit of work of the system or the user.
        user_id: Whose code it should be.
        code: Of the app, or one of the recovery codes.
    """
    plain = _plain(code)
    statement = select(SecondFactor).where(SecondFactor.user_id == user_id)
    factor = uow.scalar(statement.with_for_update())
    if factor is None or factor.confirmed_at is None:
        return False
    if _is_code(uow, factor, plain):
        uow.flush()
        return True
    gone: Any = uow.execute(
        delete(RecoveryCode).where(
            RecoveryCode.user_id == user_id, RecoveryCode.code_hash == _code_hash(user_id, plain)
        )
    )
    if gone.rowcount:
        note(uow, uow.actor, "recovery_code_used", user_id)
    return bool(gone.rowcount)


def second_factor_state(uow: UnitOfWork, user_id: UUID) -> FactorState:
    """Return how a user's second factor stands."""
    on = select(SecondFactor.user_id).where(
        SecondFactor.user_id == user_id, SecondFactor.confirmed_at.is_not(None)
    )
    left = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user_id)
    return FactorState(
        uow.scalar(on) is not None, int(uow.scalar(left)), is_factor_demanded(uow, user_id)
    )


def _is_code(uow: UnitOfWork, factor: SecondFactor, plain: str) -> bool:
    """Return whether the app shows this code; one that was taken is none any more."""
    totp = pyotp.TOTP(unseal(uow, factor.secret, _about(factor.user_id)), interval=SECONDS)
    now = int(uow.now.timestamp()) // SECONDS
    for step in range(now - AROUND, now + AROUND + 1):
        if step > factor.last_step and hmac.compare_digest(totp.generate_otp(step), plain):
            factor.last_step = step
            return True
    return False


def _new_codes(uow: UnitOfWork, user_id: UUID) -> list[str]:
    uow.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(CODE_LETTERS)) for _ in range(CODES)]
    for code in codes:
        uow.add(RecoveryCode(user_id=user_id, code_hash=_code_hash(user_id, code)))
    uow.flush()
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def _remove(uow: UnitOfWork, user_id: UUID, session_id: UUID | None) -> None:
    factor = uow.find(SecondFactor, user_id)
    if factor is not None:
        uow.delete(factor)
    uow.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    close_sessions_of(uow, user_id, except_=session_id)
    note(uow, uow.actor, "second_factor_off", user_id)
    uow.flush()


def _require_on(uow: UnitOfWork, user: User) -> None:
    if not second_factor_state(uow, user.id).is_on:
        raise RuleViolationError(t("You have no second factor."), code="web.second_factor.off")


def _oneself(uow: UnitOfWork) -> User:
    return uow.get(User, uow.actor.user_id)


def _about(user_id: UUID) -> str:
    return f"second_factor:{user_id}"


def _code_hash(user_id: UUID, plain: str) -> bytes:
    return hashed(f"recovery:{user_id}:{plain}")


def _plain(code: str) -> str:
    """Return a code as it is compared: any digits, small letters, nothing between them."""
    kept = [each for each in code[:100].lower() if each.isalnum()]
    digits = [str(unicodedata.digit(each, each)) for each in kept]
    return "".join(each for each in digits if each.isascii())


def _wrong() -> WrongCredentialsError:
    return WrongCredentialsError(
        t("The code is wrong: type the one that the app shows now, and check the phone's clock."),
        code="web.second_factor.wrong",
    )
