"""What the software kept of its own words is read in the language of who reads it."""

from __future__ import annotations

from datetime import timedelta
from html import escape

import pytest

from crm_core.entities.conflict import Conflict, ConflictState
from crm_core.entities.import_job import ImportJob, ImportState
from crm_core.entities.mail import QueuedMail
from crm_core.entities.outbox import Delivery, DeliveryState, OutboxEvent
from crm_core.entities.plugin import JobRun
from crm_core.entities.sync import DeadLetter, PushItem, SyncRun
from crm_core.entities.sync_request import RequestKind, RequestState, SyncRequest
from crm_core.ids import new_id
from crm_core.messages import say, t
from crm_core.services.backends import add_backend
from crm_core.sync.push_reasons import NOT_THERE_TOLD, taken_told

SCRIPT = "<script>alert(1)</script>"
MARK = "\x1e"
BROKEN = t("Something broke; it was written to the log.")
HALF_WAY = t("The worker was stopped half-way. What it had done is kept; ask again.")
TAKEN = taken_told(by=t("VAT number"), name=SCRIPT)
WARNING = t("{entity}: {why}", entity="order", why=NOT_THERE_TOLD)
HUNG = t("It hung: {error}.", error=t("it took too long"))
USELESS = t("It is of no use any more.")
CHANGED = t("It was changed since it was imported, and stays.")
FAULT = t("is not the login of a user. See crm user list.")


@pytest.fixture
def kept(office, tmp_path):
    """Everything that keeps a sentence of ours, with their ids."""

    def fill(uow):
        folder = {"path": str(tmp_path)}
        backend_id = add_backend(
            uow, name="erp", type_name="files", config=folder, secret_ref=None
        ).id
        times = {"first_at": uow.now, "last_at": uow.now}
        record = {"backend_id": backend_id, "entity": "order", "label": "x", "code": "x", **times}
        uow.add(DeadLetter(remote_id="7", reason=NOT_THERE_TOLD, **record))
        uow.add(
            PushItem(
                local_id=new_id(), queued_at=uow.now, is_set_aside=True, reason=TAKEN, **record
            )
        )
        run = uow.add(
            SyncRun(
                backend_id=backend_id,
                state="failed",
                started_at=uow.now - timedelta(hours=1),
                finished_at=uow.now,
                message=BROKEN,
                counts={"entities": {}, "warnings": [WARNING]},
            )
        )
        request = uow.add(
            SyncRequest(
                backend_id=backend_id,
                kind=RequestKind.CHECK.value,
                state=RequestState.DONE.value,
                asked_at=uow.now,
                asked_by="admin",
                ended_at=uow.now,
                message=HALF_WAY,
                result={
                    "ok": False,
                    "checks": [{"name": "x", "ok": False, "message": NOT_THERE_TOLD}],
                },
            )
        )
        conflict = uow.add(
            Conflict(
                backend_id=backend_id,
                entity="customer",
                local_id=office.known.customers["employee"],
                remote_id="5",
                label="Northquux",
                field="job_title",
                base={"postal_code": "1"},
                ours="a",
                theirs="b",
                state=ConflictState.OPEN.value,
                opened_at=uow.now,
            )
        )
        _work(uow)
        job = _import(uow)
        uow.flush()
        return {"run": run.id, "asked": request.id, "conflict": conflict.id, "import": job.id}

    return office.write(fill)


def _work(uow):
    event = {"name": "x", "version": 1, "payload": {}, "actor_login": "x", "origin": "x"}
    told = uow.add(OutboxEvent(at=uow.now, dispatched_at=uow.now, **event))
    uow.flush()
    uow.add(
        Delivery(outbox_id=told.id, handler="web.x", state=DeliveryState.DEAD.value, error=HUNG)
    )
    mail = {"to_address": "a@b.example", "subject": "x", "kind": "x", "expires_at": uow.now}
    uow.add(QueuedMail(made_at=uow.now, error=USELESS, **mail))
    for name in ("web.sweep", "web.webhooks"):
        uow.add(JobRun(name=name, started_at=uow.now, finished_at=uow.now, error=BROKEN))


