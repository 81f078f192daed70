"""Users, tags, customers and addresses."""

from __future__ import annotations

from typing import Any

from crm_core.entities.customer import AddressUse, CustomerKind
from crm_core.messages import t
from crm_odoo.mappings import written
from crm_odoo.mappings.converters import (
    archived,
    choice,
    contact_points,
    first_text,
    language,
    lines_of_text,
    plain,
    reference,
    references,
    required_text,
    text,
)
from crm_odoo.mappings.domains import ADDRESS_TYPES, IS_ADDRESS, IS_CUSTOMER
from crm_odoo.mappings.model import EntityMapping, FieldMapping, Need
from crm_odoo.mappings.written import blankable, one, remote_id

_INTERNAL = "Internal User (base.group_user)"
_PARTNERS = Need("res.partner", t("customers and addresses"), _INTERNAL)

_USES = {
    "invoice": AddressUse.INVOICE.value,
    "delivery": AddressUse.DELIVERY.value,
    "other": AddressUse.OTHER.value,
    "private": AddressUse.OTHER.value,
}


def main_address(
    kind: Any,
    parent: Any,
    street: Any,
    street2: Any,
    postal_code: Any,
    city: Any,
    region: Any,
    country_code: Any,
) -> dict[str, str | None] | None:
    """Return a customer's address; None for a contact, whose address is a copy of its parent's.

    Odoo copies the parent's address over that of a child of type "contact" whenever one of them is
    written.
    """
    if parent and kind not in ADDRESS_TYPES:
        return None
    if not (street or street2 or postal_code or city or region or country_code):
        return None
    return {
        "street": text(street),
        "street2": text(street2),
        "postal_code": text(postal_code),
        "city": text(city),
        "region": region or None,
        "country_code": country_code or None,
    }


USER = EntityMapping(
    name="user",
    model="res.users",
    module="",
    domain=(("share", "=", False),),
    cursors=("write_date", "partner_id.write_date"),
    label=("name", "login"),
    needs=(Need("res.users", t("salespeople as owners of customers"), _INTERNAL),),
    requires=("login",),
    fields=(
        FieldMapping("login", "login", text),
        FieldMapping("name", ("name", "login"), first_text),
        FieldMapping("email", "email", text),
        FieldMapping("archived", "active", archived),
    ),
)

TAG = EntityMapping(
    name="tag",
    model="res.partner.category",
    module="",
    domain=(),
    cursors=("write_date", "parent_id.write_date", "parent_id.parent_id.write_date"),
    label=("name",),
    needs=(Need("res.partner.category", t("tags of customers"), _INTERNAL),),
    # Odoo tells the whole path, such as "Industry / Food".
    fields=(FieldMapping("name", "display_name", required_text, written.TAG_NAME),),
)

CUSTOMER = EntityMapping(
    name="customer",
    model="res.partner",
    module="",
    domain=IS_CUSTOMER,
    # A merge of partners moves the children by raw SQL and writes to the parent that stays.
    cursors=("write_date", "parent_id.write_date"),
    label=("name",),
    needs=(_PARTNERS,),
    requires=("name",),
    fields=(
        FieldMapping(
            "kind",
            "is_company",
            choice({True: CustomerKind.COMPANY.value, False: CustomerKind.PERSON.value}),
            one("is_company", written.is_company),
        ),
        FieldMapping("name", "name", text, one("name", blankable)),
        FieldMapping("reference", "ref", text, one("ref", blankable)),
        FieldMapping("vat", "vat", text, written.VAT),
        FieldMapping("language", "lang", language, one("lang", blankable, written.LANGUAGE)),
        FieldMapping("job_title", "function", text, one("function", blankable)),
        FieldMapping("note", "comment", lines_of_text, one("comment", written.note)),
        FieldMapping("archived", "active", archived, one("active", written.active)),
        FieldMapping("owner_ref", "user_id", reference, one("user_id", remote_id)),
        FieldMapping("parent_ref", "parent_id", reference, one("parent_id", remote_id)),
        FieldMapping("tag_refs", "category_id", references, one("category_id", written.remote_ids)),
        FieldMapping(
            "contact_points",
            ("email", "phone", "mobile", "fax?", "website"),
            contact_points,
            written.CONTACT_POINTS,
        ),
        FieldMapping(
            "address",
            (
                "type",
                "parent_id",
                "street",
                "street2",
                "zip",
                "city",
                "state_id.name",
                "country_id.code",
            ),
            main_address,
            written.ADDRESS,
        ),
    ),
)

ADDRESS = EntityMapping(
    name="address",
    model="res.partner",
    module="",
    domain=IS_ADDRESS,
    cursors=("write_date", "parent_id.write_date"),
    label=("recipient", "street", "city"),
    needs=(_PARTNERS,),
    fields=(
        FieldMapping("parent_ref", "parent_id", reference, one("parent_id", remote_id)),
        FieldMapping("use", "type", choice(_USES), one("type", written.address_type)),
        FieldMapping("recipient", "name", text, one("name", blankable)),
        FieldMapping("street", "street", text, one("street", blankable)),
        FieldMapping("street2", "street2", text, one("street2", blankable)),
        FieldMapping("postal_code", "zip", text, one("zip", blankable)),
        FieldMapping("city", "city", text, one("city", blankable)),
        FieldMapping("region", "state_id.name", plain, written.ADDRESS_REGION),
        FieldMapping("country_code", "country_id.code", plain, written.ADDRESS_COUNTRY),
        FieldMapping("email", "email", text, one("email", blankable)),
        FieldMapping("phone", "phone", text, one("phone", blankable)),
        FieldMapping("mobile", "mobile", text, one("mobile", blankable)),
        FieldMapping("note", "comment", lines_of_text, one("comment", written.note)),
        FieldMapping("archived", "active", archived, one("active", written.active)),
    ),
)
