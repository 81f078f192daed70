"""Setting up an empty database: who may act, what the company is, and where it is."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from babel import Locale, UnknownLocaleError, default_locale
from babel.core import get_global
from babel.numbers import get_territory_currencies
from sqlalchemy import text

from crm_core.errors import ConfigurationError
from crm_core.messages import t
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.relationships import seed_relationship_types
from crm_core.services.roles import ADMIN, seed_roles
from crm_core.services.settings import Settings, load_settings, set_setting
from crm_core.services.users import add_user

ZONE_LINK = Path("/etc/localtime")
NO_TERRITORY = "ZZ"
BLIND_CTYPES = frozenset({"C", "POSIX"})


@dataclass(frozen=True, slots=True)
class Answers:
    """What ``init`` asks for; ``phone_region`` None means that no country is guessed."""

    company: str
    base_currency: str
    time_zone: str
    language: str
    phone_region: str | None
    admin: str


def guessed_answers(account: str) -> Answers:
    """Return what this machine's own settings suggest.

    Args:
        account: Name of the operating system account; becomes the administrator's login.
    """
    zone = _machine_zone()
    locale = _machine_locale()
    region = get_global("zone_territories").get(zone)
    if region in (None, NO_TERRITORY) and locale is not None:
        region = locale.territory
    if region == NO_TERRITORY or not re.fullmatch("[A-Z]{2}", region or ""):
        region = None
    currencies = get_territory_currencies(region) if region else []
    return Answers(
        company="My company",
        base_currency=currencies[0] if currencies else "EUR",
        time_zone=zone,
        language="-".join(filter(None, (locale.language, locale.territory))) if locale else "en",
        phone_region=region,
        admin=account,
    )


def is_installed(uow: UnitOfWork) -> bool:
    """Return whether the database was set up to the end."""
    return load_settings(uow).installation_id is not None


def install(uow: UnitOfWork, answers: Answers, *, os_user: str) -> Settings:
    """Fill a migrated, empty database: roles, relationship types, settings, the administrator.

    Args:
        uow: A writing unit of work of the system; the caller commits, so all of it or none.
        answers: What was asked.
        os_user: Operating system account that acts as the administrator.

    Raises:
        InputError: An answer is no currency, time zone, language or region.
    """
    seed_roles(uow)
    seed_relationship_types(uow)
    for key in ("company", "base_currency", "time_zone", "language", "phone_region"):
        value = getattr(answers, key)
        if value is not None:
            set_setting(uow, key, value)
    set_setting(uow, "installation_id", str(uuid4()))
    add_user(uow, answers.admin, role_codes=(ADMIN,), os_user=os_user)
    return load_settings(uow)


def check_server(database: Database) -> None:
    """Make sure that a PostgreSQL database can hold and find names in every script.

    Raises:
        ConfigurationError: It is not UTF-8, or its LC_CTYPE knows only ASCII letters.
    """
    if database.is_sqlite:
        return
    with database.engine.connect() as connection:
        row = connection.execute(
            text(
                "SELECT pg_encoding_to_char(encoding) AS encoding, datctype AS ctype "
                "FROM pg_database WHERE datname = current_database()"
            )
        ).one()
    if row.encoding != "UTF8" or row.ctype in BLIND_CTYPES:
        raise ConfigurationError(
            t(
                "{shown_url} has the encoding {encoding} and LC_CTYPE {ctype}: names in Greek or "
                "Persian could not be found. Create it anew: createdb --encoding=UTF8 "
                "--locale=C.UTF-8 --template=template0 NAME.",
                shown_url=database.shown_url,
                encoding=row.encoding,
                ctype=row.ctype,
            ),
            code="core.database.locale",
            details={"encoding": row.encoding, "lc_ctype": row.ctype},
        )


def _machine_zone() -> str:
    known = {*get_global("zone_territories"), "UTC"}
    named = os.environ.get("TZ", "").lstrip(":")
    linked = str(ZONE_LINK.resolve()).partition("zoneinfo/")[2] if ZONE_LINK.exists() else ""
    return next((zone for zone in (named, linked) if zone in known), "UTC")


def _machine_locale() -> Locale | None:
    try:
        name = default_locale() or "en"
        return None if "POSIX" in name else Locale.parse(name)
    except (UnknownLocaleError, ValueError):
        return None
