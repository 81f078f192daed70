"""The pluggy markers of this product and the version of its hooks."""

from __future__ import annotations

import pluggy

PROJECT_NAME = "crm"
HOOKS_API_VERSION = "1.0"

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)
