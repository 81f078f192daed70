"""Sending queued mail, outside of any transaction."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog
from sqlalchemy import delete, select

from crm_core.access import Actor, system_actor
from crm_core.channels import FAILURES, Mail, MailFile, MailServer, reason_of, send_mail
from crm_core.entities.mail import QueuedMail, QueuedMailFile
from crm_core.messages import cut, t
from crm_core.persistence.database import Database
from crm_core.persistence.retry import claim_due
from crm_core.persistence.unit_of_work import unit_of_work

log = structlog.get_logger(__name__)
AT_ONCE = 20


def send_queued_mail(database: Database, server: MailServer) -> int:
    """Send what is due and return how many went out; what did not is tried again later.

    Without a mail server it waits for one to be set.
    """
    actor = system_actor("mail")
    sent = 0
    if not server.host or not server.sender:
        return sent
    while mails := _claimed(database, actor):
        for mail in mails:
            error = _sent(server, mail, _files(database, actor, mail))
            sent += error is None
            _settle(database, actor, mail, error)
    return sent


def _claimed(database: Database, actor: Actor) -> list[QueuedMail]:
    with unit_of_work(database, actor=actor, write=True) as uow:
        mails = claim_due(uow, QueuedMail, AT_ONCE)
        uow.commit()
    return mails


def _files(database: Database, actor: Actor, mail: QueuedMail) -> tuple[MailFile, ...]:
    kept = QueuedMailFile
    statement = select(kept.file_name, kept.content_type, kept.content)
    with unit_of_work(database, actor=actor) as uow:
        rows = uow.execute(statement.where(kept.mail_id == mail.id).order_by(kept.id))
        return tuple(MailFile(row.file_name, row.content_type, row.content) for row in rows)


def _sent(server: MailServer, mail: QueuedMail, files: tuple[MailFile, ...]) -> str | None:
    if mail.expires_at <= datetime.now(UTC):
        return t("It is of no use any more.")
    told = (str(mail.id), mail.to_address, mail.subject, mail.text or "", mail.made_at)
    try:
        send_mail(server, Mail(*told, files))
    except FAILURES as error:
        return cut(reason_of(error), 200)
    return None


def _settle(database: Database, actor: Actor, mail: QueuedMail, error: str | None) -> None:
    told = {"id": str(mail.id), "kind": mail.kind, "attempts": mail.attempts}
    with unit_of_work(database, actor=actor, write=True) as uow:
        kept = uow.find(QueuedMail, mail.id)
        if kept is None:
            return
        kept.error = error
        if error is None:
            kept.sent_at, kept.next_at, kept.text = uow.now, None, None
            log.info("mail sent", **told)
        elif uow.now >= kept.expires_at:
            kept.next_at, kept.text = None, None
            log.error("mail given up", **told, reason=error)
        else:
            log.warning("mail not sent", **told, reason=error)
        if kept.next_at is None:
            uow.execute(delete(QueuedMailFile).where(QueuedMailFile.mail_id == mail.id))
        uow.commit()
