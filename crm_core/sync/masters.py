"""The master of each field: who wins where both sides changed it since they last agreed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.backends import MANAGE, backend_named
from crm_hooks.contributions import SyncableEntity

ERP, CRM, NEWEST, ASK = "erp", "crm", "newest", "ask"
CHOICES = (ERP, CRM, NEWEST, ASK)
WHEN_DELETED = "when_deleted"
"""In the place of a field: what to do here with a record that was deleted over there."""
ARCHIVE, KEEP, UNLINK, RESTORE = "archive", "keep", "unlink", "restore"
DEEDS = (ARCHIVE, KEEP, UNLINK, RESTORE)
MERGED_AS_SETS = frozenset({"contact_points", "tag_refs"})
MASTERS: Mapping[str, Mapping[str, str]] = {
    # What the back office invoices by is its own; how people are met is the front office's.
    "tag": {"name": ERP},
    "customer": {
        **dict.fromkeys(("kind", "name", "reference", "vat", "address", "archived"), ERP),
        **dict.fromkeys(("language", "job_title", "note", "owner_ref", "parent_ref"), CRM),
        WHEN_DELETED: ARCHIVE,
    },
    "address": {
        **dict.fromkeys(("parent_ref", "use", "recipient", "archived"), ERP),
        **dict.fromkeys(("street", "street2", "postal_code", "city", "region"), ERP),
        **dict.fromkeys(("country_code", "email", "phone", "mobile", "note"), ERP),
        WHEN_DELETED: ARCHIVE,
    },
}
"""The master of each field where nothing else is chosen; of a plugin's fields it is ``erp``."""


def default_master(entity: str, field: str) -> str:
    """Return who wins a field where nothing else is chosen: ``erp`` or ``crm``."""
    return MASTERS.get(entity, {}).get(field, ARCHIVE if field == WHEN_DELETED else ERP)


def master_of(chosen: Mapping[str, str], entity: str, field: str) -> str:
    """Return the master of a field: one of ``CHOICES``; of ``WHEN_DELETED``: one of ``DEEDS``."""
    return chosen.get(f"{entity}.{field}", default_master(entity, field))


def known_fields(plugins: Iterable[SyncableEntity]) -> dict[str, list[str]]:
    """Return the fields that have a master, by entity, plugins' entities after the core's."""
    own = {entity: list(fields) for entity, fields in MASTERS.items()}
    for each in plugins:
        own[each.name] = [*(field.name for field in each.fields), WHEN_DELETED]
    return own


def checked_masters(texts: Iterable[str], plugins: Iterable[SyncableEntity] = ()) -> dict[str, str]:
    """Return ``entity.field`` to master from texts such as ``customer.name=crm``.

    Raises:
        InputError: There is no such field, or no such master.
    """
    known = known_fields(plugins)
    chosen = {}
    for text in texts:
        path, _, master = text.partition("=")
        entity, _, field = path.partition(".")
        choices = DEEDS if field == WHEN_DELETED else CHOICES
        if field not in known.get(entity, ()) or master not in choices:
            fields = ", ".join(f"{name}.{each}" for name, names in known.items() for each in names)
            raise InputError(
                t(
                    "{text!r} will not do: write FIELD=MASTER, where FIELD is one of {fields}, "
                    "and MASTER one of {choices}; of {when_deleted} one of {deeds}.",
                    text=text,
                    fields=fields,
                    choices=", ".join(CHOICES),
                    when_deleted=WHEN_DELETED,
                    deeds=", ".join(DEEDS),
                ),
                code="core.sync.master",
            )
        chosen[path] = master
    return chosen


def masters_of(
    uow: UnitOfWork,
    name: str,
    *,
    fixed: Mapping[str, str] | None = None,
    plugins: Iterable[SyncableEntity] = (),
) -> list[dict[str, Any]]:
    """Return the master of each field of a backend.

    Args:
        uow: The unit of work.
        name: Of the backend.
        fixed: What the configuration says; it wins over what was set by command.
        plugins: Entities of plugins in use.

    Returns:
        ``id, entity, field, master, source`` each; ``source`` is ``default``, ``command`` or
        ``crm.toml``.
    """
    chosen, fixed = backend_named(uow, name).masters, fixed or {}
    found = []
    for entity, fields in known_fields(plugins).items():
        for field in fields:
            path = f"{entity}.{field}"
            source = "command" if path in chosen else "default"
            found.append(
                {
                    "id": path,
                    "entity": entity,
                    "field": field,
                    "master": master_of({**chosen, **fixed}, entity, field),
                    "source": "crm.toml" if path in fixed else source,
                }
            )
    return found


def set_masters(
    uow: UnitOfWork,
    name: str,
    texts: Sequence[str],
    *,
    fixed: Mapping[str, str] | None = None,
    plugins: Iterable[SyncableEntity] = (),
) -> None:
    """Set masters of a backend from texts such as ``customer.note=ask``.

    Raises:
        InputError: There is no such field or master, or the configuration fixes it.
    """
    uow.actor.require(MANAGE)
    backend = backend_named(uow, name)
    chosen = checked_masters(texts, plugins)
    held = sorted(chosen.keys() & (fixed or {}).keys())
    if held:
        raise InputError(
            t("The master of {held} is set in crm.toml: change it there.", held=", ".join(held)),
            code="core.sync.master_fixed",
        )
    backend.masters = {**backend.masters, **chosen}
    backend.updated_at = uow.now
