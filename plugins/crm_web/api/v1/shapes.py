"""What hangs on a customer, as the API gives it back."""

from __future__ import annotations

from marshmallow import fields

from crm_web.sdk.api import Result, Said


class ContactPointResult(Result):
    """One e-mail address, number, messenger or web address."""

    id = fields.UUID(required=True)
    kind = fields.String()
    value = fields.String()
    normalized = fields.String()
    label = fields.String()


class AddressResult(Result):
    """One postal address."""

    id = fields.UUID(required=True)
    use = fields.String()
    recipient = fields.String()
    street = fields.String()
    street2 = fields.String()
    postal_code = fields.String()
    city = fields.String()
    region = fields.String()
    country_code = fields.String()
    email = fields.String()
    phone = fields.String()
    mobile = fields.String()
    note = fields.String()


class OwnFieldsResult(Result):
    """A customer's own fields."""

    id = fields.UUID(required=True)
    kind = fields.String()
    stage = fields.String()
    name = fields.String()
    reference = fields.String()
    vat = fields.String()
    language = fields.String()
    job_title = fields.String()
    preferred_channel = fields.String()
    note = fields.String()
    owner_id = fields.UUID()
    merged_into_id = fields.UUID()
    archived_at = fields.DateTime()
    created_at = fields.DateTime()
    updated_at = fields.DateTime()
    version = fields.Integer()


class CustomerResult(OwnFieldsResult):
    """A customer with its contact points, addresses and tags."""

    contact_points = fields.List(fields.Nested(ContactPointResult))
    addresses = fields.List(fields.Nested(AddressResult))
    tags = fields.List(fields.String())


class OwnerResult(Result):
    """Who answered for a customer from when to when."""

    id = fields.UUID(required=True)
    user_id = fields.UUID()
    user_name = fields.String()
    from_at = fields.DateTime()
    until_at = fields.DateTime()
    changed_by = fields.String()


class RelationshipResult(Result):
    """A tie to another customer, as seen from this one."""

    id = fields.UUID(required=True)
    type = fields.String()
    label = fields.String()
    other_id = fields.UUID()
    other_name = fields.String()
    other_kind = fields.String()
    started_on = fields.Date()
    ended_on = fields.Date()
    note = fields.String()


class InteractionResult(Result):
    """Something that happened with a customer."""

    id = fields.UUID(required=True)
    at = fields.DateTime()
    channel = fields.String()
    direction = fields.String()
    subject = fields.String()
    body = fields.String()
    user_name = fields.String()
    about_type = fields.String()
    about_id = fields.UUID()


class ActivityResult(Result):
    """Something to do, or done."""

    id = fields.UUID(required=True)
    customer_id = fields.UUID()
    customer_name = fields.String()
    type = fields.String()
    summary = fields.String()
    note = fields.String()
    due_at = fields.DateTime()
    owner_name = fields.String()
    is_open = fields.Boolean()
    is_overdue = fields.Boolean()
    done_at = fields.DateTime()
    version = fields.Integer()


class ConsentResult(Result):
    """What a customer said to being reached."""

    id = fields.UUID(required=True)
    purpose = fields.String()
    channel = fields.String()
    status = fields.String()
    evidence = fields.String()
    at = fields.DateTime()


class ProfileValueResult(Result):
    """A value of a customer's profile, as canonical text."""

    id = fields.UUID()
    code = fields.String(required=True)
    title = fields.String()
    type = fields.String()
    is_personal = fields.Boolean()
    value = fields.String()
    updated_at = fields.DateTime()


class AttachmentResult(Result):
    """A file kept with a customer."""

    id = fields.UUID(required=True)
    file_name = fields.String()
    content_type = fields.String()
    size_bytes = fields.Integer()
    created_at = fields.DateTime()


class EventResult(Result):
    """An entry of the timeline: an interaction, a done activity or a document."""

    kind = fields.String(required=True)
    id = fields.UUID(required=True)
    at = fields.DateTime()
    on = fields.Date()
    title = fields.String()
    detail = fields.String()
    direction = fields.String()
    body = fields.String()
    who = fields.String()


class DocumentResult(Result):
    """An order, invoice, refund or quotation of a back office."""

    id = fields.UUID(required=True)
    kind = fields.String()
    number = fields.String()
    reference = fields.String()
    state = fields.String()
    payment_state = fields.String()
    invoice_state = fields.String()
    delivery_state = fields.String()
    is_outgoing = fields.Boolean()
    is_open = fields.Boolean()
    is_overdue = fields.Boolean()
    issued_on = fields.Date()
    due_on = fields.Date()
    currency_code = fields.String()
    untaxed_amount = fields.Decimal(as_string=True)
    tax_amount = fields.Decimal(as_string=True)
    total_amount = fields.Decimal(as_string=True)
    open_amount = fields.Decimal(as_string=True)
    refreshed_at = fields.DateTime()


class OwedResult(Result):
    """What is owed in one currency."""

    currency_code = fields.String(required=True)
    open_amount = fields.Decimal(as_string=True)
    overdue_amount = fields.Decimal(as_string=True)


class BalanceResult(Result):
    """What is still to be paid, by currency and in the company's own."""

    currencies = fields.List(fields.Nested(OwedResult))
    base_currency = fields.String()
    open_amount = fields.Decimal(as_string=True)
    overdue_amount = fields.Decimal(as_string=True)
    rate_on = fields.Date()
    without_rate = fields.List(fields.String())


class BoughtResult(Result):
    """A product that a customer bought."""

    id = fields.UUID(required=True)
    name = fields.String()
    reference = fields.String()
    quantity = fields.Decimal(as_string=True)
    times = fields.Integer()
    last_on = fields.Date()


class SourceResult(Result):
    """Where a customer is known too, and how fresh that is."""

    backend = fields.String(required=True)
    remote_id = fields.String()
    state = fields.String()
    synced_at = fields.DateTime()
    refreshed = fields.Dict(keys=fields.String(), values=fields.DateTime(allow_none=True))


class PanelResult(Result):
    """What a plugin shows."""

    title = Said()
    fields_ = fields.List(
        fields.List(fields.Raw(allow_none=True)), attribute="fields", data_key="fields"
    )
    headings = fields.List(Said())
    rows = fields.List(fields.List(fields.Raw(allow_none=True)))


class TagResult(Result):
    """A tag, as it is carried."""

    id = fields.UUID(required=True)
    name = fields.String()


class CardResult(Result):
    """Everything known of one customer."""

    customer = fields.Nested(OwnFieldsResult)
    contact_points = fields.List(fields.Nested(ContactPointResult))
    addresses = fields.List(fields.Nested(AddressResult))
    tags = fields.List(fields.Nested(TagResult))
    owners = fields.List(fields.Nested(OwnerResult))
    relationships = fields.List(fields.Nested(RelationshipResult))
    timeline = fields.List(fields.Nested(EventResult))
    documents = fields.List(fields.Nested(DocumentResult))
    balance = fields.Nested(BalanceResult)
    activities = fields.List(fields.Nested(ActivityResult))
    consents = fields.List(fields.Nested(ConsentResult))
    profile = fields.List(fields.Nested(ProfileValueResult))
    products = fields.List(fields.Nested(BoughtResult))
    sources = fields.List(fields.Nested(SourceResult))
    panels = fields.List(fields.Nested(PanelResult))
