"""The shape of a customer with contact points, addresses, tags and profile.

:func:`load_customer` is the one door: it checks shapes with a cached schema, then makes e-mail
addresses, numbers, VAT, language and country canonical.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import cache
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from crm_core.borrowed_words import own_words
from crm_core.entities.customer import AddressUse, ContactPointKind, CustomerKind, CustomerStage
from crm_core.entities.interaction import Channel
from crm_core.errors import InputError
from crm_core.messages import Message, n, t
from crm_core.normalize import (
    checked_contact,
    checked_email,
    checked_phone,
    normalize_vat,
    parse_country,
    parse_language,
)
from crm_core.schemas import IS_ACCELERATED  # noqa: F401  switches the accelerator on

NAME, SHORT, LINE, TEXT = 250, 64, 250, 100_000
"""Greatest lengths in characters: of names, of codes, of one line of text, of notes."""
ITEMS = 200
"""Most contact points, addresses or tags of one customer."""

Path = tuple[str | int, ...]
Faults = list[tuple[Path, str]]


_MESSAGES: dict[str, Any] = {
    "required": t("is missing; fill it in."),
    "null": t("is empty; fill it in."),
    "invalid": t("is not text; write it as text."),
    "invalid_utf8": t("is not UTF-8 text; convert it."),
}


def _one_to(length: int) -> str:
    return n("needs 1 to {count} character.", "needs 1 to {count} characters.", length)


def _no_more_than(length: int) -> str:
    return n(
        "has more than {count} character; shorten it.",
        "has more than {count} characters; shorten it.",
        length,
    )


def _text(length: int, *, required: bool = False) -> Any:
    limit = (
        validate.Length(min=1, max=length, error=_one_to(length))
        if required
        else validate.Length(max=length, error=_no_more_than(length))
    )
    return fields.String(
        required=required, allow_none=not required, validate=limit, error_messages=_MESSAGES
    )


def _choice(kind: type[StrEnum], *, required: bool = False) -> Any:
    choices = [member.value for member in kind]
    message = t("must be one of {choices}.", choices=", ".join(choices))
    return fields.String(
        required=required,
        allow_none=not required,
        validate=validate.OneOf(choices, error=message),
        error_messages=_MESSAGES,
    )


_LIST: dict[str, Any] = {
    **_MESSAGES,
    "invalid": t("is not a list; write a list."),
    "type": t("is not a list; write a list."),
}


def _few() -> Any:
    return validate.Length(
        max=ITEMS,
        error=n(
            "holds more than {count} item; leave some out.",
            "holds more than {count} items; leave some out.",
            ITEMS,
        ),
    )


def _check_names(names: list[str]) -> None:
    faults = {
        index: [_one_to(NAME)] for index, name in enumerate(names) if not 0 < len(name) <= NAME
    }
    if faults:
        raise ValidationError(faults)


def _names() -> Any:
    # Checked as a whole: a list whose items have validators of their own is left to slow code.
    told = {"minLength": 1, "maxLength": NAME}  # in the API's document
    name = fields.String(error_messages=_MESSAGES, metadata=told)
    return fields.List(name, allow_none=True, validate=[_few(), _check_names], error_messages=_LIST)


def _records(schema: type[Schema]) -> Any:
    return fields.Nested(schema, many=True, allow_none=True, validate=_few(), error_messages=_LIST)


class RecordSchema(Schema):
    """Base of the schemas here: unknown fields are faults, in our wording."""

    class Meta:
        """Options as marshmallow reads them."""

        unknown = RAISE

    error_messages = {  # noqa: RUF012  marshmallow's own declaration
        "unknown": t("is no field of this record; leave it out or correct its name."),
        "type": t("is not a record with fields."),
    }


class ContactPointSchema(RecordSchema):
    """One e-mail address, number, messenger or web address."""

    kind = _choice(ContactPointKind, required=True)
    value = _text(LINE, required=True)
    label = _text(LINE)


class AddressSchema(RecordSchema):
    """One postal address."""

    use = _choice(AddressUse)
    recipient = _text(LINE)
    street = _text(LINE)
    street2 = _text(LINE)
    postal_code = _text(SHORT)
    city = _text(LINE)
    region = _text(LINE)
    country_code = _text(LINE)
    email = _text(LINE)
    phone = _text(LINE)
    mobile = _text(LINE)
    note = _text(TEXT)


class CustomerSchema(RecordSchema):
    """A customer as people enter it: owner by login, tags by name, profile by attribute code."""

    kind = _choice(CustomerKind)
    stage = _choice(CustomerStage)
    name = _text(NAME, required=True)
    reference = _text(SHORT)
    vat = _text(SHORT)
    language = _text(SHORT)
    job_title = _text(LINE)
    preferred_channel = _choice(Channel)
    note = _text(TEXT)
    owner = _text(LINE)
    tags = _names()
    contact_points = _records(ContactPointSchema)
    addresses = _records(AddressSchema)
    profile = fields.Dict(
        keys=fields.String(error_messages=_MESSAGES),
        values=_text(LINE),
        allow_none=True,
        error_messages={**_MESSAGES, "invalid": t("is not a record with fields.")},
    )


ADDRESS_FIELDS = tuple(name for name in AddressSchema().fields if name != "use")
ADDRESS_CONTACTS = frozenset({"phone", "mobile", "email"})
NOT_NULL = ("kind", "stage")


@cache
def _schema() -> CustomerSchema:
    return CustomerSchema()


def load_customer(
    values: Mapping[str, Any], *, partial: bool = False, region: str | None = None
) -> dict[str, Any]:
    """Check one customer and return it in canonical form.

    Args:
        values: Fields of :class:`CustomerSchema`, as typed; blank text means None.
        partial: Whether required fields may be missing (a change of an existing customer).
        region: ISO country for numbers without ``+`` where the main address names none.

    Returns:
        Only the fields given. Contact points gain ``normalized``; vat, language and the codes of
        countries are canonical; an address without ``use`` is the main one.

    Raises:
        InputError: ``details["faults"]`` lists ``{"field": "contact_points.0.value", "message"}``.
    """
    record, faults = read_customer(values, partial=partial, region=region)
    if faults:
        told = [{"field": ".".join(map(str, path)), "message": text} for path, text in faults]
        raise InputError(
            " ".join(f"{fault['field']}: {fault['message']}" for fault in told),
            code="core.customer.invalid",
            details={"faults": told},
        )
    return record


def read_customer(
    values: Mapping[str, Any],
    *,
    partial: bool = False,
    region: str | None = None,
    is_clean: bool = False,
) -> tuple[dict[str, Any], Faults]:
    """Like :func:`load_customer`, but give back the faults as (path, message), not raise them.

    ``is_clean`` says that all text is stripped already, and holds something but no NUL.
    """
    faults: Faults = []
    cleaned = values if is_clean else _cleaned(values, (), faults)
    try:
        record: dict[str, Any] = _schema().load(cleaned, partial=partial)
    except ValidationError as error:
        faults.extend(_flattened(error.messages, ()))
        return {}, faults
    if not faults:
        _make_canonical(record, region, faults)
    return record, faults


def _cleaned(value: Any, path: Path, faults: Faults) -> Any:
    if isinstance(value, str):
        if "\x00" in value:
            faults.append((path, t("holds a NUL character; remove it.")))
        return value.strip() or None
    if isinstance(value, Mapping):
        return {key: _cleaned(item, (*path, key), faults) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item, (*path, index), faults) for index, item in enumerate(value)]
    return value


def _flattened(messages: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            yield from _flattened(inner, path if key == "_schema" else (*path, key))
    elif isinstance(messages, list):
        for inner in messages:
            yield from _flattened(inner, path)
    else:
        yield path, own_words(messages if isinstance(messages, str) else str(messages))


def _make_canonical(record: dict[str, Any], region: str | None, faults: Faults) -> None:
    country = region
    addresses = record.get("addresses") or ()
    for index, address in enumerate(addresses):
        path: Path = ("addresses", index)
        use = address["use"] = address.get("use") or AddressUse.MAIN.value
        code = _replace(address, "country_code", parse_country, path, faults)
        if use == AddressUse.MAIN.value:
            country = code or country
    for index, address in enumerate(addresses):
        if not ADDRESS_CONTACTS.isdisjoint(address):
            _check_address(address, country, ("addresses", index), faults)
    for index, point in enumerate(record.get("contact_points") or ()):
        try:
            point["normalized"] = checked_contact(point["kind"], point["value"], country)
        except InputError as error:
            faults.append((("contact_points", index, "value"), _bare(error)))
    _replace(record, "language", parse_language, (), faults)
    _replace(record, "vat", lambda value: normalize_vat(value, country), (), faults)
    for name in NOT_NULL:
        if name in record and record[name] is None:
            del record[name]


def _check_address(
    address: dict[str, Any], country: str | None, path: Path, faults: Faults
) -> None:
    here = address.get("country_code") or country
    for name in ("phone", "mobile"):
        _check(address, name, lambda value: checked_phone(value, here), path, faults)
    _check(address, "email", checked_email, path, faults)


def _check(
    record: dict[str, Any], name: str, check: Callable[[str], str], path: Path, faults: Faults
) -> str | None:
    value = record.get(name)
    if not value:
        return None
    try:
        return check(value)
    except InputError as error:
        faults.append(((*path, name), _bare(error)))
        return None


def _replace(
    record: dict[str, Any], name: str, parse: Callable[[str], str], path: Path, faults: Faults
) -> str | None:
    found = _check(record, name, parse, path, faults)
    if found is not None:
        record[name] = found
    return found


def _bare(error: InputError) -> str:
    """Return the message without the field's name, which the path already tells."""
    what = error.message.params.get("what") if isinstance(error.message, Message) else None
    return what or error.message.partition(": ")[2]
