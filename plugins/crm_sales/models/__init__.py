"""Mapped classes of the sales module: its tables, one file a topic."""

from crm_sales.models.leads import Lead, LeadState
from crm_sales.models.opportunities import (
    DealState,
    Opportunity,
    OpportunityMove,
    OpportunityTag,
)
from crm_sales.models.pipelines import Competitor, LossReason, Pipeline, Stage, StageMove

__all__ = [
    "Competitor",
    "DealState",
    "Lead",
    "LeadState",
    "LossReason",
    "Opportunity",
    "OpportunityMove",
    "OpportunityTag",
    "Pipeline",
    "Stage",
    "StageMove",
]
