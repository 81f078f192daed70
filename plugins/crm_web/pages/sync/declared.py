"""What the modules of the sync desk share."""

from __future__ import annotations

from uuid import UUID

from crm_core.errors import InputError
from crm_core.messages import say, t
from crm_web.labels import label
from crm_web.sdk.pages import Pages

RUN, RESOLVE, MANAGE = "core.sync.run", "core.sync.resolve", "core.backend.manage"
SHOWN = 50
STAGES = {
    "reading here": t("reading here"),
    "reading there": t("reading there"),
    "comparing": t("comparing"),
    "taking over": t("taking over"),
}
pages = Pages("sync", __name__, title="Sync", prefix="/sync")


def keys(texts: list[str]) -> list[UUID]:
    """Return the keys that a form sent; raises InputError for what is none."""
    try:
        return [UUID(text) for text in texts]
    except ValueError:
        raise InputError(
            t("The form names a record that cannot be: load the page again."), code="web.form"
        ) from None


def stage_words(stage: str) -> str:
    """Return what people read for a stage that a run tells, such as ``writing customer``."""
    if stage in STAGES:
        return say(STAGES[stage])
    if stage.startswith("writing "):
        return say(t("writing: {what}", what=label(stage.removeprefix("writing "), "entity")))
    return label(stage, "entity")
