"""What the walk of every route needs to know: examples for path arguments and for what is sent.

A route that takes an argument or a form not told here is found by
``tests/crm_web/test_access_walk.py``, which fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from flask import Flask

from crm_core.access import Actor, Reach
from crm_core.services.roles import ADMIN, BUILT_IN_ROLES
from crm_web.permissions import RIGHTS
from web_office import OUTSIDERS, TEAMS, Known

NOBODYS_ID = "00000000-0000-7000-8000-000000000000"
FILES = ("assets.file",)
"""Endpoints that give the same to everybody: style sheets, scripts, symbols."""
FOR_EVERY_USER = {"openapi": ""}
"""Endpoints that are neither a declared page nor an operation; every user may open these."""
OF_CUSTOMER = set(
    "customer_id activity_id interaction_id attachment_id point_id contact_point_id address_id "
    "tie_id relationship_id other_id merge_id conflict_id".split()
)
"""Arguments that lead to something of one customer."""
PERSONAL = {"view_id", "token_id", "session_id"}
"""Arguments that lead to what is one user's alone."""
REVOCABLE = {"session_id", "token_id"}
"""Those of them that administrators end or revoke for others."""
OF_NOBODY: Mapping[str, Any] = {
    "run_id": NOBODYS_ID,
    "request_id": NOBODYS_ID,
    "post_id": NOBODYS_ID,
    "mail_id": NOBODYS_ID,
    "job_id": NOBODYS_ID,
    "batch_id": NOBODYS_ID,
    "delivery_id": 999,
    "name": "nothing",
    "kind": "pull",
    "token": "no-such-token",
}
"""Arguments that lead nowhere: what is there is the administrators' alone, and others are refused
before anybody looks."""
HELD_BY_OTHERS = (
    {right for role, (_, held) in BUILT_IN_ROLES.items() if role != ADMIN for right in held}
    | set(OUTSIDERS)
    | {right.code for right in RIGHTS if right.roles}
)
"""Rights that not administrators alone hold: whoever writes by these has to be walked in full."""

AFTER_ANOTHER = frozenset({"imports.columns"})
"""Pages that show what was sent to the one before, and without it say that there is nothing."""

IN_BODY: dict[str, str] = {}
"""Endpoints that lead to something of one owner by what is sent, not by the path; with the right
that has to reach it, empty for the endpoint's own."""

Sent = Callable[[Known, str], Any]
FORMS: dict[str, Sent] = {}
"""What each page that writes is sent, by endpoint; ``(known, owner)`` as for ``examples``."""
BODIES: dict[str, Sent] = {}
"""What each operation of the API that writes is sent as JSON, by endpoint."""


QUERIES = {
    "api-lists.export": "?format=csv",
    "api-customers.search": "?q=quux",
    "find.suggest": "?q=quux",
    "find.find": "?q=quux",
}
"""What stands behind the path, where something must or should."""


@dataclass(frozen=True)
class Step:
    """One route and method.

    Attributes:
        right: What it takes; empty where every user may.
        is_public: Whether it takes no user at all.
        arguments: Names of what its path takes.
        is_api: Whether it answers with data.
    """

    endpoint: str
    method: str
    rule: str
    right: str
    is_public: bool
    arguments: frozenset[str]
    is_api: bool

    @property
    def of_customer(self) -> bool:
        return bool(self.arguments & OF_CUSTOMER)

    @property
    def is_personal(self) -> bool:
        return bool(self.arguments & PERSONAL)

    @property
    def leads_nowhere(self) -> bool:
        """Whether its examples are of nothing that is there."""
        return bool(self.arguments & set(OF_NOBODY)) or self.endpoint in AFTER_ANOTHER

    def path(self, app: Flask, examples: Mapping[str, Any]) -> str:
        """Return its address with these arguments."""
        values = {name: examples[name] for name in self.arguments}
        if "code" in values and "customer_id" in values:
            values["code"] = "mood"
        address = app.url_map.bind("localhost").build(self.endpoint, values)
        return address + QUERIES.get(self.endpoint, "")


def steps(app: Flask, area: str = "") -> list[Step]:
    """Return what the application answers to, of routes whose names begin so."""
    found = [step for step in _steps(app) if step.endpoint.removeprefix("api-").startswith(area)]
    return sorted(found, key=lambda step: (step.endpoint, step.method))


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
                is_api=operation is not None or rule.endpoint in FOR_EVERY_USER,
            )


def examples(known: Known, owner: str, login: str = "readonly") -> dict[str, Any]:
    """Return path arguments that lead to what ``owner``'s customer has, and ``login`` alone."""
    records = known.records[owner]
    return {
        **OF_NOBODY,
        "code": "readonly",
        **records,
        **dict.fromkeys(PERSONAL, NOBODYS_ID),
        **known.own[login],
        "customer_id": known.customers[owner],
        "contact_point_id": records["point_id"],
        "relationship_id": records["tie_id"],
        "user_id": known.users["readonly"],
        "login": "readonly",
    }


def lacks(step: Step, known: Known) -> list[str]:
    """Return what is not told here of a route: arguments, or what it is sent."""
    missing = sorted(step.arguments - set(examples(known, "employee")))
    told = BODIES if step.is_api else FORMS
    is_walked = not step.right or step.right in HELD_BY_OTHERS
    if step.method not in ("GET", "DELETE") and is_walked and step.endpoint not in told:
        missing.append("what it is sent")
    return missing


def walked(app: Flask, known: Known, area: str = "") -> list[Step]:
    """Return what can be walked, but for what takes no user; that all can be is a test too."""
    return [step for step in steps(app, area) if not step.is_public and not lacks(step, known)]


