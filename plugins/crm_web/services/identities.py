"""Whom a sign-in provider knows: bound to users by the provider's own name for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from crm_core.entities.user import User
from crm_core.errors import ConfigurationError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.plugin_settings import values_of
from crm_core.services.users import add_user
from crm_web import settings
from crm_web.errors import NotAdmittedError
from crm_web.models import OidcIdentity
from crm_web.permissions import MANAGE_ACCESS
from crm_web.services.trail import note
from crm_web.settings import base_url

RETURN_PATH = "/account/oidc/return"
"""Of the page that the provider sends the browser back to."""


@dataclass(frozen=True, slots=True)
class Provider:
    """The sign-in provider, as the settings say."""

    issuer: str
    client_id: str
    secret_ref: str | None
    scopes: Sequence[str]
    domains: Sequence[str]
    role: str | None
    return_url: str


def find_provider(uow: UnitOfWork) -> Provider | None:
    """Return the sign-in provider; None where none is set."""
    found = values_of(uow, settings.SETTINGS)
    issuer, client_id = found["web.oidc_issuer"], found["web.oidc_client_id"]
    if not issuer or not client_id:
        return None
    return Provider(
        issuer=issuer,
        client_id=client_id,
        secret_ref=found["web.oidc_secret"],
        scopes=found["web.oidc_scopes"],
        domains=[each.lower() for each in found["web.oidc_domains"]],
        role=found["web.oidc_role"] or None,
        return_url=base_url(uow) + RETURN_PATH,
    )


def the_provider(uow: UnitOfWork) -> Provider:
    """Return the sign-in provider; raises ConfigurationError where none is set."""
    provider = find_provider(uow)
    if provider is None:
        raise ConfigurationError(
            t(
                "No sign-in provider is set: see the settings web.oidc_issuer and "
                "web.oidc_client_id."
            ),
            code="web.oidc.unset",
        )
    return provider


def user_for_identity(uow: UnitOfWork, provider: Provider, claims: Mapping[str, Any]) -> User:
    """Return the user whom a provider's claims, which were checked, are about.

    One who comes for the first time is found by the verified address, which nobody else may have
    and who is bound to nobody there yet; else made, where the settings name a role for that.

    Raises:
        NotAdmittedError: They may not sign in here.
    """
    uow.actor.require(MANAGE_ACCESS)
    _check_domain(provider, claims)
    statement = (
        select(User)
        .join(OidcIdentity, OidcIdentity.user_id == User.id)
        .where(OidcIdentity.issuer == provider.issuer, OidcIdentity.subject == claims["sub"])
    )
    user: User | None = uow.scalar(statement)
    if user is None:
        user = _newcomer(uow, provider, claims)
    if not user.is_enabled:
        raise _not_admitted()
    return user


def _newcomer(uow: UnitOfWork, provider: Provider, claims: Mapping[str, Any]) -> User:
    address = _verified(claims)
    if address is None:
        raise NotAdmittedError(
            t("The provider does not say that your mail address is verified: ask those who run it.")
        )
    users = list(uow.scalars(select(User).where(func.lower(User.email) == address)))
    if not users and provider.role:
        name = str(claims.get("name") or address)[:200]
        users = [add_user(uow, address, name=name, email=address, role_codes=[provider.role])]
    if len(users) != 1 or _is_bound(uow, provider, users[0]):
        raise _not_admitted()
    user: User = users[0]
    uow.add(
        OidcIdentity(
            user_id=user.id, issuer=provider.issuer, subject=claims["sub"], created_at=uow.now
        )
    )
    note(uow, uow.actor, "identity_bound", user.id, issuer=provider.issuer)
    uow.flush()
    return user


def _is_bound(uow: UnitOfWork, provider: Provider, user: User) -> bool:
    statement = select(OidcIdentity.id).where(
        OidcIdentity.user_id == user.id, OidcIdentity.issuer == provider.issuer
    )
    return uow.scalar(statement.limit(1)) is not None


def _check_domain(provider: Provider, claims: Mapping[str, Any]) -> None:
    address = _verified(claims)
    domain = (address or "").rpartition("@")[2]
    if provider.domains and domain not in provider.domains:
        raise _not_admitted()


def _verified(claims: Mapping[str, Any]) -> str | None:
    address = claims.get("email")
    is_verified = claims.get("email_verified") is True
    return address.lower() if is_verified and isinstance(address, str) and address else None


def _not_admitted() -> NotAdmittedError:
    return NotAdmittedError(
        t("You are not among those who may sign in here: ask an administrator.")
    )
