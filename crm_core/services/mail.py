"""Mail to people: queued with what it tells of; ``crm_core.outbox.mail`` sends it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select

from crm_core.channels import MailFile
from crm_core.entities.mail import QueuedMail, QueuedMailFile
from crm_core.errors import InputError, NotFoundError
from crm_core.messages import in_language, say, t
from crm_core.normalize import checked_email
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import filled

VIEW, MANAGE = "core.delivery.view", "core.delivery.manage"
USEFUL, KEPT = timedelta(days=3), timedelta(days=30)
MOST_BYTES = 10 * 1024 * 1024
"""Of all files of a mail; few mail servers take more."""


def queue_mail(
    uow: UnitOfWork,
    to: str,
    subject: str,
    text: str,
    *,
    kind: str,
    language: str | None = None,
    useful: timedelta = USEFUL,
    files: Sequence[MailFile] = (),
) -> QueuedMail:
    """Have a mail sent after the commit; it is tried again for as long as it is of use.

    Args:
        uow: A writing unit of work.
        to: One address.
        subject: One line, said in ``language``.
        text: What it says, likewise.
        kind: What it is about, such as ``web.reset``.
        language: BCP 47; None for English.
        useful: For how long it is of use: afterwards it is not sent any more.
        files: What goes with it, 10 MiB at the most.

    Raises:
        InputError: The address is none, or the files are too large.
    """
    size = sum(len(file.content) for file in files)
    if size > MOST_BYTES:
        raise InputError(
            t(
                "The files of a mail may have {most} MiB together, these have {size}: send fewer.",
                most=MOST_BYTES >> 20,
                size=-(-size >> 20),
            ),
            code="core.mail.too_large",
        )
    with in_language((language or "").partition("-")[0]):
        subject, text = " ".join(say(subject).split()), say(text)
    mail = uow.add(
        QueuedMail(
            to_address=checked_email(to),
            subject=filled(subject, "subject"),
            text=text,
            kind=kind,
            made_at=uow.now,
            expires_at=uow.now + useful,
            next_at=uow.now,
        )
    )
    if files:
        uow.flush()
    for file in files:
        named = {"file_name": file.name, "content_type": file.content_type}
        uow.add(QueuedMailFile(mail_id=mail.id, content=file.content, **named))
    return mail


def list_mail(
    uow: UnitOfWork, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[dict[str, Any]]:
    """Return mail, what waits and what was sent of late, without what it says, the latest first."""
    uow.actor.require(VIEW)
    statement = select(
        QueuedMail.id,
        QueuedMail.to_address,
        QueuedMail.subject,
        QueuedMail.kind,
        QueuedMail.made_at,
        QueuedMail.next_at,
        QueuedMail.attempts,
        QueuedMail.error,
        QueuedMail.sent_at,
    )
    return page_of(
        uow, statement, keys=(QueuedMail.id,), limit=limit, cursor=cursor, descending=True
    )


def retry_mail(uow: UnitOfWork, mail_id: Any) -> QueuedMail:
    """Have a mail that waits sent at once.

    Raises:
        NotFoundError: No such mail waits.
    """
    uow.actor.require(MANAGE)
    mail = uow.find(QueuedMail, mail_id)
    if mail is None or mail.next_at is None:
        raise NotFoundError(
            t("No mail {id} waits: it was sent, or given up.", id=mail_id),
            code="core.mail.not_found",
        )
    mail.next_at = uow.now
    uow.flush()
    return mail


def sweep_mail(uow: UnitOfWork) -> int:
    """Forget that mails were sent, a month later, and return how many these are."""
    uow.actor.require(MANAGE)
    gone: Any = uow.execute(
        delete(QueuedMail).where(QueuedMail.next_at.is_(None), QueuedMail.made_at < uow.now - KEPT)
    )
    return int(gone.rowcount)
