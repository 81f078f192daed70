"""The rights that the services ask for, and who has them at first.

Nobody needs a right for their own account: password, second factor and sessions.
"""

from __future__ import annotations

from crm_hooks.contributions import Right

MANAGE_ACCESS = "web.user.manage_access"
MANAGE_TOKENS = "web.token.manage_own"
MANAGE_WEBHOOKS = "web.webhook.manage"

_EVERYONE = (("employee", "all"), ("manager", "all"), ("readonly", "all"))

RIGHTS = (
    Right(MANAGE_ACCESS, "Set passwords of others, reset their second factor, end their sessions"),
    Right(
        MANAGE_TOKENS, "Make tokens for the API, which reach no further than their maker", _EVERYONE
    ),
    Right(MANAGE_WEBHOOKS, "Say which addresses hear of events, and see what was sent there"),
)
