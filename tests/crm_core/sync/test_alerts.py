"""Alerts against a real mail server and a real web server."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.handlers import Message
from aiosmtpd.smtp import AuthResult
from sqlalchemy import insert, select, update

from crm_core import channels
from crm_core.channels import MailServer, post_webhook
from crm_core.entities import AlertNotice, AuditEntry, Backend, Conflict, PushItem, SyncAlert
from crm_core.entities.conflict import ConflictState
from crm_core.entities.system import Setting
from crm_core.errors import InputError
from crm_core.ids import new_id
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.sync import alerts
from crm_core.sync.alert_text import text_of
from crm_core.sync.alerts import Delivered, alert_of, note_troubles, send_notices, set_alert
from mail_host import MailHost

PASSWORD = "s3cret & long"


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


class SafeMailHost:
    """A real mail server that asks for encryption and a password."""

    def __init__(self, certificate: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
        self.box = Mailbox()
        self.signed_in: list[bytes] = []

        def authenticate(_server: Any, _session: Any, _envelope: Any, _how: str, data: Any) -> Any:
            self.signed_in.append(data.login)
            return AuthResult(success=data.password == PASSWORD.encode(), handled=False)

        self._controller = MailHost(
            self.box,
            tls_context=context,
            require_starttls=True,
            authenticator=authenticate,
            auth_required=True,
        )
        self._controller.start()
        self.port = self._controller.port

    def stop(self) -> None:
        self._controller.stop()


@pytest.fixture
def mail_host(certificate: Path, monkeypatch: Any) -> Iterator[SafeMailHost]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    host = SafeMailHost(certificate)
    yield host
    host.stop()


@pytest.fixture
def mail(mail_host: SafeMailHost) -> MailServer:
    return MailServer(
        "127.0.0.1", mail_host.port, "crm", "env:MAIL_PASSWORD", "starttls", "crm@example.com"
    )


class Desk:
    """A backend with an alert."""

    def __init__(self, office: Any) -> None:
        self.office = office

    def set(self, **changes: Any) -> None:
        with self._writing() as uow:
            set_alert(uow, "main", **changes)
            uow.commit()

    def ended(self, failure: str | None = None) -> list[str]:
        with self._writing() as uow:
            changes = note_troubles(uow, self.office.backend.id, "main", failure)
            uow.commit()
        return changes

    def told(self) -> dict[str, Any]:
        with unit_of_work(self.office.database, actor=self.office.actor) as uow:
            return alert_of(uow, "main")

    def conflict(self, state: str = "open") -> None:
        with self._writing() as uow:
            row = {"entity": "customer", "remote_id": "1", "label": "Secret Name", "field": "name"}
            uow.add(
                Conflict(
                    id=new_id(),
                    backend_id=self.office.backend.id,
                    local_id=uuid4(),
                    **row,
                    state=state,
                    opened_at=uow.now,
                )
            )
            uow.commit()

    def set_aside(self) -> None:
        with self._writing() as uow:
            item = {"entity": "customer", "local_id": uuid4(), "label": "Secret Name"}
            backend_id = self.office.backend.id
            row = PushItem(
                id=new_id(), backend_id=backend_id, **item, is_set_aside=True, queued_at=uow.now
            )
            uow.add(row)
            uow.commit()

    def write(self, statement: Any) -> None:
        with self._writing() as uow:
            uow.execute(statement.execution_options(synchronize_session=False))
            uow.commit()

    def notices(self) -> list[Any]:
        return self.office.all(select(AlertNotice))

    def send(self, server: MailServer) -> list[Delivered]:
        return send_notices(self.office.database, server)

    def _writing(self) -> Any:
        return unit_of_work(self.office.database, actor=self.office.actor, write=True)


@pytest.fixture
def desk(office: Any) -> Desk:
    return Desk(office)


NO_MAIL = MailServer(None, None, None, None, "starttls", None)


def test_a_failure_is_told_once_and_once_more_when_it_is_over(
    desk: Desk, mail: MailServer, mail_host: SafeMailHost
) -> None:
    desk.set(mail_to="ops@example.com, Boss@Example.com")
    changes = [desk.ended(code) for code in ("odoo.away", "odoo.away", "core.sync.cursor")]
    assert changes == [["failed began"], [], []]
    assert desk.told()["standing"] == ["failed"]
    assert desk.send(mail) == [Delivered("mail", None)]
    assert desk.ended() == ["failed ended"]
    assert desk.ended() == []
    assert desk.send(mail) == [Delivered("mail", None)]
    assert desk.notices() == []

    first, second = mail_host.box.mails
    assert first["Subject"] == "CRM: a sync failed with odoo.away (main)"
    assert second["Subject"] == "CRM: main has recovered"
    assert first["From"] == "crm@example.com"
    assert first["To"] == "ops@example.com, Boss@example.com"
    assert first["Auto-Submitted"] == "auto-generated"
    assert "crm sync status main" in first.get_payload()
    assert first["Message-ID"] != second["Message-ID"]
    assert mail_host.signed_in == [b"crm", b"crm"]


def test_mails_speak_the_companys_language(
    desk: Desk, mail: MailServer, mail_host: SafeMailHost
) -> None:
    desk.set(mail_to="ops@example.com")
    desk.write(insert(Setting).values(key="language", value="el-GR"))
    desk.ended("odoo.away")
    desk.send(mail)
    [told] = mail_host.box.mails
    assert "απέτυχε" in str(make_header(decode_header(told["Subject"])))


def test_numbers_that_are_reached_are_trouble_and_hold_no_customers_data(
    desk: Desk, web: Any
) -> None:
    desk.set(webhook_url=f"http://127.0.0.1:{web.port}/hook?x=1", conflicts=2, set_aside=1)
    desk.conflict()
    desk.conflict(ConflictState.DONE)
    assert desk.ended() == []
    desk.conflict()
    desk.set_aside()
    assert desk.ended() == ["conflicts began", "set_aside began"]
    desk.conflict()
    assert desk.ended() == [], "more of the same is not told again"
    assert desk.send(NO_MAIL) == [Delivered("webhook", None)]
    (path, headers, body) = web.got[0]
    assert path == "/hook?x=1"
    assert headers["Content-Type"] == "application/json"
    content = json.loads(body)
    assert content["schema"] == "sync.alert/1"
    assert content["backend"] == "main"
    assert content["began"] == [
        {"trouble": "conflicts", "count": 2, "limit": 2},
        {"trouble": "set_aside", "count": 1, "limit": 1},
    ]
    assert b"Secret" not in body
    desk.write(update(Conflict).values(state="done"))
    assert desk.ended() == ["conflicts ended"]
    desk.send(NO_MAIL)
    assert [each["trouble"] for each in json.loads(web.got[1][2])["standing"]] == ["set_aside"]


def test_a_copy_that_cannot_be_brought_in_step_is_told_once(desk: Desk, web: Any) -> None:
    desk.set(webhook_url=f"http://127.0.0.1:{web.port}/")
    for hindrances in (["invoice: The right of Secret Name is missing."], ["invoice: Other."]):
        desk.write(update(Backend).values(hindrances=hindrances))
        desk.ended()
    assert desk.send(NO_MAIL) == [Delivered("webhook", None)]
    assert desk.send(NO_MAIL) == []
    [(_, _, body)] = web.got
    assert json.loads(body)["began"] == [{"trouble": "out_of_step", "count": 1}]
    assert b"Secret" not in body
    assert "1 kind of records" in text_of(json.loads(body))
    desk.write(update(Backend).values(hindrances=[]))
    assert desk.ended() == ["out_of_step ended"]


def test_a_webhook_is_signed_over_its_body(desk: Desk, web: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOOK", PASSWORD)
    desk.set(webhook_url=f"http://localhost:{web.port}/", webhook_secret_ref="env:HOOK")
    desk.ended("x")
    assert desk.send(NO_MAIL) == [Delivered("webhook", None)]
    _, headers, body = web.got[0]
    expected = hmac.new(PASSWORD.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-CRM-Signature"] == f"sha256={expected}"


def test_an_encrypted_webhook_is_verified(
    safe_web: Any, certificate: Path, monkeypatch: Any
) -> None:
    url = f"https://127.0.0.1:{safe_web.port}/"
    with pytest.raises(ssl.SSLCertVerificationError):
        post_webhook(url, None, {"a": 1})
    assert safe_web.got == []
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    post_webhook(url, None, {"a": 1})
    assert safe_web.got[0][2] == b'{"a": 1}'


def test_no_redirect_is_followed(desk: Desk, web: Any) -> None:
    web.status, web.location = 302, f"http://127.0.0.1:{web.port}/elsewhere"
    desk.set(webhook_url=f"http://127.0.0.1:{web.port}/")
    desk.ended("x")
    (sent,) = desk.send(NO_MAIL)
    assert sent.error == "It answered 302."
    assert [path for path, _, _ in web.got] == ["/"]


def test_the_address_may_be_kept_where_secrets_are(desk: Desk, web: Any, tmp_path: Path) -> None:
    place = tmp_path / "hook"
    place.write_text(f"http://127.0.0.1:{web.port}/services/KEY\n")
    place.chmod(0o600)
    desk.set(webhook_url=f"file:{place}")
    desk.ended("x")
    assert desk.send(NO_MAIL) == [Delivered("webhook", None)]
    assert web.got[0][0] == "/services/KEY"
    assert desk.told()["webhook"] == f"file:{place}"
    desk.set(webhook_url="https://hooks.example.com/services/KEY")
    assert desk.told()["webhook"] == "https://hooks.example.com/…"


def test_no_key_of_a_webhook_stands_in_an_outcome_or_the_audit(
    desk: Desk, web: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    place = tmp_path / "hook"
    place.write_text(f"http://127.0.0.1:{web.port}/services/K EY-1\n")
    place.chmod(0o600)
    desk.set(webhook_url=f"file:{place}")
    desk.ended("x")
    assert "K EY-1" not in (desk.send(NO_MAIL)[0].error or "")
    assert "blanks" in desk.notices()[0][0].error

    def fail(*_: Any) -> Any:
        raise ValueError("never told: KEY-2")

    desk.set(webhook_url="https://hooks.example.com/KEY-2")
    monkeypatch.setattr(channels, "_socket", fail)
    desk.write(update(AlertNotice).values(next_at=datetime.now(UTC)))
    assert desk.send(NO_MAIL) == [Delivered("webhook", "ValueError")]
    desk.set(webhook_url="https://hooks.example.com/KEY-3")
    told = [
        row[0].changes["webhook_url"]
        for row in desk.office.all(select(AuditEntry).order_by(AuditEntry.id))
        if row[0].entity_type == "sync_alert" and "webhook_url" in row[0].changes
    ]
    assert told[-2:] == [["withheld", "withheld"]] * 2
    assert "hooks.example.com" not in str(told)


def test_those_whom_a_mail_did_not_reach_are_tried_again_and_nobody_else(desk: Desk) -> None:
    class Picky(Mailbox):
        refused = "gone@example.com"

        async def handle_RCPT(  # noqa: N802  so it is called
            self, _s: Any, _n: Any, envelope: Any, to: str, _o: Any
        ) -> str:
            if to == self.refused:
                return "550 no such user"
            envelope.rcpt_tos.append(to)
            return "250 OK"

    box = Picky()
    host = MailHost(box)
    host.start()
    server = MailServer("127.0.0.1", host.port, None, None, "off", "a@example.com")
    desk.set(mail_to="ops@example.com, gone@example.com")
    desk.ended("x")
    (sent,) = desk.send(server)
    assert sent.error == (
        "The mail server refused 1 of the addresses (SMTP 550); the others have it."
    )
    box.refused = ""
    for told in ([Delivered("mail", None)], []):
        desk.write(update(AlertNotice).values(next_at=datetime.now(UTC)))
        assert desk.send(server) == told
    host.stop()
    assert [mail["X-RcptTo"] for mail in box.mails] == ["ops@example.com", "gone@example.com"]


def test_what_does_not_arrive_is_tried_again_later_and_later_for_days(desk: Desk, web: Any) -> None:
    web.status = 500
    desk.set(webhook_url=f"http://127.0.0.1:{web.port}/")
    desk.ended("x")
    for minutes in (1, 2, 4, 8, 16, 32, 60, 60, 60):
        before = datetime.now(UTC)
        assert desk.send(NO_MAIL) == [Delivered("webhook", "It answered 500.")]
        after = datetime.now(UTC)
        assert desk.send(NO_MAIL) == [], "not before its time"
        (notice,) = desk.notices()
        wait = timedelta(minutes=minutes)
        assert before + wait <= notice[0].next_at <= after + wait
        desk.write(update(AlertNotice).values(next_at=datetime.now(UTC)))
    assert desk.told()["waiting"] == 1
    assert len({body for _, _, body in web.got}) == 1, "the receiver can tell that it is the same"
    old = datetime.now(UTC) - alerts.KEPT
    desk.write(update(AlertNotice).values(made_at=old, next_at=old))
    desk.send(NO_MAIL)
    assert desk.notices() == [], "given up"


def test_a_clock_that_was_ahead_does_not_hold_a_notice_back(desk: Desk, web: Any) -> None:
    desk.set(webhook_url=f"http://127.0.0.1:{web.port}/")
    desk.ended("x")
    desk.write(update(AlertNotice).values(next_at=datetime.now(UTC) + timedelta(days=300)))
    assert desk.send(NO_MAIL) == [Delivered("webhook", None)]


def test_one_channel_that_fails_does_not_hold_up_the_other(desk: Desk, web: Any) -> None:
    desk.set(mail_to="ops@example.com", webhook_url=f"http://127.0.0.1:{web.port}/")
    desk.ended("x")
    sent = {each.channel: each.error for each in desk.send(NO_MAIL)}
    assert sent["webhook"] is None
    assert "smtp_host" in (sent["mail"] or "")
    assert [row[0].channel for row in desk.notices()] == ["mail"]


def test_a_wrong_password_is_told_without_it(
    desk: Desk, mail: MailServer, mail_host: SafeMailHost, monkeypatch: Any
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "wr0ng-word")
    desk.set(mail_to="ops@example.com")
    desk.ended("x")
    (sent,) = desk.send(mail)
    assert "SMTPAuthenticationError" in (sent.error or "")
    assert "wr0ng" not in (sent.error or "")
    desk.write(update(AlertNotice).values(next_at=datetime.now(UTC)))
    monkeypatch.setenv("MAIL_PASSWORD", "κωδικός")  # of which SMTP knows nothing
    (sent,) = desk.send(mail)
    assert "UnicodeEncodeError" in (sent.error or "")
    assert "κωδικός" not in (sent.error or "")
    assert mail_host.box.mails == []


def test_a_mail_server_without_encryption_gets_no_password(
    desk: Desk, mail_host: SafeMailHost, monkeypatch: Any
) -> None:
    box = Mailbox()
    plain = MailHost(box)
    plain.start()
    port = plain.port
    server = MailServer("127.0.0.1", port, "crm", "env:MAIL_PASSWORD", "starttls", "a@example.com")
    desk.set(mail_to="ops@example.com")
    desk.ended("x")
    (sent,) = desk.send(server)
    assert "STARTTLS" in (sent.error or "")
    assert box.mails == []
    desk.write(update(AlertNotice).values(next_at=datetime.now(UTC)))
    assert desk.send(MailServer("127.0.0.1", port, None, None, "off", "a@example.com"))[0] == (
        Delivered("mail", None)
    )
    plain.stop()
    assert len(box.mails) == 1


@pytest.mark.parametrize("text", ["ops", "ops@", "a@example.com, b", "a@example.com\nBcc: x@y.com"])
def test_what_is_no_mail_address_is_refused(desk: Desk, text: str) -> None:
    with pytest.raises(InputError):
        desk.set(mail_to=text)


def test_without_an_alert_nobody_is_told_and_what_is_taken_away_is_not_sent(
    desk: Desk, web: Any
) -> None:
    assert desk.ended("x") == []
    desk.set(webhook_url=f"http://127.0.0.1:{web.port}/", conflicts=5)
    desk.ended("x")
    desk.set(webhook_url="off", conflicts=0)
    assert desk.send(NO_MAIL) == [Delivered("webhook", None)]
    assert web.got == []
    assert desk.notices() == []
    (alert,) = desk.office.all(select(SyncAlert))
    assert alert[0].conflicts is alert[0].webhook_url is None


def test_what_is_no_reference_is_not_kept(desk: Desk) -> None:
    with pytest.raises(InputError) as caught:
        desk.set(webhook_secret_ref="hunter2")
    assert "hunter2" not in caught.value.message
