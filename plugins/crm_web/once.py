"""Requests that are sent twice and done once: what makes two the same, and forms that are."""

from __future__ import annotations

import hashlib

import orjson
from flask import redirect, request
from werkzeug.wrappers import Response

from crm_core.messages import t
from crm_web.sdk.request import Request
from crm_web.security import CSRF_FIELD
from crm_web.services.idempotency import claim_reply, keep_reply

SEE_OTHER = 303


def identity() -> bytes:
    """Return what makes a request the same: method, address and all that was sent."""
    digest = hashlib.sha256(f"{request.method} {request.full_path} ".encode())
    digest.update(request.get_data(cache=True))
    # A form was read when the call began, and leaves nothing of itself there. All is framed: no
    # field or file can pass for another.
    digest.update(orjson.dumps(list(request.form.items(multi=True))))
    for name, file in request.files.items(multi=True):
        content = hashlib.sha256()
        while block := file.stream.read(1 << 20):
            content.update(block)
        file.stream.seek(0)
        digest.update(orjson.dumps([name, file.filename, content.hexdigest()]))
    return digest.digest()


def sent_before(asked: Request, response: Response) -> Response | None:
    """Return what a form was answered that was sent before; None where it is done the first time.

    Each form has a token of its own, so two that hold the same are one that was sent twice: by two
    clicks, or again after an answer that never came. It is asked once the work is done, right
    before it is committed, and what was done again is given up then: nothing is locked meanwhile,
    and of two at once the later waits here until the first has committed, or failed. What scripts
    send goes on with its page and does not count, nor do files.

    Args:
        asked: The request, with its unit of work open.
        response: What it would be answered; only where it leads on is kept.
    """
    if response.status_code != SEE_OTHER or CSRF_FIELD not in asked.form:
        return None
    if asked.wants_json or asked.files:
        return None
    key = identity().hex()
    kept = claim_reply(asked.uow, key, key.encode())
    if kept is None:
        where = {"Location": response.headers["Location"]}
        keep_reply(asked.uow, key, SEE_OTHER, where, b"")
        return None
    said = t("This was sent twice and done once. To do it again, open its page anew.")
    asked.notices[:] = [("info", said)]
    return redirect(kept.headers["Location"], SEE_OTHER)
