"""Users, roles, teams, and the actors they act as."""

from __future__ import annotations

import pytest

from crm_core.access import Reach
from crm_core.errors import (
    DuplicateError,
    InputError,
    NotFoundError,
    PermissionDeniedError,
    RuleViolationError,
)
from crm_core.services.roles import add_role, list_roles, seed_roles, set_rights
from crm_core.services.teams import add_team, add_team_member, list_teams, remove_team_member
from crm_core.services.users import (
    add_user,
    disable_user,
    enable_user,
    grant_role,
    list_users,
    login_for_os_user,
    revoke_role,
)


def test_rights_add_up_and_the_widest_reach_wins(company):
    with company.writing("anna") as uow:
        add_role(uow, "Extra", name="Extra", rights={"core.customer.edit": Reach.ALL})
        grant_role(uow, "eva", "extra")
        grant_role(uow, "eva", "extra")
    actor = company.actor("EVA")
    assert actor.login == "eva"
    assert actor.reach("core.customer.edit") is Reach.ALL
    assert actor.reach("core.customer.archive") is Reach.TEAM
    assert not actor.may("core.user.manage")
    assert actor.team_user_ids == {company.user_id("eva"), company.user_id("tom")}
    assert company.actor("anna").reach("sales.opportunity.edit") is Reach.ALL
    assert not company.actor("nora").may("core.customer.view")


def test_disabled_users_do_not_act_until_enabled(company):
    with company.writing("anna") as uow:
        disable_user(uow, "eva")
    with pytest.raises(PermissionDeniedError) as caught:
        company.actor("eva")
    assert caught.value.code == "core.user.disabled"
    with company.writing("anna") as uow:
        enable_user(uow, "eva")
    assert company.actor("eva").may("core.customer.view")


def test_unknown_users_and_roles_are_named(company):
    with pytest.raises(NotFoundError):
        company.actor("nobody")
    with company.writing("anna") as uow, pytest.raises(NotFoundError) as caught:
        grant_role(uow, "eva", "king")
    assert "manager" in caught.value.details["roles"]


def test_the_last_administrator_stays(company):
    with company.writing("anna") as uow:
        for attempt in (disable_user, lambda u, login: revoke_role(u, login, "admin")):
            with pytest.raises(RuleViolationError) as caught:
                attempt(uow, "anna")
            assert caught.value.code == "core.user.last_admin"
        grant_role(uow, "maria", "admin")
        uow.flush()
        revoke_role(uow, "anna", "admin")
        uow.flush()
        with pytest.raises(RuleViolationError):
            disable_user(uow, "maria")
        with pytest.raises(RuleViolationError) as caught:
            revoke_role(uow, "eva", "manager")
        assert caught.value.code == "core.user.role_not_held"


@pytest.mark.parametrize(
    ("login", "error"),
    [("EVA", DuplicateError), ("two words", InputError), ("a:b", InputError), ("", InputError)],
)
def test_wrong_logins_are_refused(company, login, error):
    with company.writing("anna") as uow, pytest.raises(error):
        add_user(uow, login)


def test_only_administrators_manage_users(company):
    with company.writing("maria") as uow:
        for attempt in (
            lambda: add_user(uow, "new"),
            lambda: disable_user(uow, "eva"),
            lambda: grant_role(uow, "maria", "admin"),
            lambda: add_team(uow, "South"),
            lambda: add_role(uow, "x", name="x", rights={}),
        ):
            with pytest.raises(PermissionDeniedError):
                attempt()


def test_users_are_listed_in_pages_with_their_roles(company):
    with company.acting("rita") as uow:
        first = list_users(uow, limit=4)
        rest = list_users(uow, limit=4, cursor=first.next_cursor)
    logins = {item["login"]: item["roles"] for item in (*first.items, *rest.items)}
    assert list(logins) == sorted(logins)
    assert logins["anna"] == ["admin"]
    assert logins["nora"] == []


def test_seeding_again_keeps_what_a_company_changed(company):
    with company.writing() as uow:
        seed_roles(uow)
        codes = [role["code"] for role in list_roles(uow)]
    assert codes == ["admin", "employee", "manager", "readonly", "sync"]


