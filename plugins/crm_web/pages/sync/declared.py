"""What the modules of the sync desk share."""

from __future__ import annotations

from uuid import UUID

from crm_core.errors import InputError
from crm_core.messages import t
from crm_web.sdk.pages import Pages

RUN, RESOLVE, MANAGE = "core.sync.run", "core.sync.resolve", "core.backend.manage"
SHOWN = 50
pages = Pages("sync", __name__, title="Sync", prefix="/sync")


def keys(texts: list[str]) -> list[UUID]:
    """Return the keys that a form sent; raises InputError for what is none."""
    try:
        return [UUID(text) for text in texts]
    except ValueError:
        raise InputError(
            t("The form names a record that cannot be: load the page again."), code="web.form"
        ) from None
