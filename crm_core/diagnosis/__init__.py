"""What is wrong with an installation."""

from crm_core.diagnosis.finding import FAIL, OK, WARN, Finding
from crm_core.diagnosis.report import diagnose

__all__ = ["FAIL", "OK", "WARN", "Finding", "diagnose"]
