"""What people do in the front office reaches the real Odoo once, whatever happens on the way."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crm_core.entities import Address, Customer
from crm_core.errors import RetryableSyncError
from crm_core.services.relationships import relate_customers
from crm_core.testing.faulty_proxy import lost_reply
from crm_core.testing.front_office import FrontOffice
from crm_odoo.settings import open_backend

CRM = str(Path(sys.executable).parent / "crm")


def partners(admin: Any, name: str) -> list[dict[str, Any]]:
    fields = ["name", "street", "city", "parent_id", "email", "active"]
    domain = [("name", "=", name)]
    found: list[dict[str, Any]] = admin.rows(
        "res.partner", domain, fields, context={"active_test": False}
    )
    return found


def test_a_create_whose_reply_is_lost_makes_one_partner(
    office: FrontOffice, options: dict[str, str], fresh_odoo_db: Any, admin: Any, faulty_proxy: Any
) -> None:
    customer_id = office.create("Lost Reply")
    through = {**options, "url": faulty_proxy.url}
    faulty_proxy.spoil('"res.partner", "load"', lost_reply)
    with pytest.raises(RetryableSyncError):
        office.run(open_backend(through, fresh_odoo_db.writer.secret))
    assert faulty_proxy.spoilt == 1
    assert len(partners(admin, "Lost Reply")) == 1, "the server had worked"

    report = office.run()

    assert report.state == "done"
    [partner] = partners(admin, "Lost Reply")
    assert office.remote_id(customer_id) == str(partner["id"])
    assert office.count(Customer, Customer.name == "Lost Reply") == 1


def test_an_update_whose_reply_is_lost_is_done_once(
    office: FrontOffice, options: dict[str, str], fresh_odoo_db: Any, admin: Any, faulty_proxy: Any
) -> None:
    customer_id = office.create("Lost Update")
    office.run()
    office.edit(customer_id, note="the new note")
    faulty_proxy.spoil('"res.partner", "write"', lost_reply)
    through = {**options, "url": faulty_proxy.url}
    with pytest.raises(RetryableSyncError):
        office.run(open_backend(through, fresh_odoo_db.writer.secret))
    report = office.run()
    assert (report.state, office.run().pushed) == ("done", {})
    assert office.customer(customer_id).note == "the new note"
    assert len(partners(admin, "Lost Update")) == 1


def test_a_contact_without_an_address_stays_without_one(office: FrontOffice, admin: Any) -> None:
    address = {"use": "main", "street": "Ακαδημίας 7", "city": "Αθήνα", "country_code": "GR"}
    company = office.create("Εταιρεία Α.Ε.", kind="company", addresses=[address])
    contact = office.create("Ελένη Χωρίς")
    office.change(lambda uow: relate_customers(uow, contact, "contact_of", company))
    office.run()
    [partner] = partners(admin, "Ελένη Χωρίς")
    assert partner["street"] == "Ακαδημίας 7", "Odoo shows the company's"
    office.edit(contact, job_title="Head of purchasing")
    office.run()
    office.run()
    assert office.count(Address, Address.customer_id == contact) == 0


def test_what_odoo_makes_of_a_value_comes_back(office: FrontOffice, admin: Any) -> None:
    """A company's new address reaches its contacts in Odoo, and nothing echoes."""
    company = office.create("Echo Ltd", kind="company")
    office.run()
    [partner] = partners(admin, "Echo Ltd")
    admin.execute("res.partner", "write", [partner["id"]], {"street": "Their Street 1"})
    office.edit(company, note="ours")
    office.run()
    [again] = partners(admin, "Echo Ltd")
    assert again["street"] == "Their Street 1"
    moved = admin.rows("res.partner", [("id", "=", partner["id"])], ["write_date"])
    assert office.run().pushed == {}
    assert admin.rows("res.partner", [("id", "=", partner["id"])], ["write_date"]) == moved


class Typed:
    """A folder in which somebody types commands."""

    def __init__(self, folder: Path, options: dict[str, str], secret_file: Path) -> None:
        self.folder = folder
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CRM_")}
        self.environment = environment | {"HOME": str(folder), "CRM_CONFIG_HOME": str(folder)}
        self("init", "--yes")
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self("backend", "add", "odoo", "main", *flags, "--secret-file", str(secret_file))

    def start(self, *words: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [CRM, *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )

    def __call__(self, *words: str, code: int = 0) -> str:
        process = self.start(*words)
        out, errors = process.communicate(timeout=400)
        assert process.returncode == code, f"{words}\n{out}\n{errors}"
        assert "Traceback" not in errors
        return out


@pytest.fixture
def typed(tmp_path: Path, options: dict[str, str], fresh_odoo_db: Any) -> Typed:
    return Typed(tmp_path, options, fresh_odoo_db.writer.secret_file)


@pytest.mark.slow
def test_four_workers_make_one(typed: Typed, admin: Any) -> None:
    typed("sync", "plan", "main")
    typed("sync", "run", "main", "--accept-plan")
    typed("customer", "add", "Only One")
    workers = [typed.start("worker", "--once") for _ in range(4)]
    codes = set()
    for worker in workers:
        _, errors = worker.communicate(timeout=400)
        assert "Traceback" not in errors
        codes.add(worker.returncode)
    assert codes <= {0, 5}, "each went through, or found another at work"
    typed("sync", "run", "main")
    assert len(partners(admin, "Only One")) == 1
    found = json.loads(typed("customer", "search", "Only One", "--json"))
    assert len(found["data"]["items"]) == 1


@pytest.mark.slow
def test_a_poison_record_among_a_thousand(typed: Typed, admin: Any, tmp_path: Path) -> None:
    with (tmp_path / "thousand.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["name", "email"])
        writer.writerows([f"Thousand {n}", f"t{n}@example.org"] for n in range(1_000))
    typed("customer", "import", "thousand.csv")
    [model] = admin.search("ir.model", [("model", "=", "res.partner")])
    rule = {
        "name": "poison",
        "model_id": model,
        "domain_force": "[('name', '!=', 'Thousand 613')]",
        "perm_read": False,
        "perm_write": False,
        "perm_unlink": False,
    }
    rule_id = admin.execute("ir.rule", "create", rule)

    plan = json.loads(typed("sync", "plan", "main", "--json"))
    assert plan["data"]["pushed"]["customer"]["created"] == 1_000
    typed("sync", "run", "main", code=2)
    assert admin.execute("res.partner", "search_count", [("name", "like", "Thousand %")]) == 0

    typed("sync", "run", "main", "--accept-plan", code=3)
    count = [("name", "=like", "Thousand %")]
    assert admin.execute("res.partner", "search_count", count) == 999
    status = json.loads(typed("sync", "status", "main", "--json"))
    [poison] = status["data"]["unwritten_records"]
    assert poison["label"] == "Thousand 613"
    assert poison["reason"]
    typed("sync", "run", "main", code=3)

    admin.execute("ir.rule", "unlink", [rule_id])
    typed("sync", "retry", "main")
    assert admin.execute("res.partner", "search_count", count) == 1_000
    assert typed("sync", "status", "main")
