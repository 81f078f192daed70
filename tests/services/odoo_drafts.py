"""Records to be written to Odoo in tests: whole drafts of which a test names what it is about."""

from __future__ import annotations

from typing import Any

from crm_core.sync.protocol import Draft, Edit
from crm_odoo.backend import OdooBackend
from crm_odoo.settings import open_backend

MODULE = "crm_testing"
PLACE = {
    "street": "Ερμού 5",
    "street2": None,
    "postal_code": "105 57",
    "city": "Αθήνα",
    "region": None,
    "country_code": "GR",
}
_CUSTOMER: dict[str, Any] = {
    "kind": "person",
    "reference": None,
    "vat": None,
    "language": None,
    "job_title": None,
    "note": None,
    "archived": False,
    "owner_ref": None,
    "parent_ref": None,
    "tag_refs": [],
    "contact_points": [],
    "address": None,
}
_ADDRESS: dict[str, Any] = {
    **PLACE,
    "use": "delivery",
    "recipient": None,
    "email": None,
    "phone": None,
    "mobile": None,
    "note": None,
    "archived": False,
}


def opened(database: Any, account: Any, **changes: Any) -> OdooBackend:
    """A backend of this database as this account."""
    options = {"url": database.url, "database": database.name, "login": account.login}
    return open_backend({**options, "language": "en_US", **changes}, account.secret)


def external_id(entity: str, key: str) -> str:
    return f"{MODULE}.{entity}_{key}"


def customer(key: str, name: str = "", **values: Any) -> Draft:
    shown = name or f"Customer {key}"
    return Draft(key, external_id("customer", key), shown, {**_CUSTOMER, "name": shown, **values})


def address(key: str, parent: str, **values: Any) -> Draft:
    return Draft(
        key, external_id("address", key), key, {**_ADDRESS, "parent_ref": parent, **values}
    )


def tag(key: str, name: str) -> Draft:
    return Draft(key, external_id("tag", key), name, {"name": name})


def edit(remote_id: str, **values: Any) -> Edit:
    return Edit(remote_id, remote_id, values)


def made(backend: OdooBackend, entity: str, *drafts: Draft) -> list[str]:
    """Create records; returns their remote ids. None may be refused."""
    answers = backend.create(entity, drafts)
    assert [answer.key for answer in answers] == [draft.key for draft in drafts]
    assert not [answer for answer in answers if answer.remote_id is None], answers
    return [str(answer.remote_id) for answer in answers]


def read_one(backend: OdooBackend, entity: str, remote_id: str) -> dict[str, Any]:
    (record,) = backend.read(entity, [remote_id]).records
    return dict(record.values)
