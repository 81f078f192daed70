"""What administrators may set of the web."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from crm_core.errors import InputError, RuleViolationError
from crm_core.messages import t
from crm_hooks.contributions import PluginSetting
from crm_web.permissions import MANAGE_ACCESS, MANAGE_WEBHOOKS

if TYPE_CHECKING:
    from crm_core.persistence.unit_of_work import UnitOfWork

NONE, ADMINS, ALL = "none", "admins", "all"

BASE_URL = PluginSetting(
    "web.base_url",
    t("Address of this site"),
    help=t("What links in mails begin with, such as https://crm.example.com."),
    check="crm_web.settings:checked_base_url",
    right=MANAGE_ACCESS,
)
IDLE_HOURS = PluginSetting(
    "web.idle_hours",
    t("Hours until somebody who does nothing is signed out"),
    "whole",
    default=12,
    least=1,
    most=168,
    right=MANAGE_ACCESS,
)
LONGEST_DAYS = PluginSetting(
    "web.longest_days",
    t("Days after which everybody has to sign in again"),
    "whole",
    default=7,
    least=1,
    most=90,
    right=MANAGE_ACCESS,
)
SECOND_FACTOR = PluginSetting(
    "web.second_factor",
    t("Who has to have a second factor"),
    "choice",
    default=NONE,
    choices=((NONE, t("Nobody")), (ADMINS, t("Administrators")), (ALL, t("Everybody"))),
    right=MANAGE_ACCESS,
)
WEBHOOK_HOSTS = PluginSetting(
    "web.webhook_hosts",
    t("Hosts of your own network that webhooks may reach"),
    "list",
    default=[],
    help=t("Names as they stand in the address; all other private addresses are refused."),
    right=MANAGE_WEBHOOKS,
)
OIDC_ISSUER = PluginSetting(
    "web.oidc_issuer",
    t("Sign-in provider (OpenID Connect)"),
    help=t("Its issuer, such as https://login.example.com; empty for none."),
    check="crm_web.settings:checked_issuer",
    right=MANAGE_ACCESS,
)
OIDC_CLIENT_ID = PluginSetting("web.oidc_client_id", t("Client id there"), right=MANAGE_ACCESS)
OIDC_SECRET = PluginSetting(
    "web.oidc_secret", t("Where the client's secret is kept"), "secret", right=MANAGE_ACCESS
)
OIDC_SCOPES = PluginSetting(
    "web.oidc_scopes",
    t("Scopes to ask for"),
    "list",
    default=["openid", "email", "profile"],
    right=MANAGE_ACCESS,
)
OIDC_DOMAINS = PluginSetting(
    "web.oidc_domains",
    t("Mail domains that may sign in with it"),
    "list",
    default=[],
    help=t("Empty for all that the provider knows."),
    right=MANAGE_ACCESS,
)
OIDC_ROLE = PluginSetting(
    "web.oidc_role",
    t("Role of users made at their first sign-in with it"),
    help=t("Empty: only those who are users already may sign in."),
    check="crm_web.settings:checked_role",
    right=MANAGE_ACCESS,
)
SETTINGS = (
    BASE_URL,
    IDLE_HOURS,
    LONGEST_DAYS,
    SECOND_FACTOR,
    WEBHOOK_HOSTS,
    OIDC_ISSUER,
    OIDC_CLIENT_ID,
    OIDC_SECRET,
    OIDC_SCOPES,
    OIDC_DOMAINS,
    OIDC_ROLE,
)
_HERE = ("localhost", "127.0.0.1", "::1")


def value_of(uow: UnitOfWork, setting: PluginSetting) -> Any:
    """Return the value of one setting."""
    from crm_core.services.plugin_settings import values_of

    return values_of(uow, [setting])[setting.name]


def base_url(uow: UnitOfWork) -> str:
    """Return what links that leave this machine begin with, without a slash at the end.

    Raises:
        RuleViolationError: It was not set; what a request says of its host is not believed.
    """
    found = value_of(uow, BASE_URL)
    if not found:
        raise RuleViolationError(
            t("The address of this site is not known: set web.base_url first."),
            code="web.base_url.unset",
        )
    return str(found)


def checked_base_url(_uow: UnitOfWork, text: str) -> str:
    """Return an address that links can begin with; raises InputError."""
    parts = _parts(text)
    if parts is None or parts.scheme not in ("https", "http"):
        raise InputError(
            t(
                "{text!r} is no address of a site; write it like https://crm.example.com.",
                text=text,
            ),
            code="web.base_url.invalid",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def checked_issuer(_uow: UnitOfWork, text: str) -> str:
    """Return a provider's address as it writes it itself; raises InputError."""
    parts = _parts(text)
    known = parts and (parts.scheme == "https" or parts.hostname in _HERE)
    if not known:
        raise InputError(
            t("{text!r} is no issuer; it begins with https://.", text=text),
            code="web.oidc.issuer",
        )
    return text


def checked_role(uow: UnitOfWork, text: str) -> str:
    """Return the code of a role; raises NotFoundError, and for the administrator's InputError."""
    from crm_core.services.roles import ADMIN, role_named

    if text == ADMIN:
        raise InputError(
            t("Nobody becomes an administrator by signing in: choose another role."),
            code="web.oidc.role",
        )
    return role_named(uow, text).code


def _parts(text: str) -> Any:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    bad = parts.username is not None or parts.query or parts.fragment or not parts.hostname
    return None if bad or not text.isascii() or any(c <= " " or c == "\\" for c in text) else parts
