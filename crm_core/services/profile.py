"""Typed attributes a company adds to its customers, and their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.consent import ProfileAttribute, ProfileType, ProfileValue
from crm_core.errors import DuplicateError, InputError, NotFoundError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import PAGES, filled, one_of
from crm_core.services.currencies import checked_code
from crm_core.services.lookup import permitted_customer

DESIGN = "core.profile.design"
EDIT = "core.profile.edit"

MONEY_PLACES = 4
NUMBER_DIGITS = 30
_CODE = re.compile(r"[a-z][a-z0-9_]{0,59}")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def define_attribute(
    uow: UnitOfWork,
    code: str,
    *,
    title: str,
    type: str,
    choices: Sequence[str] | None = None,
    is_personal: bool = False,
    plugin: str = "core",
) -> ProfileAttribute:
    """Add an attribute that customers can have.

    Args:
        uow: The unit of work.
        code: Its short name: lower-case letters, digits and underscores.
        title: What people read.
        type: A value of ``ProfileType``.
        choices: What can be chosen; for type ``choice`` alone, at least one.
        is_personal: Whether it is personal data in the law's sense.
        plugin: Who declares it.

    Raises:
        DuplicateError: The code is taken.
    """
    uow.actor.require(DESIGN)
    if not _CODE.fullmatch(code):
        raise InputError(
            t(
                "{code!r} cannot be an attribute's code: use up to 60 lower-case letters, digits "
                "and underscores, a letter first.",
                code=code[:80],
            ),
            code="core.profile_attribute.code",
        )
    type = one_of(ProfileType, type, "type")
    options = list(dict.fromkeys(filled(choice, "choice") for choice in choices or ()))
    if (type == ProfileType.CHOICE) != bool(options):
        raise InputError(
            t(
                "{code}: an attribute of type choice needs choices, and no other type takes any.",
                code=code,
            ),
            code="core.profile_attribute.choices",
        )
    if uow.scalar(select(ProfileAttribute.id).where(ProfileAttribute.code == code)) is not None:
        raise DuplicateError(
            t("There is an attribute {code} already.", code=code),
            code="core.profile_attribute.exists",
        )
    return uow.add(
        ProfileAttribute(
            code=code,
            title=filled(title, "title"),
            type=type,
            choices=options or None,
            is_personal=is_personal,
            plugin=plugin,
        )
    )


def list_attributes(uow: UnitOfWork) -> list[dict[str, Any]]:
    """Return all attributes by code: ``id, code, title, type, choices, is_personal, plugin``."""
    columns = [getattr(ProfileAttribute, name) for name in _ATTRIBUTE_COLUMNS]
    rows = uow.execute(select(*columns).order_by(ProfileAttribute.code))
    return [dict(row._mapping) for row in rows]


_ATTRIBUTE_COLUMNS = ("id", "code", "title", "type", "choices", "is_personal", "plugin")


def set_profile_value(uow: UnitOfWork, customer_id: UUID, code: str, text: str) -> str:
    """Set one attribute of a customer and return the value as it is kept.

    Args:
        uow: The unit of work.
        customer_id: Whose.
        code: Which attribute.
        text: The value as a person writes it; see :func:`canonical_value`.
    """
    return store_value(uow, permitted_customer(uow, customer_id, EDIT).id, code, text)


def store_value(uow: UnitOfWork, customer_id: UUID, code: str, text: str) -> str:
    """Set one attribute of a customer whom the caller has checked the actor may change."""
    attribute = attribute_named(uow, code)
    value = canonical_value(attribute, text)
    existing = _value(uow, customer_id, attribute.id)
    if existing is None:
        uow.add(
            ProfileValue(
                customer_id=customer_id,
                attribute_id=attribute.id,
                value=value,
                updated_at=uow.now,
            )
        )
    elif existing.value != value:
        existing.value, existing.updated_at = value, uow.now
    return value


def clear_profile_value(uow: UnitOfWork, customer_id: UUID, code: str) -> None:
    """Remove one attribute from a customer; nothing happens where it was not set."""
    customer = permitted_customer(uow, customer_id, EDIT)
    existing = _value(uow, customer.id, attribute_named(uow, code).id)
    if existing is not None:
        uow.delete(existing)


def list_profile(uow: UnitOfWork, customer_id: UUID) -> list[dict[str, Any]]:
    """Return a customer's attributes: ``id, code, title, type, is_personal, value, updated_at``."""
    statement = (
        select(
            ProfileValue.id,
            ProfileAttribute.code,
            ProfileAttribute.title,
            ProfileAttribute.type,
            ProfileAttribute.is_personal,
            ProfileValue.value,
            ProfileValue.updated_at,
        )
        .join(ProfileAttribute, ProfileAttribute.id == ProfileValue.attribute_id)
        .where(ProfileValue.customer_id == customer_id)
        .order_by(ProfileAttribute.title, ProfileAttribute.code)
    )
    return [dict(row._mapping) for row in uow.execute(statement)]


