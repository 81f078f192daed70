"""The second factor: codes of an app, recovery codes, and who has to have one."""

from __future__ import annotations

import stat
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
import time_machine
from sqlalchemy import select

from crm_core.access import system_actor
from crm_core.entities.system import Setting
from crm_core.errors import ConfigurationError, PermissionDeniedError, RuleViolationError
from crm_core.persistence.unit_of_work import unit_of_work
from crm_web.errors import SessionEndedError, TooManyAttemptsError, WrongCredentialsError
from crm_web.models import SecondFactor
from crm_web.services.second_factor import (
    begin_second_factor,
    confirm_second_factor,
    remove_second_factor,
    renew_recovery_codes,
    reset_second_factor,
    second_factor_state,
)
from crm_web.services.sessions import session_for
from crm_web.sign_in import check_code, pass_second_factor, sign_in

PASSWORD = "seventeen blue herons"
SYSTEM = system_actor("test")
MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)
PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


class Phone:
    """A user's authenticator app."""

    def __init__(self, office, actor):
        self.office, self.actor = office, actor
        self.secret = self._do(begin_second_factor).secret
        self.codes = self._do(lambda uow: confirm_second_factor(uow, self.code()))

    def _do(self, act):
        with unit_of_work(self.office, actor=self.actor, write=True) as uow:
            result = act(uow)
            uow.commit()
        return result

    def code(self, **later):
        return pyotp.TOTP(self.secret).at(datetime.now(UTC) + timedelta(**later))


@pytest.fixture
def clock():
    with time_machine.travel(MORNING, tick=False) as travelling:
        yield travelling


@pytest.fixture
def phone(office, acting, clock):
    made = Phone(office, acting("eleni"))
    clock.shift(timedelta(minutes=5))
    return made


def _signed_in(database, token):
    with unit_of_work(database, actor=SYSTEM) as uow:
        return session_for(uow, token)


def test_a_password_alone_is_not_enough_any_more(office, phone):
    token = sign_in(office, "eleni", PASSWORD)
    assert _signed_in(office, token).step == "second_factor"
    after = pass_second_factor(office, token, phone.code())
    assert _signed_in(office, after).step is None
    assert _signed_in(office, token) is None
    with pytest.raises(SessionEndedError):
        pass_second_factor(office, after, phone.code())


def test_turning_it_on_ends_sessions(office, acting, clock):
    token = sign_in(office, "eleni", PASSWORD)
    Phone(office, acting("eleni"))
    assert _signed_in(office, token) is None


@pytest.mark.parametrize("seconds", [-30, 0, 30])
def test_clocks_may_be_a_little_wrong(office, phone, seconds):
    assert pass_second_factor(
        office, sign_in(office, "eleni", PASSWORD), phone.code(seconds=seconds)
    )


@pytest.mark.parametrize("seconds", [-90, 90])
def test_but_not_much(office, phone, seconds):
    with pytest.raises(WrongCredentialsError):
        pass_second_factor(office, sign_in(office, "eleni", PASSWORD), phone.code(seconds=seconds))


def test_a_code_is_taken_once(office, phone):
    code = phone.code()
    pass_second_factor(office, sign_in(office, "eleni", PASSWORD), code)
    with pytest.raises(WrongCredentialsError):
        pass_second_factor(office, sign_in(office, "eleni", PASSWORD), code)
    with pytest.raises(WrongCredentialsError):
        pass_second_factor(office, sign_in(office, "eleni", PASSWORD), phone.code(seconds=-30))


def test_a_code_is_taken_once_also_when_two_bring_it(office, phone):
    tokens = [sign_in(office, "eleni", PASSWORD) for _ in range(4)]
    code, passed = phone.code(), []

    def bring(token):
        with suppress(WrongCredentialsError):
            passed.append(pass_second_factor(office, token, code))

    threads = [threading.Thread(target=bring, args=[token]) for token in tokens]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(passed) == 1


def test_codes_may_be_typed_in_any_digits(office, phone):
    typed = phone.code().translate(PERSIAN)
    assert pass_second_factor(
        office, sign_in(office, "eleni", PASSWORD), f" {typed[:3]} {typed[3:]}"
    )


