"""What the worker does with imports that people asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crm_core.access import system_actor
from crm_core.errors import CrmError
from crm_core.services.import_undo import undo_import
from crm_core.services.import_worker import ClaimedImport, claim_import, run_import
from crm_core.services.users import actor_for_login

if TYPE_CHECKING:
    from crm_core.bootstrap import Application


def run_imports(application: Application, log: Any, is_stopped: Callable[[], bool]) -> int:
    """Run and undo imports in turn; one that fails says so itself and holds up no other."""
    while not is_stopped():
        claimed = claim_import(application.database)
        if claimed is None:
            return 0
        log.info("import", file=claimed.file_name, by=claimed.login, undo=claimed.is_undo)
        try:
            log.info(
                "import ended", file=claimed.file_name, **_done(application, claimed, is_stopped)
            )
        except CrmError as error:
            log.warning("import failed", file=claimed.file_name, reason=error.message)
    return 0


def _done(
    application: Application, claimed: ClaimedImport, is_stopped: Callable[[], bool]
) -> dict[str, Any]:
    database = application.database
    if not claimed.is_undo:
        folder = application.config.files_folder
        return {"state": run_import(database, folder, claimed.job_id, is_stopped=is_stopped)}
    with application.unit_of_work(system_actor("imports")) as uow:
        actor = actor_for_login(uow, claimed.login, origin="undo")
    undone = undo_import(database, actor, claimed.job_id)
    return {"removed": undone.removed, "restored": undone.restored, "kept": undone.kept}
