"""A bounded number of random steps on both sides of a real Odoo."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from convergence import IS_NIGHTLY, POINTS, WHICH, bounded
from crm_core.access import system_actor
from crm_core.persistence.database import Database
from crm_core.testing.front_office import FrontOffice
from crm_odoo.settings import open_backend
from people import People
from two_sides import FIELDS

EXAMPLES, STEPS = (20, 20) if IS_NIGHTLY else (2, 10)
MERGE = "base.partner.merge.automatic.wizard"


class OdooSide:
    """An Odoo with hands like the in-memory office's; customers are those made from now on."""

    on_call = None

    def __init__(self, shop: Any, admin: Any) -> None:
        self.shop, self.admin = shop, admin
        context = {"active_test": False}
        [last] = admin.search("res.partner", [], order="id desc", limit=1, context=context)
        self.domain = [["id", ">", last]]

    def connect(self) -> Any:
        config = {
            "url": self.shop.url,
            "database": self.shop.name,
            "login": self.shop.writer.login,
            "customer_domain": json.dumps(self.domain),
        }
        return open_backend(config, self.shop.writer.secret)

    @property
    def rows(self) -> dict[str, dict[int, Any]]:
        """What a connection tells, without looking at who may read it."""
        remote = self.connect()
        found: dict[str, dict[int, Any]] = {}
        for entity in ("tag", "customer"):
            pages = remote.pages(entity, since=None, after=None, size=500)
            found[entity] = {
                int(each.remote_id): SimpleNamespace(
                    values={**each.values}, is_hidden=False, is_outside=False
                )
                for page in pages
                for each in page.records
            }
        remote.close()
        return found

    def content(self) -> dict[str, Any]:
        found = self.rows
        return {
            name: {key: row.values for key, row in each.items()} for name, each in found.items()
        }

    def make(self, entity: str, values: Mapping[str, Any]) -> str:
        model = {"customer": "res.partner", "tag": "res.partner.category"}[entity]
        [key] = self.admin.execute(model, "create", [_values(values)])
        return str(key)

    def change(self, entity: str, remote_id: str, values: Mapping[str, Any]) -> None:
        self.admin.execute("res.partner", "write", [int(remote_id)], _values(values))

    def tag(self, tag_id: str, carriers: list[str]) -> None:
        ids = [(6, 0, [int(each) for each in carriers])]
        self.admin.execute("res.partner.category", "write", [int(tag_id)], {"partner_ids": ids})

    def delete(self, entity: str, remote_id: str) -> None:
        self.admin.execute("res.partner", "unlink", [int(remote_id)])

    def merge(self, entity: str, keep: str, gone: str) -> None:
        ids = [(6, 0, [int(keep), int(gone)])]
        values = {"partner_ids": ids, "dst_partner_id": int(keep)}
        wizard = self.admin.execute(MERGE, "create", values)
        self.admin.execute(MERGE, "action_merge", [wizard])


NAMES = {"reference": "ref", "note": "comment", "job_title": "function", "name": "name"}


def _values(values: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in values.items():
        if name == "kind":
            row["is_company"] = value == "company"
        elif name == "archived":
            row["active"] = not value
        elif name == "contact_points":
            row |= {point["kind"]: point["value"] for point in value}
        elif name == "address":
            row |= {line: value.get(line) or False for line in ("street", "city")}
        elif name == "tag_refs":
            row["category_id"] = [(6, 0, [int(ref) for ref in value])]
        else:
            row[NAMES[name]] = value
    return row


class OdooConvergence(RuleBasedStateMachine):
    """The rules that an Odoo can follow without another's hands in its transactions."""

    shop: Any
    admin: Any
    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="convergence"))
        path = self.folder / "crm.sqlite"
        shutil.copyfile(self.template, path)
        office = OdooSide(self.shop, self.admin)
        front = FrontOffice(Database(f"sqlite:///{path}"), system_actor("test"), office.connect)
        front.accept()
        self.sides = People(front, office)

    def teardown(self) -> None:
        try:
            self.sides.come_to_rest()
        finally:
            self.sides.front.database.dispose()
            shutil.rmtree(self.folder)

    def _any(self, which: int) -> str:
        tokens = self.sides.tokens
        return tokens[which % len(tokens)]

    @initialize()
    def begin(self) -> None:
        self.sides.make_here()
        self.sides.make_there()
        self.sides.run()

    @rule(where=st.sampled_from(["make_here", "make_there", "make_on_both"]))
    def make(self, where: str) -> None:
        getattr(self.sides, where)()

    @rule(which=WHICH, field=st.sampled_from(FIELDS), here=st.booleans(), there=st.booleans())
    def edit(self, which: int, field: str, here: bool, there: bool) -> None:
        if here:
            self.sides.edit_here(self._any(which), field)
        if there:
            self.sides.edit_there(self._any(which), field)

    @rule(which=WHICH, where=st.sampled_from(["here", "from_tag", "from_customer"]))
    def tag(self, which: int, where: str) -> None:
        if where == "here":
            self.sides.tag_here(self._any(which))
        else:
            self.sides.tag_there(self._any(which), from_tag=where == "from_tag")

    @rule(
        which=WHICH,
        what=st.sampled_from(
            ["point_here", "point_there", "archive_here", "archive_there", "delete_there"]
        ),
    )
    def do(self, which: int, what: str) -> None:
        getattr(self.sides, what)(self._any(which))

    @rule(which=WHICH, other=WHICH)
    def merge(self, which: int, other: int) -> None:
        self.sides.merge_there(self._any(which), self._any(other))

    @rule(page_size=st.sampled_from([2, 500]))
    def run(self, page_size: int) -> None:
        self.sides.run(page_size=page_size)

    @rule(point=st.sampled_from(POINTS))
    def run_killed(self, point: str) -> None:
        self.sides.run_killed(point, 1, page_size=2)


@pytest.mark.slow
def test_whatever_happens_both_sides_come_to_agree(
    sqlite_template: Path, shop: Any, admin_rpc: Any
) -> None:
    class Connected(OdooConvergence):
        template = sqlite_template

    Connected.shop, Connected.admin = shop, admin_rpc(shop)
    run_state_machine_as_test(Connected, settings=bounded(EXAMPLES, STEPS))
