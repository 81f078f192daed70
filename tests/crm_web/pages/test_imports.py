"""Importing customers through the pages: upload, columns, try, import, undo."""

from __future__ import annotations

import threading
from io import BytesIO

import pytest
from sqlalchemy import func, select

from crm_core.cli.worker import Worker
from crm_core.entities.customer import Customer
from crm_core.entities.import_job import ImportJob

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])
SCRIPT = "<script>alert(1)</script>"
FILE = (
    f"Firm,E-mail,Odd\nΑθηναϊκή Γη,gi@athens.example,1\n{SCRIPT},ok@x.example,2\nشرکت,bad-mail,3\n"
).encode()


def uploaded(browser, content=FILE, name="συνεργάτες.csv"):
    return browser.post("/imports/upload", {"file": (BytesIO(content), name)})


def mapped(browser, **changes):
    page = browser.follow(uploaded(browser))
    form = page.form("/imports/start")
    form["heading"] = ["Firm", "E-mail", "Odd"]
    return {**form, "column-0": "name", "column-2": "", "match": ["email"], **changes}


def worked(office):
    Worker(office.application, threading.Event()).round(everything=False)


def count(office):
    return office.read(lambda uow: uow.scalar(select(func.count(Customer.id))))


def test_a_file_is_shown_with_what_its_columns_seem_to_mean(office, web):
    page = web("manager").follow(uploaded(web("manager")))
    assert page.status in (200, 404)
    manager = web("manager")
    page = manager.follow(uploaded(manager))
    form = page.form("/imports/start")
    assert form["column-1"] == "email"
    assert form["column-2"] == ""
    assert SCRIPT not in page.html
    assert len(page.queries) <= 15


def test_trying_it_writes_nothing_and_importing_it_can_be_undone(office, web):
    manager, before = web("manager"), count(office)
    tried = manager.post("/imports/start", mapped(manager, how="try"))
    assert "Waits for the worker" in manager.follow(tried).words
    worked(office)
    page = manager.follow(tried)
    assert page.texts("main//div[@class='figure']")[:2] == ["3", "2"]
    assert "bad-mail" in page.words
    assert SCRIPT not in page.html
    assert count(office) == before
    faults = manager.client.get(f"{tried.location}/faults")
    assert b"bad-mail" in faults.data
    done = manager.post(f"{tried.location}/go")
    worked(office)
    assert count(office) == before + 2
    assert "Undo this import" in manager.follow(done).words
    manager.post(f"{done.location}/undo")
    worked(office)
    assert "What was undone" in manager.follow(done).words
    assert count(office) == before


def test_what_columns_mean_is_remembered(office, web):
    manager = web("manager")
    manager.post("/imports/start", mapped(manager, how="try"))
    page = manager.follow(uploaded(manager))
    assert page.form("/imports/start")["column-0"] == "name"


def test_two_columns_of_one_meaning_are_refused_with_what_was_chosen(office, web):
    manager = web("manager")
    sent = mapped(manager, how="import", **{"column-2": "email"})
    before = office.rows()
    page = manager.post("/imports/start", sent)
    assert page.status == 422
    assert page.form("/imports/start")["column-2"] == "email"
    assert office.rows() == before


def test_a_waiting_import_is_stopped(office, web):
    manager = web("manager")
    page = manager.post("/imports/start", mapped(manager, how="import"))
    before = count(office)
    manager.post(f"{page.location}/stop")
    worked(office)
    assert count(office) == before
    assert "Stopped" in manager.follow(page).words


@pytest.mark.parametrize("name", ["list.pdf", "", "list"])
def test_other_files_are_refused(office, web, name):
    before = office.rows()
    assert uploaded(web("manager"), name=name).status == 422
    assert office.rows() == before


def test_a_file_that_somebody_else_sent_is_nobody_elses(office, web):
    manager, admin = web("manager"), web("admin")
    page = uploaded(manager)
    assert admin.get(page.location).status == 404
    assert manager.get(page.location.replace("size=", "size=1")).status == 404


@pytest.mark.parametrize("login", ["employee", "readonly"])
def test_who_may_not_import_gets_nowhere(office, web, login):
    browser, before = web(login), office.rows()
    assert browser.get("/imports").status == 403
    assert uploaded(browser).status == 403
    assert office.rows() == before


def test_imports_of_others_do_not_show(office, web):
    manager = web("manager")
    page = manager.post("/imports/start", mapped(manager, how="try"))
    outsider = web("outsider")
    assert office.read(lambda uow: uow.scalar(select(func.count(ImportJob.id)))) == 1
    listed = outsider.get("/imports")
    assert listed.status == 200
    assert outsider.get(page.location).status in (200, 404)
