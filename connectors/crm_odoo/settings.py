"""A backend's options as text, turned into settings, with words for what is wrong with them."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crm_core.errors import ConfigurationError, InputError
from crm_core.messages import t
from crm_core.services.backend_options import limits_of
from crm_hooks.contributions import SyncableEntity
from crm_odoo.backend import OdooBackend
from crm_odoo.mappings import ALL, OF_PLUGINS
from crm_odoo.mappings.domains import DEFAULT_CUSTOMER_DOMAIN
from crm_odoo.mappings.model import Domain
from crm_odoo.transport import ConnectionSettings
from crm_odoo.transport.odoorpc_transport import OdooRpcTransport
from crm_odoo.transport.pace import Pace

_YES = {"yes", "true", "1", "on"}


def open_backend(
    config: Mapping[str, str], secret: str | None, entities: Sequence[SyncableEntity] = ()
) -> OdooBackend:
    """Return the backend that these options describe; it connects when first used.

    Args:
        config: Values of the options that ``plugin`` declares.
        secret: Password or API key.
        entities: What plugins keep in step; those without a mapping are not held.

    Raises:
        InputError: An option makes no sense.
        ConfigurationError: There is no secret.
    """
    settings = connection_settings(config, secret)
    declared = {entity.name for entity in entities}
    return OdooBackend(
        OdooRpcTransport(settings),
        language=config.get("language") or None,
        customer_domain=customer_domain(config.get("customer_domain")),
        mappings=[each for each in ALL if each.name not in OF_PLUGINS - declared],
    )


def connection_settings(config: Mapping[str, str], secret: str | None) -> ConnectionSettings:
    """Return where to connect and how.

    Raises:
        InputError: An option makes no sense.
        ConfigurationError: There is no secret.
    """
    if not secret or not secret.strip():
        raise ConfigurationError(
            t(
                "An Odoo backend needs the user's password or API key: remove it and add it again "
                "with --secret-file FILE."
            ),
            code="odoo.secret_missing",
        )
    url = _address(config.get("url", ""), plain_http=_is_yes(config.get("allow_plain_http")))
    seconds = _seconds(config.get("timeout_seconds") or "120")
    limits = limits_of(config)
    ca_file = config.get("ca_file") or None
    if ca_file is not None and not Path(ca_file).is_file():
        raise InputError(
            t(
                "ca-file: there is no file {ca_file}. Name one with certificates in PEM form.",
                ca_file=ca_file,
            ),
            code="odoo.ca_file",
        )
    return ConnectionSettings(
        url=url,
        database=_given(config, "database"),
        login=_given(config, "login"),
        secret=secret.strip(),
        ca_file=ca_file,
        connect_seconds=min(10.0, seconds),
        read_seconds=seconds,
        pace=Pace(limits.calls_per_second) if limits.calls_per_second else None,
        connections=limits.connections,
    )


def customer_domain(text: str | None) -> Domain:
    """Return the domain of customers that an option gives as JSON, or the default.

    Raises:
        InputError: It is no Odoo domain.
    """
    if not text or not text.strip():
        return DEFAULT_CUSTOMER_DOMAIN
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise _bad_domain(
            t("it is no JSON ({msg} at character {pos})", msg=error.msg, pos=error.pos + 1)
        ) from None
    if not isinstance(found, list):
        raise _bad_domain(t("it is no list"))
    return tuple(_term(term) for term in found)


def _term(term: Any) -> Any:
    if term in ("&", "|", "!"):
        return term
    is_triple = isinstance(term, list) and len(term) == 3
    if is_triple and isinstance(term[0], str) and isinstance(term[1], str):
        return tuple(term)
    raise _bad_domain(t("{term} is no condition", term=json.dumps(term)))


def _bad_domain(why: str) -> InputError:
    return InputError(
        t(
            "customer-domain: {why}. Give a list of conditions as Odoo knows them, such as "
            '[["customer_rank", ">", 0], ["id", "not in", "$internal_users"]].',
            why=why,
        ),
        code="odoo.customer_domain",
    )


def _address(text: str, *, plain_http: bool) -> str:
    shown = text.strip().rstrip("/")
    try:
        parts = urlsplit(shown)
        port = parts.port
    except ValueError:
        raise _bad_address(shown, t("it is no address")) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _bad_address(shown, t("it has to begin with https://"))
    if parts.username is not None or parts.password is not None:
        raise _bad_address(f"{parts.scheme}://…@{parts.hostname}", t("leave out user and password"))
    if parts.path or parts.query or parts.fragment:
        raise _bad_address(shown, t("leave out what comes after the host and port"))
    if parts.scheme == "http" and not plain_http and not _is_loopback(parts.hostname):
        raise InputError(
            t(
                "url: {shown} would send the password unencrypted over the network. Use https://, "
                "or set allow-plain-http to yes where the network itself is protected.",
                shown=shown,
            ),
            code="odoo.plain_http",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def _bad_address(shown: str, why: str) -> InputError:
    return InputError(
        t(
            "url: {shown!r} cannot be used: {why}. An example: https://erp.example.com",
            shown=shown,
            why=why,
        ),
        code="odoo.url",
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 3600:
        raise InputError(
            t("timeout-seconds: {text!r} is not a number of seconds from 1 to 3600.", text=text),
            code="odoo.timeout",
        )
    return seconds


def _given(config: Mapping[str, str], name: str) -> str:
    value = (config.get(name) or "").strip()
    if not value:
        raise InputError(
            t("{name}: an Odoo backend needs it.", name=name), code="odoo.option_missing"
        )
    return value


def _is_yes(text: str | None) -> bool:
    return (text or "").strip().lower() in _YES
