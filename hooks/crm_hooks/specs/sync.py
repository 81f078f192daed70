"""Hooks about keeping a plugin's own records in step with a back office."""

from __future__ import annotations

from collections.abc import Sequence

from crm_hooks.contributions import SyncableEntity
from crm_hooks.markers import hookspec


@hookspec
def crm_register_syncable_entities() -> Sequence[SyncableEntity]:
    """Declare the records of this plugin that can be kept in step with a back office.

    Called once, at bootstrap, outside any transaction; the implementation must be pure. A connector
    that knows such an entity (every CSV folder does) then pulls it with all others.

    Returns:
        A sequence of ``SyncableEntity``; empty for none. None counts as empty.

    Raises:
        Anything raised quarantines the plugin, with the reason shown by ``crm doctor``.

    Ordering: entities are pulled after those that they name in ``after``; an entity that the core
    or another plugin has quarantines the later plugin.

    Since: 1.0

    Example:
        >>> from crm_hooks import hookimpl
        >>> from crm_hooks.contributions import SyncableEntity, SyncField
        >>> @hookimpl
        ... def crm_register_syncable_entities():
        ...     fields = (SyncField("customer_ref", "ref", True, "customer"), SyncField("stamp"))
        ...     places = ("crm_paper.sync:read", "crm_paper.sync:apply")
        ...     return [SyncableEntity("letter", "Letters", fields, *places)]
        >>> crm_register_syncable_entities()[0].name
        'letter'
    """
    raise NotImplementedError
