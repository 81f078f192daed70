"""Mail that is queued with what it tells of and sent afterwards, over a real mail server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from aiosmtpd.handlers import Message
from sqlalchemy import select

from crm_core import channels
from crm_core.access import Actor
from crm_core.channels import MailFile, MailServer
from crm_core.entities import QueuedMail, QueuedMailFile
from crm_core.errors import InputError, NotFoundError, PermissionDeniedError
from crm_core.outbox.mail import send_queued_mail
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.mail import list_mail, queue_mail, retry_mail, sweep_mail
from mail_host import MailHost

SENDER = "crm@example.com"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for servers of this process however busy the machine is."""
    for name in ("SECONDS", "WHOLE_SECONDS"):
        monkeypatch.setattr(channels, name, 120.0)


class Mailbox(Message):
    """What arrived."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Any] = []

    def handle_message(self, message: Any) -> None:
        self.mails.append(message)


@pytest.fixture
def box() -> Iterator[MailHost]:
    host = MailHost(Mailbox())
    host.start()
    yield host
    host.stop()


def server(port: int | None) -> MailServer:
    return MailServer("127.0.0.1" if port else None, port, None, None, "off", SENDER)


def queue(database: Database, system: Actor, **options: Any) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        options = {"kind": "test", **options}
        queue_mail(uow, "eleni@example.com", "Καλημέρα\r\nBcc: all@example.com", "Γειά", **options)
        uow.commit()


def kept(database: Database, system: Actor) -> QueuedMail:
    with unit_of_work(database, actor=system) as uow:
        mail: QueuedMail = uow.scalars(select(QueuedMail)).one()
    return mail


def test_a_mail_is_sent_once_and_what_it_said_is_forgotten(
    database: Database, system: Actor, box: Any
) -> None:
    queue(database, system)
    assert send_queued_mail(database, server(box.port)) == 1
    assert send_queued_mail(database, server(box.port)) == 0
    (mail,) = box.handler.mails
    assert mail["To"] == "eleni@example.com"
    assert mail["Bcc"] is None
    assert mail.get_payload(decode=True).decode().strip() == "Γειά"
    row = kept(database, system)
    assert (row.text, row.next_at, row.error) == (None, None, None)
    assert row.sent_at is not None
    assert mail["Message-ID"] == f"<{row.id}@example.com>"


def test_what_is_not_committed_is_not_sent(database: Database, system: Actor, box: Any) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        queue_mail(uow, "eleni@example.com", "A", "B", kind="test")
    assert send_queued_mail(database, server(box.port)) == 0


def test_it_waits_for_a_mail_server_and_is_tried_again(
    database: Database, system: Actor, box: Any
) -> None:
    queue(database, system)
    assert send_queued_mail(database, server(None)) == 0
    assert kept(database, system).attempts == 0
    assert send_queued_mail(database, server(1)) == 0
    row = kept(database, system)
    assert "refused" in (row.error or "").lower()
    assert row.text == "Γειά"
    assert send_queued_mail(database, server(box.port)) == 0
    with unit_of_work(database, actor=system, write=True) as uow:
        retry_mail(uow, row.id)
        uow.commit()
    assert send_queued_mail(database, server(box.port)) == 1


def test_what_came_too_late_is_not_sent(database: Database, system: Actor, box: Any) -> None:
    with time_machine.travel(datetime(2026, 3, 2, 9, tzinfo=UTC)) as clock:
        queue(database, system, useful=timedelta(hours=1))
        clock.shift(timedelta(hours=2))
        assert send_queued_mail(database, server(box.port)) == 0
        row = kept(database, system)
        assert (row.text, row.next_at) == (None, None)
        with unit_of_work(database, actor=system, write=True) as uow:
            with pytest.raises(NotFoundError):
                retry_mail(uow, row.id)
            assert sweep_mail(uow) == 0
        clock.shift(timedelta(days=31))
        with unit_of_work(database, actor=system, write=True) as uow:
            assert sweep_mail(uow) == 1
    assert box.handler.mails == []


def test_who_may_see_mail_sees_no_text(database: Database, system: Actor) -> None:
    queue(database, system)
    with unit_of_work(database, actor=system) as uow:
        (told,) = list_mail(uow).items
    assert told["subject"] == "Καλημέρα Bcc: all@example.com"
    assert "text" not in told
    with unit_of_work(database, actor=Actor(None, "eleni")) as uow:
        with pytest.raises(PermissionDeniedError):
            list_mail(uow)


def test_an_address_that_is_none_is_refused(database: Database, system: Actor) -> None:
    with unit_of_work(database, actor=system, write=True) as uow:
        with pytest.raises(InputError):
            queue_mail(uow, "a@example.com, b@example.com", "A", "B", kind="test")


def test_files_go_with_it_and_are_forgotten_with_it(
    database: Database, system: Actor, box: Any
) -> None:
    files = [
        MailFile("Προσφορά.pdf", "application/pdf", b"%PDF-1.7\x00\xff"),
        MailFile("b.txt", "text/plain", b"B"),
    ]
    queue(database, system, files=files)
    assert send_queued_mail(database, server(1)) == 0
    with unit_of_work(database, actor=system, write=True) as uow:
        retry_mail(uow, uow.scalars(select(QueuedMail.id)).one())
        uow.commit()
    assert send_queued_mail(database, server(box.port)) == 1
    (mail,) = box.handler.mails
    text, *sent = mail.get_payload()
    assert text.get_payload(decode=True).decode().strip() == "Γειά"
    assert [(part.get_filename(), part.get_payload(decode=True)) for part in sent] == [
        (file.name, file.content) for file in files
    ]
    with unit_of_work(database, actor=system) as uow:
        assert uow.scalars(select(QueuedMailFile.id)).all() == []


def test_files_that_no_server_takes_are_refused(database: Database, system: Actor) -> None:
    large = MailFile("a.bin", "application/octet-stream", bytes(11 << 20))
    with pytest.raises(InputError, match="10 MiB"):
        queue(database, system, files=[large])
