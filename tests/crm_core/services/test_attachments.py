"""Files on customers."""

from __future__ import annotations

import io
from uuid import uuid4

import pytest

from crm_core.access import Actor, Reach
from crm_core.errors import ConfigurationError, NotFoundError, PermissionDeniedError
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.attachments import (
    attach_file,
    keep_bytes,
    list_attachments,
    path_of,
    read_attachment,
    remove_attachment,
)

BYTES = b"\x00pdf" * 1000


def test_equal_files_are_kept_once_and_read_back(company, tmp_path):
    folder = tmp_path / "attachments"
    customer_id = company.customer("Acme")
    kept = keep_bytes(folder, io.BytesIO(BYTES))
    assert keep_bytes(folder, io.BytesIO(BYTES)) == kept
    assert [p for p in folder.rglob("*") if p.is_file()] == [path_of(folder, kept.sha256)]
    with company.writing("maria") as uow:
        attach_file(uow, customer_id, kept, file_name="C:\\docs\\../Σύμβαση.pdf")
        other = attach_file(uow, customer_id, kept, file_name="x").id
    with company.acting("rita") as uow:
        listed = {item["file_name"]: item for item in list_attachments(uow, customer_id)}
        contract = listed["Σύμβαση.pdf"]
        assert (contract["content_type"], contract["size_bytes"]) == ("application/pdf", 4000)
        assert read_attachment(uow, folder, contract["id"]).read_bytes() == BYTES
    with company.writing("maria") as uow:
        remove_attachment(uow, other)
    with company.acting("rita") as uow:
        assert read_attachment(uow, folder, contract["id"]).read_bytes() == BYTES


def test_damaged_and_missing_bytes_are_told(company, tmp_path):
    customer_id = company.customer("Acme")
    kept = keep_bytes(tmp_path, io.BytesIO(BYTES))
    with company.writing() as uow:
        attachment_id = attach_file(uow, customer_id, kept, file_name="a").id
    path = path_of(tmp_path, kept.sha256)
    path.write_bytes(b"other")
    with company.acting() as uow:
        with pytest.raises(ConfigurationError) as caught:
            read_attachment(uow, tmp_path, attachment_id)
        assert caught.value.code == "core.attachment.damaged"
        path.unlink()
        with pytest.raises(ConfigurationError) as caught:
            read_attachment(uow, tmp_path, attachment_id)
        assert caught.value.code == "core.attachment.missing"


def test_a_broken_stream_leaves_nothing(tmp_path):
    class Broken(io.BytesIO):
        def read(self, size=-1):
            if self.tell():
                raise OSError(28, "No space left on device")
            return super().read(10)

    with pytest.raises(ConfigurationError) as caught:
        keep_bytes(tmp_path / "a", Broken(BYTES))
    assert "No space left" in caught.value.message
    assert list((tmp_path / "a").iterdir()) == []


def test_a_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "a").write_text("x")
    with pytest.raises(ConfigurationError):
        keep_bytes(tmp_path / "a", io.BytesIO(BYTES))


def test_files_share_the_scope_of_their_customer(company, tmp_path):
    customer_id = company.customer("Acme", owner="olga")
    kept = keep_bytes(tmp_path, io.BytesIO(BYTES))
    with company.writing() as uow:
        attachment_id = attach_file(uow, customer_id, kept, file_name="a").id
    own = Actor(company.user_id("eva"), "eva", {"core.customer.view": Reach.OWN})
    with unit_of_work(company.database, actor=own) as uow:
        assert list_attachments(uow, customer_id) == []
        for key in (attachment_id, uuid4()):
            with pytest.raises(NotFoundError):
                read_attachment(uow, tmp_path, key)
    with company.writing("rita") as uow, pytest.raises(PermissionDeniedError):
        attach_file(uow, customer_id, kept, file_name="b")
