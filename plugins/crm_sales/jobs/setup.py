"""What is there from the first minute on."""

from __future__ import annotations

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.services.assignment.rules import seed_rules
from crm_sales.services.pipelines import seed_defaults
from crm_sales.services.pricing.offer_rules import seed_offer_rules
from crm_sales.services.sequences import seed_sequences


def rebuild(uow: UnitOfWork) -> None:
    """Make the module useful the minute it is enabled: a pipeline, reasons to lose, a rule."""
    seed_defaults(uow)
    seed_rules(uow)
    seed_sequences(uow)
    seed_offer_rules(uow)
