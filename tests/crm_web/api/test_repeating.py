"""The same call sent twice: done once."""

from __future__ import annotations

from io import BytesIO

from crm_core.errors import LockedError
from crm_core.persistence.unit_of_work import UnitOfWork


def test_the_first_answer_comes_again(token):
    call = token("employee")
    first = call.post("/customers", {"name": "Once"}, Idempotency_Key="a-1")
    second = call.post("/customers", {"name": "Once"}, Idempotency_Key="a-1")
    assert first.status == second.status == 201
    assert first.raw == second.raw
    for name in ("Location", "ETag", "Content-Type"):
        assert first.headers[name] == second.headers[name]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(call.get("/customers?name=Once").json["items"]) == 1


def test_the_key_of_another_call_is_refused(token):
    call = token("employee")
    call.post("/customers", {"name": "One"}, Idempotency_Key="b-1")
    other = call.post("/customers", {"name": "Two"}, Idempotency_Key="b-1")
    assert (other.status, other.json["code"]) == (422, "web.idempotency.other_request")
    assert call.get("/customers?name=Two").json["items"] == []
    somebody = token("manager").post("/customers", {"name": "Two"}, Idempotency_Key="b-1")
    assert somebody.status == 201, "keys belong to their user"


def test_a_form_that_differs_in_one_field_is_another_call(token):
    call = token("admin")
    headers = {"Authorization": f"Bearer {call.token}", "Idempotency-Key": "f-1"}

    def sent(dry_run: str, content: bytes = b"name,e-mail\nOnce,a@example.com\n"):
        form = {
            "file": (BytesIO(content), "people.csv"),
            "columns": '{"name": "name", "e-mail": "email"}',
            "match": "email",
            "dry_run": dry_run,
        }
        page = call.browser._asked("POST", "/api/v1/imports", data=form, headers=headers)
        return page.status, page.response.get_json()

    status, first = sent("true")
    assert (status, first["is_dry_run"]) == (201, True), first
    assert sent("true") == (201, first)
    for status, told in (sent("false"), sent("true", b"name,e-mail\nTwice,b@example.com\n")):
        assert (status, told["code"]) == (422, "web.idempotency.other_request")


def test_a_call_that_failed_may_be_sent_again(token):
    call = token("employee")
    wrong = {"name": "A", "contact_points": [{"kind": "email", "value": "no"}]}
    for _ in range(2):
        assert call.post("/customers", wrong, Idempotency_Key="c-1").status == 422
    assert call.post("/customers", {"name": "A"}, Idempotency_Key="c-1").status == 201


def test_a_key_is_free_again_when_the_work_could_not_be_committed(api, monkeypatch):
    call, real, commits = api("manager"), UnitOfWork.commit, []

    def commit(uow):
        if uow.actor.login == "manager":
            commits.append(uow)
            if len(commits) == 2:  # the first claims the key
                raise LockedError("A long import is writing.")
        real(uow)

    monkeypatch.setattr(UnitOfWork, "commit", commit)
    statuses = [
        call.post("/customers", {"name": "Zed"}, Idempotency_Key="d-1").status for _ in range(3)
    ]
    assert statuses == [LockedError.http_status, 201, 201]
    assert len(call.get("/customers?name=Zed").json["items"]) == 1


def test_a_file_is_made_again_whatever_key_it_is_asked_with(token):
    call = token("admin")
    for _ in range(2):
        told = call.post("/customers/export", {"format": "vcf"}, Idempotency_Key="once")
        assert told.status == 200, told.raw
        assert told.raw.startswith(b"BEGIN:VCARD")
