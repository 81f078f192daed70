"""Telling people outside when syncing a backend gets into trouble, and when that is over.

Once for each change: what stands is kept with the backend's alert, in the transaction that also
queues the notices. They are sent later and tried again for days; syncs never wait for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import delete, func, select

from crm_core.access import Actor, system_actor
from crm_core.channels import (
    FAILURES,
    Mail,
    MailServer,
    NotDeliveredError,
    checked_url,
    post_webhook,
    reason_of,
    send_mail,
    webhook_of,
)
from crm_core.entities.conflict import Conflict, ConflictState
from crm_core.entities.schedule import AlertNotice, SyncAlert
from crm_core.entities.sync import SYNC_VIEW, Backend, DeadLetter
from crm_core.errors import InputError
from crm_core.ids import new_id
from crm_core.messages import cut, in_language, say, t
from crm_core.persistence.database import Database
from crm_core.persistence.retry import claim_due
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.secret_refs import is_reference
from crm_core.services.backends import MANAGE, backend_named
from crm_core.services.settings import load_settings
from crm_core.sync.alert_text import subject_of, text_of
from crm_core.sync.push_queue import count_set_aside

log = structlog.get_logger(__name__)
KEPT = timedelta(days=3)
AT_ONCE = 20
OFF = "off"


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one notice over one channel; ``error`` is None where it arrived.

    ``missed`` are those whom a mail did not reach although it reached others.
    """

    channel: str
    error: str | None
    missed: str | None = None


def set_alert(uow: UnitOfWork, name: str, **changes: Any) -> SyncAlert:
    """Change whom to tell of a backend's troubles.

    Args:
        uow: The unit of work.
        name: The backend's.
        **changes: ``mail_to``, ``webhook_url`` (an address, or a reference to where it is kept),
            ``webhook_secret_ref``, ``conflicts``, ``set_aside``; what is None stays, ``off`` and
            0 take one away.

    Raises:
        NotFoundError: There is no such backend.
        InputError: An address will not do.
    """
    uow.actor.require(MANAGE)
    backend = backend_named(uow, name)
    alert = uow.find(SyncAlert, backend.id)
    if alert is None:
        alert = uow.add(SyncAlert(backend_id=backend.id, standing={}))
    given = {key: value for key, value in changes.items() if value is not None}
    for key, value in given.items():
        setattr(alert, key, None if value in (OFF, 0) else _checked(key, value))
    uow.flush()
    return alert


def remove_alert(uow: UnitOfWork, name: str) -> None:
    """Tell nobody any more."""
    uow.actor.require(MANAGE)
    backend = backend_named(uow, name)
    alert = uow.find(SyncAlert, backend.id)
    if alert is not None:
        uow.delete(alert)
    uow.execute(delete(AlertNotice).where(AlertNotice.backend_id == backend.id))
    uow.flush()


def alert_of(uow: UnitOfWork, name: str) -> dict[str, Any]:
    """Return whom to tell of a backend's troubles, what stands, and what waits to be sent.

    A webhook's address may hold a key, so only its beginning is told.
    """
    uow.actor.require(SYNC_VIEW)
    backend = backend_named(uow, name)
    alert = uow.find(SyncAlert, backend.id) or SyncAlert(standing={})
    waiting = select(func.count()).where(AlertNotice.backend_id == backend.id)
    url = alert.webhook_url
    return {
        "id": backend.id,
        "backend": name,
        "mail_to": alert.mail_to,
        "webhook": url if not url or is_reference(url) else _begun(url),
        "webhook_secret_ref": alert.webhook_secret_ref,
        "conflicts": alert.conflicts,
        "set_aside": alert.set_aside,
        "standing": sorted(alert.standing),
        "waiting": uow.scalar(waiting),
    }


def note_troubles(uow: UnitOfWork, backend_id: UUID, name: str, failure: str | None) -> list[str]:
    """Compare how a backend stands with what was told last; queue notices of what changed.

    Args:
        uow: A writing unit of work.
        backend_id: Whose run has just ended.
        name: Its name.
        failure: Code of the error that ended it, None when it went through.

    Returns:
        What began and what ended, in words for the log.
    """
    alert = uow.find(SyncAlert, backend_id)
    if alert is None:
        return []
    standing = _standing(uow, alert, failure)
    began = [each for trouble, each in standing.items() if trouble not in alert.standing]
    ended = [each for trouble, each in alert.standing.items() if trouble not in standing]
    kept = [each for trouble, each in standing.items() if trouble in alert.standing]
    alert.standing = standing
    if began or ended:
        content = _content(uow, name, began=began, ended=ended, standing=kept)
        for channel in _channels(alert):
            notice = {"backend_id": backend_id, "channel": channel, "content": content}
            uow.add(AlertNotice(id=new_id(), **notice, made_at=uow.now, next_at=uow.now))
    return [f"{each['trouble']} began" for each in began] + [
        f"{each['trouble']} ended" for each in ended
    ]


def _standing(uow: UnitOfWork, alert: SyncAlert, failure: str | None) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    if failure is not None:
        found["failed"] = {"trouble": "failed", "code": failure}
    hindrances = uow.scalar(select(Backend.hindrances).where(Backend.id == alert.backend_id))
    if hindrances:
        found["out_of_step"] = {"trouble": "out_of_step", "count": len(hindrances)}
    counts = {"conflicts": _open_conflicts, "set_aside": _set_aside}
    for trouble, count in counts.items():
        limit = getattr(alert, trouble)
        if limit is not None and (number := count(uow, alert.backend_id)) >= limit:
            found[trouble] = {"trouble": trouble, "count": number, "limit": limit}
    return found


