"""What ``crm backend test`` says of an Odoo: version, clock, apps, rights and fields."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from crm_core.messages import t
from crm_core.sync.protocol import CheckResult
from crm_odoo.mappings.model import EntityMapping
from crm_odoo.records import OdooRecords
from crm_odoo.transport import OdooTransport

OLDEST = 14
CLOCK_SECONDS = 120
"""A difference beyond this is told; pulls go by Odoo's clock, so it harms little."""


def connection(
    transport: OdooTransport, records: OdooRecords, clock: datetime
) -> list[CheckResult]:
    """Return what is known once the login worked."""
    version = transport.server_version
    number = "".join(c if c.isdigit() or c == "." else " " for c in version).split()
    major = int(float(number[0])) if number else 0
    results = [
        CheckResult(
            "version",
            major >= OLDEST,
            f"Odoo {version}"
            if major >= OLDEST
            else t(
                "Odoo {version}; it takes {oldest} or later: upgrade Odoo",
                version=version,
                oldest=OLDEST,
            ),
        ),
        _clock(clock),
    ]
    installed = records.search("res.lang", [["active", "=", True], ["code", "=", records.language]])
    results.append(
        CheckResult(
            "language",
            bool(installed),
            t("names come in {language}", language=records.language)
            if installed
            else t(
                "the language {language} is not installed in Odoo: install it there, or set the "
                "option language to one that is",
                language=records.language,
            ),
        )
    )
    return results


def _clock(theirs: datetime) -> CheckResult:
    seconds = (theirs - datetime.now(UTC)).total_seconds()
    if abs(seconds) <= CLOCK_SECONDS:
        return CheckResult(
            "clock", True, t("differs from ours by {seconds:.0f} s", seconds=abs(seconds))
        )
    message = (
        t(
            "Odoo's clock is {seconds:.0f} s ahead of ours: have both set theirs by a time server",
            seconds=seconds,
        )
        if seconds > 0
        else t(
            "Odoo's clock is {seconds:.0f} s behind ours: have both set theirs by a time server",
            seconds=-seconds,
        )
    )
    return CheckResult("clock", False, message)


def entity(mapping: EntityMapping, present: bool, records: OdooRecords) -> list[CheckResult]:
    """Return whether an entity's app is installed and its models may be read."""
    if not present:
        return [
            CheckResult(
                t("app {module}", module=mapping.module or mapping.model),
                False,
                t(
                    "not installed in Odoo ({model} is missing): {mapping} records are left out",
                    model=mapping.model,
                    mapping=mapping.name,
                ),
            )
        ]
    results = []
    for need in mapping.needs:
        ok = records.readable(need.model)
        results.append(
            CheckResult(
                t("right {model}", model=need.model),
                ok,
                t("{purpose} can be read", purpose=need.purpose)
                if ok
                else t(
                    "the user may not read {model}, so {purpose} are left out; the group {group} "
                    "grants it",
                    model=need.model,
                    purpose=need.purpose,
                    group=need.group,
                ),
            )
        )
    return results


def fields(mapping: EntityMapping, warnings: Sequence[str]) -> list[CheckResult]:
    """Return which mapped fields the server does not have; nothing breaks without them."""
    return [
        CheckResult(t("fields {mapping}", mapping=mapping.name), True, warning)
        for warning in warnings
    ]


def writing(mapping: EntityMapping, allowed: bool) -> list[CheckResult]:
    """Return whether an entity may be written; nothing is wrong with an Odoo that is only read."""
    message = (
        t("{model} records can be created and changed", model=mapping.model)
        if allowed
        else t(
            "{entity} records are only read: to write them too, give the user the group {group}",
            entity=mapping.name,
            group=mapping.grants_writing,
        )
    )
    return [CheckResult(t("writing {mapping}", mapping=mapping.name), True, message)]


def merged(results: Sequence[CheckResult]) -> list[CheckResult]:
    """Return each line once: several entities may need the same right."""
    return list(dict.fromkeys(results))
