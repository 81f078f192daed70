"""What administrators may set of the sales module."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from crm_core.errors import InputError
from crm_core.messages import t
from crm_hooks.contributions import PluginSetting
from crm_sales.permissions import CONFIGURE, LEAD_ASSIGN

if TYPE_CHECKING:
    from crm_core.persistence.unit_of_work import UnitOfWork

VARIABLES = (
    "stage",
    "country",
    "language",
    "source",
    "email",
    "phone",
    "product",
    "amount",
    "tag",
)
"""What a score can be made of, in the order in which it is told."""
MOST_BANDS = 12

SCORE_VARIABLES = PluginSetting(
    "sales.score_variables",
    t("What scores are made of"),
    "list",
    default=list(VARIABLES),
    help=t(
        "Some of: {variables}. Takes effect with the next score of each deal.",
        variables=", ".join(VARIABLES),
    ),
    check="crm_sales.settings:checked_variables",
    right=CONFIGURE,
)
SCORE_LEAST = PluginSetting(
    "sales.score_least",
    t("Closed deals it takes for a score"),
    "whole",
    default=50,
    least=20,
    most=100_000,
    help=t("Of a team, or else of all together; ten of them won and ten lost at least."),
    right=CONFIGURE,
)
SCORE_BANDS = PluginSetting(
    "sales.score_bands",
    t("Where the bands of amounts begin, for scores"),
    "list",
    default=["500", "2000", "10000", "50000"],
    help=t("In the base currency. Count again afterwards: crm sales score train."),
    check="crm_sales.settings:checked_bands",
    right=CONFIGURE,
)
SCORES = (SCORE_VARIABLES, SCORE_LEAST, SCORE_BANDS)
QUOTE_VALID_DAYS = PluginSetting(
    "sales.quote_valid_days",
    t("Days that an offer is valid"),
    "whole",
    default=30,
    least=1,
    most=730,
    right=CONFIGURE,
)
QUOTE_TERMS = PluginSetting(
    "sales.quote_terms", t("Terms that a new offer begins with"), default="", right=CONFIGURE
)
QUOTE_TAX = PluginSetting(
    "sales.quote_tax",
    t("Tax in percent that is reckoned with where nothing is known"),
    default="0",
    help=t("An estimate: the back office works the tax out."),
    check="crm_sales.settings:checked_percent",
    right=CONFIGURE,
)
QUOTE_TAX_ROUNDING = PluginSetting(
    "sales.quote_tax_rounding",
    t("Where tax is rounded"),
    "choice",
    default="line",
    choices=(("line", t("On each line")), ("total", t("On the total"))),
    help=t("As the back office does."),
    right=CONFIGURE,
)
QUOTE_PRICE_PLACES = PluginSetting(
    "sales.quote_price_places",
    t("Decimal places of a price"),
    "whole",
    default=2,
    most=6,
    help=t("As the back office has them."),
    right=CONFIGURE,
)
LETTERHEAD = PluginSetting(
    "sales.letterhead",
    t("Lines under the company's name on documents"),
    default="",
    help=t("Address, VAT number, phone; | between the lines."),
    right=CONFIGURE,
)
LETTER_FOOT = PluginSetting(
    "sales.letter_foot",
    t("Line at the foot of documents"),
    default="",
    help=t("Bank account, register, web address."),
    right=CONFIGURE,
)
LOGO = PluginSetting(
    "sales.logo",
    t("Picture at the head of documents"),
    default="",
    help=t("A PNG or JPEG file on this machine, up to 2 MiB."),
    check="crm_sales.services.quote_documents.letterhead:checked_logo",
    right=CONFIGURE,
)
DOCUMENT_FONTS = PluginSetting(
    "sales.document_fonts",
    t("Further fonts for documents"),
    "list",
    default=[],
    help=t("Font files on this machine, for letters that DejaVu Sans lacks."),
    check="crm_sales.services.quote_documents.letterhead:checked_fonts",
    right=CONFIGURE,
)
DAILY_LEADS = PluginSetting(
    "sales.daily_leads",
    t("Leads a person gets a day"),
    "whole",
    default=20,
    help=t("Unless something else is set for the person."),
    least=1,
    most=10_000,
    right=LEAD_ASSIGN,
)
LEADS_TO_OWNER = PluginSetting(
    "sales.leads_to_owner",
    t("Leads of known customers go to who answers for them"),
    "yes_no",
    default=True,
    help=t("Before any rule is tried."),
    right=LEAD_ASSIGN,
)
ORDER_CONFIRM = PluginSetting(
    "sales.order_confirm",
    t("Orders of accepted offers are confirmed by themselves"),
    "yes_no",
    default=False,
    help=t("Only where the back office comes to the same sums; else they stay drafts there."),
    right=CONFIGURE,
)
ORDER_BACKEND = PluginSetting(
    "sales.order_backend",
    t("Back office that gets orders"),
    default="",
    help=t("Its name; needed where more than one is written to: an order goes to one alone."),
    check="crm_sales.services.order_backends:checked_backend",
    right=CONFIGURE,
)
LEADS = (DAILY_LEADS, LEADS_TO_OWNER)
DOCUMENTS = (LETTERHEAD, LETTER_FOOT, LOGO, DOCUMENT_FONTS)
QUOTES = (
    QUOTE_VALID_DAYS,
    QUOTE_TERMS,
    QUOTE_TAX,
    QUOTE_TAX_ROUNDING,
    QUOTE_PRICE_PLACES,
    ORDER_CONFIRM,
    ORDER_BACKEND,
)
CROSS_SELL_SUPPORT = PluginSetting(
    "sales.cross_sell_support",
    t("Customers who must have bought both products of a suggestion"),
    "whole",
    default=5,
    least=2,
    most=100_000,
    help=t("Fewer might be told apart, and say little."),
    right=CONFIGURE,
)
CROSS_SELL_CONFIDENCE = PluginSetting(
    "sales.cross_sell_confidence",
    t("Least share of buyers, in percent, that a suggestion rests on"),
    "whole",
    default=20,
    least=1,
    most=100,
    right=CONFIGURE,
)
CROSS_SELL_OVERDUE = PluginSetting(
    "sales.cross_sell_overdue_days",
    t("Days overdue from which an invoice speaks against offering more"),
    "whole",
    default=30,
    least=1,
    most=3650,
    right=CONFIGURE,
)
CROSS_SELL = (CROSS_SELL_SUPPORT, CROSS_SELL_CONFIDENCE, CROSS_SELL_OVERDUE)
SETTINGS = (*LEADS, *SCORES, *QUOTES, *DOCUMENTS, *CROSS_SELL)


SITE = "web.base_url"
"""The web plugin's own setting."""


