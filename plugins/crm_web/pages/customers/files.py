"""Files on a customer."""

from __future__ import annotations

from typing import BinaryIO, cast
from uuid import UUID

from flask import send_file
from werkzeug.wrappers import Response

from crm_core.entities.system import Attachment
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.services import attachments
from crm_core.services.lookup import permitted_customer
from crm_web.pages.customers.area import own_record, pages
from crm_web.sdk.request import Request


@pages.post("/<uuid:customer_id>/files", right=attachments.EDIT)
def attach(request: Request, customer_id: UUID) -> Response:
    """Keep a file that was sent."""
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        raise InputError(t("No file was sent: go back and choose one first."), code="web.no_file")
    # Before the first statement: no transaction is open yet that would wait for the bytes.
    kept = attachments.keep_bytes(
        request.application.config.files_folder, cast("BinaryIO", sent.stream)
    )
    permitted_customer(request.uow, customer_id, attachments.EDIT)
    made = attachments.attach_file(request.uow, customer_id, kept, file_name=sent.filename)
    message = t("Attached: {file_name}", file_name=made.file_name)
    return request.done(message, to="customers.card", customer_id=customer_id)


@pages.get("/<uuid:customer_id>/files/<uuid:attachment_id>", right=CUSTOMER_VIEW)
def download(request: Request, customer_id: UUID, attachment_id: UUID) -> Response:
    """Send a file back; to be kept, never to be shown as a page of ours."""
    found = own_record(request, Attachment, customer_id, attachment_id)
    folder = request.application.config.files_folder
    path = attachments.read_attachment(request.uow, folder, found.id)
    return send_file(
        path, mimetype=found.content_type, as_attachment=True, download_name=found.file_name
    )


@pages.post("/<uuid:customer_id>/files/<uuid:attachment_id>/remove", right=attachments.EDIT)
def detach(request: Request, customer_id: UUID, attachment_id: UUID) -> Response:
    """Take a file off a customer."""
    found = own_record(request, Attachment, customer_id, attachment_id)
    message = t("Removed: {file_name}", file_name=found.file_name)
    attachments.remove_attachment(request.uow, found.id)
    return request.done(message, to="customers.card", customer_id=customer_id)
