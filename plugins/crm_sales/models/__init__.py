"""Mapped classes of the sales module: its tables, one file a topic."""

from crm_sales.models.affinity import AffinityCount, ProductAffinity
from crm_sales.models.assignment import (
    Absence,
    AssignmentRule,
    AssignmentTarget,
    AssignmentTurn,
    LeadDecision,
    Outcome,
    Seller,
    Way,
)
from crm_sales.models.calendar import CalendarFeed
from crm_sales.models.follow_up import FollowUpSequence, NextStep, SequenceStep
from crm_sales.models.forecast import (
    DealExpectation,
    ForecastFigure,
    ForecastSnapshot,
    SalesTarget,
)
from crm_sales.models.handover import HandedItem, Handover, ItemState
from crm_sales.models.leads import Lead, LeadState
from crm_sales.models.opportunities import (
    DealState,
    Opportunity,
    OpportunityMove,
    OpportunityTag,
)
from crm_sales.models.pipelines import Competitor, LossReason, Pipeline, Stage, StageMove
from crm_sales.models.prices import (
    CustomerPriceList,
    PaymentTerm,
    PriceBase,
    PriceFloor,
    PriceList,
    PriceListRule,
    PriceMethod,
    RuleTarget,
    Unpriced,
)
from crm_sales.models.pricing_rules import (
    Bundle,
    BundlePart,
    DiscountLimit,
    PriceBand,
    ProductRule,
    RuleKind,
)
from crm_sales.models.quote_links import (
    QuoteAnswer,
    QuoteDocument,
    QuoteLink,
    QuoteQuestion,
)
from crm_sales.models.quote_orders import OrderState, QuoteOrder, TaxQuestion
from crm_sales.models.quotes import (
    LineKind,
    LineRole,
    Quote,
    QuoteApproval,
    QuoteCounter,
    QuoteLine,
    QuoteState,
    TaxSource,
)
from crm_sales.models.scoring import ScoreCount, ScoreFrequency, ScoreOverride

__all__ = [
    "Absence",
    "AffinityCount",
    "AssignmentRule",
    "AssignmentTarget",
    "AssignmentTurn",
    "Bundle",
    "BundlePart",
    "CalendarFeed",
    "Competitor",
    "CustomerPriceList",
    "DealExpectation",
    "DealState",
    "DiscountLimit",
    "FollowUpSequence",
    "ForecastFigure",
    "ForecastSnapshot",
    "HandedItem",
    "Handover",
    "ItemState",
    "Lead",
    "LeadDecision",
    "LeadState",
    "LineKind",
    "LineRole",
    "LossReason",
    "NextStep",
    "Opportunity",
    "OpportunityMove",
    "OpportunityTag",
    "OrderState",
    "Outcome",
    "PaymentTerm",
    "Pipeline",
    "PriceBand",
    "PriceBase",
    "PriceFloor",
    "PriceList",
    "PriceListRule",
    "PriceMethod",
    "ProductAffinity",
    "ProductRule",
    "Quote",
    "QuoteAnswer",
    "QuoteApproval",
    "QuoteCounter",
    "QuoteDocument",
    "QuoteLine",
    "QuoteLink",
    "QuoteOrder",
    "QuoteQuestion",
    "QuoteState",
    "RuleKind",
    "RuleTarget",
    "SalesTarget",
    "ScoreCount",
    "ScoreFrequency",
    "ScoreOverride",
    "Seller",
    "SequenceStep",
    "Stage",
    "StageMove",
    "TaxQuestion",
    "TaxSource",
    "Unpriced",
    "Way",
]
