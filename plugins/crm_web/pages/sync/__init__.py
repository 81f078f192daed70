"""The sync desk: back offices, their runs, conflicts, plans and settings."""

from crm_web.pages.sync import conflicts, desk, plan, runs, setup
from crm_web.pages.sync.declared import pages

__all__ = ["conflicts", "desk", "pages", "plan", "runs", "setup"]