def _import(uow):
    from sqlalchemy import select

    from crm_core.entities.user import User

    fault = {"line": 2, "column": "owner", "value": "x", "message": FAULT}
    left = {"entity": "profile_value", "id": "x", "name": SCRIPT, "fields": [], "reason": CHANGED}
    counts = dict.fromkeys(("rows", "created", "updated", "unchanged", "related"), 1)
    return uow.add(
        ImportJob(
            owner_id=uow.scalar(select(User.id).where(User.login == "admin")),
            file_name="x.csv",
            sha256="0" * 64,
            size_bytes=1,
            match=["reference"],
            state=ImportState.UNDONE.value,
            message=BROKEN,
            result={**counts, "fault_count": 1, "faulty_rows": 1, "faults": [fault]},
            undo={"removed": 0, "restored": 0, "kept": 1, "left": [left], "by": "admin"},
            created_at=uow.now,
            updated_at=uow.now,
        )
    )


PAGES = [
    ("/sync/of/erp/set-aside", [NOT_THERE_TOLD, TAKEN]),
    ("/sync/of/erp", [BROKEN]),
    ("/sync/runs", [BROKEN]),
    ("/sync/runs/{run}", [BROKEN, WARNING]),
    ("/sync/asked/{asked}", [HALF_WAY, NOT_THERE_TOLD]),
    ("/imports/{import}", [BROKEN, FAULT, CHANGED]),
    ("/admin/work/", [BROKEN]),
    ("/admin/work/deliveries", [HUNG]),
    ("/admin/work/mail", [USELESS]),
]


@pytest.mark.parametrize(("path", "told"), PAGES)
def test_each_page_says_it_in_the_readers_language(kept, web, path, told):
    browser = web("admin")
    english = browser.get(path.format(**kept))
    assert english.status == 200
    for message in told:
        assert escape(message) in english.html
    for language in ("el", "fa"):
        browser.post("/account/preferences", {"language": language, "theme": "auto"})
        page = browser.get(path.format(**kept))
        for message in told:
            assert say(message, language) != message
            assert escape(say(message, language)) in page.html
            assert escape(message) not in page.html
        assert SCRIPT not in page.html
        assert MARK not in page.html


def test_a_conflict_is_told_by_what_the_field_is_called(kept, web):
    browser = web("admin")
    browser.post("/account/preferences", {"language": "el", "theme": "auto"})
    for path in ("/sync/conflicts", f"/sync/conflicts/{kept['conflict']}"):
        page = browser.get(path)
        assert "Θέση εργασίας" in page.words
        assert say(t("Postal code"), "el") not in ("Postal code", "")
        assert "postal code" not in page.words
    assert "Θέση εργασίας" in browser.get("/").words


def test_the_api_says_it_in_the_callers_language(kept, web):
    browser = web("admin")

    def asked(path):
        return browser._asked("GET", f"/api/v1{path}", headers={}).response.get_data(as_text=True)

    browser.post("/account/preferences", {"language": "el", "theme": "auto"})
    for path, told in (
        ("/backends/erp/unread", [NOT_THERE_TOLD]),
        ("/backends/erp/unwritten", [TAKEN]),
        (f"/runs/{kept['run']}", [BROKEN, WARNING]),
        (f"/requests/{kept['asked']}", [HALF_WAY, NOT_THERE_TOLD]),
        (f"/imports/{kept['import']}", [BROKEN, FAULT, CHANGED]),
        ("/mail", [USELESS]),
        ("/deliveries", [HUNG]),
    ):
        answer = asked(path)
        for message in told:
            assert say(message, "el") in answer, path
        assert MARK not in answer
        assert "\\u001e" not in answer
    assert '"field":"job_title"' in asked(f"/conflicts/{kept['conflict']}").replace(": ", ":")
