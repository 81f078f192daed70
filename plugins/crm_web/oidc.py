"""Signing in with a provider (OpenID Connect): there, back, and what came back checked.

Authorization code with PKCE. The provider is asked outside of any transaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import requests
import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import delete, select

from crm_core.access import system_actor
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.secret_refs import read_secret
from crm_web.errors import ProviderError
from crm_web.models import OidcAttempt
from crm_web.services.identities import Provider, the_provider, user_for_identity
from crm_web.services.sessions import OIDC, open_session
from crm_web.services.throttle import (
    Counted,
    count_attempt,
    counted_use,
    network_of,
    take_back_attempt,
)
from crm_web.services.tokens import hashed, new_token
from crm_web.services.vault import seal, unseal

log = structlog.get_logger(__name__)
WHY, ABOUT = "web:oidc", "oidc"
SECONDS = 10.0
GOOD_FOR = timedelta(minutes=10)
MOST_KEPT = 1_000_000
"""Characters of a form as JSON: the longest note in any script, but no database full."""
LEEWAY = 60
"""Seconds that the provider's clock may be ahead or behind."""
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
"""Signatures only the provider can make; never ``none``, nor one made with the client's secret."""
_FAILURES = (
    requests.RequestException,
    AuthlibBaseError,
    JoseError,
    ValueError,
    KeyError,
    TypeError,
)


Kept = list[tuple[str, str]]
"""Names and values of a form that was sent when nobody was signed in."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was kept of a sign-in while its browser was at the provider.

    Attributes:
        nonce: What the ID token has to repeat.
        verifier: Of PKCE.
        next_path: Where they wanted to go here.
        kept: What the form held that they had sent there; None where it was none.
    """

    nonce: str
    verifier: str
    next_path: str | None
    kept: Kept | None


def begin_oidc(
    database: Database,
    browser: str,
    next_path: str | None = None,
    *,
    kept: Kept | None = None,
    address: str | None = None,
) -> str:
    """Return the provider's address to send a browser to; counts the attempt.

    Args:
        database: Where.
        browser: A random cookie of this browser: no other can finish.
        next_path: Where it wanted to go here.
        kept: What the form holds that it sent there.
        address: Where it is.

    Raises:
        InputError: That form is too long to be kept.
        TooManyAttemptsError: Too many began there and never came back.
        ConfigurationError: No provider is set.
        ProviderError: It does not answer as it should.
    """
    if kept and len(json.dumps(kept)) > MOST_KEPT:
        raise InputError(
            t("What you typed is too long to be kept meanwhile: sign in with your password."),
            code="web.oidc.kept",
        )
    with unit_of_work(database, actor=system_actor(WHY), write=True) as uow:
        provider = the_provider(uow)
        count_attempt(uow, _begun(address))  # committed before the provider is asked
        uow.commit()
    state, nonce, verifier = new_token(), new_token(), new_token()
    try:
        client = _client(provider)
        url, _ = client.create_authorization_url(
            _metadata(client, provider)["authorization_endpoint"],
            state=state,
            nonce=nonce,
            code_verifier=verifier,
        )
    except _FAILURES as error:
        raise _refused(error) from None
    with unit_of_work(database, actor=system_actor(WHY), write=True) as uow:
        sealed = seal(uow, json.dumps([nonce, verifier, kept]), ABOUT)
        uow.add(
            OidcAttempt(
                state_hash=hashed(state),
                browser_hash=hashed(browser),
                sealed=sealed,
                next_path=next_path,
                expires_at=uow.now + GOOD_FOR,
            )
        )
        uow.commit()
    return str(url)


