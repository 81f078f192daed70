"""What is wrong with an installation, in words an administrator can act on.

Every check is kept apart from the others: one that fails in a way nobody foresaw becomes a line of
the report, and the rest goes on.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from crm_core.bootstrap import Application, os_user
from crm_core.config import Config, load_config
from crm_core.diagnosis.database import database, space
from crm_core.diagnosis.finding import FAIL, OK, WARN, Finding, clock_finding
from crm_core.errors import CrmError
from crm_core.messages import n, t

if TYPE_CHECKING:
    from crm_core.persistence.unit_of_work import UnitOfWork
    from crm_core.plugins.host import PluginHost

UNSEALED_AGE = timedelta(hours=1)
OVERDUE_AGE = timedelta(hours=1)
MISSED_RUNS = 3
"""A backend that has not run for this many intervals is late."""


def diagnose(flags: Mapping[str, Any], env: Mapping[str, str], cwd: Path) -> Iterator[Finding]:
    """Yield one finding after the other; raises nothing, whatever the state of things."""
    yield from _guarded("program", _program)
    try:
        config = load_config(flags, env, cwd)
    except CrmError as error:
        yield Finding(
            "configuration", FAIL, error.message, t("Nothing else can be looked at before.")
        )
        return
    yield from _configuration(config)
    application = Application(config)
    try:
        for name, check in _CHECKS:
            yield from _guarded(name, lambda check=check: check(application))  # type: ignore[misc]
        if not _is_usable(application):
            return
        for name, look in _CHECKS_WITHIN:
            yield from _guarded(name, lambda look=look: _within(application, look))  # type: ignore[misc]
    finally:
        application.close()


def _guarded(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except CrmError as error:
        yield Finding(name, FAIL, error.message)
    except Exception as error:  # noqa: BLE001  a check that breaks is itself a finding
        text = " ".join(str(error).split())[:300]
        yield Finding(
            name, FAIL, t("{kind}: {text}", kind=type(error).__name__, text=text), t("Report this.")
        )


def _program() -> Iterator[Finding]:
    message = t(
        "Version {version}, Python {python}, account {account}",
        version=version("crm-front-office"),
        python=platform.python_version(),
        account=os_user(),
    )
    yield Finding("program", OK, message)


def _configuration(config: Config) -> Iterator[Finding]:
    for name, source in config.sources.items():
        value = getattr(config, name)
        shown = config.shown_database_url if name == "database_url" else value
        said = t("not set") if shown is None else shown
        yield Finding(
            t("configuration {name}", name=name),
            OK,
            t("{said} (from {source})", said=said, source=source),
        )
    if config.safe_mode:
        yield Finding(t("safe mode"), WARN, t("No plugin is loaded."), t("Leave out --safe-mode."))


def _is_usable(application: Application) -> bool:
    try:
        return application.database is not None
    except Exception:  # noqa: BLE001  told by _database already
        return False


def _plugins(application: Application) -> Iterator[Finding]:
    from crm_core.access import system_actor
    from crm_core.plugins.activation import MISSING, list_plugins

    installed, host = application.installed_plugins, application.plugins
    if not _is_usable(application):
        for fault in installed.faults.values():
            yield Finding(t("plugin {fault}", fault=fault.name), WARN, fault.reason)
        return
    with application.unit_of_work(system_actor("doctor")) as uow:
        found = list_plugins(uow, installed, host)
        failing = _rehearsed(uow, host)
    for info in found:
        name = t("plugin {info}", info=info.name)
        if info.name in failing:
            advice = t("Repair or upgrade it, or: crm plugins disable {info}", info=info.name)
            yield Finding(name, WARN, failing[info.name], advice)
            continue
        if info.reason is None:
            yield Finding(
                name,
                OK,
                t(
                    "{info} {version}, {state}",
                    info=info.title,
                    version=info.version,
                    state=info.state,
                ),
            )
            continue
        cure = t("Repair or upgrade it, then: crm plugins enable {info}", info=info.name)
        if info.state == MISSING:
            cure = t("Install it again")
        advice = t(
            "All else goes on without it. {cure}; or: crm plugins disable {info}",
            cure=cure,
            info=info.name,
        )
        yield Finding(
            name,
            WARN,
            t("Left out ({state}): {reason}", state=info.state, reason=info.reason),
            advice,
        )


def _rehearsed(uow: UnitOfWork, host: PluginHost) -> dict[str, str]:
    """Return plugins that fail in hooks that work on customers, each with how."""
    from sqlalchemy import select

    from crm_core.entities.customer import Customer
    from crm_hooks.contributions import NewCustomer, TimelineRequest

    failing = host.rehearse(
        "crm_decide_customer_owner", uow=uow, customer=NewCustomer("person", "Test", "prospect")
    )
    failing |= host.rehearse("crm_collect_home_cards", uow=uow)
    failing |= host.rehearse("crm_collect_belongings", uow=uow, user_id=UUID(int=0))
    customer_id = uow.scalar(select(Customer.id).limit(1))
    if customer_id is not None:
        told = {"customer_id": customer_id, "wanted": TimelineRequest()}
        failing |= host.rehearse("crm_collect_timeline", uow=uow, **told)
        for hook in ("crm_collect_card_panels", "crm_check_customer_archive"):
            failing |= host.rehearse(hook, uow=uow, customer_id=customer_id)
        both = {"keep_id": customer_id, "drop_id": customer_id}
        failing |= host.rehearse("crm_check_customer_merge", uow=uow, **both)
        offered = {"customer_id": customer_id, "product_ids": ()}
        failing |= host.rehearse("crm_check_offer", uow=uow, **offered)
    return failing


def _within(
    application: Application, look: Callable[[Application, UnitOfWork], Iterator[Finding]]
) -> Iterator[Finding]:
    from crm_core.access import system_actor

    with application.unit_of_work(system_actor("doctor")) as uow:
        yield from list(look(application, uow))


def _setup(application: Application, uow: UnitOfWork) -> Iterator[Finding]:
    from crm_core.services.settings import load_settings

    settings = load_settings(uow)
    if settings.installation_id is None:
        yield Finding(
            "setup", FAIL, t("The database was not set up to the end."), t("Run crm init.")
        )
        return
    yield Finding(
        "setup",
        OK,
        t(
            "{company}, {base_currency}",
            company=settings.company,
            base_currency=settings.base_currency,
        ),
    )
    try:
        yield Finding(
            "user", OK, t("You act as {login}", login=application.actor(origin="doctor").login)
        )
    except CrmError as error:
        yield Finding("user", WARN, error.message)


def _backends(application: Application, uow: UnitOfWork) -> Iterator[Finding]:
    from crm_core.entities.sync import Backend
    from crm_core.services.backends import list_backends
    from crm_core.sync.permit import permit_of
    from crm_core.sync.schedule import interval_of

    usual = timedelta(minutes=application.config.sync_minutes)
    backends = list_backends(uow)
    if not backends:
        yield Finding("backends", OK, t("None is set up."), t("crm backend add odoo NAME --help"))
    for backend in backends:
        name = t("backend {name}", name=backend["name"])
        yield from _guarded(name, lambda b=backend, n=name: _access(application, b, n))  # type: ignore[misc]
        if backend["is_enabled"]:
            yield from _freshness(backend, name, uow.now, interval_of(uow, backend["id"], usual))
        else:
            yield Finding(name, OK, t("Switched off."))
        if backend["set_aside"]:
            message = n(
                "{count} record is set aside.",
                "{count} records are set aside.",
                backend["set_aside"],
            )
            advice = t("Reasons: crm sync status {name}", name=backend["name"])
            yield Finding(name, WARN, message, advice)
        permit = permit_of(uow, uow.get(Backend, backend["id"]))
        if permit.is_accepted and permit.refusal:
            yield Finding(name, WARN, permit.refusal)


def _access(application: Application, backend: dict[str, Any], name: str) -> Iterator[Finding]:
    from crm_core.bootstrap import load_factory
    from crm_core.secret_refs import read_secret, secret_warnings

    kind = application.backend_type(backend["type"])
    factory = load_factory(kind)
    secret = read_secret(backend["secret_ref"], backend["name"])
    arguments = application.factory_arguments(kind, backend["config"], secret)
    factory(*arguments).close()  # connects to nothing yet
    if backend["secret_ref"]:
        for warning in secret_warnings(backend["secret_ref"]):
            yield Finding(name, WARN, warning)


def _freshness(
    backend: dict[str, Any], name: str, now: datetime, interval: timedelta | None
) -> Iterator[Finding]:
    run = t("crm sync run {name}", name=backend["name"])
    succeeded = backend["succeeded_at"]
    if backend["running_by"]:
        yield Finding(
            name, OK, t("A run is under way ({running_by}).", running_by=backend["running_by"])
        )
    elif backend["run_state"] is None:
        yield Finding(name, WARN, t("It has never been run."), run)
    elif backend["run_state"] == "failed":
        yield Finding(
            name, FAIL, t("The last run failed: {message}", message=backend["message"]), run
        )
    elif interval is None:
        advice = t("crm sync schedule {name} --resume", name=backend["name"])
        yield Finding(
            name,
            OK,
            t("Paused; the last run is {run_state}.", run_state=backend["run_state"]),
            advice,
        )
    elif succeeded is not None and now - succeeded > interval * MISSED_RUNS:
        message = t("The last run ended {succeeded:%Y-%m-%d %H:%M} UTC.", succeeded=succeeded)
        yield Finding(name, WARN, message, t("Is crm worker running? Else: {run}", run=run))
    else:
        yield Finding(name, OK, t("The last run is {run_state}.", run_state=backend["run_state"]))


def _audit(_application: Application, uow: UnitOfWork) -> Iterator[Finding]:
    from sqlalchemy import func, select

    from crm_core.entities.system import AuditEntry

    unsealed = select(func.count(), func.min(AuditEntry.at)).where(AuditEntry.position.is_(None))
    found: Any = uow.execute(unsealed).one()
    count, oldest = found
    message = n("{count} entry is not sealed yet.", "{count} entries are not sealed yet.", count)
    if count and uow.now - oldest > UNSEALED_AGE:
        advice = t("Have crm worker running, or seal them: crm audit verify.")
        yield Finding("audit", WARN, message, advice)
    else:
        yield Finding("audit", OK, message)
    latest = uow.scalar(select(func.max(AuditEntry.at)))
    if latest is not None:
        ahead = max(latest - uow.now, timedelta())
        yield clock_finding(ahead, t("The latest audit entry's time"))


def _deliveries(application: Application, uow: UnitOfWork) -> Iterator[Finding]:
    from crm_core.services.deliveries import count_dead, count_overdue

    dead, overdue = count_dead(uow), count_overdue(uow, uow.now - OVERDUE_AGE)
    here = {handler.name for handler in application.event_handlers()}
    for handler, count in sorted(dead.items()):
        advice = t(
            "Reasons: crm delivery list --state dead --handler {handler}; then: crm delivery "
            "retry --dead --handler {handler}, or: crm delivery drop --handler {handler}",
            handler=handler,
        )
        yield Finding(
            "events",
            WARN,
            n(
                "{count} event was given up for {handler}.",
                "{count} events were given up for {handler}.",
                count,
                handler=handler,
            ),
            advice,
        )
    for handler, count in sorted(overdue.items()):
        yield _overdue(handler, count, handler in here)
    if not dead and not overdue:
        yield Finding("events", OK, t("All that happened was handed over, or is about to be."))


def _overdue(handler: str | None, count: int, is_here: bool) -> Finding:
    advice = t("Is crm worker running? Else: crm worker --once")
    if not handler:
        told = n(
            "{count} event waits, for an hour or longer.",
            "{count} events wait, for an hour or longer.",
            count,
        )
    elif is_here:
        told = n(
            "{count} event waits for {handler}, for an hour or longer.",
            "{count} events wait for {handler}, for an hour or longer.",
            count,
            handler=handler,
        )
    else:
        told = n(
            "{count} event waits for {handler}, whose plugin is not in use here, for an hour or "
            "longer.",
            "{count} events wait for {handler}, whose plugin is not in use here, for an hour or "
            "longer.",
            count,
            handler=handler,
        )
        advice = t(
            "Mend or disable its plugin, or: crm delivery drop --handler {handler}",
            handler=handler,
        )
    return Finding("events", WARN, told, advice)


def _jobs(_application: Application, uow: UnitOfWork) -> Iterator[Finding]:
    from sqlalchemy import select

    from crm_core.entities.plugin import JobRun

    rows = uow.execute(select(JobRun.name, JobRun.error, JobRun.finished_at).order_by(JobRun.name))
    for row in rows:
        if row.error:
            message = t(
                "It failed at {finished_at:%Y-%m-%d %H:%M} UTC: {error}",
                finished_at=row.finished_at,
                error=row.error,
            )
            advice = t("It is tried again at its next turn; repair or upgrade its plugin.")
            yield Finding(t("job {row}", row=row.name), WARN, message, advice)


_CHECKS: tuple[tuple[str, Callable[[Application], Iterator[Finding]]], ...] = (
    ("database", database),
    (t("disk space"), space),
    ("plugins", _plugins),
)
_Look = Callable[[Application, "UnitOfWork"], Iterator[Finding]]


def _lacks(application: Application, uow: UnitOfWork) -> Iterator[Finding]:
    for lack in application.plugins.collect("crm_collect_lacks", uow=uow):
        yield Finding(lack.what, WARN, lack.message, lack.advice)


_CHECKS_WITHIN: tuple[tuple[str, _Look], ...] = (
    ("setup", _setup),
    ("plugins", _lacks),
    ("backends", _backends),
    ("audit", _audit),
    ("events", _deliveries),
    ("jobs", _jobs),
)
