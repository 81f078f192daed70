"""Why a user may do something, or may not; and looking through the audit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_core.access import Reach
from crm_core.errors import InputError, NotFoundError, PermissionDeniedError
from crm_core.ids import new_id
from crm_core.services.access_check import explain_access, rights_table, summarise_access
from crm_core.services.audit import AuditFilter, list_audit, seal
from crm_core.services.customers import edit_customer
from crm_core.services.interactions import log_interaction
from crm_core.services.roles import add_role
from crm_core.services.users import disable_user, grant_role

EDIT = "core.customer.edit"


def test_the_role_that_gives_a_right_is_named(company: Any) -> None:
    with company.acting("anna") as uow:
        answer = explain_access(uow, "eva", EDIT)
        assert (answer.is_allowed, answer.reach) == (True, "team")
        assert [each.role_code for each in answer.given_by] == ["employee"]
        assert explain_access(uow, "anna", "loyalty.card.issue").reach == "all"
        answer = explain_access(uow, "rita", EDIT)
        assert not answer.is_allowed
        assert "readonly" in answer.reason
        assert "employee" in answer.reason


def test_whether_it_reaches_a_record_goes_by_the_owner(company: Any) -> None:
    ids = {
        owner: company.customer(f"Of {owner}", kind="person", **({"owner": owner} if owner else {}))
        for owner in ("tom", "olga", "")
    }
    with company.writing("anna") as uow:
        entry = log_interaction(
            uow, ids["olga"], channel="phone", direction="inbound", subject="Hi"
        ).id
        add_role(uow, "own", name="Own only", rights={"core.customer.view": Reach.OWN})
        grant_role(uow, "nora", "own")

    def asked(login: str, owner: str, right: str = EDIT) -> Any:
        with company.acting("anna") as uow:
            return explain_access(uow, login, right, ("customer", ids[owner]))

    assert asked("eva", "tom").is_allowed
    assert "olga" in asked("eva", "olga").reason
    assert "Nobody" in asked("eva", "").reason
    assert asked("maria", "").is_allowed
    assert asked("eva", "olga", "core.customer.view").is_allowed
    assert not asked("nora", "olga", "core.customer.view").is_allowed
    assert asked("nora", "olga", "core.customer.view").owner_login == "olga"
    with company.acting("anna") as uow:
        assert explain_access(uow, "eva", "core.customer.view", ("interaction", entry)).is_allowed
        assert not explain_access(uow, "eva", EDIT, ("interaction", entry)).is_allowed
        with pytest.raises(NotFoundError):
            explain_access(uow, "eva", EDIT, ("customer", new_id()))
        with pytest.raises(InputError):
            explain_access(uow, "eva", EDIT, ("ghost", ids["tom"]))
        with pytest.raises(NotFoundError):
            explain_access(uow, "ghost", EDIT)
    with company.writing("anna") as uow:
        disable_user(uow, "eva")
    assert "disabled" in asked("eva", "tom").reason


def test_what_a_user_may_do_and_see_in_all(company: Any) -> None:
    for owner in ("eva", "olga"):
        company.customer(f"Of {owner}", kind="person", owner=owner)
    with company.writing("anna") as uow:
        add_role(uow, "own", name="Own only", rights={"core.customer.view": Reach.TEAM})
        grant_role(uow, "nora", "own")
        eva = summarise_access(uow, "eva", of_plugins={"loyalty.card.view": "See cards"})
        assert (eva.teams, eva.mates, eva.customers) == (["North"], ["tom"], 2)
        assert {each["code"]: each["reach"] for each in eva.rights}[EDIT] == "team"
        assert summarise_access(uow, "nora").customers == 0
        anna = summarise_access(uow, "anna", of_plugins={"loyalty.card.view": "See cards"})
        assert "loyalty.card.view" in {each["code"] for each in anna.rights}
        table = rights_table(uow)
        row = next(each for each in table["rights"] if each["code"] == EDIT)
        assert row["reaches"] | {"own": "none"} == {
            "admin": "all",
            "employee": "team",
            "manager": "all",
            "own": "none",
            "readonly": "none",
            "sync": "all",
        }
        assert [role["code"] for role in table["roles"] if role["is_fixed"]] == ["admin"]
    with company.acting("maria") as uow:
        for act in (
            lambda: explain_access(uow, "eva", EDIT),
            lambda: summarise_access(uow, "eva"),
            lambda: rights_table(uow),
        ):
            with pytest.raises(PermissionDeniedError):
                act()


def test_the_audit_is_looked_through(company: Any) -> None:
    before = datetime.now(UTC)
    customer_id = company.customer("Μαρία", kind="person")
    seal(company.database)
    with company.writing("maria") as uow:
        edit_customer(uow, customer_id, {"name": "Eleni %", "job_title": "boss"})
    with company.acting("anna") as uow:

        def found(**wanted: Any) -> list[str]:
            page = list_audit(uow, customer_id=customer_id, wanted=AuditFilter(**wanted))
            return [entry["action"] for entry in page.items]

        assert found() == ["update", "create"]
        assert found(login="maria") == ["update"]
        assert found(action="create") == ["create"]
        assert found(origin="nowhere") == []
        assert found(field="job_title") == ["update"]
        assert found(field="vat") == []
        assert found(text="Μαρί") == ["update", "create"]
        assert found(text="%") == ["update"]
        assert found(is_sealed=True) == ["create"]
        assert found(is_sealed=False) == ["update"]
        assert found(since=before) == ["update", "create"]
        assert found(until=before) == []
        assert found(since=datetime.now(UTC) + timedelta(minutes=1)) == []
        with pytest.raises(InputError):
            found(field='x"]')
