"""Schemathesis with all its checks, for each role and for a token of narrow scope."""

from __future__ import annotations

import random
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure, FailureGroup

from crm_web.services.api_tokens import add_token

SCOPES: dict[str, tuple[str, Any, int]] = {
    "admin": ("admin", "write", 4),
    "manager": ("manager", "write", 1),
    "employee": ("employee", "write", 1),
    "readonly": ("readonly", "write", 1),
    "narrow": ("admin", ["core.customer.view", "core.interaction.log"], 1),
}
"""Caller to the user whose token it shows, the token's scope, and examples of each operation."""
CONFIG = {
    "checks": {
        # What is well formed can be wrong all the same: 422. Or it is of another version: 412.
        "positive_data_acceptance": {
            "expected-statuses": ["2xx", "3xx", "401", "403", "404", "409", "412", "422"]
        },
        "missing_required_header": {"expected-statuses": ["400", "401", "403", "428"]},
    },
    # Whoever is known is told by the caller; without it, everything is 401.
    "generation": {"allow-x00": True},
}
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("kind", ["sqlite"])]


@pytest.mark.parametrize("caller", SCOPES)
def test_nothing_is_found(caller: str, office: Any) -> None:
    login, scope, examples = SCOPES[caller]
    token = office.write(lambda uow: add_token(uow, "test", scope=scope, days=1)[0], login)
    headers = {"Authorization": f"Bearer {token}"}
    schema = schemathesis.openapi.from_wsgi(
        "/api/openapi.json",
        office.app,
        config=SchemathesisConfig.from_dict(CONFIG),
        headers=headers,
    )
    records = office.known.records["employee"]
    known = {name: [str(key)] for name, key in records.items()}
    known |= {"login": ["outsider"], "code": ["outsider"], "name": ["North"]}
    known["customer_id"] = [office.customer(owner) for owner in ("employee", "outsider", "")]
    chance = random.Random(0)

    @schema.hook
    def map_path_parameters(_context: Any, path_parameters: dict[str, Any] | None) -> Any:
        for name in path_parameters or {}:
            if name in known and chance.random() < 0.7:
                path_parameters[name] = chance.choice(known[name])  # type: ignore[index]
        return path_parameters

    found: list[str] = []
    for each in schema.get_all_operations():
        found += _tried(each.ok(), headers, examples)
    assert not found, f"{len(found)} found:\n" + "\n\n".join(found)


def _tried(operation: Any, headers: dict[str, str], examples: int) -> list[str]:
    found: list[str] = []

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def tried(case: Any) -> None:
        try:
            answer = case.call(headers=headers)
            case.validate_response(answer, headers=headers)
        except (Failure, FailureGroup) as failures:
            told = failures.exceptions if isinstance(failures, FailureGroup) else [failures]
            sent = f"{case.path_parameters} {case.query} {case.headers} {case.body!r}"[:600]
            said = f"{operation.label}: {answer.status_code} {answer.text[:300]}"
            found.extend(f"{said}\nsent {sent}\n{each}" for each in told)

    tried()
    return found
