"""Whatever the network does between us and the real Odoo, both sides end as if it had not."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from crm_core.access import Actor
from crm_core.entities import Customer, CustomerTag, PushItem
from crm_core.entities.customer import Address, ContactPoint
from crm_core.errors import RetryableSyncError
from crm_core.persistence.database import Database
from crm_core.testing.faulty_proxy import (
    FaultyProxy,
    bad_gateway,
    half_answer,
    late,
    lost_reply,
    reset,
    stalled,
    too_many,
)
from crm_core.testing.front_office import FrontOffice
from crm_odoo.settings import open_backend
from crm_odoo.transport import circuit

pytestmark = pytest.mark.slow
PULLED = ["user", "tag", "customer", "address"]
FAULTS = {
    "latency": late(0.3),
    "reset in mid-body": reset,
    "half an answer": half_answer,
    "html 502": bad_gateway,
    "429": too_many(1),
    "stalled": stalled,
    "lost reply": lost_reply,
}
SECONDS = "4"
"""Patience with a stalled socket."""


@pytest.fixture(autouse=True)
def closed_circuits() -> Iterator[None]:
    """What one test did to a server's good name is not held against it in the next."""
    yield
    circuit._circuits.clear()


class Office(FrontOffice):
    """One that may go through a proxy."""

    url: str

    @classmethod
    def at(cls, folder: Path, template: Path, actor: Actor, shop: Any, account: Any) -> Office:
        path = folder / "crm.sqlite"
        shutil.copyfile(template, path)

        def connect() -> Any:
            config = {
                "url": office.url,
                "database": shop.name,
                "login": account.login,
                "timeout_seconds": SECONDS if office.url != shop.url else "60",
                "customer_domain": json.dumps(office.domain),
            }
            return open_backend(config, account.secret)

        office = cls(Database(f"sqlite:///{path}"), actor, connect)
        office.url, office.domain = shop.url, [["customer_rank", ">", 0]]
        return office

    def through(self, proxy: FaultyProxy, **options: Any) -> int:
        """Run through a proxy until a run ends well; return how many did not."""
        failed = 0
        self.url = proxy.url
        while True:
            try:
                self.run(**options)
            except RetryableSyncError:
                failed += 1
                assert failed < 3
            else:
                return failed

    def state(self) -> list[Any]:
        names = (Customer.name, Customer.reference, Customer.note, Customer.job_title)
        tagged = select(Customer.name, CustomerTag.tag_id.is_not(None)).join(
            CustomerTag, CustomerTag.customer_id == Customer.id
        )
        statements = (
            select(*names),
            tagged,
            select(Customer.name, ContactPoint.kind, ContactPoint.value).join(
                ContactPoint, ContactPoint.customer_id == Customer.id
            ),
            select(Address.use, Address.recipient, Address.street, Address.city),
        )
        return [sorted(map(tuple, self.all(each)), key=repr) for each in statements]


@pytest.fixture
def offices(tmp_path: Path, sqlite_template: Path, system: Actor, shop: Any) -> Iterator[Any]:
    """Make front offices of their own that talk to the same Odoo."""
    made: list[Office] = []

    def make(account: Any) -> Office:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Office.at(folder, sqlite_template, system, shop, account))
        return made[-1]

    yield make
    for office in made:
        office.database.dispose()


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    """What a pull without a fault gives, once it was made."""
    return {}


