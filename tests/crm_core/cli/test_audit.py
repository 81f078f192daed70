from __future__ import annotations

import sqlite3


def test_verify_seals_and_finds_the_chain_whole(crm):
    report = crm.json("audit", "verify")
    assert report["ok"] is True
    assert report["sealed"] > 0
    assert report["unsealed"] == 0
    assert report["first_break"] is None
    assert "whole" in crm("audit", "verify").stdout


def test_a_changed_entry_is_exit_1_with_its_place(crm):
    crm("audit", "verify")
    with sqlite3.connect(crm.folder / "crm.sqlite") as connection:
        connection.execute("UPDATE core_audit SET actor_login = 'somebody else' WHERE position = 3")
    result = crm("audit", "verify", "--json")
    assert result.exit_code == 1
    assert '"ok": false' in result.stdout
    shown = crm("audit", "verify")
    assert shown.exit_code == 1
    assert "position 3" in shown.stdout


def test_who_may_not_see_the_audit_may_not_verify_it(crm):
    from crm_core.access import system_actor
    from crm_core.persistence.unit_of_work import unit_of_work
    from crm_core.services.users import add_user

    with unit_of_work(crm.database, actor=system_actor("test"), write=True) as uow:
        add_user(uow, "anna", role_codes=["manager"])
        uow.commit()
    assert crm.error("audit", "verify", "--as", "anna", code=1)["code"] == "core.permission_denied"
