"""Calls that are sent twice and done once, by the ``Idempotency-Key`` that they carry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flask import request
from werkzeug.wrappers import Response

from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_web.once import identity
from crm_web.sdk.api import Operation
from crm_web.sdk.request import Request
from crm_web.services.idempotency import claim_reply, keep_reply, release_reply

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
_KEPT = ("Content-Type", "ETag", "Location")


@dataclass
class Repeat:
    """A call that may have been made before.

    Attributes:
        asked: The request.
        key: What it carries; empty for nothing.
        answer: What it was answered before, or None.
        is_kept: Whether its answer is kept and committed.
    """

    asked: Request
    key: str
    answer: Response | None = None
    is_kept: bool = False

    def commit(self, uow: UnitOfWork, response: Response) -> None:
        """Commit what was done together with its answer: both are there then, or neither."""
        if self.key:
            headers = {name: response.headers[name] for name in _KEPT if name in response.headers}
            keep_reply(uow, self.key, response.status_code, headers, response.get_data())
        uow.commit()
        self.is_kept = True

    def kept(self, response: Response) -> Response:
        """Keep the answer of what committed by itself."""
        if self.key:
            assert self.asked.actor is not None
            with self.asked.application.unit_of_work(self.asked.actor, write=True) as uow:
                self.commit(uow, response)
        return response


def takes_key(operation: Operation) -> bool:
    """Return whether a call's answer is kept: a file is not, which is as good when made again."""
    return operation.method == "POST" and "media" not in operation.options


@contextmanager
def repeated(operation: Operation, asked: Request) -> Iterator[Repeat]:
    """Claim the key of a call for as long as it is being worked on; a failed one is free again."""
    key = request.headers.get(HEADER, "") if takes_key(operation) else ""
    repeat = Repeat(asked, key)
    if not key:
        yield repeat
        return
    if operation.options.get("secret"):
        raise InputError(
            t("This answer holds a secret and is not kept: leave the Idempotency-Key out."),
            code="web.idempotency.secret",
        )
    assert asked.actor is not None
    with asked.application.unit_of_work(asked.actor, write=True) as uow:
        kept = claim_reply(uow, key, identity())
        uow.commit()
    if kept is not None:
        repeat.answer = Response(kept.body, kept.status, {**kept.headers, REPLAYED: "true"})
        repeat.is_kept = True
    try:
        yield repeat
    finally:
        if not repeat.is_kept:
            with asked.application.unit_of_work(asked.actor, write=True) as uow:
                release_reply(uow, key)
                uow.commit()
