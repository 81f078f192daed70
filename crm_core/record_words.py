"""What people call records and their fields, which the database and commands know by a word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from crm_core.messages import Message, joined, p, t

if TYPE_CHECKING:
    from crm_hooks.contributions import SyncableEntity, SyncField

Declared = Mapping[str, "SyncableEntity"]
"""What plugins in use keep in step, by name: they say themselves what it is called."""
NONE: Declared = {}

ENTITIES: Mapping[str, Message] = {
    "customer": t("Customers"),
    "address": t("Addresses"),
    "tag": t("Tags"),
    "user": t("Users"),
    "currency": t("Currencies"),
    "product": t("Products"),
    "order": t("Orders"),
    "invoice": t("Invoices"),
    "payment": t("Payments"),
}
FIELDS: Mapping[str, Message] = {
    "name": t("Name"),
    "kind": t("Kind"),
    "stage": t("Stage"),
    "reference": t("Reference"),
    "vat": t("VAT number"),
    "language": t("Language"),
    "job_title": t("Job title"),
    "preferred_channel": t("Preferred channel"),
    "note": t("Note"),
    "owner": t("Owner"),
    "address": t("Main address"),
    "contact points": t("Contact points"),
    "tags": t("Tags"),
    "owner_ref": t("Owner"),
    "parent_ref": t("Company"),
    "tag_refs": t("Tags"),
    "contact_points": t("Contact points"),
    "archived": t("Archived"),
    "use": p("of an address", "Use"),
    "recipient": t("Recipient"),
    "street": t("Street"),
    "street2": t("Street, second line"),
    "postal_code": t("Postal code"),
    "city": t("City"),
    "region": t("Region"),
    "country_code": t("Country"),
    "email": t("E-mail"),
    "phone": t("Phone"),
    "mobile": t("Mobile"),
    "merged": t("Merged with another"),
}


def entity_words(entity: str, declared: Declared = NONE) -> str:
    """Return what people call the records of an entity, which may be a plugin's."""
    own = declared.get(entity)
    return own.title if own else ENTITIES.get(entity, entity.replace("_", " "))


def field_words(path: str, entity: str = "", declared: Declared = NONE) -> str:
    """Return what people read for a field or a part of one: ``address.city``.

    Args:
        path: The field.
        entity: Whose it is; what its plugin calls it comes before the core's words.
        declared: What plugins in use declared.
    """
    own = declared.get(entity)
    titles: Mapping[str, str] = dict(_titles(own.fields)) if own else {}
    words = (
        titles.get(each, "") or FIELDS.get(each, each.replace("_", " ")) for each in path.split(".")
    )
    return joined(words, ": ")


def _titles(fields: Sequence[SyncField]) -> Iterator[tuple[str, str]]:
    for field in fields:
        yield field.name, field.title
        yield from _titles(field.fields)
