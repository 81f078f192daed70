"""Rights that the services of the sales module ask for."""

from __future__ import annotations

from crm_core.messages import t
from crm_hooks.contributions import Right

LEAD_VIEW = "sales.lead.view"
LEAD_EDIT = "sales.lead.edit"
LEAD_ASSIGN = "sales.lead.assign"
OPPORTUNITY_VIEW = "sales.opportunity.view"
OPPORTUNITY_EDIT = "sales.opportunity.edit"
OPPORTUNITY_SCORE = "sales.opportunity.score"
QUOTE_VIEW = "sales.quote.view"
QUOTE_EDIT = "sales.quote.edit"
QUOTE_APPROVE = "sales.quote.approve"
FORECAST_VIEW = "sales.forecast.view"
HANDOVER = "sales.handover.do"
CONFIGURE = "sales.settings.edit"
CALENDAR = "sales.calendar.keep"

_SELLERS = (("employee", "own"), ("manager", "team"))
_SEEN = (("employee", "own"), ("manager", "team"), ("readonly", "all"))
_LEADERS = (("manager", "team"),)
_EVERYBODY = (("employee", "own"), ("manager", "own"), ("readonly", "own"))

RIGHTS = (
    Right(LEAD_VIEW, t("See leads"), (*_LEADERS, ("employee", "own"), ("readonly", "all"))),
    Right(LEAD_EDIT, t("Add, change, qualify and disqualify leads"), _SELLERS),
    Right(LEAD_ASSIGN, t("Assign leads and set the rules for it"), (("manager", "all"),)),
    Right(OPPORTUNITY_VIEW, t("See deals"), _SEEN),
    Right(OPPORTUNITY_EDIT, t("Add, change, move and close deals"), _SELLERS),
    Right(OPPORTUNITY_SCORE, t("Set the probability of a deal against its score"), _SELLERS),
    Right(QUOTE_VIEW, t("See offers"), _SEEN),
    Right(QUOTE_EDIT, t("Make, change and send offers"), _SELLERS),
    Right(QUOTE_APPROVE, t("Approve offers above the limits of others"), _LEADERS),
    Right(FORECAST_VIEW, t("See the forecast"), _SEEN),
    Right(HANDOVER, t("Hand a leaver's work over to others"), (("manager", "all"),)),
    Right(CONFIGURE, t("Design pipelines and set up the sales module"), (("manager", "all"),)),
    Right(CALENDAR, t("Read one's own activities in a calendar program"), _EVERYBODY),
)
