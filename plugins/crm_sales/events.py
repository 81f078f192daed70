"""What can have happened in sales."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from crm_core.events import Event


@dataclass(frozen=True, slots=True)
class OfOpportunity:
    """What all events about one deal carry."""

    opportunity_id: UUID
    customer_id: UUID

    @property
    def record(self) -> tuple[str, UUID]:
        """The deal: a handler hears its events in the order in which they happened."""
        return "sales_opportunity", self.opportunity_id


@dataclass(frozen=True, slots=True)
class OpportunityAdded(OfOpportunity, Event):
    """A deal was added."""

    name: ClassVar[str] = "sales.opportunity.added"


@dataclass(frozen=True, slots=True)
class OpportunityChanged(OfOpportunity, Event):
    """Fields of a deal changed, its owner or tags among them; moves have events of their own."""

    name: ClassVar[str] = "sales.opportunity.changed"

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpportunityMoved(OfOpportunity, Event):
    """An open deal went to another stage."""

    name: ClassVar[str] = "sales.opportunity.moved"

    from_stage_id: UUID
    to_stage_id: UUID


@dataclass(frozen=True, slots=True)
class OpportunityWon(OfOpportunity, Event):
    """A deal was won."""

    name: ClassVar[str] = "sales.opportunity.won"

    closed_at: datetime


@dataclass(frozen=True, slots=True)
class OpportunityLost(OfOpportunity, Event):
    """A deal was lost."""

    name: ClassVar[str] = "sales.opportunity.lost"

    closed_at: datetime


@dataclass(frozen=True, slots=True)
class OpportunityReopened(OfOpportunity, Event):
    """A deal that was won or lost is open again."""

    name: ClassVar[str] = "sales.opportunity.reopened"


@dataclass(frozen=True, slots=True)
class PipelineDesigned(Event):
    """A pipeline lost stages, and their open deals shall go to others: id to id."""

    name: ClassVar[str] = "sales.pipeline.designed"

    pipeline_id: UUID
    resettled: Mapping[str, str]

    @property
    def record(self) -> tuple[str, UUID]:
        """The pipeline."""
        return "sales_pipeline", self.pipeline_id


@dataclass(frozen=True, slots=True)
class OfLeads:
    """What events about some leads carry."""

    lead_ids: tuple[UUID, ...]

    @property
    def record(self) -> tuple[str, UUID] | None:
        """The lead, when it is one."""
        return ("sales_lead", self.lead_ids[0]) if len(self.lead_ids) == 1 else None


@dataclass(frozen=True, slots=True)
class LeadsAdded(OfLeads, Event):
    """Leads came in, by whatever way."""

    name: ClassVar[str] = "sales.lead.added"


@dataclass(frozen=True, slots=True)
class LeadsQueued(OfLeads, Event):
    """Somebody asks that the rules be tried on these leads, now."""

    name: ClassVar[str] = "sales.lead.queued"


@dataclass(frozen=True, slots=True)
class OfLead:
    """What events about one lead carry."""

    lead_id: UUID

    @property
    def record(self) -> tuple[str, UUID]:
        """The lead: a handler hears its events in the order in which they happened."""
        return "sales_lead", self.lead_id


@dataclass(frozen=True, slots=True)
class LeadAssigned(OfLead, Event):
    """A lead got somebody who answers for it."""

    name: ClassVar[str] = "sales.lead.assigned"

    user_id: UUID


@dataclass(frozen=True, slots=True)
class LeadQualified(OfLead, Event):
    """A lead became a customer, with a deal or without."""

    name: ClassVar[str] = "sales.lead.qualified"

    customer_id: UUID
    opportunity_id: UUID | None


@dataclass(frozen=True, slots=True)
class LeadDisqualified(OfLead, Event):
    """A lead will come to nothing."""

    name: ClassVar[str] = "sales.lead.disqualified"


@dataclass(frozen=True, slots=True)
class LeadAsked(Event):
    """Somebody asked for something: by a form, a mail, a call; other modules record it.

    A module that does not require this one records an event of its own with this name and these
    fields; only ``arrival_key`` and one of ``title`` and ``company`` are needed.

    Attributes:
        arrival_key: Names where it came from, ``marketing.form:17``: told twice, it is one lead.
        title: Name of the person, or what it is about.
    """

    name: ClassVar[str] = "sales.lead.asked"

    arrival_key: str
    title: str | None = None
    company: str | None = None
    job_title: str | None = None
    email: str | None = None
    phone: str | None = None
    website: str | None = None
    street: str | None = None
    postal_code: str | None = None
    city: str | None = None
    country_code: str | None = None
    language: str | None = None
    request: str | None = None
    product: str | None = None
    expected_amount: str | None = None
    currency_code: str | None = None
    source: str | None = None
    campaign: str | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class OfQuote:
    """What all events about one offer carry."""

    quote_id: UUID
    opportunity_id: UUID
    customer_id: UUID

    @property
    def record(self) -> tuple[str, UUID]:
        """The offer: a handler hears its events in the order in which they happened."""
        return "sales_quote", self.quote_id


@dataclass(frozen=True, slots=True)
class QuoteSent(OfQuote, Event):
    """An offer went out to its customer."""

    name: ClassVar[str] = "sales.quote.sent"


@dataclass(frozen=True, slots=True)
class QuoteAccepted(OfQuote, Event):
    """A customer accepted an offer: it is to be ordered."""

    name: ClassVar[str] = "sales.quote.accepted"


@dataclass(frozen=True, slots=True)
class QuoteRefused(OfQuote, Event):
    """A customer refused an offer."""

    name: ClassVar[str] = "sales.quote.refused"


@dataclass(frozen=True, slots=True)
class QuoteOrdered(OfQuote, Event):
    """The order of an accepted offer is confirmed in the back office."""

    name: ClassVar[str] = "sales.quote.ordered"


@dataclass(frozen=True, slots=True)
class OrderTold(OfQuote, Event):
    """The back office told something new of an offer's order."""

    name: ClassVar[str] = "sales.order.told"


@dataclass(frozen=True, slots=True)
class TaxAsked(OfQuote, Event):
    """Somebody wants to know the tax of an offer from the back office."""

    name: ClassVar[str] = "sales.tax.asked"


@dataclass(frozen=True, slots=True)
class OfHandover:
    """What all events about one handover carry."""

    handover_id: UUID
    leaver_id: UUID

    @property
    def record(self) -> tuple[str, UUID]:
        """The handover."""
        return "sales_handover", self.handover_id


@dataclass(frozen=True, slots=True)
class HandoverMade(OfHandover, Event):
    """Somebody's work went to others."""

    name: ClassVar[str] = "sales.handover.made"

    user_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class HandoverUndone(OfHandover, Event):
    """Handed over work went back."""

    name: ClassVar[str] = "sales.handover.undone"
