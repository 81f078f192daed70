"""Planning and applying a backend's first sync, and the rule that there be a plan."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import exists, select

from crm_core.access import system_actor
from crm_core.entities.customer import Customer
from crm_core.entities.hold import SyncHold
from crm_core.entities.sync import Backend, Binding, DeadLetter
from crm_core.errors import InputError
from crm_core.ids import new_id
from crm_core.messages import t
from crm_core.persistence.bulk import rare_collections
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.settings import load_settings
from crm_core.sync import lock
from crm_core.sync.apply import APPLIERS
from crm_core.sync.context import Progress, SyncContext
from crm_core.sync.permit import permit_of
from crm_core.sync.planning.apply import PlanReport, apply_plan, check_head
from crm_core.sync.planning.files import read_plan
from crm_core.sync.planning.make import make_plan
from crm_core.sync.planning.plan import Plan, PlanHead, PlanRow, settle
from crm_core.sync.planning.sides import CUSTOMER
from crm_core.sync.protocol import RemoteBackend
from crm_core.sync.tell import TELLERS


def plan_sync(
    database: Database,
    backend: Backend,
    remote: RemoteBackend,
    *,
    on_progress: Progress | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Plan:
    """Return what a first sync would link and make on both sides; write nothing.

    Raises:
        SyncError: The remote cannot be reached, or refused us, or it was asked to stop.
    """
    options: dict[str, Any] = {"on_progress": on_progress, "is_stopped": is_stopped}
    with _opened(database, backend, remote, dry_run=True, **options) as context:
        return make_plan(context, backend)


def apply_plan_file(
    database: Database,
    backend: Backend,
    remote: RemoteBackend,
    path: Path | Plan | None,
    *,
    dry_run: bool = False,
    masters: Mapping[str, str] | None = None,
    on_progress: Progress | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> PlanReport:
    """Do exactly what a plan says, in a file or kept here, but for what moved since.

    Without one a plan is made now, and done as it proposes; see ``apply_plan``. ``is_stopped`` is
    asked after each page and batch whether to end there: applied again, the plan goes on with the
    rest.

    Callers check the rights ``core.sync.run`` and ``core.backend.manage``.

    Raises:
        InputError: The file is broken, or a plan of another backend or database.
        RuleViolationError: This database is a copy of the one that was accepted.
        LockedError: A run of this backend is under way.
        SyncError: The remote cannot be reached, or refused us, or it was asked to stop.
    """
    if isinstance(path, Plan):
        told: tuple[PlanHead, list[PlanRow], dict[int, int]] | None = (path.head, path.rows, {})
    else:
        told = read_plan(path) if path else None
    settled = settle(told[1], told[2]) if told else None
    options: dict[str, Any] = {
        "dry_run": dry_run,
        "masters": masters,
        "on_progress": on_progress,
        "is_stopped": is_stopped,
    }
    with _opened(database, backend, remote, **options) as context:
        if told is not None:
            check_head(context, backend, told[0])
        return apply_plan(context, backend, settled or settle(make_plan(context, backend).rows))


def check_planned(uow: UnitOfWork, backend: Backend, entities: Collection[str] | None) -> None:
    """Make sure that a first sync doubles nobody.

    Args:
        uow: A unit of work of the system.
        backend: Of which.
        entities: Those the run is about; all when None.

    Raises:
        InputError: There are customers on this side, and nobody has decided which of them the
            remote has too.
    """
    is_meant = entities is None or CUSTOMER in entities
    if backend.plan_accepted_at is not None or not is_meant or not needs_plan(uow, backend):
        return
    raise InputError(
        t(
            "There are customers here, and {backend} was never in step with them: taking its own "
            "over now could double them. See what is the same on both sides with crm sync plan "
            "{backend} --out PLAN.xlsx, then crm sync apply PLAN.xlsx; to go on without: crm sync "
            "run {backend} --without-plan.",
            backend=backend.name,
        ),
        code="core.sync.plan_first",
        details={"backend": backend.name},
    )


def needs_plan(uow: UnitOfWork, backend: Backend) -> bool:
    """Return whether there are customers here and none was ever matched with the backend's."""
    met = [
        select(Binding.id).where(Binding.backend_id == backend.id, Binding.entity == CUSTOMER),
        select(SyncHold.id).where(SyncHold.backend_id == backend.id),
    ]
    if any(uow.scalar(statement.limit(1)) is not None for statement in met):
        return False
    return bool(uow.scalar(select(exists().where(Customer.archived_at.is_(None)))))


def has_unbound(uow: UnitOfWork, backend: Backend) -> bool:
    """Return whether a customer in use here is not known to the backend."""
    bound = exists().where(
        Binding.local_id == Customer.id,
        Binding.backend_id == backend.id,
        Binding.entity == CUSTOMER,
    )
    found = select(Customer.id).where(Customer.archived_at.is_(None), ~bound).limit(1)
    return uow.scalar(found) is not None


@contextmanager
def _opened(
    database: Database,
    backend: Backend,
    remote: RemoteBackend,
    *,
    dry_run: bool,
    masters: Mapping[str, str] | None = None,
    on_progress: Progress | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Iterator[SyncContext]:
    """Give a run of this backend; one that writes holds its lease."""
    actor = system_actor(f"sync:{backend.name}")
    token = new_id() if dry_run else lock.acquire(database, actor, backend.id, backend.name)
    try:
        context = SyncContext(
            database,
            backend.id,
            backend.name,
            remote,
            actor,
            token,
            appliers=APPLIERS,
            tellers=TELLERS,
            masters={**backend.masters, **(masters or {})},
            dry_run=dry_run,
            on_progress=on_progress,
            is_stopped=is_stopped,
        )
        with context.reading() as uow:
            settings = load_settings(uow)
            context.phone_region = settings.phone_region
            installation = settings.installation_id or str(backend.id)
            context.prefix = f"crm_{installation.replace('-', '')}."
            context.is_reconciling = permit_of(uow, backend).is_reconciling
            aside = select(DeadLetter.entity).where(DeadLetter.backend_id == backend.id)
            context.set_aside.update(uow.scalars(aside.distinct()))
        context.clock_ahead = remote.server_time() - datetime.now(UTC)
        with rare_collections():
            yield context
    finally:
        if not dry_run:
            lock.release(database, actor, backend.id, token)
