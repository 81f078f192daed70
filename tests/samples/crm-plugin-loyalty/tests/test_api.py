"""Cards through the REST API, as a program sees them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from crm_core.access import system_actor
from crm_core.services.users import add_user
from crm_core.testing.factories import make_customer
from crm_web.app import create_app
from crm_web.services.api_tokens import add_token

from crm_loyalty.services import credit_points

ROOT = "/api/v1/loyalty/cards"


@pytest.fixture
def write(crm_application) -> Callable[..., Any]:
    """Do something and commit: ``write(lambda uow: ...)``, as the system or a user."""

    def written(act: Callable[..., Any], login: str | None = None) -> Any:
        actor = crm_application.actor(login, origin="web") if login else system_actor("test")
        with crm_application.unit_of_work(actor, write=True) as uow:
            done = act(uow)
            uow.commit()
        return done

    return written


@pytest.fixture
def caller(crm_application, write) -> Callable[[str], Any]:
    """A program that calls for a user: ``caller("admin")("GET", path)``."""
    client = create_app(crm_application).test_client()

    def made(login: str) -> Any:
        token = write(lambda uow: add_token(uow, "test", scope="write")[0], login)
        headers = {"Authorization": f"Bearer {token}"}
        return lambda method, path, **sent: client.open(
            path, method=method, headers=headers, **sent
        )

    return made


def test_a_card_is_issued_found_and_redeemed(caller, write):
    call, customer = caller("admin"), write(lambda uow: make_customer(uow).id)
    new = {"customer_id": str(customer), "tier": "silver"}
    made = call("POST", ROOT, json=new)
    assert (made.status_code, made.json["tier"], made.json["points"]) == (201, "silver", 0)
    card_id, place = made.json["id"], made.headers["Location"]
    write(partial(credit_points, card_id=UUID(card_id), points=50))
    redeemed = call("POST", f"{place}/redeem", json={"points": 20, "reason": "Coffee"})
    assert (redeemed.status_code, redeemed.json["points"]) == (200, 30)
    assert call("GET", place).json["points"] == 30
    listed = call("GET", f"{ROOT}?customer_id={customer}&fields=points")
    assert listed.json["items"] == [{"id": card_id, "points": 30}]
    too_many = call("POST", f"{place}/redeem", json={"points": 1_000})
    assert (too_many.status_code, too_many.json["code"]) == (409, "loyalty.points.too_few")


def test_what_does_not_fit_is_refused(caller):
    call = caller("admin")
    wrong = call("POST", ROOT, json={"customer_id": str(uuid4()), "tear": "gold"})
    assert (wrong.status_code, wrong.json["errors"][0]["field"]) == (400, "tear")
    assert call("GET", f"{ROOT}?teir=gold").status_code == 400
    assert call("GET", f"{ROOT}/{uuid4()}").json["code"] == "loyalty.card.not_found"


def test_rights_count(caller, write):
    write(partial(add_user, login="guest"))
    write(partial(add_user, login="clerk", role_codes=["readonly"]))
    write(partial(add_user, login="till", role_codes=["employee"]))
    body = {"customer_id": str(uuid4())}
    statuses = {
        login: (caller(login)("GET", ROOT).status_code, caller(login)("POST", ROOT, json=body))
        for login in ("clerk", "till")
    }
    assert {login: (got, made.status_code) for login, (got, made) in statuses.items()} == {
        "clerk": (200, 403),
        "till": (200, 404),
    }
