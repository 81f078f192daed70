"""``crm user``: who may do what."""

from __future__ import annotations


def test_users_are_added_listed_disabled_and_enabled(crm):
    added = crm.json("user", "add", "eva", "--role", "employee", "--name", "Εύα O'Neil")
    listed = {item["login"]: item for item in crm.json("user", "list")["items"]}
    assert listed["eva"]["id"] == added["id"]
    assert (listed["eva"]["name"], listed["eva"]["roles"]) == ("Εύα O'Neil", ["employee"])
    assert "Εύα O'Neil" in crm("user", "list").stdout
    crm.json("user", "disable", "eva")
    assert crm.error("customer", "list", "--as", "eva", code=1)["code"] == "core.user.disabled"
    crm.json("user", "enable", "eva")
    assert crm.json("customer", "list", "--as", "eva")["items"] == []


def test_roles_are_granted_and_revoked(crm):
    result = crm("user", "add", "eva")
    assert "role grant eva" in result.stderr
    crm.json("user", "role", "grant", "eva", "manager")
    crm.json("customer", "add", "X", "--as", "eva")
    crm.json("user", "role", "revoke", "eva", "manager")
    assert crm.error("customer", "add", "Y", "--as", "eva", code=1)["code"] == (
        "core.permission_denied"
    )
    assert {item["code"] for item in crm.json("user", "role", "list")["items"]} >= {"admin"}


def test_the_last_administrator_stays(crm):
    (admin,) = crm.json("user", "list")["items"]
    for arguments in (("disable", admin["login"]), ("role", "revoke", admin["login"], "admin")):
        assert crm.error("user", *arguments, code=1)["code"] == "core.user.last_admin"


def test_wrong_commands_say_what_to_do(crm):
    crm.json("user", "add", "eva", "--role", "manager")
    for arguments, exit_code, code in (
        (("add", "eva"), 1, "core.user.exists"),
        (("add", "a b"), 2, "core.user.login"),
        (("add", "x", "--role", "king"), 2, "core.role.not_found"),
        (("disable", "nobody"), 2, "core.user.not_found"),
        (("add", "x", "--as", "eva"), 1, "core.permission_denied"),
        (("list", "--as", "nobody"), 2, "core.user.not_found"),
    ):
        assert crm.error("user", *arguments, code=exit_code)["code"] == code, arguments


def test_teams_come_and_go(crm):
    crm.json("user", "add", "eva", "--role", "employee")
    crm.json("user", "team", "add", "Βορράς")
    crm.json("user", "team", "join", "Βορράς", "eva")
    (team,) = crm.json("user", "team", "list")["items"]
    assert (team["name"], team["members"]) == ("Βορράς", ["eva"])
    crm.json("user", "team", "leave", "Βορράς", "eva")
    assert crm.error("user", "team", "leave", "Βορράς", "eva", code=1)["code"] == (
        "core.team.not_a_member"
    )
