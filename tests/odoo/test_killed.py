"""Killed at every point where it hurts, with 200 records under way to and from the real Odoo."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from crm_core.access import Actor
from crm_core.entities import Customer, PushItem
from crm_core.entities.customer import CustomerTag
from crm_core.persistence.database import Database
from crm_core.services.audit import seal, verify
from crm_core.services.customer_merge import merge_customers
from crm_core.services.customers import create_customer, edit_customer
from crm_core.services.tags import tag_customer
from crm_core.sync import failpoints
from crm_core.testing.front_office import FrontOffice
from crm_odoo.settings import open_backend
from killing import run_and_die

pytestmark = pytest.mark.slow
POINTS = (*failpoints.PULL, *failpoints.PUSH)
PAGE_SIZE = 30


class Scene:
    """A front office, and an Odoo whose customers are those made from now on."""

    def __init__(self, path: Path, actor: Actor, shop: Any, admin: Any) -> None:
        self.admin, self.secret = admin, shop.writer.secret
        context = {"active_test": False}
        [last] = admin.search("res.partner", [], order="id desc", limit=1, context=context)
        self.domain = [["id", ">", last]]
        self.config = {
            "url": shop.url,
            "database": shop.name,
            "login": shop.writer.login,
            "customer_domain": json.dumps(self.domain),
        }
        connect = lambda: open_backend(self.config, self.secret)  # noqa: E731
        self.front = FrontOffice(Database(f"sqlite:///{path}"), actor, connect)
        self.front.accept()

    def prepare(self) -> None:
        """Set 200 records on the move: new, edited, tagged, gone."""
        known = self._make("Known", 100)
        self.front.run()
        ids = {each.name: each.id for each in self.front.customers().values()}
        self._make("Theirs", 50)
        self.admin.execute("res.partner", "write", known[:30], {"comment": "edited there"})
        self.admin.execute("res.partner", "unlink", known[95:])
        tag = self.admin.execute("res.partner.category", "create", {"name": f"There {known[0]}"})
        self.admin.execute(
            "res.partner.category", "write", [tag], {"partner_ids": [(6, 0, known[40:50])]}
        )
        name = f"Here {known[0]}"

        def edit(uow: Any) -> None:
            for n in range(50):
                values = {"kind": "person", "name": f"Ours {n}", "reference": f"O {known[0]} {n}"}
                create_customer(uow, values)
            for n in range(15, 45):
                edit_customer(uow, ids[f"Known {n}"], {"job_title": "edited here"})
            for n in (60, 61):
                tag_customer(uow, ids[f"Known {n}"], [name])
            merge_customers(uow, ids["Known 70"], ids["Known 71"], there=True)

        self.front.change(edit)
        same = {"name": "Ours 7", "ref": f"O {known[0]} 7"}  # both added it on their own
        self.admin.execute("res.partner", "create", same)

    def _make(self, name: str, number: int) -> list[int]:
        # Only an administrator of Odoo merges those with different addresses, so two share one.
        mails = [f"{name}.{70 if n == 71 else n}@example.org" for n in range(number)]
        rows = [{"name": f"{name} {n}", "email": mail} for n, mail in enumerate(mails)]
        keys: list[int] = self.admin.execute("res.partner", "create", rows)
        return keys

    def check(self) -> None:
        """All is as if no run had been killed."""
        fields = ["name", "ref", "comment", "function", "category_id"]
        rows = self.admin.execute("res.partner", "search_read", self.domain, fields)
        there = {row["name"]: row for row in rows}
        assert len(rows) == len(there) == 194
        here = self.front.customers()
        assert self.front.count(Customer) == len(here) == 200
        assert sum(each.archived_at is not None for each in here.values()) == 6
        assert here["Known 71"].merged_into_id == here["Known 70"].id
        for name, row in there.items():
            number, kind = int(name.split()[1]), name.split()[0]
            is_known = kind == "Known"
            note = "edited there" if is_known and number < 30 else None
            title = "edited here" if is_known and 15 <= number < 45 else None
            assert (here[name].note, here[name].job_title) == (note, title), name
            assert row["function"] == (title or False), name
            assert (note or "") in (row["comment"] or ""), name
            assert (row["ref"] or None) == here[name].reference, name
        assert self.front.count(CustomerTag) == 12
        assert sum(len(row["category_id"]) for row in rows) == 12
        assert self.front.count(PushItem) == 0
        seal(self.front.database)
        assert verify(self.front.database).first_break is None
        with self.front.database.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


@pytest.fixture
def scene(tmp_path: Path, sqlite_template: Path, system: Actor, shop: Any, admin_rpc: Any) -> Any:
    path = tmp_path / "crm.sqlite"
    shutil.copyfile(sqlite_template, path)
    scene = Scene(path, system, shop, admin_rpc(shop))
    scene.prepare()
    yield scene
    scene.front.database.dispose()


@pytest.mark.parametrize("point", random.Random(5).sample(POINTS, len(POINTS)))
def test_killed_and_run_again_all_is_as_if_it_never_was(scene: Scene, point: str) -> None:
    url = scene.front.database.url.render_as_string(hide_password=False)
    reach = {"config": scene.config, "secret": scene.secret}
    assert run_and_die(url, point, 1, reach, PAGE_SIZE), f"{point} was never reached"
    assert scene.front.run(page_size=PAGE_SIZE).state == "done"
    scene.check()
    again = scene.front.run(full=True)
    assert (again.state, again.pushed) == ("done", {})
