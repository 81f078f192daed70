"""Why a record could not be written: codes, and what people are told."""

GONE_CODE = "core.sync.gone"
NOT_THERE = "core.sync.company_missing"
AMBIGUOUS = "core.sync.ambiguous"
UNWRITTEN = "core.sync.record"
UNREAD = "core.sync.unread"

SEVERAL_TOLD = (
    "Several records over there have the same {by}: {names}. Merge them there, or correct the "
    "{by} on one side; then crm sync retry."
)
TAKEN_TOLD = (
    "The same {by} stands on {name}, which is another customer here. Merge the two, or correct the "
    "{by}; then crm sync retry."
)
NOT_THERE_TOLD = (
    "What it belongs to is not in the back office: see why that was set aside, or bring it back "
    "into use; then crm sync retry."
)
UNREAD_TOLD = (
    "What it is over there cannot be taken over, so nothing is written over it: see why that "
    "stands aside (crm sync status), mend it, then crm sync retry."
)
