"""Tokens for the API: they narrow, never widen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select

from crm_core.access import Reach, system_actor
from crm_core.entities.customer import Customer
from crm_core.entities.system import AuditEntry
from crm_core.errors import InputError, NotFoundError, PermissionDeniedError
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.customers import create_customer
from crm_core.services.users import disable_user, enable_user, revoke_role
from crm_web.models import ApiToken
from crm_web.permissions import MANAGE_TOKENS
from crm_web.services.api_tokens import (
    actor_for_token,
    add_token,
    list_tokens,
    mark_token_used,
    revoke_token,
)

SYSTEM = system_actor("test")


@pytest.fixture
def eleni(acting):
    actor = acting("eleni")
    return type(actor)(
        actor.user_id, actor.login, {**actor.rights, MANAGE_TOKENS: Reach.ALL}, origin="web"
    )


def _made(database, actor, title="A script", **options):
    with unit_of_work(database, actor=actor, write=True) as uow:
        text, token = add_token(uow, title, **options)
        uow.commit()
    return text, token.id


def _holder(database, text):
    with unit_of_work(database, actor=SYSTEM) as uow:
        return actor_for_token(uow, text)


def test_a_token_acts_for_its_user_and_only_reads_unless_said(office, eleni):
    text, _ = _made(office, eleni)
    assert text.startswith("crm_")
    holder = _holder(office, text)
    assert (holder.actor.login, holder.actor.origin) == ("eleni", "api")
    assert not holder.may_write
    assert holder.actor.may("core.customer.view")
    assert not holder.actor.may("core.customer.edit")
    assert _holder(office, text + "x") is None
    assert _holder(office, "Bearer") is None


def test_the_scope_narrows_rights_and_keeps_their_reach(office, acting, eleni):
    writer = _holder(office, _made(office, eleni, scope="write")[0])
    assert writer.may_write
    assert writer.actor.reach("core.customer.edit") is Reach.TEAM
    assert not writer.actor.may("core.user.manage")
    assert not writer.actor.may(MANAGE_TOKENS)
    one = _holder(office, _made(office, eleni, scope=["core.interaction.log"])[0])
    assert dict(one.actor.rights) == {"core.interaction.log": Reach.ALL}


def test_a_token_of_an_administrator_is_narrow_too(office, acting):
    with unit_of_work(office, actor=SYSTEM, write=True) as uow:
        create_customer(uow, {"kind": "person", "name": "Άννα"})
        uow.commit()
    reader = _holder(office, _made(office, acting("anna"))[0]).actor
    assert reader.may("core.audit.view")
    assert not reader.may("core.customer.edit")
    assert not reader.may("anything.else")
    writer = _holder(office, _made(office, acting("anna"), scope="write")[0]).actor
    assert writer.may("core.audit.view")
    for right in ("user.manage", "role.manage", "settings.edit", "backend.manage", "plugin.manage"):
        assert not writer.may(f"core.{right}"), right
    assert not writer.may("web.user.manage_access")
    named = _holder(office, _made(office, acting("anna"), scope=["core.user.manage"])[0]).actor
    assert named.may("core.user.manage")
    blind = _holder(office, _made(office, acting("anna"), scope=["core.sync.run"])[0]).actor
    for actor, seen in ((reader, 1), (blind, 0), (writer, 1), (blind, 0)):
        with unit_of_work(office, actor=actor) as uow:
            assert uow.scalar(select(func.count()).select_from(Customer)) == seen


@pytest.mark.parametrize(
    ("scope", "error"),
    [
        ("all", InputError),
        ([], InputError),
        (["core.nothing"], InputError),
        (["core.customer.view", "core.user.manage"], PermissionDeniedError),
        ("*", InputError),
    ],
)
def test_a_scope_must_be_one_and_ones_own(office, eleni, scope, error):
    with pytest.raises(error):
        _made(office, eleni, scope=scope)


@pytest.mark.parametrize("options", [{"days": 0}, {"days": 99_999}, {"title": " "}])
def test_other_things_that_will_not_do(office, eleni, options):
    with pytest.raises(InputError):
        _made(office, eleni, **options)


def test_who_may_make_none(office, acting, eleni):
    with pytest.raises(PermissionDeniedError):
        _made(office, acting("eleni"))
    with pytest.raises(PermissionDeniedError):
        _made(office, SYSTEM)
    text, _ = _made(office, acting("anna"), scope=["web.token.manage_own"])
    with pytest.raises(PermissionDeniedError):
        _made(office, _holder(office, text).actor)


def test_it_ends_with_its_days_its_user_and_its_rights(office, acting, eleni):
    with time_machine.travel(datetime(2026, 3, 2, 9, tzinfo=UTC)) as clock:
        text, _ = _made(office, eleni, days=2)
        for_ever, _ = _made(office, eleni, days=None, scope="write")
        clock.shift(timedelta(days=2, seconds=1))
        assert _holder(office, text) is None
        clock.shift(timedelta(days=4_000))
        assert _holder(office, for_ever) is not None
    with unit_of_work(office, actor=SYSTEM, write=True) as uow:
        revoke_role(uow, "eleni", "employee")
        uow.commit()
    assert dict(_holder(office, for_ever).actor.rights) == {}
    with unit_of_work(office, actor=SYSTEM, write=True) as uow:
        disable_user(uow, "eleni")
        uow.commit()
    assert _holder(office, for_ever) is None
    with unit_of_work(office, actor=SYSTEM, write=True) as uow:
        enable_user(uow, "eleni")
        uow.commit()


def test_tokens_are_revoked_by_their_user_or_an_administrator(office, acting, eleni):
    text, token_id = _made(office, eleni)
    of_anna, anna_id = _made(office, acting("anna"))
    with unit_of_work(office, actor=eleni, write=True) as uow:
        assert [each["login"] for each in list_tokens(uow)] == ["eleni"]
        with pytest.raises(NotFoundError):
            revoke_token(uow, anna_id)
        revoke_token(uow, token_id)
        uow.commit()
    assert _holder(office, text) is None
    assert _holder(office, of_anna) is not None
    with unit_of_work(office, actor=acting("anna")) as uow:
        assert len(list_tokens(uow)) == 2


def test_use_is_noted_and_nothing_secret_is_kept(office, eleni):
    text, token_id = _made(office, eleni)
    assert _holder(office, text).is_due
    with unit_of_work(office, actor=SYSTEM, write=True) as uow:
        mark_token_used(uow, token_id)
        uow.commit()
    assert not _holder(office, text).is_due
    with unit_of_work(office, actor=SYSTEM) as uow:
        assert text.encode() not in uow.get(ApiToken, token_id).token_hash
        told = [each for each in uow.scalars(select(AuditEntry.changes)) if "token_hash" in each]
    assert told
    assert all(each["token_hash"] == [None, "withheld"] for each in told)
