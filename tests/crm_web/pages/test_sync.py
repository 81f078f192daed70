"""The sync desk: what it shows of back offices, and what people decide and ask for there."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO

import pytest

from crm_core.cli.worker import Worker
from crm_core.entities.sync import Backend
from crm_core.entities.sync_request import RequestKind, SyncPlan, SyncPlanRow, SyncRequest
from crm_core.errors import RuleViolationError
from crm_core.ids import new_id
from crm_core.services.workers import give_sign
from crm_core.sync.planning.files import read_plan, write_plan
from crm_core.sync.planning.plan import Decision, Plan, PlanHead, PlanRow, Side
from crm_core.sync.planning.store import keep_plan
from crm_core.sync.requests import ask, claim, settle, show_request, withdraw
from web_erp import SCRIPT, conflicts, desk, every

__all__ = ["desk"]
HEAD = PlanHead("erp", "b", "d", "2026-11-22T10:00:00+00:00", 3)
HERE = new_id()
ROWS = [
    PlanRow("customer", Side.BOTH, Decision.LINK, HERE, "Ours", "r1", "Theirs", 95, "same VAT"),
    PlanRow("customer", Side.BOTH, Decision.OPEN, new_id(), SCRIPT, "r2", "Thing", 60, "unsure"),
    PlanRow("customer", Side.THERE, Decision.CREATE, None, "", "r3", "Only there", None, "alone"),
]


def requests(office):
    asked = every(SyncRequest).order_by(SyncRequest.id)
    return office.read(lambda uow: [(r.kind, r.state) for r in uow.scalars(asked)])


def test_the_desk_tells_how_each_stands(desk, web):
    page = web("admin").get("/sync")
    assert page.status == 200
    assert "2 conflicts" in page.words
    assert "No worker has run yet" in page.words
    assert "only read: nothing is written to erp" in page.words
    assert len(page.all("svg/rect")) == 4  # two runs, records and seconds
    assert SCRIPT not in page.html
    assert len(page.queries) <= 15, page.queries


@pytest.mark.parametrize("path", ["/sync/of/erp", "/sync/of/erp/set-aside", "/sync/of/erp/held",
    "/sync/of/erp/plan", "/sync/of/erp/mapping", "/sync/of/erp/schedule", "/sync/runs",
    "/sync/conflicts", "/sync/progress"])  # fmt: skip
def test_each_page_is_light_and_its_text_inert(desk, web, path):
    page = web("admin").get(path)
    assert page.status == 200
    assert SCRIPT not in page.html
    assert len(page.queries) <= 15, page.queries


def test_a_worker_that_is_there_is_not_asked_after(desk, web):
    desk.write(lambda uow: give_sign(uow, "here:1:1"))
    assert "No worker" not in web("admin").get("/sync").words


def test_one_run_tells_what_it_read_and_why_it_failed(desk, web):
    manager = web("admin")
    listed = manager.get("/sync/runs?state=failed")
    (link,) = [link for link in listed.links if "/sync/runs/" in link]
    page = manager.get(link)
    assert "It broke" in page.words
    assert "records read" in page.words
    assert SCRIPT not in page.html


def test_a_run_is_asked_for_once_and_can_be_taken_back(desk, web):
    manager = web("admin")
    for _ in range(2):
        page = manager.post("/sync/of/erp/ask/run", {"back": "/sync"})
        assert page.location == "/sync"
    assert requests(desk) == [("run", "waiting")]
    shown = manager.follow(page)
    assert "Waits for the worker" in shown.words
    (action,) = [f.get("action") for f in shown.all("form") if "withdraw" in f.get("action")]
    manager.post(action)
    assert requests(desk) == [("run", "withdrawn")]


def test_what_waits_does_all_that_was_asked_for(desk, web):
    asked = [
        (RequestKind.RUN, {}, {}),
        (RequestKind.RUN, {"full": True}, {"full": True}),
        (RequestKind.RUN, {"full": False}, {"full": True}),
        (RequestKind.RETRY, {"entities": ["invoice"]}, {"entities": ["invoice"]}),
        (RequestKind.RETRY, {"entities": ["customer"]}, {"entities": ["customer", "invoice"]}),
        (RequestKind.RETRY, {}, {"entities": ["customer", "invoice"], "all": True}),
        (RequestKind.RETRY, {"entities": ["order"]},
            {"entities": ["customer", "invoice", "order"], "all": True}),
    ]  # fmt: skip
    for kind, options, whole in asked:
        id_ = desk.write(lambda uow, kind=kind, options=options: ask(uow, "erp", kind, **options))
        assert desk.read(lambda uow, id_=id_: show_request(uow, id_)["options"]) == whole
    assert requests(desk) == [("run", "waiting"), ("retry", "waiting")]
    for kind in (RequestKind.RUN, RequestKind.RETRY):
        assert desk.write(claim).kind == kind
        again = desk.write(lambda uow, kind=kind: ask(uow, "erp", kind))
        assert desk.read(lambda uow, id_=again: show_request(uow, id_)["options"]) == {}


def test_what_the_worker_began_meanwhile_is_not_taken_back(desk, web):
    request_id = desk.write(lambda uow: ask(uow, "erp", RequestKind.RUN))

    def act(uow):
        uow.get(SyncRequest, request_id)  # as it was read before the worker came
        table = SyncRequest.__table__
        uow.connection().execute(table.update().values(state="running"))
        with pytest.raises(RuleViolationError, match="begun with it already"):
            withdraw(uow, request_id)
        return uow.connection().execute(table.select()).one().state

    assert desk.write(act) == "running"


@pytest.mark.parametrize("login", ["employee", "readonly"])
def test_others_see_and_ask_for_nothing(desk, web, login):
    browser, before = web(login), desk.rows()
    for path in ("/sync", "/sync/conflicts", "/sync/of/erp", "/sync/progress"):
        assert browser.get(path).status == 403
    for path in ("ask/run", "check", "switch", "plan/make", "plan/apply", "mapping", "retry"):
        assert browser.post(f"/sync/of/erp/{path}").status == 403
    assert browser.post("/sync/conflicts", {"take": "erp", "all": "true"}).status == 403
    assert desk.rows() == before


def test_only_administrators_have_a_connection_tried(desk, web):
    before = desk.rows()
    assert web("manager").post("/sync/of/erp/check").status == 403
    assert desk.rows() == before
    web("admin").post("/sync/of/erp/check")
    assert requests(desk) == [("check", "waiting")]


@pytest.mark.parametrize("kind", ["sqlite"])
def test_the_worker_does_what_was_asked_for(desk, web, stop):
    admin = web("admin")
    page = admin.post("/sync/of/erp/check")
    assert Worker(desk.application, stop)._requests() == 0
    shown = admin.follow(page)
    assert "Done" in shown.words
    assert "Waits" not in shown.words


@pytest.fixture
def stop():
    import threading

    return threading.Event()


def test_what_a_worker_left_half_way_is_told_as_failed(desk, web):
    web("admin").post("/sync/of/erp/ask/dry_run")
    desk.write(claim)
    desk.write(
        lambda uow: [setattr(r, "holder", "gone:1:1") for r in uow.scalars(every(SyncRequest))]
    )
    desk.write(
        lambda uow: [
            setattr(r, "seen_at", uow.now - timedelta(hours=3))
            for r in uow.scalars(every(SyncRequest))
        ]
    )
    assert desk.write(claim) is None
    assert requests(desk) == [("dry_run", "failed")]


def test_what_came_of_a_dry_run_is_shown(desk, web):
    manager = web("admin")
    page = manager.post("/sync/of/erp/ask/dry_run")
    claimed = desk.write(lambda uow: claim(uow).id)
    told = {
        "counts": {"customer": {"created": 4321, "updated": 2}},
        "pushed": {"customer": {"created": 1, "examples": {"created": [SCRIPT]}}},
        "warnings": [SCRIPT],
        "seconds": 1.5,
        "calls": 3,
    }
    desk.write(lambda uow: settle(uow, claimed, told, None))
    shown = manager.follow(page)
    assert "4,321" in shown.words
    assert "Would be written over there" in shown.words
    assert SCRIPT not in shown.html


def test_conflicts_are_filtered_and_shown_side_by_side(desk, web):
    manager = web("admin")
    assert len(manager.get("/sync/conflicts").all("tbody/tr")) == 2
    assert len(manager.get("/sync/conflicts?field=customer.note").all("tbody/tr")) == 1
    assert len(manager.get("/sync/conflicts?age=7").all("tbody/tr")) == 0
    assert (
        len(manager.get("/sync/conflicts?age=1&entity=customer&backend=erp").all("tbody/tr")) == 2
    )
    page = manager.get(f"/sync/conflicts/{conflicts(desk)['note'][0]}")
    for word in ("Before", "Ours", "Theirs", "suggested"):
        assert word in page.words
    assert len(page.queries) <= 15


def test_one_click_takes_one_side_and_goes_on_to_the_next(desk, web):
    admin, before = web("admin"), conflicts(desk)
    page = admin.post(f"/sync/conflicts/{before['note'][0]}", {"take": "erp"})
    assert page.location.endswith(before["name"][0])
    assert conflicts(desk)["note"][1:] == ("resolved", "erp")
    assert conflicts(desk)["name"][1:] == ("open", None)


def test_a_typed_value_is_set_here(desk, web):
    key = conflicts(desk)["name"][0]
    web("admin").post(f"/sync/conflicts/{key}", {"take": "value", "value": "Νέο όνομα"})
    assert conflicts(desk)["name"][1:] == ("resolved", "crm")
    card = web("admin").get(f"/customers/{desk.customer('employee')}")
    assert "Νέο όνομα" in card.words


def test_a_value_that_will_not_do_is_kept_in_the_form(desk, web):
    key, before = conflicts(desk)["name"][0], desk.rows()
    page = web("admin").post(f"/sync/conflicts/{key}", {"take": "value", "value": ""})
    assert page.status == 422
    assert page.all("main//div[@role='alert']")
    assert desk.rows() == before


def test_all_that_the_filters_leave_are_decided_at_once(desk, web):
    sent = {"take": "crm", "all": "true", "field": "customer.note"}
    page = web("admin").post("/sync/conflicts", sent)
    assert page.status == 303
    assert {f: c[1] for f, c in conflicts(desk).items()} == {"note": "resolved", "name": "open"}


def test_nothing_chosen_decides_nothing(desk, web):
    before = desk.rows()
    web("admin").post("/sync/conflicts", {"take": "crm"})
    assert desk.rows() == before


def test_what_was_set_aside_is_retried(desk, web):
    manager = web("admin")
    page = manager.get("/sync/of/erp/set-aside")
    assert "It has no name." in page.words
    (box,) = [each for each in page.all("input") if each.get("name") == "unread"]
    manager.post("/sync/of/erp/retry", {"unread": box.get("value")})
    assert requests(desk) == [("retry", "waiting")]
    options = desk.read(lambda uow: [r.options for r in uow.scalars(every(SyncRequest))])
    assert options == [{"entities": ["customer"]}]


def test_masters_are_changed_one_by_one(desk, web):
    page = web("admin").post(
        "/sync/of/erp/mapping", {"customer.note": "ask", "customer.vat": "erp"}
    )
    assert page.status == 303
    assert desk.read(lambda uow: uow.scalar(every(Backend)).masters) == {"customer.note": "ask"}
    before = desk.rows()
    assert web("admin").post("/sync/of/erp/mapping", {"customer.note": "nobody"}).status == 422
    assert desk.rows() == before


def test_a_schedule_that_makes_no_sense_is_shown_again(desk, web):
    admin, before = web("admin"), desk.rows()
    page = admin.post("/sync/of/erp/schedule", {"every": "often"})
    assert page.status == 422
    assert "often" in page.html
    assert desk.rows() == before
    admin.post("/sync/of/erp/schedule", {"every": "90s", "entity-customer": "1h", "sweep": ""})
    form = admin.get("/sync/of/erp/schedule").form("/sync/of/erp/schedule")
    assert (form["every"], form["entity-customer"]) == ("90s", "1h")


@pytest.fixture
def planned(desk):
    """A plan with a link, a row to decide on and one to be made here."""
    summary = {"counts": {"in_step": 2, "only_here": 0, "set_aside": 0}, "left_out_count": 0}

    def keep(uow):
        keep_plan(uow, uow.scalar(every(Backend)).id, Plan(HEAD, ROWS), summary)

    desk.write(keep)
    return desk


def decisions(office):
    return office.read(
        lambda uow: {r.position: r.decision for r in uow.scalars(every(SyncPlanRow))}
    )


def test_a_plan_is_shown_by_group_and_decided_on(planned, web):
    admin = web("admin")
    page = admin.get("/sync/of/erp/plan")
    assert "To decide 1" in page.words
    assert SCRIPT not in page.html
    assert len(page.queries) <= 15
    admin.post("/sync/of/erp/plan/decide", {"group": "decide", "was-2": "", "d-2": "link"})
    assert decisions(planned) == {1: "link", 2: "link", 3: "create"}
    admin.post("/sync/of/erp/plan/decide", {"group": "link", "row": "1", "together": "ignore"})
    assert decisions(planned)[1] == "ignore"


def test_only_what_may_be_the_same_is_linked(planned, web):
    before = planned.rows()
    page = web("admin").post("/sync/of/erp/plan/decide", {"was-3": "create", "d-3": "link"})
    assert page.status == 422
    assert planned.rows() == before


def test_a_plan_goes_out_to_excel_and_comes_back(planned, web, tmp_path):
    admin = web("admin")
    sent = admin.client.get("/sync/of/erp/plan/file")
    path = tmp_path / "plan.xlsx"
    path.write_bytes(sent.data)
    head, rows, _ = read_plan(path)
    rows[1].decision = Decision.IGNORE
    write_plan(Plan(head, rows), path)
    page = admin.post(
        "/sync/of/erp/plan/upload", {"file": (BytesIO(path.read_bytes()), "plan.xlsx")}
    )
    assert page.status == 303
    assert decisions(planned) == {1: "link", 2: "ignore", 3: "create"}


def test_a_file_that_is_no_plan_is_refused_with_the_reason(planned, web):
    before = planned.rows()
    page = web("admin").post(
        "/sync/of/erp/plan/upload", {"file": (BytesIO(b"a,b\n1,2\n"), "plan.csv")}
    )
    assert page.status == 422
    assert "no plan" in page.words or "missing" in page.words
    assert planned.rows() == before


def test_applying_is_left_to_the_worker(planned, web):
    admin = web("admin")
    page = admin.follow(admin.post("/sync/of/erp/plan/apply"))
    assert requests(planned) == [("apply", "waiting")]
    assert "Waits for the worker" in page.words


def test_a_plan_that_was_applied_is_decided_on_no_more(planned, web):
    planned.write(lambda uow: setattr(uow.scalar(every(SyncPlan)), "applied_at", uow.now))
    before = planned.rows()
    page = web("admin").post("/sync/of/erp/plan/decide", {"was-2": "", "d-2": "link"})
    assert page.status >= 400
    assert planned.rows() == before


CUSTOMERS = """id,kind,name,reference,vat,email
c1,company,Αθηναϊκή Γη,R-1,,gi@athens.example
c2,company,Midquux Ltd,,,mid@example.com
"""


def asked(office, browser, stop, path):
    """Ask for something, have the worker do it, and return the page that tells of it."""
    page = browser.post(path)
    assert Worker(office.application, stop)._requests() == 0
    return browser.follow(page)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_first_sync_is_planned_decided_on_and_applied(desk, web, stop, tmp_path):
    (tmp_path / "erp" / "customers.csv").write_text(CUSTOMERS, encoding="utf-8")
    admin = web("admin")
    page = asked(desk, admin, stop, "/sync/of/erp/plan/make")
    assert "Apply the plan" in page.words
    assert page.status == 200
    for group in ("decide", "link", "create_here", "create_there"):
        assert admin.get(f"/sync/of/erp/plan?group={group}").status == 200
    assert "Αθηναϊκή Γη" in admin.get("/sync/of/erp/plan?group=create_here").words
    page = asked(desk, admin, stop, "/sync/of/erp/plan/apply")
    assert "The plan was applied" in page.words
    found = admin.get("/find?q=athens").words
    assert "Αθηναϊκή Γη" in found
    assert requests(desk) == [("plan", "done"), ("apply", "done")]
