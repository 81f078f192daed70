"""What is there from the first minute on."""

from __future__ import annotations

from crm_core.persistence.unit_of_work import UnitOfWork
from crm_sales.services.pipelines import seed_defaults
from crm_sales.services.sequences import seed_sequences


def rebuild(uow: UnitOfWork) -> None:
    """Make the module useful the minute it is enabled: a pipeline, and reasons to lose deals."""
    seed_defaults(uow)
    seed_sequences(uow)
