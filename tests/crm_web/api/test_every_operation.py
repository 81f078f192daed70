"""What holds for every operation, found by walking all of them."""

from __future__ import annotations

import pytest

from crm_web.api.answering import ApiView
from crm_web.sdk.api import Operation

NOBODYS = "00000000-0000-7000-8000-000000000000"
EXAMPLES = {"code": "delivery_time", "name": "main", "login": "readonly", "delivery_id": 1}
NEEDED = {"search": "?q=north", "export": "?format=csv"}
"""What operations cannot do without."""
LONG = ("suggest",)
"""What compares a customer with those near it: a few statements for each thing compared."""
pytestmark = pytest.mark.parametrize("kind", ["sqlite"])


def operations(app) -> list[tuple[Operation, str]]:
    """Return every operation with an address of it."""
    found = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if isinstance(view, ApiView):
            values = {name: EXAMPLES.get(name, NOBODYS) for name in rule.arguments}
            address = app.url_map.bind("localhost").build(
                rule.endpoint, values, method=view.operation.method
            )
            found.append((view.operation, address))
    return found


def test_a_misspelt_parameter_is_refused_everywhere(api, office):
    call = api("admin")
    walked = operations(office.app)
    assert office.app.extensions["crm"].faults == {}, "nothing was left out"
    assert len(walked) > 110
    for operation, address in walked:
        answer = call(operation.method, f"{address}?limti=5", {}, If_Match="*")
        assert answer.status == 400, (operation, answer.raw)
        assert "limti" in {error["field"] for error in answer.json["errors"]}, answer.raw


def test_an_unknown_field_is_refused_everywhere(api, office):
    call = api("admin")
    for operation, address in operations(office.app):
        if "body" in operation.options:
            answer = call(operation.method, address, {"nmae": "x"}, If_Match="*")
            assert answer.status == 400, (operation, answer.raw)
            assert "nmae" in {error["field"] for error in answer.json["errors"]}, answer.raw


def test_nobody_is_let_in_anywhere(api, office):
    call, before = api(), office.rows()
    for operation, address in operations(office.app):
        answer = call(operation.method, address, {})
        assert (answer.status, answer.json["code"]) == (401, "web.api.nobody"), operation
    assert office.rows() == before


def test_reading_is_answered_in_few_statements(api, office):
    call = api("admin")
    known = office.known.records["employee"]
    for operation, address in operations(office.app):
        if operation.method != "GET":
            continue
        path = address.replace(
            f"customers/{NOBODYS}", f"customers/{office.customer('employee')}"
        ).replace(f"activities/{NOBODYS}", f"activities/{known['activity_id']}")
        answer = call.get(path + NEEDED.get(operation.name, ""))
        assert answer.status in (200, 404), (operation, answer.raw)
        queries = [each for each in answer.queries if each not in ("BEGIN", "COMMIT")]
        assert len(queries) <= 15 or operation.name in LONG, (operation, queries)


def test_every_operation_says_what_it_does(office):
    for operation, _ in operations(office.app):
        assert operation.view.__doc__, operation
        given = operation.options.keys() & {"result", "page", "media"}
        assert given or operation.status == 204, operation