def test_no_built_in_role_but_admin_has_system_rights(company):
    with company.acting() as uow:
        roles = {role["code"]: role["rights"] for role in list_roles(uow)}
    assert roles["admin"] == {"*": "all"}
    system_rights = {"core.user.manage", "core.role.manage", "core.settings.edit"}
    for code in ("manager", "employee", "readonly"):
        assert not system_rights & set(roles[code])
        assert roles[code]["core.customer.view"] == "all"
    assert roles["employee"]["core.customer.edit"] == "team"


def test_an_operating_system_account_acts_as_its_user(company):
    with company.writing("anna") as uow:
        add_user(uow, "olaf", os_user="root")
    with company.acting() as uow:
        assert login_for_os_user(uow, "root") == "olaf"
        assert login_for_os_user(uow, "other") is None


def test_teams_come_and_go(company):
    with company.writing("anna") as uow:
        with pytest.raises(DuplicateError):
            add_team(uow, "North")
        add_team_member(uow, "North", "olga")
        uow.flush()
        remove_team_member(uow, "North", "tom")
        uow.flush()
        with pytest.raises(RuleViolationError):
            remove_team_member(uow, "North", "tom")
        with pytest.raises(NotFoundError):
            add_team_member(uow, "South", "tom")
        assert [(t["name"], t["members"]) for t in list_teams(uow)] == [("North", ["eva", "olga"])]


@pytest.fixture
def desk(sqlite_company):
    """``rita`` keeps the users, and ``nora`` the roles; neither may do much else."""
    with sqlite_company.writing() as uow:
        add_role(uow, "people", name="People", rights={"core.user.manage": Reach.ALL})
        rights = {"core.role.manage": Reach.ALL, "core.customer.view": Reach.TEAM}
        add_role(uow, "keys", name="Keys", rights=rights)
        grant_role(uow, "rita", "people")
        grant_role(uow, "nora", "keys")
    return sqlite_company


def test_nobody_gives_a_role_that_has_more_than_they(desk):
    with desk.writing("rita") as uow:
        for attempt in (
            lambda: grant_role(uow, "rita", "admin"),
            lambda: grant_role(uow, "eva", "manager"),
            lambda: add_user(uow, "mallory", role_codes=["readonly", "admin"]),
        ):
            with pytest.raises(PermissionDeniedError) as caught:
                attempt()
            assert caught.value.code == "core.permission_denied"
            assert "further than their own" in caught.value.message
        grant_role(uow, "eva", "people")
        add_user(uow, "dora", role_codes=["readonly"])
    assert not desk.actor("rita").may("core.customer.edit")
    assert desk.actor("dora").reach("core.customer.view") is Reach.ALL
    with desk.writing() as uow:
        grant_role(uow, "rita", "keys")
    with desk.writing("rita") as uow:
        grant_role(uow, "eva", "manager")
    assert desk.actor("eva").reach("core.customer.edit") is Reach.ALL


@pytest.mark.parametrize(
    "rights", [{"core.customer.view": Reach.ALL}, {"core.audit.view": Reach.OWN}, {"*": Reach.ALL}]
)
def test_nobody_makes_a_role_that_has_more_than_they(desk, rights):
    with desk.writing("nora") as uow:
        with pytest.raises(PermissionDeniedError) as caught:
            add_role(uow, "wide", name="Wide", rights=rights)
        assert caught.value.code == "core.permission_denied"
        assert "further than their own" in caught.value.message
        add_role(uow, "narrow", name="Narrow", rights={"core.customer.view": Reach.OWN})
        if "*" not in rights:
            with pytest.raises(PermissionDeniedError):
                set_rights(uow, "narrow", {"core.customer.view": Reach.TEAM, **rights})
    with desk.acting() as uow:
        (narrow,) = [role for role in list_roles(uow) if role["code"] == "narrow"]
    assert narrow["rights"] == {"core.customer.view": "own"}


def test_nobody_widens_what_is_seen_by_who_is_in_a_team(desk):
    with desk.writing() as uow:
        wide = {f"core.customer.{n}": Reach.TEAM for n in ("view", "edit")}
        add_role(uow, "mates", name="Mates", rights=wide)
        add_user(uow, "dora", role_codes=["people", "mates"])
    with desk.writing("dora") as uow:
        add_team(uow, "South")
        for team, login in (("North", "dora"), ("South", "olga")):
            with pytest.raises(PermissionDeniedError) as caught:
                add_team_member(uow, team, login)
            assert caught.value.code == "core.team.beyond"
        add_team_member(uow, "South", "dora")
    assert desk.actor("dora").team_user_ids == {desk.user_id("dora")}
