"""Links to choose a password, mailed through a real mail server."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from aiosmtpd.handlers import Message
from sqlalchemy import select

from crm_core.access import system_actor
from crm_core.channels import MailServer
from crm_core.entities import QueuedMail
from crm_core.entities.system import Setting
from crm_core.errors import PermissionDeniedError, RuleViolationError
from crm_core.outbox.mail import send_queued_mail
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.users import add_user, disable_user, user_named
from crm_web.errors import LinkGoneError, TooManyAttemptsError, WeakPasswordError
from crm_web.models import AccountLink
from crm_web.services.links import invite_user, user_of_link
from crm_web.services.sessions import session_for
from crm_web.sign_in import request_reset, sign_in, sign_in_with_link
from mail_host import MailHost

PASSWORD, NEW = "seventeen blue herons", "eighteen green herons"
SYSTEM = system_actor("test")


class Mailbox(Message):
    def __init__(self):
        super().__init__()
        self.mails = []

    def handle_message(self, message):
        self.mails.append(message)

    def link(self):
        text = self.mails[-1].get_payload(decode=True).decode()
        return re.search(r"https://crm\.example\.com/account/link/(\S+)", text)[1]


@pytest.fixture
def host():
    running = MailHost(Mailbox())
    running.start()
    yield running
    running.stop()


@pytest.fixture
def box(host):
    return host.handler


@pytest.fixture
def server(host):
    return MailServer("127.0.0.1", host.port, None, None, "off", "crm@example.com")


@pytest.fixture
def site(office):
    _write(
        office, lambda uow: uow.add(Setting(key="web.base_url", value="https://crm.example.com"))
    )
    return office


def _write(database, act, actor=SYSTEM):
    with unit_of_work(database, actor=actor, write=True) as uow:
        act(uow)
        uow.commit()


def _signed_in(database, token):
    with unit_of_work(database, actor=SYSTEM) as uow:
        return session_for(uow, token)


@pytest.mark.parametrize("login", ["eleni", "ELENI@example.com"])
def test_a_forgotten_password_is_chosen_anew(site, server, box, login):
    before = sign_in(site, "eleni", PASSWORD)
    request_reset(site, server, login).join()
    (mail,) = box.mails
    assert mail["To"] == "eleni@example.com"
    token = box.link()
    with pytest.raises(WeakPasswordError):
        sign_in_with_link(site, token, "short")
    after = sign_in_with_link(site, token, NEW)
    assert _signed_in(site, after).actor.login == "eleni"
    assert _signed_in(site, before) is None
    assert sign_in(site, "eleni", NEW)
    with pytest.raises(LinkGoneError):
        sign_in_with_link(site, token, "a third password")


def test_neither_link_nor_text_is_kept(site, server, box):
    request_reset(site, server, "eleni").join()
    with unit_of_work(site, actor=SYSTEM) as uow:
        assert box.link().encode() not in uow.scalars(select(AccountLink.token_hash)).one()
        assert uow.scalars(select(QueuedMail.text)).one() is None


@pytest.mark.parametrize("login", ["nobody", "eleni@example.org", "\x00\udcff", "x" * 10_000])
def test_who_is_not_known_gets_nothing_and_is_not_told(site, server, box, login):
    request_reset(site, server, login).join()
    assert box.mails == []


def test_a_disabled_user_gets_nothing(site, server, box):
    request_reset(site, server, "eleni").join()
    token = box.link()
    _write(site, lambda uow: disable_user(uow, "eleni"))
    with pytest.raises(LinkGoneError):
        sign_in_with_link(site, token, NEW)
    request_reset(site, server, "eleni").join()
    assert len(box.mails) == 1


def test_a_link_is_good_for_an_hour_and_the_last_one_counts(site, server, box):
    with time_machine.travel(datetime(2026, 3, 2, 9, tzinfo=UTC)) as clock:
        request_reset(site, server, "eleni").join()
        first = box.link()
        request_reset(site, server, "eleni").join()
        with pytest.raises(LinkGoneError):
            sign_in_with_link(site, first, NEW)
        clock.shift(timedelta(hours=1, seconds=1))
        with pytest.raises(LinkGoneError):
            sign_in_with_link(site, box.link(), NEW)


def test_it_cannot_be_asked_for_without_end(site, server, box):
    with (
        time_machine.travel(datetime(2026, 3, 2, 9, tzinfo=UTC), tick=False),  # it waits a second
        pytest.raises(TooManyAttemptsError),
    ):
        for _ in range(5):
            request_reset(site, server, "eleni").join()
    assert len(box.mails) == 3


def test_without_an_address_of_the_site_no_link_is_made(office, server, box):
    request_reset(office, server, "eleni").join()
    assert box.mails == []


def test_somebody_is_invited_in_their_language(site, server, box):
    _write(site, lambda uow: add_user(uow, "nikos", name="Νίκος", email="n@example.com"))
    _write(site, lambda uow: invite_user(uow, "nikos"))
    send_queued_mail(site, server)
    token = box.link()
    with unit_of_work(site, actor=SYSTEM) as uow:
        assert user_of_link(uow, token).login == "nikos"
    assert _signed_in(site, sign_in_with_link(site, token, NEW)).name == "Νίκος"


def test_who_may_invite_and_who_can_be(site, acting):
    with pytest.raises(PermissionDeniedError):
        _write(site, lambda uow: invite_user(uow, "anna"), acting("eleni"))

    def without_address(uow):
        user_named(uow, "eleni").email = None

    _write(site, without_address)
    with pytest.raises(RuleViolationError):
        _write(site, lambda uow: invite_user(uow, "eleni"), acting("anna"))


def test_links_are_asked_for_by_a_network_not_by_each_of_its_addresses(office, server):
    with time_machine.travel(datetime(2026, 3, 2, 9, tzinfo=UTC), tick=False):
        for number in range(20):
            request_reset(office, server, f"no{number}", address=f"2001:db8::{number:x}").join()
        with pytest.raises(TooManyAttemptsError):
            request_reset(office, server, "none", address="2001:db8::ffff")
        request_reset(office, server, "none", address="2001:db8:0:1::1").join()