def canonical_value(attribute: ProfileAttribute, text: str) -> str:
    """Return ``text`` as this attribute keeps it.

    Numbers as plain decimals, dates as ISO, booleans as ``true`` or ``false``, money as
    ``AMOUNT CURRENCY``, choices spelt as declared.

    Raises:
        InputError: The text is no such value; the message says what one looks like.
    """
    text = filled(text, attribute.code, most=PAGES)
    if attribute.type == ProfileType.CHOICE:
        return _choice(attribute, text)
    parse, example = _PARSERS[attribute.type]
    try:
        return parse(text)
    except (ValueError, InvalidOperation):
        raise InputError(
            t(
                "{attribute}: {text!r} is not a {type}; write it like {example}.",
                attribute=attribute.code,
                text=text,
                type=attribute.type,
                example=example,
            ),
            code="core.profile_value.invalid",
            details={"attribute": attribute.code, "value": text},
        ) from None


def _number(text: str) -> str:
    number = Decimal(text)
    if not number.is_finite() or abs(number.adjusted()) > NUMBER_DIGITS:
        raise ValueError(text)
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _money(text: str) -> str:
    amount, _, currency = text.rpartition(" ")
    number = Decimal(_number(amount.strip()))
    if -int(number.as_tuple().exponent) > MONEY_PLACES:
        raise ValueError(text)
    return f"{number:f} {checked_code(currency)}"


def _boolean(text: str) -> str:
    if text.lower() not in _BOOLEANS:
        raise ValueError(text)
    return str(_BOOLEANS[text.lower()]).lower()


def _choice(attribute: ProfileAttribute, text: str) -> str:
    choices = attribute.choices or []
    for choice in choices:
        if choice.casefold() == text.casefold():
            return choice
    raise InputError(
        t(
            "{attribute}: {text!r} cannot be chosen; choose one of {choices}.",
            attribute=attribute.code,
            text=text,
            choices=", ".join(choices),
        ),
        code="core.profile_value.invalid",
        details={"attribute": attribute.code, "value": text, "choices": choices},
    )


_PARSERS: dict[str, tuple[Callable[[str], str], str]] = {
    ProfileType.TEXT: (str, t("any text")),
    ProfileType.NUMBER: (_number, "12.5"),
    ProfileType.MONEY: (_money, "1200.00 EUR"),
    ProfileType.DATE: (lambda text: date.fromisoformat(text).isoformat(), "2026-03-31"),
    ProfileType.BOOLEAN: (_boolean, t("yes or no")),
}


def attribute_named(uow: UnitOfWork, code: str) -> ProfileAttribute:
    """Return an attribute by its code; raises NotFoundError listing those there are."""
    found: ProfileAttribute | None = uow.scalar(
        select(ProfileAttribute).where(ProfileAttribute.code == code)
    )
    if found is None:
        known = uow.scalars(select(ProfileAttribute.code).order_by(ProfileAttribute.code)).all()
        raise NotFoundError(
            t(
                "There is no profile attribute {code!r}; known are: {known}.",
                code=code,
                known=", ".join(known) or t("none yet"),
            ),
            code="core.profile_attribute.not_found",
            details={"attributes": list(known)},
        )
    return found


def _value(uow: UnitOfWork, customer_id: UUID, attribute_id: UUID) -> ProfileValue | None:
    found: ProfileValue | None = uow.scalar(
        select(ProfileValue).where(
            ProfileValue.customer_id == customer_id, ProfileValue.attribute_id == attribute_id
        )
    )
    return found
