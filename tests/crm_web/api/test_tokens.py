"""Programs that call with a token: what it opens, and what it does not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crm_web.models import ApiToken


def test_a_token_acts_for_its_user(token, office):
    call = token("employee")
    me = call.get("/me").json
    assert (me["login"], me["origin"]) == ("employee", "api")
    made = call.post("/customers", {"name": "By a program"})
    assert made.status == 201
    audit = token("admin").get(f"/audit?customer_id={made.json['id']}&limit=1").json["items"]
    assert (audit[0]["actor_login"], audit[0]["origin"]) == ("employee", "api")


def test_a_token_that_reads_does_not_write(token, office):
    call, before = token("admin", "read"), office.rows()
    assert call.get("/customers").status == 200
    refused = call.post("/customers", {"name": "No"})
    assert (refused.status, refused.json["code"]) == (403, "web.api.read_only")
    assert call.get("/users").status == 403
    after = office.rows()
    assert after["core_customer"] == before["core_customer"]
    assert after["core_audit"] == before["core_audit"]


def test_a_token_reaches_no_further_than_its_scope(token, office):
    call = token("admin", ["core.customer.view"])
    assert call.get("/customers").status == 200
    refused = call.post("/customers", {"name": "No"})
    assert (refused.status, refused.json["code"]) == (403, "core.permission_denied")
    assert set(call.get("/me").json["rights"]) == {"core.customer.view"}


def test_a_token_made_in_a_session_is_shown_once_and_can_be_revoked(api, token):
    session = api("employee")
    made = session.post("/tokens", {"title": "Till", "scope": "write", "days": 7})
    assert made.status == 201, made.raw
    call = token("employee")
    call.token = made.json["token"]
    assert call.get("/me").json["login"] == "employee"
    again = call.post("/tokens", {"title": "More"})
    assert (again.status, again.json["code"]) == (403, "core.permission_denied")
    listed = session.get("/tokens").json["items"]
    assert made.json["id"] in {each["id"] for each in listed}
    assert made.json["token"] not in str(listed)
    assert session.delete(f"/tokens/{made.json['id']}").status == 204
    assert call.get("/me").status == 401
    kept = session.post("/tokens", {"title": "Till"}, Idempotency_Key="one")
    assert kept.json["code"] == "web.idempotency.secret"


def test_a_token_ends(token, office):
    call = token("employee", days=1)
    assert call.get("/me").status == 200

    def age(uow):
        for row in uow.session.query(ApiToken):
            row.expires_at = uow.now - timedelta(seconds=1)

    office.write(age)
    ended = call.get("/me")
    assert (ended.status, ended.json["code"]) == (401, "web.api.nobody")


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_token_is_no_use_to_pages_nor_beside_a_session(token, api, office):
    call = token("employee")
    assert call.get("/api/docs").status == 303
    session = api("admin")
    session.token = "crm_nonsense"
    assert session.get("/me").status == 401, "a bad token does not fall back to the session"


@pytest.mark.parametrize("kind", ["sqlite"])
def test_problems_are_told_in_the_callers_language(token):
    call = token("employee")
    english = call.get("/customers/00000000-0000-7000-8000-000000000000")
    assert english.json["title"] == "There is no such thing"
    greek = call.get(
        "/customers/00000000-0000-7000-8000-000000000000", Accept_Language="xx, el;q=0.8"
    )
    assert greek.json["code"] == english.json["code"]
