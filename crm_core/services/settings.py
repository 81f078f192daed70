"""Settings of one database: the company, its currency, its place and language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from sqlalchemy import literal, select

from crm_core.entities.system import Setting
from crm_core.errors import InputError, NotFoundError
from crm_core.messages import SOURCE, Message, say, spoken, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.currencies import checked_code, ensure_currency
from crm_core.services.plugin_settings import value_from
from crm_hooks.contributions import PluginSetting

EDIT = "core.settings.edit"
_LOADED = "settings"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings.

    Attributes:
        company: What the company is called.
        base_currency: ISO code that totals are also told in.
        time_zone: IANA name that moments are shown in for people.
        language: BCP 47 tag, such as ``el-GR``.
        phone_region: ISO country code for numbers written without a prefix; None for no guess.
        installation_id: UUID made at ``init``, which tells a copied database from its original.
    """

    company: str = ""
    base_currency: str = "EUR"
    time_zone: str = "UTC"
    language: str = "en"
    phone_region: str | None = None
    installation_id: str | None = None


_OF_COMPANY = select(Setting.key, Setting.value).where(
    Setting.key.in_([literal(field.name) for field in fields(Settings)])
)
"""Made once and its names spelt out: every request runs it, and either costs as much as running."""


def load_settings(uow: UnitOfWork) -> Settings:
    """Return all settings, with the defaults of those never set; read once a unit of work."""
    loaded: Settings | None = uow.session.info.get(_LOADED)
    if loaded is None:
        rows = uow.execute(_OF_COMPANY)
        loaded = uow.session.info[_LOADED] = Settings(**{row.key: row.value for row in rows})
    return loaded


def company_day(uow: UnitOfWork) -> date:
    """Return the day it is where the company is."""
    return uow.now.astimezone(ZoneInfo(load_settings(uow).time_zone)).date()


def said_for(uow: UnitOfWork, text: str | None, language: str | None = None) -> str | None:
    """Return a text as it goes into a record that people write too: a message once and for all.

    Args:
        uow: The unit of work.
        text: A message of ours; what people wrote stays as it is.
        language: BCP 47, of whom it is for; None for the company's.
    """
    if not isinstance(text, Message):
        return text
    return say(text, spoken(language or load_settings(uow).language) or SOURCE)


def give_settings(uow: UnitOfWork, settings: Settings) -> None:
    """Let a unit of work know the settings that were loaded a moment before, for the same work."""
    uow.session.info[_LOADED] = settings


def set_setting(uow: UnitOfWork, key: str, text: str) -> Any:
    """Set one setting, of the company or of a plugin, from text and return it as it is kept.

    Raises:
        PermissionDeniedError: The actor may not; some settings of plugins ask for another right.
        NotFoundError: There is no such setting.
        InputError: The text is no such value.
    """
    declared = uow.hooks.settings.get(key)
    if declared is not None:
        uow.actor.require(right_to_set(declared))
        return _kept(uow, key, value_from(uow, declared, text))
    uow.actor.require(EDIT)
    if key not in _PARSERS:
        raise NotFoundError(
            t(
                "There is no setting {key!r}; known are {parsers}.",
                key=key,
                parsers=", ".join(_PARSERS),
            ),
            code="core.setting.not_found",
            details={"settings": list(_PARSERS)},
        )
    parse, example = _PARSERS[key]
    try:
        value = parse(text.strip())
    except ValueError:
        raise InputError(
            t(
                "{key}: {text!r} will not do; write it like {example}.",
                key=key,
                text=text,
                example=example,
            ),
            code="core.setting.invalid",
            details={"setting": key, "value": text},
        ) from None
    if key == "base_currency":
        ensure_currency(uow, value)
    return _kept(uow, key, value)


def right_to_set(declared: PluginSetting) -> str:
    """Return the right that setting a plugin's setting asks for."""
    return declared.right or EDIT


def _kept(uow: UnitOfWork, key: str, value: Any) -> Any:
    setting = uow.find(Setting, key)
    if setting is None:
        uow.add(Setting(key=key, value=value))
    else:
        setting.value = value
    uow.flush()
    uow.session.info.pop(_LOADED, None)
    return value


def _company(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


def checked_zone(text: str) -> str:
    """Return the name of a time zone; raises ValueError when there is none such."""
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(text) from error


def _language(text: str) -> str:
    try:
        return str(Locale.parse(text.replace("_", "-"), sep="-")).replace("_", "-")
    except UnknownLocaleError as error:
        raise ValueError(text) from error


def _region(text: str) -> str:
    from phonenumbers import SUPPORTED_REGIONS

    if text.upper() not in SUPPORTED_REGIONS:
        raise ValueError(text)
    return text.upper()


_PARSERS: dict[str, tuple[Callable[[str], str], str]] = {
    "company": (_company, "Acme Ltd"),
    "base_currency": (checked_code, "EUR"),
    "time_zone": (checked_zone, "Europe/Athens"),
    "language": (_language, "el-GR"),
    "phone_region": (_region, "GR"),
    "installation_id": (lambda text: str(UUID(text)), "a UUID"),
}
