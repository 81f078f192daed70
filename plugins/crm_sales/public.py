"""What plugins that require this one may import."""

from __future__ import annotations

from crm_sales.events import LeadAsked

__all__ = ["LeadAsked"]