def site_address(uow: UnitOfWork) -> str | None:
    """Return what addresses of this site begin with, without a slash at the end.

    Empty where nobody has told it; None where the web is off.
    """
    from crm_core.services.plugin_settings import values_of

    declared = uow.hooks.settings.get(SITE)
    if declared is None:
        return None
    return str(values_of(uow, [declared])[SITE] or "").rstrip("/")


def checked_variables(_uow: UnitOfWork, names: list[str]) -> list[str]:
    """Return what scores are made of, in order; raises InputError for what is not known."""
    unknown = [name for name in names if name not in VARIABLES]
    if unknown:
        raise InputError(
            t(
                "{unknown} is nothing that a score is made of; known are {variables}.",
                unknown=", ".join(unknown),
                variables=", ".join(VARIABLES),
            ),
            code="sales.score.variables",
        )
    return [name for name in VARIABLES if name in names]


def checked_percent(_uow: UnitOfWork, text: str) -> str:
    """Return a percentage from 0 to 100 as it was typed; raises InputError."""
    try:
        percent = Decimal(text)
        fits = 0 <= percent <= 100
    except InvalidOperation:
        fits = False
    if not fits:
        raise InputError(
            t("{text!r} is no percentage: give a number from 0 to 100.", text=text),
            code="sales.quote.percent",
        )
    return text


def checked_bands(_uow: UnitOfWork, limits: list[str]) -> list[str]:
    """Return where bands of amounts begin, the lowest first; raises InputError."""
    are_whole = all(each.isascii() and each.isdigit() and 0 < len(each) < 12 for each in limits)
    if not are_whole or len(limits) > MOST_BANDS:
        raise InputError(
            t("Give up to {most} whole amounts, such as 500, 2000, 10000.", most=MOST_BANDS),
            code="sales.score.bands",
        )
    return [str(limit) for limit in sorted({int(each) for each in limits} - {0})]
