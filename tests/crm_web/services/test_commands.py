"""``crm web``: what administrators do about signing in from the command line."""

from __future__ import annotations

import json

import pytest
from aiosmtpd.handlers import Message

from crm_core.access import system_actor
from crm_core.services.settings import set_setting
from crm_core.services.users import add_user
from crm_web.services.api_tokens import actor_for_token
from crm_web.services.sessions import session_for
from crm_web.sign_in import sign_in
from mail_host import MailHost

PASSWORD = "seventeen blue herons"


class Mailbox(Message):
    def __init__(self):
        super().__init__()
        self.mails = []

    def handle_message(self, message):
        self.mails.append(message)


@pytest.fixture(scope="session")
def crm_plugins():
    return ("web",)


@pytest.fixture
def crm_database_url(crm_sqlite_url):
    return crm_sqlite_url


@pytest.fixture
def told(crm_command):
    def run(*arguments):
        result = crm_command("web", *arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


def test_a_password_is_set_and_sessions_are_ended(crm_application, crm_command, told, tmp_path):
    database = crm_application.database
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    told("user", "password", "admin", "--password-file", file)
    token = sign_in(database, "admin", PASSWORD)
    (item,) = told("sessions", "list")["data"]["items"]
    assert item["login"] == "admin"
    assert told("sessions", "close", "admin")["data"]["ended"] == 1
    with crm_application.unit_of_work(system_actor("test")) as uow:
        assert session_for(uow, token) is None
    file.write_text("short")
    assert crm_command("web", "user", "password", "admin", "--password-file", file).exit_code == 2
    assert crm_command("web", "user", "password", "admin").exit_code == 2


def test_tokens(crm_application, crm_command, told):
    made = told("token", "add", "A script", "--scope", "core.customer.view", "--days", "0")["data"]
    with crm_application.unit_of_work(system_actor("test")) as uow:
        holder = actor_for_token(uow, made["token"])
    assert list(holder.actor.rights) == ["core.customer.view"]
    listed = crm_command("web", "token", "list").output
    assert "core.customer.view" in listed
    assert made["token"] not in listed
    told("token", "revoke", made["id"])
    with crm_application.unit_of_work(system_actor("test")) as uow:
        assert actor_for_token(uow, made["token"]) is None


def test_webhooks(crm_command, told, crm_application):
    url = "https://hooks.example.com/KEY"
    made = told("webhook", "add", "desk", url, "--event", "core.*")["data"]
    assert made["secret"]
    listed = crm_command("web", "webhook", "list").output
    assert "core.*" in listed
    assert "KEY" not in listed
    told("webhook", "remove", "desk")
    assert crm_command("web", "webhook", "test", "desk").exit_code == 2


def test_who_has_no_address_is_not_invited(crm_command):
    result = crm_command("web", "invite", "admin")
    assert result.exit_code == 1
    assert "address" in result.output


def test_an_invitation_is_mailed_by_the_worker(crm_application, crm_command, told, monkeypatch):
    with crm_application.unit_of_work(system_actor("test"), write=True) as uow:
        add_user(uow, "nikos", email="nikos@example.com", language="el")
        set_setting(uow, "web.base_url", "https://crm.example.com")
        uow.commit()
    assert told("invite", "nikos")["data"] == {"id": "nikos", "is_sent": False}
    box = Mailbox()
    host = MailHost(box)
    host.start()
    monkeypatch.setenv("CRM_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("CRM_SMTP_PORT", str(host.port))
    monkeypatch.setenv("CRM_SMTP_TLS", "off")
    monkeypatch.setenv("CRM_MAIL_FROM", "crm@example.com")
    try:
        assert crm_command("worker", "--once").exit_code == 0
    finally:
        host.stop()
    (mail,) = box.mails
    assert mail["To"] == "nikos@example.com"
    assert "https://crm.example.com/account/link/" in mail.get_payload(decode=True).decode()


def test_a_second_factor_is_reset(crm_command, told):
    assert told("second-factor", "reset", "admin", "--yes")["data"] == {"id": "admin"}
    assert crm_command("web", "second-factor", "reset", "nobody", "--yes").exit_code == 2