def _open_conflicts(uow: UnitOfWork, backend_id: UUID) -> int:
    statement = select(func.count()).where(
        Conflict.backend_id == backend_id, Conflict.state == ConflictState.OPEN.value
    )
    return int(uow.scalar(statement))


def _set_aside(uow: UnitOfWork, backend_id: UUID) -> int:
    unread = uow.scalar(select(func.count()).where(DeadLetter.backend_id == backend_id))
    return int(unread) + count_set_aside(uow, backend_id)


def _content(uow: UnitOfWork, name: str, **lists: Any) -> dict[str, Any]:
    return {
        "schema": "sync.alert/1",
        "id": str(new_id()),
        "backend": name,
        "at": uow.now.isoformat(timespec="seconds"),
        "began": [],
        "ended": [],
        "standing": [],
        **lists,
    }


def _channels(alert: SyncAlert) -> list[str]:
    told = {"mail": alert.mail_to, "webhook": alert.webhook_url}
    return [channel for channel, target in told.items() if target]


def send_notices(database: Database, server: MailServer) -> list[Delivered]:
    """Send what is due; what does not arrive is tried again, less and less often, for days."""
    actor = system_actor("alerts")
    sent = []
    for notice in _claimed(database, actor):
        with unit_of_work(database, actor=actor) as uow:
            alert = uow.find(SyncAlert, notice.backend_id)  # whom to tell now
            language = load_settings(uow).language
        told = Delivered(notice.channel, None)
        if alert:
            with in_language(language):
                told = _sent(server, alert, notice.channel, notice.content, notice.missed)
        _settle(database, actor, notice, told)
        sent.append(told)
    return sent


def send_test(database: Database, actor: Actor, server: MailServer, name: str) -> list[Delivered]:
    """Send a test over every channel of a backend's alert, now.

    Raises:
        InputError: Nobody is to be told.
    """
    actor.require(MANAGE)
    with unit_of_work(database, actor=actor) as uow:
        alert = uow.find(SyncAlert, backend_named(uow, name).id)
        content = _content(uow, name, is_test=True)
        language = load_settings(uow).language
    channels = _channels(alert) if alert else []
    if alert is None or not channels:
        raise InputError(
            t(
                "Nobody is told of {name}: crm sync alert {name} --mail ADDRESS or --webhook URL.",
                name=name,
            ),
            code="core.alert.none",
        )
    with in_language(language):
        return [_sent(server, alert, each, content) for each in channels]


def _claimed(database: Database, actor: Actor) -> list[AlertNotice]:
    """Take what is due, so that no other worker sends it meanwhile."""
    with unit_of_work(database, actor=actor, write=True) as uow:
        notices = claim_due(uow, AlertNotice, AT_ONCE)
        uow.commit()
    return notices


def _sent(
    server: MailServer,
    alert: SyncAlert,
    channel: str,
    content: dict[str, Any],
    missed: str | None = None,
) -> Delivered:
    """Send over one channel; a mail that some have already, to those of ``missed`` alone."""
    to = alert.mail_to or ""
    if missed is not None:
        to = ", ".join(each for each in to.split(", ") if each in missed.split(", "))
    try:
        if channel == "mail" and to:
            at = datetime.fromisoformat(content["at"])
            words = say(subject_of(content)), say(text_of(content))
            send_mail(server, Mail(content["id"], to, *words, at))
        elif channel == "webhook" and alert.webhook_url:
            url, secret = webhook_of(alert.webhook_url, alert.webhook_secret_ref)
            post_webhook(url, secret, content)
    except FAILURES as error:
        left = ", ".join(error.missed) if isinstance(error, NotDeliveredError) else ""
        return Delivered(channel, cut(reason_of(error), 200), left or missed)
    return Delivered(channel, None)


def _settle(database: Database, actor: Actor, notice: AlertNotice, outcome: Delivered) -> None:
    error = outcome.error
    told = {"channel": notice.channel, "attempts": notice.attempts}
    with unit_of_work(database, actor=actor, write=True) as uow:
        kept = uow.find(AlertNotice, notice.id)
        if kept is not None and error is not None and uow.now - kept.made_at < KEPT:
            kept.error, kept.missed = error, outcome.missed
            log.warning("alert not sent", **told, reason=error)
        elif kept is not None:
            uow.delete(kept)
            if error is not None:
                log.error("alert given up", **told, reason=error)
            else:
                log.info("alert sent", **told)
        uow.commit()


def _checked(key: str, value: Any) -> Any:
    if key == "mail_to":
        return ", ".join(_address(each) for each in value.split(","))
    if key == "webhook_url" and not is_reference(value):
        checked_url(value)
    if key == "webhook_secret_ref" and not is_reference(value):
        raise InputError(
            t("A secret is told by where it is kept: file:PATH, env:NAME or keyring:NAME."),
            code="core.secret.reference",
        )
    return value


def _address(text: str) -> str:
    from email_validator import EmailNotValidError, validate_email

    try:
        return validate_email(text.strip(), check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise InputError(
            t("{text!r} is no mail address: {error}", text=text.strip(), error=error)
        ) from None


def _begun(url: str) -> str:
    parts = checked_url(url)
    return f"{parts.scheme}://{parts.hostname}/…"
