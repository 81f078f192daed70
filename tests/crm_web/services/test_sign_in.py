"""Passwords, sessions and throttling, through the doors that pages use."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from argon2 import Type
from sqlalchemy import func, select

from crm_core.access import system_actor
from crm_core.entities.system import AuditEntry
from crm_core.errors import NotFoundError
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.users import (
    add_user,
    disable_user,
    enable_user,
    grant_role,
    revoke_role,
    user_named,
)
from crm_web.errors import TooManyAttemptsError, WeakPasswordError, WrongCredentialsError
from crm_web.models import Credential, WebSession
from crm_web.services import passwords
from crm_web.services.sessions import (
    close_session,
    close_sessions_of,
    csrf_matches,
    csrf_token,
    end_session,
    list_sessions,
    mark_seen,
    session_for,
)
from crm_web.sign_in import change_password, sign_in

PASSWORD = "seventeen blue herons"
SYSTEM = system_actor("test")
MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)


def _signed_in(database, token):
    with unit_of_work(database, actor=SYSTEM) as uow:
        return session_for(uow, token)


def _write(database, act, actor=SYSTEM):
    with unit_of_work(database, actor=actor, write=True) as uow:
        result = act(uow)
        uow.commit()
    return result


def test_a_user_signs_in_and_acts_with_their_own_rights(office):
    token = sign_in(office, "ELENI", PASSWORD, address="192.0.2.1", user_agent="x" * 1000)
    found = _signed_in(office, token)
    assert found.actor.login == "eleni"
    assert found.actor.may("core.customer.create")
    assert not found.actor.may("core.user.manage")
    assert found.actor.origin == "web"
    assert found.step is None
    assert _signed_in(office, token + "x") is None


@pytest.mark.parametrize(
    ("login", "password"),
    [("eleni", "wrong password"), ("nobody", PASSWORD), ("eleni", "x" * 5000), ("\x00", "\x00")],
)
def test_what_is_wrong_is_not_said(office, login, password):
    with pytest.raises(WrongCredentialsError) as wrong:
        sign_in(office, login, password)
    assert wrong.value.message.startswith("Login or password is wrong")


def test_neither_token_nor_password_lies_in_the_database(office):
    token = sign_in(office, "eleni", PASSWORD)
    with unit_of_work(office, actor=SYSTEM) as uow:
        kept = uow.execute(select(WebSession.token_hash)).scalar_one()
        told = [str(changes) for changes in uow.scalars(select(AuditEntry.changes))]
        hashes = list(uow.scalars(select(Credential.password_hash)))
    assert token.encode() not in kept
    assert all(each.startswith("$argon2id$") for each in hashes)
    assert not any("argon2" in each or PASSWORD in each for each in told)
    assert any("signed_in" in a for a in _actions(office))


def _actions(database):
    with unit_of_work(database, actor=SYSTEM) as uow:
        return list(uow.scalars(select(AuditEntry.action)))


def test_signing_out_ends_the_session(office):
    token = sign_in(office, "eleni", PASSWORD)
    _write(office, lambda uow: close_session(uow, token))
    _write(office, lambda uow: close_session(uow, token))
    assert _signed_in(office, token) is None
    assert _actions(office).count("signed_out") == 1


def test_a_new_password_ends_all_other_sessions(office, acting):
    here, there = (sign_in(office, "eleni", PASSWORD) for _ in range(2))
    kept = _signed_in(office, here).session_id
    new = "eighteen green herons"
    again = change_password(office, acting("eleni"), PASSWORD, new, session_id=kept)
    assert _signed_in(office, again).session_id == kept
    assert _signed_in(office, here) is None
    assert _signed_in(office, there) is None
    with pytest.raises(WrongCredentialsError):
        sign_in(office, "eleni", PASSWORD)
    assert sign_in(office, "eleni", new)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("wrong", "something else", WrongCredentialsError),
        (PASSWORD, PASSWORD, WeakPasswordError),
        (PASSWORD, "short", WeakPasswordError),
    ],
)
def test_a_password_is_changed_only_with_the_old_one(office, acting, old, new, error):
    here = _signed_in(office, sign_in(office, "eleni", PASSWORD)).session_id
    with pytest.raises(error):
        change_password(office, acting("eleni"), old, new, session_id=here)
    assert sign_in(office, "eleni", PASSWORD)


def test_the_old_password_cannot_be_guessed_from_within(office, acting):
    with time_machine.travel(MORNING, tick=False):  # the first wait is of a second
        here = _signed_in(office, sign_in(office, "eleni", PASSWORD)).session_id
        with pytest.raises(TooManyAttemptsError):
            for _ in range(7):
                with suppress(WrongCredentialsError):
                    change_password(office, acting("eleni"), "wrong", "new one!!!", session_id=here)


def test_one_may_sign_in_with_an_address_that_nobody_else_has(office):
    assert sign_in(office, "Eleni@Example.com", PASSWORD)
    with unit_of_work(office, actor=SYSTEM, write=True) as uow:
        user_named(uow, "anna").email = "eleni@example.com"
        uow.commit()
    with pytest.raises(WrongCredentialsError):
        sign_in(office, "eleni@example.com", PASSWORD)


def test_a_password_set_by_others_has_to_be_changed_first(office):
    token = sign_in(office, "eleni", PASSWORD)
    _write(
        office,
        lambda uow: passwords.set_password(uow, "eleni", "a first password", must_change=True),
    )
    assert _signed_in(office, token) is None
    assert _signed_in(office, sign_in(office, "eleni", "a first password")).step == "password"


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "Password123",
        "aaaaaaaaaaaaaaaa",
        "eleni@example.com",
        "ELENI@EXAMPLE.COM",
        " " * 30,
    ],
)
def test_what_is_soon_guessed_is_refused(office, password):
    with pytest.raises(WeakPasswordError):
        _write(office, lambda uow: passwords.set_password(uow, "eleni", password))


def test_accents_may_be_typed_either_way(office):
    _write(office, lambda uow: passwords.set_password(uow, "eleni", "Καλημε\u0301ρα Ελένη"))
    assert sign_in(office, "eleni", "Καλημέρα Ελε\u0301νη")


def test_a_disabled_user_is_out_at_once(office):
    token = sign_in(office, "eleni", PASSWORD)
    _write(office, lambda uow: disable_user(uow, "eleni"))
    assert _signed_in(office, token) is None
    with pytest.raises(WrongCredentialsError):
        sign_in(office, "eleni", PASSWORD)
    _write(office, lambda uow: enable_user(uow, "eleni"))
    assert sign_in(office, "eleni", PASSWORD)


def test_a_lost_role_counts_at_once(office):
    token = sign_in(office, "eleni", PASSWORD)
    _write(office, lambda uow: grant_role(uow, "eleni", "admin"))
    assert _signed_in(office, token).actor.may("core.user.manage")
    _write(office, lambda uow: revoke_role(uow, "eleni", "admin"))
    assert not _signed_in(office, token).actor.may("core.user.manage")


def test_sessions_end_in_time(office):
    with time_machine.travel(MORNING, tick=False) as clock:
        token = sign_in(office, "eleni", PASSWORD)
        clock.shift(timedelta(hours=11))
        found = _signed_in(office, token)
        assert found.is_due
        _write(office, lambda uow: mark_seen(uow, found.session_id))
        assert not _signed_in(office, token).is_due
        clock.shift(timedelta(hours=11))
        assert _signed_in(office, token) is not None
        clock.shift(timedelta(hours=1, seconds=1))
        assert _signed_in(office, token) is None


def test_no_session_is_kept_open_for_ever(office):
    with time_machine.travel(MORNING, tick=False) as clock:
        token = sign_in(office, "eleni", PASSWORD)
        for _ in range(20):
            found = _signed_in(office, token)
            if found:
                _write(office, lambda uow, found=found: mark_seen(uow, found.session_id))
            clock.shift(timedelta(hours=10))
        assert found is None


def test_nobody_reaches_the_sessions_of_others(office, acting):
    of_anna = sign_in(office, "anna", PASSWORD)
    mine = sign_in(office, "eleni", PASSWORD)
    anna, eleni = acting("anna"), acting("eleni")
    other = _signed_in(office, of_anna).session_id
    with unit_of_work(office, actor=eleni, write=True) as uow:
        assert [each["login"] for each in list_sessions(uow)] == ["eleni"]
        assert close_sessions_of(uow, anna.user_id) == 0
        with pytest.raises(NotFoundError):
            end_session(uow, other)
        uow.commit()
    assert _signed_in(office, of_anna) is not None
    _write(office, lambda uow: end_session(uow, _signed_in(office, mine).session_id), anna)
    assert _signed_in(office, mine) is None


def test_a_form_belongs_to_one_session_and_purpose():
    assert csrf_matches("a", csrf_token("a"))
    assert not csrf_matches("b", csrf_token("a"))
    assert not csrf_matches("a", csrf_token("a", "sign-out"))
    assert not csrf_matches("a", None)
    assert not csrf_matches("a", "ά\udcff")


def test_guessing_becomes_slower_and_slower(office):
    with time_machine.travel(MORNING, tick=False) as clock:
        waits = []
        for _ in range(9):
            try:
                sign_in(office, "eleni", "wrong password")
            except TooManyAttemptsError as early:
                waits.append(early.details["seconds"])
                clock.shift(timedelta(seconds=waits[-1]))
            except WrongCredentialsError:
                pass
        assert waits == [1, 2]
        # The right password has to wait too, and is forgiven all when it comes.
        with pytest.raises(TooManyAttemptsError):
            sign_in(office, "eleni", PASSWORD)
        clock.shift(timedelta(minutes=15))
        assert sign_in(office, "eleni", PASSWORD)
        for _ in range(5):
            with pytest.raises(WrongCredentialsError):
                sign_in(office, "eleni", "wrong password")


def test_throttling_tells_nothing_about_accounts(office):
    told = []
    with time_machine.travel(MORNING, tick=False):  # the first wait is of a second
        for login in ("eleni", "nobody"):
            seen = []
            for _ in range(7):
                with pytest.raises((WrongCredentialsError, TooManyAttemptsError)) as error:
                    sign_in(office, login, "wrong password")
                seen.append(error.value.code)
            told.append(seen)
    assert told[0] == told[1]
    assert "web.sign_in.throttled" in told[0]


def test_many_at_once_are_all_counted(office, monkeypatch):
    monkeypatch.setattr("crm_web.sign_in.matches", lambda *_: False)
    outcomes: list[str] = []
    start = threading.Barrier(12)

    def guess():
        start.wait()
        try:
            sign_in(office, "eleni", "wrong password")
        except (WrongCredentialsError, TooManyAttemptsError) as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=guess) for _ in range(12)]
    with time_machine.travel(MORNING, tick=False):  # or the last come when the first wait is over
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert outcomes.count("web.sign_in.wrong") == 5
    assert len(outcomes) == 12


def test_a_network_is_slowed_down_whatever_the_login(office, monkeypatch):
    monkeypatch.setattr("crm_web.sign_in.matches", lambda *_: False)
    with time_machine.travel(MORNING, tick=False):
        for number in range(50):
            with pytest.raises(WrongCredentialsError):
                sign_in(office, f"user{number}", "wrong", address=f"2001:db8::{number:x}")
        with pytest.raises(TooManyAttemptsError):
            sign_in(office, "another", "wrong", address="2001:db8::ffff")
        with pytest.raises(WrongCredentialsError):
            sign_in(office, "another", "wrong", address="2001:db8:0:1::1")


def test_hashing_takes_its_effort_but_in_tests(quick_hashing):
    assert quick_hashing.type is Type.ID
    assert (quick_hashing.time_cost, quick_hashing.parallelism) == (3, 4)
    assert quick_hashing.memory_cost == 64 * 1024  # as RFC 9106 has it where memory is short


def test_hashes_are_renewed_when_hashing_became_stronger(office, monkeypatch):
    from argon2 import PasswordHasher

    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=4))
    sign_in(office, "eleni", PASSWORD)
    with unit_of_work(office, actor=SYSTEM) as uow:
        hashes = list(uow.scalars(select(Credential.password_hash)))
        renewed = [each for each in hashes if "t=4" in each]
        assert uow.scalar(select(func.count()).select_from(WebSession)) == 1
    assert len(renewed) == 1
    assert sign_in(office, "eleni", PASSWORD)


def test_a_login_in_greek_signs_in(office):
    _write(office, lambda uow: add_user(uow, "Ζωή", role_codes=["employee"]))
    _write(office, lambda uow: passwords.set_password(uow, "Ζωή", PASSWORD))
    assert sign_in(office, "Ζωή", PASSWORD)
