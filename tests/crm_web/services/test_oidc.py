"""Signing in with a provider: a real one, on this machine, that can be made to lie."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import time_machine
from joserfc.jwk import RSAKey
from sqlalchemy import select, update

from crm_core.access import system_actor
from crm_core.entities.system import AuditEntry, Setting
from crm_core.entities.user import User
from crm_core.errors import ConfigurationError, InputError
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.users import disable_user, user_named
from crm_web.errors import NotAdmittedError, ProviderError, TooManyAttemptsError
from crm_web.models import OidcAttempt, OidcIdentity
from crm_web.oidc import begin_oidc, finish_oidc, take_attempt
from crm_web.services.sessions import session_for
from oidc_provider import CLIENT, SECRET, OidcProvider

SYSTEM = system_actor("test")
BROWSER = "the cookie of this browser"
MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def provider():
    made = OidcProvider()
    yield made
    made.stop()


@pytest.fixture
def desk(office, provider, monkeypatch):
    monkeypatch.setenv("OIDC_SECRET", SECRET)
    _set(
        office,
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT,
        oidc_secret="env:OIDC_SECRET",
        base_url="https://crm.example.com",
    )
    return office


def _set(database, **values):
    with unit_of_work(database, actor=SYSTEM, write=True) as uow:
        for name, value in values.items():
            uow.add(Setting(key=f"web.{name}", value=value))
        uow.commit()


def _sign_in(database, provider):
    return _back(database, BROWSER, provider.visit(begin_oidc(database, BROWSER, "/x")))


def _back(database, browser, params, **about):
    """Come back from the provider."""
    attempt = take_attempt(database, browser, params.get("state", ""))
    return finish_oidc(database, attempt, params, **about)


def _who(database, token):
    with unit_of_work(database, actor=SYSTEM) as uow:
        return session_for(uow, token)


def test_a_user_signs_in_with_the_provider(desk, provider):
    found = _who(desk, _sign_in(desk, provider))
    assert found.actor.login == "eleni"
    assert found.step is None
    # The next time the provider's own name counts, whatever the address has become.
    provider.person["email"] = "other@example.com"
    assert _who(desk, _sign_in(desk, provider)).actor.login == "eleni"


def test_what_is_sent_holds_no_secret_and_asks_for_pkce(desk):
    query = parse_qs(urlsplit(begin_oidc(desk, BROWSER)).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == ["https://crm.example.com/account/oidc/return"]
    assert query["scope"] == ["openid email profile"]
    assert SECRET not in str(query)
    with unit_of_work(desk, actor=SYSTEM) as uow:
        kept = uow.scalars(select(OidcAttempt)).one()
    assert query["state"][0].encode() not in kept.state_hash
    assert query["nonce"][0].encode() not in kept.sealed


def test_what_was_wanted_here_is_kept_meanwhile_but_readable_for_nobody(desk, provider):
    kept = [("note", "Ζήτησε τιμές"), ("note", "")]
    params = provider.visit(begin_oidc(desk, BROWSER, "/x", kept=kept))
    with unit_of_work(desk, actor=SYSTEM) as uow:
        assert b"note" not in uow.scalars(select(OidcAttempt)).one().sealed
    attempt = take_attempt(desk, BROWSER, params["state"])
    assert (attempt.next_path, attempt.kept) == ("/x", kept)
    params = provider.visit(begin_oidc(desk, BROWSER, "/x"))
    assert take_attempt(desk, BROWSER, params["state"]).kept is None
    with pytest.raises(InputError):
        begin_oidc(desk, BROWSER, "/x", kept=[("note", "x" * 1_100_000)])


def test_it_has_to_begin_in_this_browser_and_counts_once(desk, provider):
    params = provider.visit(begin_oidc(desk, BROWSER))
    with pytest.raises(ProviderError):
        _back(desk, "another browser", params)
    with pytest.raises(ProviderError):
        _back(desk, BROWSER, params)
    params = provider.visit(begin_oidc(desk, BROWSER))
    assert _back(desk, BROWSER, params)
    with pytest.raises(ProviderError) as again:
        _back(desk, BROWSER, params)
    assert again.value.code == "web.oidc.state"


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"state": "x", "code": "y"},
        {"state": "\x00\udcff", "code": "y"},
        {"code": "y"},
    ],
)
def test_what_did_not_begin_here_is_refused(desk, params):
    begin_oidc(desk, BROWSER)
    with pytest.raises(ProviderError):
        _back(desk, BROWSER, params)


@pytest.mark.parametrize("bent", [{"state": "other"}, {"code": "other"}, {"iss": "https://evil"}])
def test_what_comes_back_bent_is_refused(desk, provider, bent):
    params = provider.visit(begin_oidc(desk, BROWSER)) | bent
    with pytest.raises(ProviderError):
        _back(desk, BROWSER, params)


def test_a_code_of_another_sign_in_is_refused(desk, provider):
    theirs = provider.visit(begin_oidc(desk, "their browser"))
    mine = provider.visit(begin_oidc(desk, BROWSER))
    with pytest.raises(ProviderError):
        _back(desk, BROWSER, mine | {"code": theirs["code"]})


def test_it_must_not_take_too_long(desk, provider):
    params = provider.visit(begin_oidc(desk, BROWSER))
    with unit_of_work(desk, actor=SYSTEM, write=True) as uow:
        attempt = uow.scalars(select(OidcAttempt)).one()
        uow.execute(update(OidcAttempt).values(expires_at=attempt.expires_at - timedelta(hours=1)))
        uow.commit()
    with pytest.raises(ProviderError):
        _back(desk, BROWSER, params)


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"aud": ["another client"]},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"iss": "https://login.example.com"},
        {"exp": timedelta(minutes=-5)},
        {"nbf": timedelta(minutes=50)},
        {"iat": timedelta(minutes=50)},
        {"sub": None},
        {"at_hash": "another"},
        {"exp": "soon"},
        {"aud": None},
    ],
)
def test_what_the_token_says_wrong_is_refused(desk, provider, claims):
    # From now on, and not from when the tests were collected: a run takes long.
    provider.claims = {
        name: int(time.time() + told.total_seconds()) if isinstance(told, timedelta) else told
        for name, told in claims.items()
    }
    with pytest.raises(ProviderError) as refused:
        _sign_in(desk, provider)
    assert "another" not in refused.value.message
    _nobody_came(desk)


def test_a_token_signed_by_others_is_refused(desk, provider):
    provider.published = RSAKey.generate_key(2048, {"kid": "1", "alg": "RS256"})
    with pytest.raises(ProviderError):
        _sign_in(desk, provider)
    _nobody_came(desk)


def test_a_provider_of_another_name_is_refused(desk, provider):
    provider.told_issuer = "https://login.example.com"
    with pytest.raises(ProviderError):
        begin_oidc(desk, BROWSER)


def test_a_provider_that_does_not_answer(desk, provider, monkeypatch):
    params = provider.visit(begin_oidc(desk, BROWSER))

    def fail(*_, **__):
        raise requests.ConnectionError("no way")

    monkeypatch.setattr(requests.Session, "request", fail)
    with pytest.raises(ProviderError):
        _back(desk, BROWSER, params)


@pytest.mark.parametrize(
    "person",
    [
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
        {"email": None},
        {"email": "nobody@example.com"},
        {"email": ["eleni@example.com"]},
    ],
)
def test_an_address_counts_only_when_it_is_verified_and_known(desk, provider, person):
    provider.person |= person
    with pytest.raises(NotAdmittedError):
        _sign_in(desk, provider)
    _nobody_came(desk)


def test_an_address_binds_only_once(desk, provider):
    _sign_in(desk, provider)
    provider.person["sub"] = "2"
    with pytest.raises(NotAdmittedError):
        _sign_in(desk, provider)


def test_an_address_of_two_users_binds_nobody(desk, provider):
    with unit_of_work(desk, actor=SYSTEM, write=True) as uow:
        user_named(uow, "anna").email = "Eleni@example.com"
        uow.commit()
    with pytest.raises(NotAdmittedError):
        _sign_in(desk, provider)


def test_a_disabled_user_stays_out(desk, provider):
    _sign_in(desk, provider)
    with unit_of_work(desk, actor=SYSTEM, write=True) as uow:
        disable_user(uow, "eleni")
        uow.commit()
    with pytest.raises(NotAdmittedError):
        _sign_in(desk, provider)


def test_only_some_domains_may_sign_in(desk, provider):
    _sign_in(desk, provider)
    _set(desk, oidc_domains=["example.org"])
    with pytest.raises(NotAdmittedError):
        _sign_in(desk, provider)


def test_users_are_made_where_a_role_is_named_for_them(desk, provider):
    _set(desk, oidc_role="readonly")
    provider.person |= {"sub": "9", "email": "Νίκος@example.com", "name": "Νίκος <b>"}
    provider.person["email"] = "New.One@example.com"
    found = _who(desk, _sign_in(desk, provider))
    assert found.name == "Νίκος <b>"
    assert found.actor.login == "new.one@example.com"
    assert set(found.actor.rights) == {"core.customer.view"}
    assert _who(desk, _sign_in(desk, provider)).actor.login == "new.one@example.com"


def test_without_a_provider_nothing_begins(office):
    with pytest.raises(ConfigurationError):
        begin_oidc(office, BROWSER)


def _nobody_came(database):
    with unit_of_work(database, actor=SYSTEM) as uow:
        assert uow.scalars(select(OidcIdentity)).all() == []
        assert len(uow.scalars(select(User)).all()) == 2
        assert "signed_in" not in uow.scalars(select(AuditEntry.action)).all()


def test_it_works_with_a_clock_that_moved(desk, provider):
    params = provider.visit(begin_oidc(desk, BROWSER))
    with time_machine.travel(time.time() + 30):
        assert _back(desk, BROWSER, params)


def test_whoever_begins_over_and_over_has_to_wait(desk, provider):
    """Each beginning asks the provider; those that are finished are not counted."""
    with time_machine.travel(MORNING, tick=False):
        for number in range(50):
            begin_oidc(desk, BROWSER, address=f"2001:db8::{number:x}")
        with pytest.raises(TooManyAttemptsError):
            begin_oidc(desk, BROWSER, address="2001:db8::ffff")
        begin_oidc(desk, BROWSER, address="2001:db8:0:1::1")


def test_who_comes_back_is_not_counted(desk, provider):
    for _ in range(53):
        returned = provider.visit(begin_oidc(desk, BROWSER, address="192.0.2.1"))
        _back(desk, BROWSER, returned, address="192.0.2.1")
