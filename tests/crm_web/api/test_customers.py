"""Customers through the API: reading, adding, changing, and what stands in the way."""

from __future__ import annotations

from uuid import uuid4


def test_a_customer_is_added_changed_archived_and_restored(api):
    call = api("employee")
    made = call.post(
        "/customers",
        {
            "name": "Μαρία Παπαδοπούλου",
            "kind": "person",
            "tags": ["vip"],
            "contact_points": [{"kind": "email", "value": "Maria@Example.com"}],
        },
    )
    assert made.status == 201, made.raw
    assert made.json["name"] == "Μαρία Παπαδοπούλου"
    place = made.headers["Location"]
    read = call.get(place)
    assert (read.status, read.json["id"], read.etag) == (200, made.json["id"], made.etag)
    assert call.get(place, If_None_Match=read.etag).status == 304
    edited = call.patch(place, {"stage": "active", "note": "Likes tea"}, If_Match=read.etag)
    assert (edited.status, edited.json["stage"]) == (200, "active")
    assert edited.etag != read.etag
    archived = call.post(f"{place}/archive", If_Match="*")
    assert archived.json["archived_at"].endswith("+00:00")
    assert call.post(f"{place}/restore", If_Match=archived.etag).json["archived_at"] is None


def test_a_change_needs_the_version_it_is_made_to(api, office):
    call, path = api("employee"), f"/customers/{office.customer('employee')}"
    first = call.get(path).etag
    missing = call.patch(path, {"note": "one"})
    assert (missing.status, missing.json["code"]) == (428, "web.api.no_condition")
    assert call.patch(path, {"note": "one"}, If_Match=first).status == 200
    stale = call.patch(path, {"note": "two"}, If_Match=first)
    assert (stale.status, stale.json["code"]) == (412, "core.stale_version")
    assert call.patch(path, {"note": "two"}, If_Match='"nonsense"').status == 412
    assert call.get(path).json["note"] == "one"


def test_a_list_is_filtered_sorted_narrowed_and_paged(api):
    call = api("admin")
    for number in range(5):
        call.post("/customers", {"name": f"Zed {number}", "stage": "loyal", "tags": ["zed"]})
    first = call.get("/customers?stage=loyal&tags=any:zed&sort=-name&fields=name,stage&limit=2")
    assert [item["name"] for item in first.json["items"]] == ["Zed 4", "Zed 3"]
    assert set(first.json["items"][0]) == {"id", "version", "owner_id", "name", "stage"}
    link = first.headers["Link"]
    assert link.endswith('>; rel="next"')
    second = call.get(link[1 : link.index(">")])
    assert [item["name"] for item in second.json["items"]] == ["Zed 2", "Zed 1"]
    assert len(second.queries) <= 15
    third = call.get(
        "/customers?stage=loyal&tags=any:zed&sort=-name&fields=name,stage&limit=2&cursor="
        + second.json["next_cursor"]
    )
    assert (len(third.json["items"]), third.json["next_cursor"]) == (1, None)
    assert "Link" not in third.headers


def test_problems_say_what_is_wrong_and_in_which_field(api, office):
    call = api("employee")
    wrong = call.post("/customers", {"name": "", "knd": "person"})
    assert wrong.status == 400
    assert wrong.headers["Content-Type"] == "application/problem+json"
    assert wrong.json["type"] == "urn:crm:problem:web.api.request"
    assert {error["field"] for error in wrong.json["errors"]} == {"name", "knd"}
    refused = call.post(
        "/customers", {"name": "A", "contact_points": [{"kind": "email", "value": "no"}]}
    )
    assert (refused.status, refused.json["code"]) == (422, "core.customer.invalid")
    assert refused.json["errors"][0]["field"] == "contact_points.0.value"
    call = api("outsider")
    foreign = call.get(f"/customers/{office.customer('employee')}")
    unknown = call.get(f"/customers/{uuid4()}")
    assert foreign.status == unknown.status == 404
    assert foreign.json["code"] == unknown.json["code"] == "core.customer.not_found"


def test_nobody_reads_nothing(api, office):
    call = api()
    for path in ("/customers", f"/customers/{office.customer('employee')}", "/api/openapi.json"):
        answer = call.get(path)
        assert answer.status == 401, answer.raw
        assert answer.json["code"] == "web.api.nobody"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_session_writes_only_with_its_token(api):
    call = api("employee")
    refused = call("POST", "/customers", {"name": "Mallory"}, csrf=False)
    assert (refused.status, refused.json["code"]) == (403, "web.csrf")
    assert call.get("/customers?name=Mallory").json["items"] == []


def test_trouble_below_the_api_is_a_problem_too(api, office, monkeypatch):
    call = api("employee")
    for method, path, status in (
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/customers/no-uuid", 404),
        ("DELETE", "/api/v1/customers", 405),
    ):
        answer = call(method, path)
        assert answer.status == status
        assert answer.headers["Content-Type"] == "application/problem+json", answer.raw
        assert answer.json["status"] == status
    assert call("DELETE", "/customers").headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    sent = call.browser._asked(
        "POST",
        "/api/v1/customers",
        data="name=A",
        content_type="text/plain",
        headers={"X-CSRF-Token": call.browser.csrf},
    )
    assert (sent.status, sent.response.get_json()["code"]) == (415, "web.api.media_type")
    office.app.config["MAX_CONTENT_LENGTH"] = 100
    assert call.post("/customers", {"name": "A" * 200}).status == 413


def test_the_documentation_is_a_page_of_ours(web, api):
    page = web("readonly").get("/api/docs")
    assert page.status == 200
    assert "/api/v1/customers/{customer_id}" in page.html
    assert "<script" not in page.html.split("</head>")[1]
    assert len(page.queries) <= 15
    told = api("readonly").get("/api/openapi.json")
    assert told.json["openapi"] == "3.1.0"
    assert api("readonly").get("/api/openapi.json", If_None_Match=told.etag).status == 304
