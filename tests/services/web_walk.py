"""What the walk of every route needs to know: examples for path arguments and for what is sent.

A route that takes an argument or a form not told here is found by
``tests/crm_web/test_access_walk.py``, which fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask

from crm_core.access import Actor, Reach
from web_office import TEAMS, Known

NOBODYS_ID = "00000000-0000-7000-8000-000000000000"
FILES = ("assets.file",)
"""Endpoints that give the same to everybody: style sheets, scripts, symbols."""

Form = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One route and method.

    Attributes:
        right: What it takes; empty where every user may.
        is_public: Whether it takes no user at all.
        arguments: Names of what its path takes.
        of_customer: Whether its path leads to something of one customer.
    """

    endpoint: str
    method: str
    rule: str
    right: str
    is_public: bool
    arguments: frozenset[str]

    is_api: bool = False

    @property
    def of_customer(self) -> bool:
        return bool(self.arguments & OF_CUSTOMER)

    def path(self, app: Flask, examples: Mapping[str, Any]) -> str:
        """Return its address with these arguments."""
        values = {name: examples[name] for name in self.arguments}
        return app.url_map.bind("localhost").build(self.endpoint, values)


OF_CUSTOMER = frozenset({"customer_id", "activity_id", "interaction_id", "attachment_id"})
"""Arguments that lead to something of one customer."""


def steps(app: Flask) -> list[Step]:
    """Return all that the application answers to."""
    return sorted(_steps(app), key=lambda step: (step.endpoint, step.method))


def lacks(step: Step, known: Known) -> list[str]:
    """Return what is not told here of a route: arguments, or what it is sent."""
    missing = sorted(step.arguments - set(examples(known, "employee")))
    told = BODIES if step.is_api else FORMS
    if step.method not in ("GET", "DELETE") and step.endpoint not in told:
        missing.append("what it is sent")
    return missing


def walked(app: Flask, known: Known) -> list[Step]:
    """Return what can be walked, but for what takes no user; that all can be is a test too."""
    return [step for step in steps(app) if not step.is_public and not lacks(step, known)]


def _steps(app: Flask) -> Iterator[Step]:
    for rule in app.url_map.iter_rules():
        if rule.endpoint in FILES:
            continue
        view = app.view_functions[rule.endpoint]
        operation, route = getattr(view, "operation", None), getattr(view, "route", None)
        right = (operation or route).right if operation or route else FOR_EVERY_USER[rule.endpoint]
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Step(
                rule.endpoint,
                method,
                rule.rule,
                right,
                is_public=bool(route and route.is_public),
                arguments=frozenset(rule.arguments),
                is_api=rule.rule.startswith("/api"),
            )


FOR_EVERY_USER = {"openapi": ""}
"""Endpoints that are neither a declared page nor an operation; every user may open these."""


def examples(known: Known, owner: str) -> dict[str, Any]:
    """Return path arguments that lead to what the customer of ``owner`` has."""
    records = known.records.get(owner, {})
    return {
        "customer_id": known.customers[owner],
        "activity_id": records["activity"],
        "interaction_id": records["interaction"],
        "user_id": known.users["readonly"],
        "login": "readonly",
    }


FORMS: dict[str, Callable[[Known, str], Form]] = {}
"""What each route that writes is sent, by endpoint; ``(known, owner)`` as for ``examples``."""

def takes(*endpoints: str, **form: Any) -> None:
    """Say what routes are sent, the same for everybody."""
    for endpoint in endpoints:
        FORMS[endpoint] = lambda _known, _owner: form


takes("account.send_sign_in", login="nobody", password="wrong")
takes("account.sign_out")


BODIES: dict[str, Callable[[Known, str], Any]] = {}
"""What each operation of the API that writes is sent as JSON, by endpoint."""


def sends(*endpoints: str, **body: Any) -> None:
    """Say what operations are sent, the same for everybody."""
    for endpoint in endpoints:
        BODIES[endpoint] = lambda _known, _owner: body


def reaches(actor: Actor, right: str, owner: str, known: Known) -> bool:
    """Return whether an actor's right reaches a customer of this owner."""
    if not right:
        return True
    reach = actor.reach(right)
    if reach is Reach.ALL:
        return True
    if reach is Reach.TEAM:
        mates = {login for members in TEAMS.values() if actor.login in members for login in members}
        return owner in mates
    return reach is Reach.OWN and owner == actor.login
