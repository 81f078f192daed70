"""Pages of many values at once: what somebody else saved while one stood open is not lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crm_web.pages.customers.forms import WAS, merged_fields


def laid_over(
    form: Mapping[str, str], now: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Lay what a page sent over what stands now: only what its reader changed counts.

    Returns:
        All values, and what stands now in those that both changed, each in their own way.
    """
    # A form that does not tell what stood there means what it says.
    was = {name: form.get(WAS + name, value) for name, value in now.items()}
    typed = {name: form.get(name, was[name]).strip() for name in now}
    merged, differing = merged_fields(was, now, typed)
    return merged, {each.name: each.theirs for each in differing}
