"""The same call sent twice: done once."""

from __future__ import annotations


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


def test_a_call_that_failed_may_be_sent_again(token):
    call = token("employee")
    wrong = {"name": "A", "contact_points": [{"kind": "email", "value": "no"}]}
    for _ in range(2):
        assert call.post("/customers", wrong, Idempotency_Key="c-1").status == 422
    assert call.post("/customers", {"name": "A"}, Idempotency_Key="c-1").status == 201