def takes(*endpoints: str, **form: Any) -> None:
    """Say what pages are sent, the same for everybody."""
    for endpoint in endpoints:
        FORMS[endpoint] = lambda _known, _owner: form


def sends(*endpoints: str, **body: Any) -> None:
    """Say what operations are sent, the same for everybody."""
    for endpoint in endpoints:
        BODIES[f"api-{endpoint}"] = lambda _known, _owner: body


def reaches(actor: Actor, right: str, owner: str) -> bool:
    """Return whether an actor's right reaches a customer of this owner."""
    reach = actor.reach(right) if right else Reach.ALL
    if reach is Reach.TEAM:
        mates = {login for members in TEAMS.values() if actor.login in members for login in members}
        return owner in mates
    return reach is Reach.ALL or (reach is Reach.OWN and owner == actor.login)


def _id(known: Known, owner: str, name: str) -> str:
    return str(known.records[owner][name])


# Signing in and one's own account: refused for what is wrong in them, so that nothing changes.
takes("account.send_sign_in", login="nobody", password="wrong")
takes("account.send_forgot", login="nobody")
takes("account.send_link", password="short")
takes("account.sign_out", "account.to_provider", "account.begin", "account.end_others")
takes("account.confirm", "account.remove", "account.renew_codes", code="000000", password="wrong")
takes("account.send_second_factor", code="000000")
takes("account.send_password", old="wrong", new="short")
takes("account.send_preferences", language="xx")
takes("account.end", "account.revoke")
takes("account.send_token", title="")
sends("access.add_token", title="")

# Customers, as forms.
takes("customers.archive", "customers.restore", "customers.complete", "customers.detach")
takes("customers.distinct", "customers.merge", "customers.undo", "customers.remove_tie")
takes("customers.remove_point", "customers.remove_place", "customers.end_tie")
takes("customers.send_add_place", "customers.send_change_place", use="invoice", city="Elsewhere")
takes("customers.send_add_point", kind="email", value="new@example.com")
takes("customers.send_change_point", value="changed@example.com")
takes("customers.send_assign", owner="outsider")
takes("customers.send_consent", purpose="news", channel="phone", status="given", evidence="told us")
takes("customers.send_edit", name="Changed", kind="company", stage="prospect", version="1")
takes("customers.send_log", subject="Called", channel="phone", direction="inbound")
takes("customers.send_plan", summary="Call", type="call", due_at="2026-12-24T10:00")
takes("customers.send_profile", mood="angry")
takes("customers.send_relate", type="contact_of", other="Southquux")
takes("customers.send_tag", names="changed")
takes("customers.untag", name="wholesale")
takes("customers.send_new", name="")
takes("customers.add_view", "customers.change_view", name="Changed", query="", sharing="everybody")
takes("customers.remove_view")
FORMS["customers.attach"] = lambda _known, _owner: {"file": (BytesIO(b"changed"), "changed.txt")}
FORMS["customers.change_many"] = lambda known, owner: {
    "chosen": str(known.customers[owner]),
    "stage": "lapsed",
}
FORMS["customers.export"] = lambda known, owner: {
    "chosen": str(known.customers[owner]),
    "format": "csv",
    "query": "",
}

UPLOADS = frozenset({"api-history.attach", "api-imports.send"})
"""Operations that are sent a form with a file instead of JSON."""
BODIES["api-history.attach"] = FORMS["customers.attach"]

# The sync desk, by whoever may see it.
takes(
    "sync.ask_for", "sync.make_plan", "sync.retry", "sync.stop", "sync.stop_asked", "sync.take_back"
)
sends("sync.ask", kind="pull")
sends("lists.export", format="csv")
sends("sync.retry", "sync.stop", "sync.stop_request")
takes("sync.decide", "sync.decide_many", take="erp")
BODIES["api-sync.resolve"] = lambda known, owner: {
    "ids": [_id(known, owner, "conflict_id")],
    "take": "erp",
}
IN_BODY["api-sync.resolve"] = ""

# Imports: of files and jobs that are not there.
takes("imports.go", "imports.start", "imports.stop", "imports.undo", "imports.upload")
sends("imports.run", "imports.stop", "imports.undo")
sends("imports.send")

# Customers, as data.
sends("customers.archive", "customers.restore", "history.complete_activity")
sends("customers.edit", name="Changed")
sends("customers.create", name="")
sends("customer_parts.add_address", "customer_parts.change_address", use="invoice", city="Else")
sends("customer_parts.add_contact_point", kind="email", value="new@example.com")
sends("customer_parts.change_contact_point", value="changed@example.com")
sends(
    "customer_parts.add_consent",
    purpose="news", channel="phone", status="given", evidence="told us",
)  # fmt: skip
sends("customer_parts.end_relationship", ended_on="2026-11-01")
sends("customer_parts.set_profile", value="angry")
sends("customer_parts.tag", "customer_parts.untag", tags=["wholesale"])
sends("history.log_interaction", channel="phone", direction="inbound", subject="Called")
sends("history.plan_activity", type="call", due_at="2026-12-24T10:00:00Z")
sends("merging.say_distinct", "merging.undo")
sends("lists.add_view", name="", query="")
sends("company.define_attribute", code="", title="", type="text")
sends("lists.change_view", name="Changed", sharing="everybody")
BODIES["api-customer_parts.assign"] = lambda known, _owner: {
    "user_id": str(known.users["outsider"])
}
BODIES["api-customer_parts.relate"] = lambda known, owner: {
    "type": "contact_of",
    "other_id": _id(known, owner, "other_id"),
}
BODIES["api-merging.merge"] = lambda known, owner: {"drop_id": _id(known, owner, "other_id")}
BODIES["api-lists.bulk_edit"] = lambda known, owner: {
    "items": [{"id": str(known.customers[owner])}],
    "changes": {"stage": "lapsed"},
}