@pytest.mark.parametrize("call", ['"read"', "web/login"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_pull(
    offices: Any, shop: Any, faulty_proxy: FaultyProxy, undisturbed: Any, fault: str, call: str
) -> None:
    if not undisturbed:
        direct = offices(shop.bot)
        direct.run(entities=PULLED)
        undisturbed["state"] = direct.state()
    office = offices(shop.bot)
    faulty_proxy.spoil(call, FAULTS[fault])
    failed = office.through(faulty_proxy, entities=PULLED, page_size=50)
    assert faulty_proxy.spoilt == 1
    assert failed == 0, "a call that only reads is tried again at once"
    assert office.state() == undisturbed["state"]
    assert not any(
        counts.get("created") or counts.get("updated")
        for counts in office.run(entities=PULLED).counts.values()
    )


@pytest.fixture(scope="module")
def admin(shop: Any, admin_rpc: Any) -> Any:
    return admin_rpc(shop)


@pytest.fixture
def pushing(offices: Any, shop: Any, admin: Any) -> Office:
    """One in step with an Odoo whose customers are those made from now on."""
    office: Office = offices(shop.writer)
    context = {"active_test": False}
    [last] = admin.search("res.partner", [], order="id desc", limit=1, context=context)
    office.domain = [["id", ">", last]]
    office.accept()
    return office


def _there(admin: Any, office: Office, *fields: str) -> list[Any]:
    context = {"active_test": False}
    found = admin.execute(
        "res.partner", "search_read", office.domain, ["name", *fields], context=context
    )
    return sorted(tuple(row[name] for name in ("name", *fields)) for row in found)


@pytest.mark.parametrize("call", ['"res.partner", "load"', '"res.partner", "read"'])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_push_of_new_records(
    pushing: Office, admin: Any, faulty_proxy: FaultyProxy, fault: str, call: str
) -> None:
    names = [f"{fault} {call[-12:]} {n}" for n in range(30)]
    for name in names:
        pushing.create(name, note=f"of {name}", reference=f"R {name}")
    faulty_proxy.spoil(call, FAULTS[fault])
    pushing.through(faulty_proxy)
    assert faulty_proxy.spoilt == 1
    expected = sorted((name, f"R {name}") for name in names)
    assert _there(admin, pushing, "ref") == expected
    assert sorted(pushing.customers()) == sorted(names)
    assert pushing.count(PushItem) == 0
    report = pushing.run(full=True)
    assert (report.state, report.pushed) == ("done", {})


@pytest.mark.parametrize("fault", FAULTS)
def test_a_push_of_edits(
    pushing: Office, admin: Any, faulty_proxy: FaultyProxy, fault: str
) -> None:
    ids = [pushing.create(f"{fault} {n}") for n in range(10)]
    pushing.run()
    for n, customer_id in enumerate(ids):
        pushing.edit(customer_id, job_title=f"title {n}", note="same")
    for call in ('"load"', '"write"'):
        faulty_proxy.spoil(call, FAULTS[fault])
    pushing.through(faulty_proxy)
    assert faulty_proxy.spoilt > 0
    expected = sorted((f"{fault} {n}", f"title {n}") for n in range(10))
    assert _there(admin, pushing, "function") == expected
    assert pushing.count(PushItem) == 0
    assert pushing.run(full=True).pushed == {}


@contextmanager
def _kept_busy(shop: Any, admin: Any, keys: list[int], *, seconds: float) -> Iterator[None]:
    """Let two other clients write these partners for a while, all of them in each transaction."""
    end = time.monotonic() + seconds

    def write(rpc: Any) -> None:
        turn = 0
        while time.monotonic() < end:
            turn += 1
            rows = [[str(key), f"busy {turn}"] for key in reversed(keys)]
            with suppress(Exception):  # they get in each other's way, too
                rpc.execute("res.partner", "load", [".id", "street2"], rows)

    clients = [shop.rpc(shop.admin) for _ in range(2)]
    threads = [threading.Thread(target=write, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()
        admin.execute("res.partner", "write", keys, {"street2": "quiet"})


def test_records_that_others_keep_busy(pushing: Office, shop: Any, admin: Any) -> None:
    """Serialization failures, made for real: tried again, there or by us; nothing is lost."""
    ids = [pushing.create(f"Busy {n}") for n in range(20)]
    pushing.run()
    keys = [int(pushing.remote_id(each)) for each in ids]
    for n, customer_id in enumerate(ids):
        pushing.edit(customer_id, job_title=f"title {n}")
    with _kept_busy(shop, admin, keys, seconds=3):
        pushing.run()
    assert pushing.run(retry=True).state == "done"
    expected = sorted((f"Busy {n}", f"title {n}") for n in range(20))
    assert _there(admin, pushing, "function") == expected
    assert pushing.count(PushItem) == 0
    [told] = {row[1] for row in _there(admin, pushing, "street2")}
    assert {row[0] for row in pushing.all(select(Address.street2))} == {told}
