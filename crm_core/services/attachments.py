"""Files on customers: rows in the database, bytes beside it under their SHA-256.

Bytes are kept first (:func:`keep_bytes`, outside any transaction) and then attached, so that no
transaction waits for a file. Equal files are kept once.
"""

from __future__ import annotations

import hashlib
import mimetypes
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.system import Attachment
from crm_core.errors import ConfigurationError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import filled
from crm_core.services.lookup import permitted_customer

EDIT = "core.customer.edit"
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class KeptBytes:
    """Bytes that lie in the folder: their SHA-256 in hex, and how many they are."""

    sha256: str
    size_bytes: int


def path_of(folder: Path, sha256: str) -> Path:
    """Return where the bytes with this hash lie: ``folder/aa/aabb…``."""
    return folder / sha256[:2] / sha256


def keep_bytes(folder: Path, stream: BinaryIO) -> KeptBytes:
    """Copy a stream into the folder, all of it or nothing.

    Raises:
        ConfigurationError: The folder cannot be written or the disk is full.
    """
    temporary: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".new-", delete=False) as target:
            temporary = Path(target.name)
            digest, size = hashlib.sha256(), 0
            for block in _blocks(stream):
                digest.update(block)
                size += target.write(block)
            target.flush()
            os.fsync(target.fileno())
        final = path_of(folder, digest.hexdigest())
        final.parent.mkdir(exist_ok=True)
        temporary.replace(final)
        return KeptBytes(digest.hexdigest(), size)
    except OSError as error:
        raise ConfigurationError(
            t(
                "The file could not be kept in {folder} ({reason}): check its rights and the free "
                "space. Nothing was attached.",
                folder=folder,
                reason=error.strerror,
            ),
            code="core.attachment.cannot_write",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def attach_file(
    uow: UnitOfWork,
    customer_id: UUID,
    kept: KeptBytes,
    *,
    file_name: str,
    content_type: str | None = None,
    record: tuple[str, str] | None = None,
) -> Attachment:
    """Attach kept bytes to a customer, or to another record of that customer.

    Args:
        uow: The unit of work.
        customer_id: Whose scope the file shares.
        kept: What :func:`keep_bytes` gave.
        file_name: What people call it; folders in it are dropped.
        content_type: MIME type; guessed from the name when None.
        record: Entity name and id of the record it hangs on; the customer when None.
    """
    customer = permitted_customer(uow, customer_id, EDIT)
    name = filled(PurePosixPath(PureWindowsPath(file_name).name).name, "file_name")
    guessed = mimetypes.guess_type(name)[0]
    entity_type, entity_id = record or ("customer", str(customer.id))
    return uow.add(
        Attachment(
            customer_id=customer.id,
            entity_type=entity_type,
            entity_id=entity_id,
            file_name=name,
            content_type=content_type or guessed or "application/octet-stream",
            size_bytes=kept.size_bytes,
            sha256=kept.sha256,
            created_at=uow.now,
            created_by_id=uow.actor.user_id,
        )
    )


def read_attachment(uow: UnitOfWork, folder: Path, attachment_id: UUID) -> Path:
    """Return the path of an attachment's bytes after checking that they are what was kept.

    Raises:
        NotFoundError: There is none that the actor may see.
        ConfigurationError: The bytes are gone or damaged.
    """
    attachment = uow.get(Attachment, attachment_id)
    path = path_of(folder, attachment.sha256)
    try:
        with path.open("rb") as stream:
            digest = hashlib.sha256()
            for block in _blocks(stream):
                digest.update(block)
    except OSError as error:
        raise ConfigurationError(
            t(
                "The bytes of {file_name} cannot be read at {path} ({reason}): bring them back "
                "from a backup.",
                file_name=attachment.file_name,
                path=path,
                reason=error.strerror,
            ),
            code="core.attachment.missing",
        ) from error
    if digest.hexdigest() != attachment.sha256:
        raise ConfigurationError(
            t(
                "The bytes of {file_name} at {path} are damaged: bring them back from a backup.",
                file_name=attachment.file_name,
                path=path,
            ),
            code="core.attachment.damaged",
        )
    return path


def remove_attachment(uow: UnitOfWork, attachment_id: UUID) -> None:
    """Take a file off its record; its bytes stay, as others may share them."""
    attachment = uow.get(Attachment, attachment_id)
    permitted_customer(uow, attachment.customer_id, EDIT)
    uow.delete(attachment)


def list_attachments(uow: UnitOfWork, customer_id: UUID) -> list[dict[str, Any]]:
    """Return a customer's files, newest first.

    A dict holds ``id, entity_type, entity_id, file_name, content_type, size_bytes, created_at``.
    """
    names = (
        "id",
        "entity_type",
        "entity_id",
        "file_name",
        "content_type",
        "size_bytes",
        "created_at",
    )
    statement = (
        select(*(getattr(Attachment, name) for name in names))
        .where(Attachment.customer_id == customer_id)
        .order_by(Attachment.created_at.desc(), Attachment.id.desc())
    )
    return [dict(row._mapping) for row in uow.execute(statement)]


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    while block := stream.read(BLOCK_BYTES):
        yield block
