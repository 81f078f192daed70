"""Customers: the list, one of them, adding, changing, archiving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from marshmallow import INCLUDE, ValidationError, fields, validate, validates_schema
from sqlalchemy import select
from webargs.fields import DelimitedList

from crm_core.entities.customer import Address, ContactPoint, Customer, CustomerTag, Tag
from crm_core.persistence.paging import Page
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.schemas.customer import ADDRESS_FIELDS, CustomerSchema
from crm_core.services import customer_list_compare as kinds
from crm_core.services import customers as service
from crm_core.services.card import CustomerCard, customer_card
from crm_core.services.customer_list import (
    CustomerPage,
    ListColumnInfo,
    ListCount,
    count_listed,
    list_columns,
    list_page,
)
from crm_core.services.customer_list_fields import CORE_FIELDS
from crm_core.services.customer_list_query import ListQuery, list_query
from crm_core.services.search import CustomerHit, search_customers
from crm_web.api.v1.shapes import CardResult, CustomerResult, OwnFieldsResult
from crm_web.sdk.api import Api, Call, Flag, PageQuery, Result, Said, Strict, Whole

MOST_VALUE = 2_000
api = Api("customers", title="Customers", prefix="/customers")


class CountResult(Result):
    """How many there are."""

    number = fields.Integer(required=True)
    is_more = fields.Boolean(
        required=True, metadata={"description": "Whether they were not counted to the end."}
    )


class ColumnResult(Result):
    """A column of the list."""

    name = fields.String(required=True)
    title = Said()
    kind = fields.String()
    operators = fields.List(fields.String())
    choices = fields.List(fields.List(Said()))
    is_sortable = fields.Boolean()


class HitResult(Result):
    """A customer that was found, and what it was found by."""

    id = fields.UUID(required=True)
    name = fields.String()
    kind = fields.String()
    reference = fields.String()
    city = fields.String()
    email = fields.String()
    phone = fields.String()
    owner_id = fields.UUID()
    archived = fields.Boolean()
    matched = fields.String()


class SearchQuery(PageQuery):
    """What to look for."""

    q = fields.String(
        required=True,
        validate=validate.Length(min=1, max=200),
        metadata={"description": "Words, or beginnings of words; in any script."},
    )
    include_archived = Flag(in_query=True)


class CardQuery(Strict):
    """How much of the past."""

    timeline_limit = Whole(in_query=True, validate=validate.Range(1, 200))


class MoneyResult(Result):
    """What is owed in one currency."""

    currency_code = fields.String(required=True)
    open_amount = fields.Decimal(as_string=True, required=True)


_KINDS: Mapping[str, Any] = {
    kinds.NUMBER: fields.Integer,
    kinds.DATE: fields.Date,
    kinds.MOMENT: fields.DateTime,
    kinds.YES_NO: fields.Boolean,
    kinds.TAGS: lambda **told: fields.List(fields.String(), **told),
    kinds.MONEY: lambda **told: fields.List(fields.Nested(MoneyResult), **told),
}


class _ListedResult(Result):
    class Meta:
        """Columns of profiles and plugins come beside these."""

        unknown = INCLUDE

    id = fields.UUID(required=True)
    version = fields.Integer(required=True)
    owner_id = fields.UUID()


ListedCustomerResult = _ListedResult.from_dict(
    {
        name: _KINDS.get(each.kind, fields.String)(metadata={"description": str(each.title)})
        for name, each in CORE_FIELDS.items()
    },
    name="ListedCustomer",
)


class _Filters(Strict):
    class Meta:
        """Fields of profiles and plugins have a dot in their names; the list knows which exist."""

        unknown = INCLUDE

    q = fields.String(
        validate=validate.Length(max=MOST_VALUE),
        metadata={"description": "Free text, found as the search does."},
    )

    @validates_schema(pass_original=False)
    def _known(self, given: Mapping[str, Any], **_: Any) -> None:
        for name in given:
            if name not in self.fields and "." not in name:
                raise ValidationError("is not known here; leave it out or correct it.", name)


class _ListQuery(_Filters, PageQuery):
    sort = fields.String(
        validate=validate.Length(max=200),
        metadata={"description": "A field; with a minus in front for the greatest first."},
    )


_FILTERS: dict[str, Any] = {
    name: fields.String(
        validate=validate.Length(max=MOST_VALUE),
        metadata={
            "description": f"{each.title}: a value, or operator:value with one of "
            f"{', '.join(each.operators)}."
        },
    )
    for name, each in CORE_FIELDS.items()
    if each.operators
}
CustomerQuery = _ListQuery.from_dict(
    {
        "fields": DelimitedList(
            fields.String(), metadata={"description": "The columns, separated by commas."}
        ),
        **_FILTERS,
    },
    name="CustomerQuery",
)
CountQuery = _Filters.from_dict(_FILTERS, name="CountQuery")


@api.get("/", query=CustomerQuery, page=ListedCustomerResult, as_is=True, right=CUSTOMER_VIEW)
def list_(call: Call) -> CustomerPage:
    """List customers.

    Filters are those of the list's page: ``stage=any:prospect,active&city=Athens``. Fields of
    profiles (``profile.CODE``) and plugins are asked the same way.
    """
    asked = dict(call.query)
    page = {name: asked.pop(name) for name in ("limit", "cursor") if name in asked}
    columns = tuple(asked.pop("fields", ()))
    query = list_query(asked.items())
    return list_page(call.uow, ListQuery(query.filters, query.text, query.sort, columns), **page)


@api.get("/columns", page=ColumnResult, right=CUSTOMER_VIEW)
def columns(call: Call) -> list[ListColumnInfo]:
    """List the columns of the list: what each can be asked, and whether it sorts."""
    return list_columns(call.uow)


@api.get("/count", query=CountQuery, result=CountResult, right=CUSTOMER_VIEW)
def count(call: Call) -> ListCount:
    """Count the customers that filters find, as far as ten thousand."""
    return count_listed(call.uow, list_query(call.query.items()))


@api.get("/search", query=SearchQuery, page=HitResult, right=CUSTOMER_VIEW)
def search(call: Call) -> Page[CustomerHit]:
    """Find customers by name, e-mail, phone, VAT or reference, in any script."""
    asked = dict(call.query)
    return search_customers(call.uow, asked.pop("q"), **asked)


@api.post("/", body=CustomerSchema, result=CustomerResult, status=201, right=service.CREATE)
def create(call: Call) -> Mapping[str, Any]:
    """Add a customer, with contact points, addresses, tags and profile."""
    return whole(call.uow, service.create_customer(call.uow, call.body))


@api.get("/<uuid:customer_id>", result=CustomerResult, right=CUSTOMER_VIEW)
def get(call: Call, customer_id: UUID) -> Mapping[str, Any]:
    """Return a customer."""
    return whole(call.uow, call.uow.get(Customer, customer_id))


@api.get("/<uuid:customer_id>/card", query=CardQuery, result=CardResult, right=CUSTOMER_VIEW)
def card(call: Call, customer_id: UUID) -> CustomerCard:
    """Return everything known of a customer."""
    return customer_card(call.uow, customer_id, call.request.settings, **call.query)


@api.patch(
    "/<uuid:customer_id>",
    body=CustomerSchema(only=service.PLAIN_FIELDS, partial=True),
    result=CustomerResult,
    versioned=True,
    right=service.EDIT,
)
def edit(call: Call, customer_id: UUID) -> Mapping[str, Any]:
    """Change the fields that are sent; null clears one."""
    version = call.expected_version
    changed = service.edit_customer(call.uow, customer_id, call.body, expected_version=version)
    return whole(call.uow, changed)


@api.post(
    "/<uuid:customer_id>/archive", result=CustomerResult, versioned=True, right=service.ARCHIVE
)
def archive(call: Call, customer_id: UUID) -> Mapping[str, Any]:
    """Take a customer out of daily lists; nothing is deleted."""
    version = call.expected_version
    return whole(
        call.uow, service.archive_customer(call.uow, customer_id, expected_version=version)
    )


@api.post(
    "/<uuid:customer_id>/restore", result=CustomerResult, versioned=True, right=service.ARCHIVE
)
def restore(call: Call, customer_id: UUID) -> Mapping[str, Any]:
    """Bring an archived customer back."""
    version = call.expected_version
    return whole(
        call.uow, service.restore_customer(call.uow, customer_id, expected_version=version)
    )


def whole(uow: UnitOfWork, customer: Customer) -> Mapping[str, Any]:
    """Return a customer as the API tells of it."""
    uow.flush()
    here = customer.id
    points = select(*_POINT).where(ContactPoint.customer_id == here)
    addresses = select(
        Address.id, Address.use, *(getattr(Address, name) for name in ADDRESS_FIELDS)
    )
    tags = select(Tag.name).join(CustomerTag, CustomerTag.tag_id == Tag.id)
    return {
        **{name: getattr(customer, name) for name in _OWN},
        "contact_points": _rows(uow, points.order_by(ContactPoint.position, ContactPoint.id)),
        "addresses": _rows(
            uow,
            addresses.where(Address.customer_id == here, Address.archived_at.is_(None)).order_by(
                Address.id
            ),
        ),
        "tags": list(uow.scalars(tags.where(CustomerTag.customer_id == here).order_by(Tag.name))),
    }


_OWN = tuple(OwnFieldsResult().fields)
_POINT = (
    ContactPoint.id,
    ContactPoint.kind,
    ContactPoint.value,
    ContactPoint.normalized,
    ContactPoint.label,
)


def _rows(uow: UnitOfWork, statement: Any) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in uow.execute(statement)]