@pytest.mark.parametrize("code", ["", "000000", "x" * 10_000, "\x00", "½" * 6, "\udcff"])
def test_other_things_are_no_codes(office, phone, code):
    with pytest.raises(WrongCredentialsError):
        pass_second_factor(office, sign_in(office, "eleni", PASSWORD), code)


def test_codes_cannot_be_guessed(office, phone):
    token = sign_in(office, "eleni", PASSWORD)
    for _ in range(5):
        with pytest.raises(WrongCredentialsError):
            pass_second_factor(office, token, "000000")
    with pytest.raises(TooManyAttemptsError):
        pass_second_factor(office, token, phone.code())


def test_a_recovery_code_stands_in_once(office, phone):
    assert len(set(phone.codes)) == 10
    assert pass_second_factor(office, sign_in(office, "eleni", PASSWORD), phone.codes[3].upper())
    with pytest.raises(WrongCredentialsError):
        pass_second_factor(office, sign_in(office, "eleni", PASSWORD), phone.codes[3])
    with unit_of_work(office, actor=phone.actor, write=True) as uow:
        assert second_factor_state(uow, phone.actor.user_id).codes_left == 9
        fresh = renew_recovery_codes(uow)
        uow.commit()
    with pytest.raises(WrongCredentialsError):
        pass_second_factor(office, sign_in(office, "eleni", PASSWORD), phone.codes[4])
    assert pass_second_factor(office, sign_in(office, "eleni", PASSWORD), fresh[4])


def test_it_is_turned_off_by_oneself_or_by_an_administrator(office, phone, acting):
    check_code(office, phone.actor, phone.code())
    with unit_of_work(office, actor=phone.actor, write=True) as uow:
        with pytest.raises(PermissionDeniedError):
            reset_second_factor(uow, "anna")
        remove_second_factor(uow)
        with pytest.raises(RuleViolationError):
            remove_second_factor(uow)
        uow.commit()
    assert _signed_in(office, sign_in(office, "eleni", PASSWORD)).step is None
    Phone(office, phone.actor)
    with unit_of_work(office, actor=acting("anna"), write=True) as uow:
        reset_second_factor(uow, "eleni")
        uow.commit()
    assert _signed_in(office, sign_in(office, "eleni", PASSWORD)).step is None


@pytest.mark.parametrize(
    ("who", "steps"), [("none", [None, None]), ("admins", [None, "enrol"]), ("all", ["enrol"] * 2)]
)
def test_some_have_to_have_one(office, acting, who, steps):
    with unit_of_work(office, actor=SYSTEM, write=True) as uow:
        uow.add(Setting(key="web.second_factor", value=who))
        uow.commit()
    found = [_signed_in(office, sign_in(office, each, PASSWORD)).step for each in ("eleni", "anna")]
    assert found == steps


@pytest.mark.parametrize(("who", "is_kept"), [("none", False), ("admins", False), ("all", True)])
def test_it_stays_on_where_one_has_to_have_it(office, phone, who, is_kept):
    with unit_of_work(office, actor=SYSTEM, write=True) as uow:
        uow.add(Setting(key="web.second_factor", value=who))
        uow.commit()
    with unit_of_work(office, actor=phone.actor, write=True) as uow:
        if is_kept:
            with pytest.raises(RuleViolationError, match="it stays on"):
                remove_second_factor(uow)
        else:
            remove_second_factor(uow)
        assert second_factor_state(uow, phone.actor.user_id).is_on is is_kept


def test_the_secret_is_encrypted_and_its_key_is_private(office, phone, tmp_path):
    key = office.key_file
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with unit_of_work(office, actor=SYSTEM) as uow:
        kept = uow.scalars(select(SecondFactor.secret)).one()
    assert phone.secret.encode() not in kept
    token = sign_in(office, "eleni", PASSWORD)
    right = key.read_text()
    for content in ("", "not a key", "A" * 43 + "="):
        key.write_text(content)
        with pytest.raises(ConfigurationError) as unfit:
            pass_second_factor(office, token, phone.code())
        assert right not in unfit.value.message
    key.unlink()
    with pytest.raises(ConfigurationError):
        pass_second_factor(office, token, phone.code())
    key.write_text(right)
    assert pass_second_factor(office, token, phone.code())
