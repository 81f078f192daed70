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


def test_a_role_of_ones_own(crm):
    crm.json("user", "role", "add", "caller", "--name", "Caller")
    crm.json("user", "role", "set", "caller", "core.customer.view=all", "core.customer.edit=own")
    crm.json("user", "add", "eva", "--role", "caller")
    assert crm.json("customer", "list", "--as", "eva")["items"] == []
    shown = crm.json("user", "role", "show", "caller")["items"]
    assert {(item["right"], item["reach"]) for item in shown} == {
        ("core.customer.view", "all"),
        ("core.customer.edit", "own"),
    }
    crm.json("user", "role", "set", "caller", "core.customer.view=none")
    assert crm.error("customer", "list", "--as", "eva", code=1)["code"] == "core.permission_denied"
    crm.json("user", "role", "set", "caller", "core.role.manage=all", "core.user.manage=own")
    for text, exit_code, code in (
        ("core.user.manage=all", 1, "core.permission_denied"),  # further than eva's own
        ("nonsense=all", 2, "core.role.right"),
        ("core.customer.edti=own", 2, "core.role.right"),
        ("core.user.manage", 2, "core.role.right"),
    ):
        error = crm.error("user", "role", "set", "caller", text, "--as", "eva", code=exit_code)
        assert error["code"] == code
    error = crm.error("user", "role", "set", "admin", "core.customer.view=none", code=1)
    assert error["code"] == "core.role.fixed"
