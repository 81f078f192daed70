"""What the seed's parts hand to each other: the client, chance, time, and what was made."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar

from odoo_rpc import OdooAdmin

FIRST_DAY = date(2025, 1, 6)
"""All dates count from here: the same on every machine, and always past."""
FAR_FUTURE = "2099-12-31"
MODULE = "crm_seed"
"""The external ids' module: tests find a record by ``crm_seed.<name>``."""
QUIET = {
    "tracking_disable": True,
    "mail_create_nosubscribe": True,
    "mail_notrack": True,
    "no_reset_password": True,
    "lang": "en_US",
    "tz": "UTC",
}

Item = TypeVar("Item")


@dataclass
class World:
    """The state of one seeding."""

    odoo: OdooAdmin
    chance: random.Random = field(default_factory=lambda: random.Random(14))
    ids: dict[str, list[int]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def create(
        self, kind: str, model: str, values: Sequence[dict[str, Any]], **context: Any
    ) -> list[int]:
        """Create a batch, give it external ids and remember it under ``kind``."""
        made = self.odoo.create(model, values, context={**QUIET, **context})
        self.adopt(kind, model, made)
        return made

    def adopt(self, kind: str, model: str, ids: Sequence[int]) -> None:
        """Remember records that Odoo made, with external ids like the others."""
        known = self.ids.setdefault(kind, [])
        names = [
            {
                "module": MODULE,
                "name": f"{kind}_{len(known) + number:03d}",
                "model": model,
                "res_id": record_id,
                "noupdate": True,
            }
            for number, record_id in enumerate(ids, start=1)
        ]
        self.odoo.create("ir.model.data", names)
        known.extend(ids)
        self.counts[kind] = len(known)

    def write(self, model: str, ids: Sequence[int], **values: Any) -> None:
        if ids:
            self.odoo.write(model, ids, values, context=QUIET)

    def call(self, model: str, method: str, *args: Any, **context: Any) -> Any:
        return self.odoo.execute(model, method, *args, context={**QUIET, **context})

    def wizard(self, model: str, values: dict[str, Any], method: str, **context: Any) -> Any:
        """Create a wizard's record and press its button."""
        chosen = {**QUIET, **context}
        wizard = self.odoo.execute(model, "create", values, context=chosen)
        return self.odoo.execute(model, method, [wizard], context=chosen)

    def pick(self, choices: Sequence[Item]) -> Item:
        return self.chance.choice(choices)

    def day(self, spread: int = 300) -> date:
        return FIRST_DAY + timedelta(days=self.chance.randrange(spread))


def every(items: Sequence[Item], step: int, start: int = 0) -> list[Item]:
    """Each ``step``-th item."""
    return list(items[start::step])