def take_attempt(database: Database, browser: str, state: str) -> Attempt:
    """Use up what was kept for a state, whoever brings it.

    Args:
        database: Where.
        browser: The cookie that it began with.
        state: What the provider gave back.

    Raises:
        ProviderError: This did not begin in this browser, or took too long.
    """
    with unit_of_work(database, actor=system_actor(WHY), write=True) as uow:
        of_state = OidcAttempt.state_hash == hashed(state)
        attempt = uow.scalar(select(OidcAttempt).where(of_state))
        taken: Any = uow.execute(delete(OidcAttempt).where(of_state))
        in_time = attempt is not None and taken.rowcount == 1 and attempt.expires_at > uow.now
        if not in_time or attempt.browser_hash != hashed(browser):
            uow.commit()
            raise ProviderError(
                t("This sign-in did not begin in this browser, or took too long: begin again."),
                code="web.oidc.state",
            )
        nonce, verifier, kept = json.loads(unseal(uow, attempt.sealed, ABOUT))
        pairs = None if kept is None else [(name, value) for name, value in kept]
        found = Attempt(nonce, verifier, attempt.next_path, pairs)
        uow.commit()
    return found


def finish_oidc(
    database: Database,
    attempt: Attempt,
    params: Mapping[str, str],
    *,
    address: str | None = None,
    user_agent: str | None = None,
) -> str:
    """Sign in who came back from the provider; return the token for their browser.

    Args:
        database: Where.
        attempt: What they came back from.
        params: What stands behind the question mark of the address that they came back to.
        address: Where the browser is.
        user_agent: What it says it is.

    Raises:
        ProviderError: This is not what the provider says.
        NotAdmittedError: They may not sign in here.
    """
    with unit_of_work(database, actor=system_actor(WHY)) as uow:
        provider = the_provider(uow)
    if params.get("iss", provider.issuer) != provider.issuer or not params.get("code"):
        raise _refused(ValueError(params.get("error", "no code")))
    try:
        claims = _claims(provider, params["code"], attempt.verifier, attempt.nonce)
    except _FAILURES as error:
        raise _refused(error) from None
    with unit_of_work(database, actor=system_actor(WHY), write=True) as uow:
        user = user_for_identity(uow, provider, claims)
        token = open_session(uow, user, method=OIDC, user_agent=user_agent, address=address)
        take_back_attempt(uow, _begun(address))
        uow.commit()
    return token


def _begun(address: str | None) -> Counted:
    """Return what sign-ins are counted under that begin somewhere, and are not finished there."""
    return counted_use("provider from", network_of(address), free=50)


def _claims(provider: Provider, code: str, verifier: str, nonce: str) -> dict[str, Any]:
    """Exchange a code and return what the signed ID token says, checked."""
    client = _client(provider)
    metadata = _metadata(client, provider)
    answer = client.fetch_token(
        metadata["token_endpoint"], code=code, code_verifier=verifier, timeout=SECONDS
    )
    keys = KeySet.import_key_set(_json(client, metadata["jwks_uri"]))
    token = jwt.decode(answer["id_token"], keys, algorithms=ALGORITHMS)
    checked = CodeIDToken(
        token.claims,
        token.header,
        options={
            "iss": {"essential": True, "value": provider.issuer},
            "aud": {"essential": True, "value": provider.client_id},
            "nonce": {"essential": True, "value": nonce},
            "sub": {"essential": True},
        },
        params={
            "client_id": provider.client_id,
            "nonce": nonce,
            "access_token": answer.get("access_token"),
        },
    )
    checked.validate(leeway=LEEWAY)
    return dict(checked)


def _client(provider: Provider) -> OAuth2Session:
    client = OAuth2Session(
        provider.client_id,
        read_secret(provider.secret_ref, "the sign-in provider"),
        scope=" ".join(dict.fromkeys(("openid", *provider.scopes))),
        redirect_uri=provider.return_url,
        code_challenge_method="S256",
    )
    client.max_redirects = 0
    client.trust_env = False
    return client


def _metadata(client: OAuth2Session, provider: Provider) -> Any:
    url = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
    metadata = _json(client, url)
    if metadata["issuer"] != provider.issuer:
        raise ValueError("another issuer")
    return metadata


def _json(client: OAuth2Session, url: str) -> Any:
    answer = client.request("GET", url, withhold_token=True, timeout=SECONDS)
    answer.raise_for_status()
    return answer.json()


def _refused(error: Exception) -> ProviderError:
    log.warning("sign-in provider", reason=f"{type(error).__name__}: {error}"[:200])
    return ProviderError(
        t("Signing in with the provider failed: try again, or ask an administrator.")
    )
