"""Why a record could not be written: codes, and what people are told."""

from __future__ import annotations

from crm_core.messages import t

GONE_CODE = "core.sync.gone"
NOT_THERE = "core.sync.company_missing"
AMBIGUOUS = "core.sync.ambiguous"
UNWRITTEN = "core.sync.record"
UNREAD = "core.sync.unread"

NOT_THERE_TOLD = t(
    "What it belongs to is not in the back office: see why that was set aside, or bring it back "
    "into use; then crm sync retry."
)
UNREAD_TOLD = t(
    "What it is over there cannot be taken over, so nothing is written over it: see why that "
    "stands aside (crm sync status), mend it, then crm sync retry."
)


def several_told(by: str, names: str) -> str:
    """Return why nothing was written where several records over there are meant."""
    return t(
        "Several records over there have the same {by}: {names}. Merge them there, or correct the "
        "{by} on one side; then crm sync retry.",
        by=by,
        names=names,
    )


def taken_told(by: str, name: str) -> str:
    """Return why nothing was written where the record over there is another one's."""
    return t(
        "The same {by} stands on {name}, which is another customer here. Merge the two, or correct "
        "the {by}; then crm sync retry.",
        by=by,
        name=name,
    )


def unwritten_told(error: Exception) -> str:
    """Return why nothing was written where the record made the writing itself fail."""
    return t(
        "It could not be written ({kind}: {error}). Correct it, or report this.",
        kind=type(error).__name__,
        error=error,
    )
