"""What the worker does with requests that people made on the sync desk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from crm_core.access import system_actor
from crm_core.entities.sync_request import RequestKind
from crm_core.errors import CrmError
from crm_core.messages import t
from crm_core.services.backends import set_aside_entities
from crm_core.sync.context import STOPPED
from crm_core.sync.permit import plan_was_shown
from crm_core.sync.planning.store import keep_plan, load_plan, note_applied
from crm_core.sync.planning.summary import put_into
from crm_core.sync.progress import noting
from crm_core.sync.requests import Claimed, claim, note_progress, settle
from crm_core.sync.stopping import request_heard

if TYPE_CHECKING:
    from crm_core.bootstrap import Application
    from crm_core.entities.sync import Backend
    from crm_core.persistence.unit_of_work import UnitOfWork
    from crm_core.sync.context import Progress
    from crm_core.sync.run_record import RunReport

ACTOR = system_actor("requests")
Watched = Callable[["Backend", Callable[[], "RunReport"]], "RunReport"]
"""Runs a sync and tells of it whoever wants to know."""


def claim_next(application: Application) -> Claimed | None:
    """Take the oldest request, so that nobody else begins it."""
    with application.unit_of_work(ACTOR, write=True) as uow:
        claimed = claim(uow)
        uow.commit()
    return claimed


def carry_out(
    application: Application, claimed: Claimed, watched: Watched, is_stopped: Callable[[], bool]
) -> int:
    """Do what was asked for, and write down what came of it.

    Returns:
        0, as jobs of the worker do that went well.

    Raises:
        CrmError: It could not be done; that is written down too.
    """
    message: str | None = t("Something broke; it was written to the log.")
    result: dict[str, Any] | None = None
    is_ended = False
    work = _Work(application, claimed, watched, is_stopped)
    try:
        result = work.done()
        message = None
    except CrmError as error:
        login = work.asked_by() if error.code == STOPPED else None
        message = error.message
        if login is None:
            raise
        is_ended, message = True, _stopped_by(login)
    finally:
        with application.unit_of_work(ACTOR, write=True) as uow:
            settle(uow, claimed.id, result, message, is_stopped=is_ended)
            uow.commit()
    return 0


def _stopped_by(login: str) -> str:
    return t("Stopped by {login}. What it had done is kept; ask again for the rest.", login=login)


class _Work:
    def __init__(
        self,
        application: Application,
        claimed: Claimed,
        watched: Watched,
        is_stopped: Callable[[], bool],
    ) -> None:
        self.application, self.claimed = application, claimed
        self.backend, self.is_stopped = claimed.backend, is_stopped
        self.watched = watched
        self.asked_by = request_heard(application.database, ACTOR, claimed.id)

    def done(self) -> dict[str, Any]:
        acts: dict[RequestKind, Callable[[], dict[str, Any]]] = {
            RequestKind.RUN: self._run,
            RequestKind.RETRY: self._retry,
            RequestKind.DRY_RUN: self._dry_run,
            RequestKind.PLAN: self._plan,
            RequestKind.APPLY: self._apply,
            RequestKind.CHECK: self._check,
        }
        return acts[self.claimed.kind]()

    @property
    def progress(self) -> Progress:
        def note(uow: UnitOfWork, told: dict[str, Any]) -> None:
            note_progress(uow, self.claimed.id, told)

        return noting(self.application.database, ACTOR, note)

    def _run(self) -> dict[str, Any]:
        return self._ran(**self.claimed.options)

    def _ran(self, **options: Any) -> dict[str, Any]:
        given = {"on_progress": self.progress, "is_stopped": self.is_stopped, **options}
        run = partial(self.application.run_sync, self.backend, **given)
        report = self.watched(self.backend, run)
        return {"run_id": str(report.run_id), "push_refusal": report.push_refusal}

    def _retry(self) -> dict[str, Any]:
        """Try records again that were set aside: those of some entities, or all."""
        options = self.claimed.options
        chosen = options.get("entities", [])
        if chosen and not options.get("all"):
            return self._ran(entities=chosen)  # put back into the queue when they were chosen
        with self.application.unit_of_work(ACTOR) as uow:
            entities = sorted({*set_aside_entities(uow, self.backend.id), *chosen})
        return self._ran(entities=entities, retry=True) if entities else {"run_id": None}

    def _dry_run(self) -> dict[str, Any]:
        return self._counted().told()

    def _is_to_end(self) -> bool:
        return self.is_stopped() or self.asked_by() is not None

    def _counted(self) -> RunReport:
        return self.application.run_sync(
            self.backend,
            dry_run=True,
            on_progress=self.progress,
            is_stopped=self._is_to_end,
            **self.claimed.options,
        )

    def _plan(self) -> dict[str, Any]:
        report = self._counted()
        plan = self.application.plan_sync(
            self.backend, on_progress=self.progress, is_stopped=self._is_to_end
        )
        summary = put_into(report, plan)
        with self.application.unit_of_work(ACTOR, write=True) as uow:
            keep_plan(uow, self.backend.id, plan, summary)
            plan_was_shown(uow, self.backend.name)
            uow.commit()
        return report.told()

    def _apply(self) -> dict[str, Any]:
        with self.application.unit_of_work(ACTOR) as uow:
            plan = load_plan(uow, self.backend.id)
        report = self.application.apply_plan(
            self.backend, plan, on_progress=self.progress, is_stopped=self._is_to_end
        )
        with self.application.unit_of_work(ACTOR, write=True) as uow:
            note_applied(uow, self.backend.id, report.left)
            uow.commit()
        return {"counts": {name: count for name, count in report.counts.items() if count}}

    def _check(self) -> dict[str, Any]:
        with closing(self.application.open_backend(self.backend)) as remote:
            checks = remote.check()
        return {
            "ok": all(check.ok for check in checks),
            "checks": [
                {"name": check.name, "ok": check.ok, "message": check.message} for check in checks
            ],
        }
